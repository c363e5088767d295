"""The Hub, as far as the flows use it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from typing import Protocol

from jobhook.core.accounts import Account
from jobhook.core.findings import ChangedFile, Discussion, Repo
from jobhook.core.jobs import JobSpec, JobStage
from jobhook.core.pacing import Quota
from jobhook.hub.models import (
    CommitInfo,
    JobHardwareInfo,
    JobInfo,
    ScheduledJobInfo,
    WebhookInfo,
    WebhookWatchedItem,
)


class Hub(Protocol):
    """The Hub, as far as the flows use it; the errors are those of `HubError`."""

    @property
    def quota(self) -> Quota:
        """What the Hub last said of the calls that the token may make; nothing is asked."""

    async def whoami(self) -> Account:
        """Return the token's user."""

    async def start_job(self, namespace: str, spec: JobSpec) -> JobInfo:
        """Start a job; `OutcomeUnknown` if it may have started, any other error if it has not."""

    def job_pages(
        self, *, namespace: str, labels: Mapping[str, str], stages: Sequence[JobStage] = ()
    ) -> AsyncGenerator[list[JobInfo], None]:
        """
        Yield the jobs that carry all *labels*, in one of *stages* or, if none, in any.

        They come page by page, one page at least; each is one call. `ListTooLong` comes after the
        last page that is read, if there are more.
        """

    async def cancel_job(self, job_id: str, *, namespace: str) -> JobInfo:
        """Cancel a job; one that has ended is left as it is."""

    def list_jobs_hardware(self) -> Awaitable[list[JobHardwareInfo]]:
        """Return the flavors and what they cost."""

    async def inspect_job(self, job_id: str, *, namespace: str) -> JobInfo:
        """Return one job; `HubNotFound` if there is none."""

    async def rerun_job(self, job_id: str, *, namespace: str) -> JobInfo:
        """Start a job like another, with its secrets; fails as `start_job` does."""

    async def inspect_scheduled_job(
        self, scheduled_job_id: str, *, namespace: str
    ) -> ScheduledJobInfo:
        """Return one scheduled job; `HubNotFound` if there is none."""

    async def start_schedule(
        self,
        namespace: str,
        spec: JobSpec,
        *,
        schedule: str,
        suspend: bool | None,
        concurrency: bool | None,
    ) -> ScheduledJobInfo:
        """Have a job started at set times; fails as `start_job` does."""

    def list_scheduled_jobs(
        self, *, namespace: str, labels: Mapping[str, str]
    ) -> Awaitable[list[ScheduledJobInfo]]:
        """Return the scheduled jobs that carry all *labels*."""

    async def update_scheduled_job_schedule(
        self, scheduled_job_id: str, *, schedule: str, namespace: str
    ) -> ScheduledJobInfo:
        """Give a scheduled job another schedule."""

    async def trigger_scheduled_job(self, scheduled_job_id: str, *, namespace: str) -> JobInfo:
        """Start the job of a schedule now; fails as `start_job` does."""

    async def job_spec(self, job_id: str, *, namespace: str) -> JobSpec:
        """Return what a job was asked to run; `HubRefused` if it cannot be asked for again."""

    async def commit(self, name: str, revision: str, *, repo_type: str) -> CommitInfo:
        """Return the newest commit of *revision*; `HubNotFound` if there is none for us to see."""

    async def changed_files(
        self, name: str, *, repo_type: str, old: str | None, new: str
    ) -> tuple[ChangedFile, ...]:
        """
        Return what differs between two commits; all files of *new* where *old* is None.

        Raises:
            ListTooLong: It would take more calls than one delivery is worth.
        """

    async def discussion(self, name: str, num: int, *, repo_type: str) -> Discussion:
        """Return a discussion or pull request; `HubNotFound` if there is none for us to see."""

    async def repo(self, name: str, *, repo_type: str) -> Repo:
        """Return a repo; `HubNotFound` if there is none for us to see."""

    async def role(self, org: str, user: str) -> str:
        """
        Return what *user* is in *org*: `admin`, `write`, `contributor`, `read`; empty for nothing.

        `member` where the Hub does not show us the role. `HubNotFound` if *org* is no org.
        """

    def list_webhooks(self) -> Awaitable[list[WebhookInfo]]:
        """Return every webhook of the token's user."""

    async def create_webhook(
        self,
        *,
        url: str,
        watched: Sequence[WebhookWatchedItem],
        domains: Sequence[str],
        secret: str,
    ) -> WebhookInfo:
        """Create a webhook."""

    async def update_webhook(
        self,
        webhook_id: str,
        *,
        url: str,
        watched: Sequence[WebhookWatchedItem],
        domains: Sequence[str],
        secret: str,
    ) -> WebhookInfo:
        """Give a webhook its full state."""

    async def enable_webhook(self, webhook_id: str) -> WebhookInfo:
        """Let a suspended webhook deliver again."""

    async def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook."""
