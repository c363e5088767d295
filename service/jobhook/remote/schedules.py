"""Scheduled jobs, as a service elsewhere makes and tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobhook.core.jobs import label_problems
from jobhook.core.schedules import check_schedule
from jobhook.hub.arguments import a_deadline, an_id, no_problem, texts
from jobhook.hub.models import JobInfo, ScheduledJobInfo
from jobhook.hub.streams import Listing
from jobhook.hub.transport import CallToken
from jobhook.remote.calls import RemoteCalls
from jobhook.remote.jobs import given, within


class RemoteSchedules(RemoteCalls):
    """The calls of `SchedulesApi`; the service asks the Hub with its own token."""

    async def create_scheduled_job(
        self,
        *,
        image: str,
        command: Sequence[str],
        schedule: str,
        suspend: bool | None = None,
        concurrency: bool | None = None,
        env: Mapping[str, Any] | None = None,
        secrets: Mapping[str, Any] | None = None,
        flavor: str | None = None,
        timeout: float | str | None = None,
        attempts: int | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        volumes: Iterable[Any] | None = None,
        expose: Iterable[int] | None = None,
        expose_public: Iterable[int] | None = None,
        resource_group_id: str | None = None,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> ScheduledJobInfo:
        """
        Have a job started at set times; raises as `SchedulesApi.create_scheduled_job` does.

        Raises:
            NotLaunched: The service's limits or pauses do not permit it.
        """
        body = given(
            image=image,
            command=command,
            schedule=check_schedule(schedule),
            suspend=suspend,
            concurrency=concurrency,
            env=env,
            secrets=secrets,
            flavor=flavor,
            timeout=timeout,
            attempts=attempts,
            name=name,
            labels=labels,
            volumes=volumes,
            expose=expose,
            expose_public=expose_public,
            resource_group_id=resource_group_id,
            namespace=namespace,
        )
        return await self._change(ScheduledJobInfo, "POST", "/schedules", body)

    def list_scheduled_jobs(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        timeout: float | None = None,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> Listing[ScheduledJobInfo]:
        """Return the scheduled jobs that carry all *labels*."""
        told = texts("labels", labels)
        no_problem(label_problems(told))
        query = [("label", f"{key}={value}") for key, value in told.items()]
        query += within(namespace)
        pages = self._pages(ScheduledJobInfo, "/schedules", query, seconds=a_deadline(timeout))
        return Listing(pages)

    async def inspect_scheduled_job(
        self, scheduled_job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> ScheduledJobInfo:
        """Return one scheduled job; raises `HubNotFound` when there is none."""
        return await self._get(ScheduledJobInfo, _path(scheduled_job_id), within(namespace))

    async def delete_scheduled_job(
        self, scheduled_job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> None:
        """Delete a scheduled job; the jobs that it started stay."""
        await self.service.change("DELETE", _path(scheduled_job_id), query=within(namespace))

    async def suspend_scheduled_job(
        self, scheduled_job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> None:
        """Pause a scheduled job."""
        path = f"{_path(scheduled_job_id)}/suspend"
        await self.service.change("POST", path, query=within(namespace))

    async def resume_scheduled_job(
        self, scheduled_job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> None:
        """Let a paused scheduled job go on."""
        path = f"{_path(scheduled_job_id)}/resume"
        await self.service.change("POST", path, query=within(namespace))

    async def trigger_scheduled_job(
        self, scheduled_job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> JobInfo:
        """Start the job now, once, whatever its schedule; raises as `run_job` does."""
        path = f"{_path(scheduled_job_id)}/run"
        return await self._change(JobInfo, "POST", path, query=within(namespace))

    async def update_scheduled_job_schedule(
        self,
        scheduled_job_id: str,
        *,
        schedule: str,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> ScheduledJobInfo:
        """Give a scheduled job another schedule; all else stays."""
        path, body = f"{_path(scheduled_job_id)}/schedule", {"schedule": check_schedule(schedule)}
        return await self._change(ScheduledJobInfo, "PUT", path, body, query=within(namespace))

    async def update_scheduled_job_labels(
        self,
        scheduled_job_id: str,
        *,
        labels: Mapping[str, str],
        namespace: str | None = None,
        token: CallToken = None,
    ) -> ScheduledJobInfo:
        """Give a scheduled job other labels; those that it had are gone."""
        path, body = f"{_path(scheduled_job_id)}/labels", {"labels": dict(labels)}
        return await self._change(ScheduledJobInfo, "PUT", path, body, query=within(namespace))


def _path(scheduled_job_id: str) -> str:
    return f"/schedules/{an_id('scheduled job', scheduled_job_id)}"
