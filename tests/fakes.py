"""What stands in for the world: a Hub that does as it is told, and a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from factories import NOON, make_hardware, make_job, make_schedule
from jobhook.core.accounts import Account
from jobhook.core.errors import HubError, HubNotFound, ListTooLong
from jobhook.core.findings import ChangedFile, Discussion, Repo
from jobhook.core.jobs import JobSpec, JobStage
from jobhook.core.pacing import Quota
from jobhook.core.planning import LAUNCH_LABEL
from jobhook.hub.models import (
    CommitInfo,
    JobHardwareInfo,
    JobInfo,
    JobInitiator,
    ScheduledJobInfo,
    WebhookInfo,
    WebhookWatchedItem,
)
from jobhook.hub.reading import spec_of

# What is told of each thing: answers or failures in turn, the last one for ever.
Answer = TypeVar("Answer")
Told = dict[str, list[Answer | HubError]]


def _told(told: Told[Answer], key: str) -> Answer:
    turns = told.get(key) or [HubNotFound(f"there is no {key}")]
    found = turns.pop(0) if len(turns) > 1 else turns[0]
    if isinstance(found, HubError):
        raise found
    return found


class ScriptedHub:
    """A Hub that remembers what it was asked, and fails where it is told to."""

    def __init__(self) -> None:
        self.started: list[tuple[str, JobSpec]] = []
        self.jobs: dict[str, JobInfo] = {}
        # What was done once more, where and of what, and when that is said to have been.
        self.repeated: list[tuple[str, str]] = []
        self.created_at = datetime.fromtimestamp(NOON / 1000, UTC)
        self.schedules: dict[str, ScheduledJobInfo] = {}
        self.webhooks: list[WebhookInfo] = []
        self.commits: dict[str, CommitInfo | HubError] = {}
        # By new sha, `owner/name#num`, `owner/name` and `org/user`.
        self.changed: Told[tuple[ChangedFile, ...]] = {}
        self.discussions: Told[Discussion] = {}
        self.repos: Told[Repo] = {}
        self.roles: Told[str] = {}
        self.calls: list[tuple[str, ...]] = []
        self.failures: list[HubError] = []
        self.list_failures: list[HubError] = []
        self.ignores_labels = False
        # Why no list ends, after what it has told.
        self.cut: ListTooLong | None = None
        self.quota = Quota()

    def _maybe_fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    async def whoami(self) -> Account:
        self._maybe_fail()
        return Account(name="acme", id="u-acme")

    async def start_job(self, namespace: str, spec: JobSpec) -> JobInfo:
        self._maybe_fail()
        self.started.append((namespace, spec))
        job = make_job(f"j{len(self.started)}", labels=dict(spec.labels))
        self.jobs[job.id] = job
        return job

    async def rerun_job(self, job_id: str, *, namespace: str) -> JobInfo:
        self._maybe_fail()
        return self._once_more("duplicated-job", job_id, namespace, self.jobs[job_id].labels)

    async def inspect_scheduled_job(
        self, scheduled_job_id: str, *, namespace: str
    ) -> ScheduledJobInfo:
        if scheduled_job_id not in self.schedules:
            raise HubNotFound("there is no such scheduled job")
        return self.schedules[scheduled_job_id]

    async def start_schedule(
        self,
        namespace: str,
        spec: JobSpec,
        *,
        schedule: str,
        suspend: bool | None,
        concurrency: bool | None,
    ) -> ScheduledJobInfo:
        self._maybe_fail()
        self.started.append((namespace, spec))
        made = make_schedule(
            f"s{len(self.started)}",
            labels=dict(spec.labels),
            schedule=schedule,
            suspend=suspend,
            concurrency=concurrency,
        )
        self.schedules[made.id] = made
        return made

    async def list_scheduled_jobs(
        self, *, namespace: str, labels: Mapping[str, str]
    ) -> list[ScheduledJobInfo]:
        # The Hub may list what was not asked for.
        return list(self.schedules.values())

    async def update_scheduled_job_schedule(
        self, scheduled_job_id: str, *, schedule: str, namespace: str
    ) -> ScheduledJobInfo:
        changed = replace(self.schedules[scheduled_job_id], schedule=schedule)
        self.schedules[scheduled_job_id] = changed
        return changed

    async def trigger_scheduled_job(self, scheduled_job_id: str, *, namespace: str) -> JobInfo:
        self._maybe_fail()
        labels = self.schedules[scheduled_job_id].job_spec.labels
        return self._once_more("scheduled-job", scheduled_job_id, namespace, labels)

    def _once_more(
        self, kind: str, source: str, namespace: str, labels: dict[str, str] | None
    ) -> JobInfo:
        self.repeated.append((namespace, source))
        job = make_job(
            f"r{len(self.repeated)}",
            labels=labels,
            initiator=JobInitiator(type=kind, id=source),
            created_at=self.created_at,
        )
        self.jobs[job.id] = job
        return job

    async def list_jobs(
        self, *, namespace: str, labels: Mapping[str, str], stages: Sequence[JobStage] = ()
    ) -> list[JobInfo]:
        self.calls.append(("list", namespace, *(f"{k}={v}" for k, v in labels.items())))
        if self.list_failures:
            raise self.list_failures.pop(0)
        return [
            job
            for job in self.jobs.values()
            if (not stages or job.status.stage in stages) and self._carries(job, labels)
        ]

    async def job_pages(
        self, *, namespace: str, labels: Mapping[str, str], stages: Sequence[JobStage] = ()
    ) -> AsyncGenerator[list[JobInfo], None]:
        yield await self.list_jobs(namespace=namespace, labels=labels, stages=stages)
        if self.cut and (LAUNCH_LABEL not in labels or self.ignores_labels):
            raise self.cut

    def _carries(self, job: JobInfo, labels: Mapping[str, str]) -> bool:
        wanted = {LAUNCH_LABEL: labels[LAUNCH_LABEL]} if LAUNCH_LABEL in labels else {}
        return self.ignores_labels or wanted.items() <= (job.labels or {}).items()

    async def cancel_job(self, job_id: str, *, namespace: str) -> JobInfo:
        self.calls.append(("cancel", namespace, job_id))
        return self.jobs[job_id]

    async def list_jobs_hardware(self) -> list[JobHardwareInfo]:
        self.calls.append(("hardware",))
        return [make_hardware("cpu-basic", 0.01), make_hardware("a100-large", 2.5)]

    async def inspect_job(self, job_id: str, *, namespace: str) -> JobInfo:
        self.calls.append(("inspect", namespace, job_id))
        if job_id not in self.jobs:
            raise HubNotFound("there is no such job")
        return self.jobs[job_id]

    async def job_spec(self, job_id: str, *, namespace: str) -> JobSpec:
        return spec_of(await self.inspect_job(job_id, namespace=namespace))

    async def commit(self, name: str, revision: str, *, repo_type: str) -> CommitInfo:
        self.calls.append(("commit", repo_type, name, revision))
        found = self.commits.get(revision, HubNotFound("there is no such commit"))
        if isinstance(found, HubError):
            raise found
        return found

    async def changed_files(
        self, name: str, *, repo_type: str, old: str | None, new: str
    ) -> tuple[ChangedFile, ...]:
        self.calls.append(("changed_files", repo_type, name, old or "", new))
        return _told(self.changed, new)

    async def discussion(self, name: str, num: int, *, repo_type: str) -> Discussion:
        self.calls.append(("discussion", repo_type, name, str(num)))
        return _told(self.discussions, f"{name}#{num}")

    async def repo(self, name: str, *, repo_type: str) -> Repo:
        self.calls.append(("repo", repo_type, name))
        return _told(self.repos, name)

    async def role(self, org: str, user: str) -> str:
        self.calls.append(("role", org, user))
        return _told(self.roles, f"{org}/{user}")

    async def list_webhooks(self) -> list[WebhookInfo]:
        self._maybe_fail()
        return self.webhooks

    async def create_webhook(
        self,
        *,
        url: str,
        watched: Sequence[WebhookWatchedItem],
        domains: Sequence[str],
        secret: str,
    ) -> WebhookInfo:
        self.calls.append(("create", url, secret))
        return WebhookInfo(id="new", url=url)

    async def update_webhook(
        self,
        webhook_id: str,
        *,
        url: str,
        watched: Sequence[WebhookWatchedItem],
        domains: Sequence[str],
        secret: str,
    ) -> WebhookInfo:
        self.calls.append(("update", webhook_id, secret))
        return WebhookInfo(id=webhook_id, url=url)

    async def enable_webhook(self, webhook_id: str) -> WebhookInfo:
        self.calls.append(("enable", webhook_id))
        return WebhookInfo(id=webhook_id)

    async def delete_webhook(self, webhook_id: str) -> None:
        self.calls.append(("delete", webhook_id))


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


class Bell:
    """Counts how often it was rung."""

    def __init__(self) -> None:
        self.rung = 0

    def __call__(self) -> None:
        self.rung += 1
