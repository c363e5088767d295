"""
Taking apart what the Hub answers, tolerantly.

What the Hub leaves out is None, what it adds is ignored. Only what cannot be done without (`id`,
`status.stage`, `owner.name`) must be there: `KeyError`, `TypeError` or `AttributeError` if not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from jobhook.core.accounts import Account
from jobhook.core.errors import UsageError
from jobhook.core.jobs import HUB_TIMEOUT_SECONDS, JobSpec, Volume
from jobhook.core.names import is_id
from jobhook.hub.models import (
    AUTHOR_LENGTH,
    CommitInfo,
    JobAccelerator,
    JobDurations,
    JobHardwareInfo,
    JobInfo,
    JobInitiator,
    JobNetwork,
    JobOwner,
    JobSpecInfo,
    JobStatus,
    LastJobInfo,
    ScheduledJobInfo,
    ScheduledJobStatus,
    WebhookInfo,
    WebhookWatchedItem,
)
from jobhook.hub.wire import items, items_or_empty, object_or_empty, text, text_or_empty

Wire = Mapping[str, Any]

_ACCELERATOR = ("type", "model", "quantity", "vram", "manufacturer")


def read_account(wire: Wire, date: str | None) -> Account:
    """
    Return the user that *wire* describes, and what the token may do as far as that can be read.

    Raises `KeyError` or `TypeError` if it describes none. *date* is that of the answer.
    """
    token = object_or_empty(object_or_empty(wire.get("auth")).get("accessToken"))
    fine = object_or_empty(token.get("fineGrained"))
    orgs = {org["name"]: str(org.get("roleInOrg")) for org in _named(wire.get("orgs"))}
    scoped = items_or_empty(fine.get("scoped"))
    return Account(
        name=text(wire["name"]),
        id=text_or_empty(wire.get("id")) or None,
        role=text_or_empty(token.get("role")) or None,
        orgs=orgs,
        scoped={
            item["entity"]["name"]: _words(item.get("permissions"))
            for item in scoped
            if _named([object_or_empty(item).get("entity")])
        },
        everywhere=_words(fine.get("global")),
        told_at=_milliseconds(date),
    )


def read_job(wire: Wire, endpoint: str) -> JobInfo:
    """Return the job that *wire* describes."""
    network, expose = wire.get("network") or None, object_or_empty(wire.get("expose"))
    return JobInfo(
        id=_id(wire["id"]),
        created_at=read_date(wire.get("createdAt")),
        started_at=read_date(wire.get("startedAt")),
        finished_at=read_date(wire.get("finishedAt")),
        docker_image=wire.get("dockerImage"),
        space_id=wire.get("spaceId"),
        command=wire.get("command"),
        arguments=wire.get("arguments"),
        environment=wire.get("environment"),
        secrets=wire.get("secrets"),
        flavor=wire.get("flavor"),
        timeout=_seconds(wire.get("timeout")),
        labels=wire.get("labels"),
        volumes=_volumes(wire.get("volumes")),
        status=_status(wire["status"]),
        durations=_durations(wire.get("durations")),
        owner=_owner(wire["owner"]),
        initiator=_initiator(wire.get("initiator")),
        network=network
        and JobNetwork(group=network["group"], aliases=items_or_empty(network.get("aliases"))),
        retry=wire.get("retry"),
        expose=expose.get("ports"),
        expose_public=expose.get("portsPublic"),
        endpoint=endpoint,
    )


def read_scheduled_job(wire: Wire) -> ScheduledJobInfo:
    """Return the scheduled job that *wire* describes."""
    status = object_or_empty(wire.get("status"))
    last = status.get("lastJob")
    return ScheduledJobInfo(
        id=_id(wire["id"]),
        created_at=read_date(wire.get("createdAt")),
        job_spec=read_spec(wire.get("jobSpec") or {}),
        schedule=wire.get("schedule"),
        suspend=wire.get("suspend"),
        concurrency=wire.get("concurrency"),
        status=ScheduledJobStatus(
            last_job=LastJobInfo(id=last["id"], at=read_date(last.get("at"))) if last else None,
            next_job_run_at=read_date(status.get("nextJobRunAt")),
        ),
        owner=_owner(wire["owner"]),
    )


def read_spec(wire: Wire) -> JobSpecInfo:
    """Return what *wire* says is run; a webhook's calls the timeout `timeoutSeconds`."""
    expose = object_or_empty(wire.get("expose"))
    return JobSpecInfo(
        docker_image=wire.get("dockerImage"),
        space_id=wire.get("spaceId"),
        command=wire.get("command"),
        arguments=wire.get("arguments"),
        environment=wire.get("environment"),
        secrets=wire.get("secrets"),
        flavor=wire.get("flavor"),
        timeout=_seconds(wire.get("timeout", wire.get("timeoutSeconds"))),
        tags=wire.get("tags"),
        arch=wire.get("arch"),
        labels=wire.get("labels"),
        volumes=_volumes(wire.get("volumes")),
        retry=wire.get("retry"),
        expose=expose.get("ports"),
        expose_public=expose.get("portsPublic"),
    )


