"""
What the Hub answers, with the field names of the official client (`huggingface_hub` 2.4).

Readers are tolerant: a field that the Hub leaves out is None or empty, one that it adds is ignored.
Only what cannot be done without (`id`, `status.stage`, `owner.name`) must be there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from jobhook.core.errors import UsageError
from jobhook.core.health import Account
from jobhook.core.jobs import JobSpec, JobStage
from jobhook.core.watches import Watch
from jobhook.hub.wire import items_or_empty, object_or_empty, text, text_or_empty

Wire = Mapping[str, Any]

AUTHOR_LENGTH = 100
# What the Hub takes where a job names none.
_TIMEOUT_SECONDS = 30 * 60
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """Where a job stands; *stage* is a word of the Hub's that may be new to us."""

    stage: str
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOwner:
    """The user or org whose namespace a job runs in, and who pays."""

    id: str
    name: str
    type: str = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInfo:
    """A job as the Hub tells of it; *secrets* holds names, *timeout* is in seconds."""

    id: str
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    docker_image: str | None = None
    space_id: str | None = None
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    flavor: str | None = None
    timeout: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    status: JobStatus
    owner: JobOwner
    endpoint: str

    @property
    def is_over(self) -> bool:
        """Whether the job has ended; a stage we do not know is none of the ends."""
        return self.status.stage in JobStage.__members__ and JobStage(self.status.stage).is_final

    @property
    def url(self) -> str:
        """The job's page."""
        return f"{self.endpoint}/jobs/{self.owner.name}/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHardware:
    """A flavor and what it costs, in US dollars an hour."""

    name: str
    usd_per_hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookInfo:
    """
    A webhook as the Hub tells of it; its secret is never told.

    Attributes:
        disabled: False, True, or `"suspended-after-failure"`.
    """

    id: str
    url: str | None = None
    watched: tuple[Watch, ...] = ()
    domains: tuple[str, ...] = ()
    disabled: bool | str = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitInfo:
    """
    A commit as the Hub tells of it.

    Attributes:
        title: The first line of its message.
        message: What follows.
        authors: Names of users, or what git says where the Hub knows no user.
    """

    id: str
    title: str = ""
    message: str = ""
    authors: tuple[str, ...] = ()
    date: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a job's log."""

    text: str
    timestamp: str | None = None


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
    """Return the job that *wire* describes; `KeyError` or `TypeError` if it describes none."""
    status, owner = wire["status"], wire["owner"]
    return JobInfo(
        id=_job_id(wire["id"]),
        created_at=read_date(wire.get("createdAt")),
        started_at=read_date(wire.get("startedAt")),
        finished_at=read_date(wire.get("finishedAt")),
        docker_image=wire.get("dockerImage"),
        space_id=wire.get("spaceId"),
        command=tuple(wire.get("command") or ()),
        arguments=tuple(wire.get("arguments") or ()),
        environment=wire.get("environment") or {},
        secrets=tuple(wire.get("secrets") or ()),
        flavor=wire.get("flavor"),
        timeout=_seconds(wire.get("timeout")),
        labels=wire.get("labels") or {},
        status=JobStatus(stage=text(status["stage"]), message=status.get("message")),
        owner=JobOwner(
            id=owner.get("id") or "", name=text(owner["name"]), type=owner.get("type") or "user"
        ),
        endpoint=endpoint,
    )


def spec_of(job: JobInfo) -> JobSpec:
    """
    Return what *job* was asked to run, as far as it can be asked for again.

    The Hub tells of its secrets by name only; its volumes and ports are left out.

    Raises:
        UsageError: The Hub tells of it what cannot be asked for.
    """
    space = f"hf.co/spaces/{job.space_id}" if job.space_id else ""
    try:
        return JobSpec(
            image=job.docker_image or space,
            command=job.command,
            args=job.arguments,
            flavor=job.flavor or "",
            timeout=job.timeout or _TIMEOUT_SECONDS,
            env=job.environment,
            secrets=dict.fromkeys(job.secrets, ""),
            labels=job.labels,
        )
    except (TypeError, AttributeError) as exc:
        raise UsageError("something that the Hub tells of it is no text") from exc


def _seconds(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and 1 <= value < 10**9 else None


def read_hardware(wire: Wire) -> JobHardware:
    """Return the flavor that *wire* describes; the Hub's prices are millionths of a dollar."""
    per_hour = {"minute": 60, "hour": 1}[wire["unitLabel"]]
    price = wire["unitCostMicroUSD"] * per_hour / 1_000_000
    return JobHardware(name=text(wire["name"]), usd_per_hour=price)


def read_webhook(wire: Wire) -> WebhookInfo:
    """Return the webhook that *wire* describes; `KeyError` or `TypeError` if it describes none."""
    return WebhookInfo(
        id=text(wire["id"]),
        url=wire.get("url"),
        watched=tuple(
            Watch(text(item["type"]), text(item["name"])) for item in wire.get("watched") or ()
        ),
        domains=tuple(wire.get("domains") or ()),
        disabled=wire.get("disabled") or False,
    )


def _milliseconds(date: str | None) -> int | None:
    try:
        return int(parsedate_to_datetime(date).timestamp() * 1000) if date else None
    except ValueError:
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
    """Return an ISO 8601 date of the Hub's (UTC, `Z`), or None if there is none to read."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _job_id(value: Any) -> str:
    # It goes into URLs, labels and terminals; the Hub's are 24 hexadecimal digits.
    if not _JOB_ID.fullmatch(text(value)):
        raise TypeError("no id of a job")
    return str(value)


def _named(value: Any) -> list[dict[str, Any]]:
    return [
        each for each in items_or_empty(value) if text_or_empty(object_or_empty(each).get("name"))
    ]


def _words(value: Any) -> frozenset[str]:
    return frozenset(map(str, items_or_empty(value)))
