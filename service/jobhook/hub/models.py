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
    """
    The user or org whose namespace a job runs in, and who pays.

    Attributes:
        id: The Hub's id of it.
        name: Its name.
        type: `user` or `org`.
    """

    id: str
    name: str
    type: str = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobNetwork:
    """
    The network group that a job joined, and the names it answers to there.

    Attributes:
        group: Its name.
        aliases: What others in the group reach the job by.
    """

    group: str
    aliases: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDurations:
    """
    How long a job took; None for what has not begun.

    Attributes:
        scheduling_secs: Seconds until it ran.
        running_secs: Seconds that it ran.
        total_secs: Seconds in all.
    """

    scheduling_secs: int | None = None
    running_secs: int | None = None
    total_secs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInitiator:
    """
    What started a job.

    Attributes:
        type: `user`, `org`, `scheduled-job`, `duplicated-job` or `webhook`.
        id: The Hub's id of it.
        name: Its name, if it has one.
    """

    type: str
    id: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInfo:
    """
    A job as the Hub tells of it; what the Hub leaves out is None.

    Attributes:
        id: The Hub's id of it.
        created_at: When it was asked for.
        started_at: When it began to run.
        finished_at: When it ended.
        docker_image: The image that it runs in.
        space_id: The Space whose image it runs in, as `owner/name`.
        command: What runs in it, word by word.
        arguments: The words behind its command.
        environment: Its variables, for everybody who may see it.
        secrets: The names of its secrets; nobody tells their values.
        flavor: The hardware.
        timeout: Seconds after which it is stopped.
        labels: What it is found by.
        volumes: What is mounted.
        status: Where it stands.
        durations: How long it took.
        owner: Whose it is.
        initiator: What started it.
        network: The network group that it joined.
        retry: How often it is tried again after it failed.
        expose: Ports that whoever may see it can reach.
        expose_public: Ports that everybody can reach.
        endpoint: The Hub's address.
        url: The job's page.
    """

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
    """
    What a scheduled job or a webhook runs, as the Hub tells of it.

    Attributes:
        docker_image: The image that it runs in.
        space_id: The Space whose image it runs in, as `owner/name`.
        command: What runs in it, word by word.
        arguments: The words behind its command.
        environment: Its variables.
        secrets: The names of its secrets; nobody tells their values.
        flavor: The hardware.
        timeout: Seconds after which it is stopped.
        tags: Words of the Hub's own.
        arch: The processor that it needs.
        labels: What its jobs are found by.
        volumes: What is mounted.
        retry: How often a job is tried again after it failed.
        expose: Ports that whoever may see a job can reach.
        expose_public: Ports that everybody can reach.
    """

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
    """
    The last job that a scheduled job started.

    Attributes:
        id: The Hub's id of it.
        at: When.
    """

    id: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledJobStatus:
    """
    What a scheduled job did last, and when it is due.

    Attributes:
        last_job: The last job that it started.
        next_job_run_at: When it starts the next one.
    """

    last_job: LastJobInfo | None = None
    next_job_run_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledJobInfo:
    """
    A scheduled job as the Hub tells of it.

    Attributes:
        id: The Hub's id of it.
        created_at: When it was made.
        job_spec: What it runs.
        schedule: A word such as `@daily`, or a cron expression, in UTC.
        suspend: Whether it is paused.
        concurrency: Whether it may start a job while its last one runs.
        status: What it did last, and when it is due.
        owner: Whose it is.
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
    """
    The GPUs of a flavor, in the Hub's words.

    Attributes:
        type: What they are, such as `gpu`.
        model: Which.
        quantity: How many.
        vram: Their memory.
        manufacturer: Who makes them.
    """

    type: str
    model: str
    quantity: str
    vram: str
    manufacturer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHardwareInfo:
    """
    A flavor and what it costs.

    Attributes:
        name: What `flavor` calls it.
        pretty_name: What people call it.
        cpu: Its processors.
        ram: Its memory.
        ephemeral_storage: Its disk, which ends with the job.
        accelerator: Its GPUs, if it has any.
        unit_cost_micro_usd: Millionths of a US dollar for each unit.
        unit_cost_usd: US dollars for each unit.
        unit_label: The unit: `minute` or `hour`.
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
    """
    Something that a webhook watches.

    Attributes:
        type: `user`, `org`, or a type of repo.
        name: The user, the org, or `owner/name`.
    """

    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookInfo:
    """
    A webhook as the Hub tells of it; one of *url* and *job* is what it sends to.

    Attributes:
        id: The Hub's id of it.
        url: Where it sends.
        job: What it runs.
        job_id: The job that it runs again.
        watched: What it watches.
        domains: What of that: `repo`, `discussion`.
        secret: None: the Hub does not tell it.
        has_secret: Whether there is a secret.
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