def _status(wire: Wire) -> JobStatus:
    return JobStatus(
        stage=text(wire["stage"]),
        message=wire.get("message"),
        expose_urls=wire.get("exposeUrls"),
        ssh_url=wire.get("sshUrl"),
        cancel_reason=wire.get("cancelReason"),
        failure_count=wire.get("failureCount"),
    )


def _durations(wire: Wire | None) -> JobDurations | None:
    if not wire:
        return None
    return JobDurations(
        scheduling_secs=wire.get("schedulingSecs"),
        running_secs=wire.get("runningSecs"),
        total_secs=wire.get("totalSecs"),
    )


def _owner(wire: Wire) -> JobOwner:
    return JobOwner(
        id=wire.get("id") or "", name=text(wire["name"]), type=wire.get("type") or "user"
    )


def _initiator(wire: Wire | None) -> JobInitiator | None:
    if not wire:
        return None
    return JobInitiator(type=wire["type"], id=wire["id"], name=wire.get("name"))


def _volumes(wire: Any) -> list[Volume] | None:
    if not wire:
        return None
    return [
        Volume(
            type=volume.get("type", "model"),
            source=volume["source"],
            mount_path=volume["mountPath"],
            revision=volume.get("revision"),
            read_only=volume.get("readOnly"),
            path=volume.get("path"),
        )
        for volume in wire
    ]


def spec_of(job: JobInfo | JobSpecInfo) -> JobSpec:
    """
    Return what *job* was or is asked to run, as far as it can be asked for again.

    The Hub tells of its secrets by name only; its volumes and ports are left out.

    Raises:
        UsageError: The Hub tells of it what cannot be asked for.
    """
    space = f"hf.co/spaces/{job.space_id}" if job.space_id else ""
    try:
        return JobSpec(
            image=job.docker_image or space,
            command=tuple(job.command or ()),
            args=tuple(job.arguments or ()),
            flavor=job.flavor or "",
            timeout=job.timeout or HUB_TIMEOUT_SECONDS,
            env=job.environment or {},
            secrets=dict.fromkeys(job.secrets or (), ""),
            labels=job.labels or {},
        )
    except (TypeError, AttributeError) as exc:
        raise UsageError("something that the Hub tells of it is no text") from exc


def _seconds(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and 1 <= value < 10**9 else None


def read_hardware(wire: Wire) -> JobHardwareInfo:
    """Return the flavor that *wire* describes."""
    micro_usd, label = wire["unitCostMicroUSD"], wire["unitLabel"]
    accelerator = wire.get("accelerator") or None
    found = JobHardwareInfo(
        name=text(wire["name"]),
        pretty_name=wire.get("prettyName", wire["name"]),
        cpu=wire.get("cpu", "N/A"),
        ram=wire.get("ram", "N/A"),
        ephemeral_storage=wire.get("ephemeralStorage", "N/A"),
        accelerator=accelerator
        and JobAccelerator(**{name: accelerator.get(name) for name in _ACCELERATOR}),
        unit_cost_micro_usd=micro_usd,
        unit_cost_usd=wire.get("unitCostUSD", micro_usd / 1_000_000),
        unit_label=label,
    )
    # Whoever adds up what is spent must be able to tell.
    if not isinstance(found.usd_per_hour, int | float):
        raise TypeError("no price")
    return found


def read_webhook(wire: Wire) -> WebhookInfo:
    """Return the webhook that *wire* describes."""
    job = wire.get("job")
    return WebhookInfo(
        id=_id(wire["id"]),
        url=wire.get("url"),
        job=read_spec(job) if job else None,
        job_id=wire.get("jobSourceId"),
        watched=[
            WebhookWatchedItem(text(item["type"]), text(item["name"]))
            for item in items(wire.get("watched") or [])
        ],
        domains=[text(domain) for domain in items(wire.get("domains") or [])],
        secret=wire.get("secret"),
        has_secret=wire.get("hasSecret"),
        disabled=wire.get("disabled") or False,
    )


def _milliseconds(date: str | None) -> int | None:
    try:
        return int(parsedate_to_datetime(date).timestamp() * 1000) if date else None
    except (ValueError, OverflowError):
        return None


def read_commit(wire: Wire) -> CommitInfo:
    """Return the commit that *wire* describes; `KeyError` or `TypeError` if it describes none."""
    users = [author.get("user") for author in wire.get("authors") or ()]
    return CommitInfo(
        id=text(wire["id"]),
        title=text_or_empty(wire.get("title")),
        message=text_or_empty(wire.get("message")),
        # Where no user of the Hub is known, whoever made the commit chose the name.
        authors=tuple(user[:AUTHOR_LENGTH] for user in users if isinstance(user, str) and user),
        date=read_date(wire.get("date")),
    )


def read_date(value: Any) -> datetime | None:
    """Return an ISO 8601 date in UTC, which is meant where no zone is named; None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        # Two dates, of which one has no zone, cannot be compared.
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _id(value: Any) -> str:
    # It goes into URLs, labels and terminals; the Hub's are 24 hexadecimal digits.
    if not is_id(text(value)):
        raise TypeError("no id")
    return str(value)


def _named(value: Any) -> list[dict[str, Any]]:
    return [
        each for each in items_or_empty(value) if text_or_empty(object_or_empty(each).get("name"))
    ]


def _words(value: Any) -> frozenset[str]:
    return frozenset(map(str, items_or_empty(value)))
