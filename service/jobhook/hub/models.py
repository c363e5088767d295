"""
What the Hub tells of, with the field names of the official client (`huggingface_hub` 2.4).

As there, what the Hub leaves out is None. Fields that the official client does not have are named
in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobhook.core.jobs import JobStage, Volume

AUTHOR_LENGTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """
    Where a job stands.

    Attributes:
        stage: A word of the Hub's (`JobStage`) that may be new to us.
        message: What the Hub says of it.
        expose_urls: Where the exposed ports are reached, in the order of the ports.
        ssh_url: Where one logs in.
        cancel_reason: Why the Hub cancelled it, such as `NO_CREDITS`.
        failure_count: How many attempts have failed.
    """

    stage: str
    message: str | None = None
    expose_urls: list[str] | None = None
    ssh_url: str | None = None
    cancel_reason: str | None = None
    failure_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOwner:
    """The user or org whose namespace a job runs in, and who pays."""

    id: str
    name: str
    type: str = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobNetwork:
    """The network group that a job joined, and the names it answers to there."""

    group: str
    aliases: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDurations:
    """How long a job took, in seconds; None for what has not begun."""

    scheduling_secs: int | None = None
    running_secs: int | None = None
    total_secs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInitiator:
    """What started a job: a `user` or `org`, a `scheduled-job`, a `duplicated-job`, a `webhook`."""

    type: str
    id: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInfo:
    """A job as the Hub tells of it; *secrets* holds names, *timeout* is in seconds."""

    id: str
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    docker_image: str | None = None
    space_id: str | None = None
    command: list[str] | None = None
    arguments: list[str] | None = None
    environment: dict[str, Any] | None = None
    secrets: list[str] | None = None
    flavor: str | None = None
    timeout: int | None = None
    labels: dict[str, str] | None = None
    volumes: list[Volume] | None = None
    status: JobStatus
    durations: JobDurations | None = None
    owner: JobOwner
    initiator: JobInitiator | None = None
    network: JobNetwork | None = None
    retry: int | None = None
    expose: list[int] | None = None
    expose_public: list[int] | None = None
    endpoint: str
    url: str = field(init=False)

    def __post_init__(self) -> None:
        # The job's page.
        url = f"{self.endpoint}/jobs/{self.owner.name}/{self.id}"
        object.__setattr__(self, "url", url)

    @property
    def is_over(self) -> bool:
        """Whether the job has ended; a stage we do not know is none of the ends."""
        return is_final(self.status.stage)

    def label(self, key: str) -> str | None:
        """Return the value of a label; None where it carries none like that."""
        return (self.labels or {}).get(key)

    def variable(self, name: str) -> str | None:
        """Return the value of a variable of its environment; None where it has none like that."""
        return (self.environment or {}).get(name)


def is_final(stage: str) -> bool:
    """Whether a job in *stage* stays in it; one that we do not know is none of these."""
    return stage in JobStage.__members__ and JobStage(stage).is_final


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpecInfo:
    """What a scheduled job or a webhook runs, as the Hub tells of it; *secrets* holds names."""

    docker_image: str | None = None
    space_id: str | None = None
    command: list[str] | None = None
    arguments: list[str] | None = None
    environment: dict[str, Any] | None = None
    secrets: list[str] | None = None
    flavor: str | None = None
    timeout: int | None = None
    tags: list[str] | None = None
    arch: str | None = None
    labels: dict[str, str] | None = None
    volumes: list[Volume] | None = None
    retry: int | None = None
    expose: list[int] | None = None
    expose_public: list[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastJobInfo:
    """The last job that a scheduled job started."""

    id: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledJobStatus:
    """What a scheduled job did last, and when it is due."""

    last_job: LastJobInfo | None = None
    next_job_run_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledJobInfo:
    """
    A scheduled job as the Hub tells of it.

    Attributes:
        schedule: A word such as `@daily`, or a cron expression, in UTC.
        suspend: Whether it is paused.
        concurrency: Whether it may start a job while its last one runs.
    """

    id: str
    created_at: datetime | None = None
    job_spec: JobSpecInfo
    schedule: str | None = None
    suspend: bool | None = None
    concurrency: bool | None = None
    status: ScheduledJobStatus
    owner: JobOwner


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAccelerator:
    """The GPUs of a flavor, in the Hub's words."""

    type: str
    model: str
    quantity: str
    vram: str
    manufacturer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHardwareInfo:
    """
    A flavor and what it costs, in US dollars for each *unit_label* (`minute` or `hour`).

    Attributes:
        unit_cost_micro_usd: Millionths of a dollar.
    """

    name: str
    pretty_name: str
    cpu: str
    ram: str
    ephemeral_storage: str = "N/A"
    accelerator: JobAccelerator | None = None
    unit_cost_micro_usd: int
    unit_cost_usd: float
    unit_label: str

    @property
    def usd_per_hour(self) -> float:
        """What an hour costs, in US dollars."""
        return self.unit_cost_micro_usd * _UNITS_AN_HOUR[self.unit_label] / 1_000_000


_UNITS_AN_HOUR = {"minute": 60, "hour": 1}


@dataclass(frozen=True, slots=True, order=True)
class WebhookWatchedItem:
    """Something that a webhook watches: a `user` or `org`, or a repo by its type."""

    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookInfo:
    """
    A webhook as the Hub tells of it; one of *url* and *job* is what it sends to.

    Attributes:
        job_id: The job that it runs again.
        secret: None: the Hub does not tell it, only whether there *has_secret*.
        disabled: False, True, or `"suspended-after-failure"`.
    """

    id: str
    url: str | None = None
    job: JobSpecInfo | None = None
    job_id: str | None = None
    watched: list[WebhookWatchedItem] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    secret: str | None = field(default=None, repr=False)
    has_secret: bool | None = None
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
