"""Values with everything defaulted, so that a test says only what it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobhook.core.access import ApiToken, Role, digest_of
from jobhook.core.audits import AuditEntry
from jobhook.core.deliveries import DeliveryKey, DeliveryState
from jobhook.core.direct import Request, planned, request_id
from jobhook.core.guards import Limits
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import RUN, Launch, LaunchState
from jobhook.core.records import Received, StoredDelivery
from jobhook.core.rules import Rule
from jobhook.hub.models import (
    JobHardwareInfo,
    JobInfo,
    JobOwner,
    JobSpecInfo,
    JobStatus,
    ScheduledJobInfo,
    ScheduledJobStatus,
)

ROOT = Path(__file__).parent.parent
DELIVERIES = Path(__file__).parent / "data" / "deliveries"
NOON = 1_800_000_000_000
LEASE_MS = 120_000
PLENTY = Limits(
    rule_repo_per_hour=1000,
    rule_repo_per_day=1000,
    rule_usd_per_day=1000,
    usd_per_day=1000,
    root_fanout=1000,
)
BODY = (
    b'{"event":{"action":"update","scope":"repo.content"},'
    b'"repo":{"type":"dataset","name":"acme/corpus","private":false,"headSha":"b"},'
    b'"updatedRefs":[{"ref":"refs/heads/main","oldSha":"a","newSha":"b"}]}'
)


def sample(number: str) -> bytes:
    """The recorded delivery whose file's name starts with *number*."""
    (path,) = DELIVERIES.glob(f"{number}_*.json")
    return path.read_bytes()


def make_rule(**given: Any) -> Rule:
    """A rule that fires on pushes to data sets of acme, and asks the Hub nothing."""
    return Rule.model_validate(
        {
            "id": "retrain",
            "watch": ["org:acme"],
            "on": ["commit.pushed"],
            "skip_marker": False,
            "verify": "off",
            "run": {"image": "python:3.12", "command": ["python", "-V"]},
        }
        | given
    )


def make_received(webhook_id: str | None = "w1", body: bytes = BODY, at: int = NOON) -> Received:
    """A delivery as it comes through the door."""
    value = webhook_id or f"body:{hash(body)}"
    key = DeliveryKey(value=value, webhook_id=webhook_id)
    return Received(source="hub", key=key, body=body, received_at=at)


def make_stored(**given: Any) -> StoredDelivery:
    """A delivery that is stored and not looked at."""
    default: dict[str, Any] = {
        "id": "d1",
        "source": "hub",
        "key": "w1",
        "webhook_id": "w1",
        "received_at": NOON,
        "state": DeliveryState.STORED,
    }
    return StoredDelivery(**default | given)


def make_spec(**given: Any) -> JobSpec:
    """A small job."""
    return JobSpec(**{"image": "python:3.12", "command": ("python", "-V")} | given)


def make_launch(**given: Any) -> Launch:
    """A launch that is ready to be sent."""
    default: dict[str, Any] = {
        "id": "l1",
        "delivery": "d1",
        "rule": "retrain",
        "action": 0,
        "generation": 0,
        "rule_hash": "f" * 64,
        "event": "commit.pushed",
        "spec": make_spec(),
        "state": LaunchState.READY,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Launch(**default | given)


def make_token(**given: Any) -> ApiToken:
    usual = {
        "id": "t1",
        "name": "ci",
        "role": Role.OPERATOR,
        "digest": digest_of("jh_" + "a" * 43),
        "created_at": NOON,
        "created_by": "ana",
    }
    return ApiToken(**{**usual, **given})


def make_entry(**given: Any) -> AuditEntry:
    usual = {
        "at": NOON,
        "who": "ci",
        "role": Role.OPERATOR,
        "source": "192.0.2.1",
        "did": "launches.retry",
        "about": "l1",
        "request_id": "r1",
    }
    return AuditEntry(**{**usual, **given})


def make_hardware(name: str, usd_per_hour: float) -> JobHardwareInfo:
    """A flavor that the Hub offers."""
    return JobHardwareInfo(
        name=name,
        pretty_name=name,
        cpu="2 vCPU",
        ram="16 GB",
        unit_cost_micro_usd=round(usd_per_hour * 1_000_000),
        unit_cost_usd=usd_per_hour,
        unit_label="hour",
    )


def make_job(
    job_id: str = "j1", stage: str = "SCHEDULING", message: str | None = None, **given: Any
) -> JobInfo:
    """A job as the Hub tells of it."""
    return JobInfo(
        **given,
        id=job_id,
        status=JobStatus(stage=stage, message=message),
        owner=JobOwner(id="o1", name="acme"),
        endpoint="https://hub.test",
    )


def make_direct(key: str = "k1", *, generation: int = 0, now: int = NOON, **given: Any) -> Launch:
    """A job that a person asked for, not kept yet; *given* is of its spec."""
    asked = Request(
        rule=RUN, id=request_id(key), instance="test", spec=make_spec(**given), asked_by="ana"
    )
    return planned(asked, generation=generation, now=now)


def make_schedule(schedule_id: str = "s1", **given: Any) -> ScheduledJobInfo:
    """A schedule as the Hub tells of it; what is of its job goes into that."""
    of_job = {name: given.pop(name) for name in list(given) if name in JobSpecInfo.__slots__}
    default: dict[str, Any] = {
        "docker_image": "python:3.12",
        "command": ["python", "-V"],
        "flavor": "cpu-basic",
        "timeout": 1800,
    }
    return ScheduledJobInfo(
        id=schedule_id,
        job_spec=JobSpecInfo(**default | of_job),
        status=ScheduledJobStatus(),
        owner=JobOwner(id="o1", name="acme"),
        **given,
    )
