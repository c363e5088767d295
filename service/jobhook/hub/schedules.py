"""Scheduled jobs on the Hub."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any

from jobhook.core.errors import OutcomeUnknown
from jobhook.core.jobs import JobSpec, label_problems
from jobhook.core.schedules import check_schedule
from jobhook.hub.arguments import a_deadline, a_flag, an_id, no_problem, texts, texts_to_set
from jobhook.hub.asking import spec_from
from jobhook.hub.calls import HubCalls, now, segment, unreadable
from jobhook.hub.jobs import PAGE_MAX_BYTES
from jobhook.hub.models import JobInfo, ScheduledJobInfo
from jobhook.hub.reading import read_job, read_scheduled_job
from jobhook.hub.streams import Listing
from jobhook.hub.transport import CallToken
from jobhook.hub.wire import object_or_empty


class SchedulesApi(HubCalls):
    """The calls under `/api/scheduled-jobs`, with the arguments of the official client."""

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
        Have a job started at set times; the request is sent once.

        Args:
            schedule: A word such as `@daily`, or a cron expression, in UTC.
            suspend: Whether it is paused from the start.
            concurrency: Whether it may start a job while its last one runs.

        The rest is as `run_job` takes it.

        Raises:
            UsageError: The Hub would not take it; nothing was sent.
            HubRefused: The Hub said no; nothing was made.
            HubBusy: Nothing was made, and it may be tried again.
            OutcomeUnknown: It may be there; *look_for* says what to look for.
        """
        spec = spec_from(
            image=image,
            command=command,
            name=name,
            env=env,
            secrets=secrets,
            flavor=flavor,
            timeout=timeout,
            attempts=attempts,
            labels=labels,
            volumes=volumes,
            expose=expose,
            expose_public=expose_public,
            resource_group_id=resource_group_id,
        )
        body = _body(spec, schedule, suspend, concurrency)
        home, since = await self._namespace(namespace, token), now()
        try:
            return await self._make(home, body, token)
        except OutcomeUnknown as exc:
            raise exc.with_clue(namespace=home, labels=dict(spec.labels), since=since) from exc

    async def start_schedule(
        self,
        namespace: str,
        spec: JobSpec,
        *,
        schedule: str,
        suspend: bool | None = None,
        concurrency: bool | None = None,
        token: CallToken = None,
    ) -> ScheduledJobInfo:
        """
        Have *spec* started in *namespace* at the times of *schedule*; the request is sent once.

        Raises as `create_scheduled_job` does.
        """
        return await self._make(namespace, _body(spec, schedule, suspend, concurrency), token)

    async def _make(
        self, namespace: str, body: Mapping[str, Any], token: CallToken
    ) -> ScheduledJobInfo:
        path = f"/api/scheduled-jobs/{segment(namespace)}"
        answer = await self.transport.change("POST", path, json_body=body, token=token)
        with unreadable("the Hub's answer names no scheduled job", changed=True):
            return read_scheduled_job(answer.body)

    def list_scheduled_jobs(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        timeout: float | None = None,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> Listing[ScheduledJobInfo]:
        """
        Return the scheduled jobs that carry all *labels*.

        The list may take *timeout* seconds; None is the hub's deadline.
        """
        told = texts("labels", labels)
        no_problem(label_problems(told))
        return Listing(self._scheduled_pages(told, namespace, token, a_deadline(timeout)))

    async def _scheduled_pages(
        self,
        labels: Mapping[str, str],
        namespace: str | None,
        token: CallToken,
        deadline: float | None,
    ) -> AsyncGenerator[list[ScheduledJobInfo], None]:
        # The Hub takes one label; whoever asks for more gets what carries the rest as well.
        query = [("label", f"{key}={value}") for key, value in labels.items()][:1]
        path = f"/api/scheduled-jobs/{segment(await self._namespace(namespace, token))}"
        async for page in self._pages(
            path,
            query,
            read_scheduled_job,
            token=token,
            answer_max=PAGE_MAX_BYTES,
            deadline=deadline,
        ):
            yield [
                each
                for each in page
                if labels.items() <= object_or_empty(each.job_spec.labels).items()
            ]

    async def inspect_scheduled_job(
        self, scheduled_job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> ScheduledJobInfo:
        """Return one scheduled job; raises `HubNotFound` when there is none."""
        path = await self._scheduled_path(scheduled_job_id, namespace, token)
        return _scheduled((await self.transport.get(path, token=token)).body)

    async def delete_scheduled_job(
        self, scheduled_job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> None:
        """Delete a scheduled job; the jobs that it started stay."""
        path = await self._scheduled_path(scheduled_job_id, namespace, token)
        await self.transport.delete(path, token=token)

    async def suspend_scheduled_job(
        self, scheduled_job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> None:
        """Pause a scheduled job."""
        await self._tell(scheduled_job_id, "suspend", namespace, token)

    async def resume_scheduled_job(
        self, scheduled_job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> None:
        """Let a paused scheduled job go on."""
        await self._tell(scheduled_job_id, "resume", namespace, token)

    async def trigger_scheduled_job(
        self, scheduled_job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> JobInfo:
        """
        Start the job now, whatever its schedule; the request is sent once.

        Raises:
            HubRefused: One is running, and it may not have several (409).
            OutcomeUnknown: It may run; *look_for* says what to look for.
        """
        path, since = await self._scheduled_path(scheduled_job_id, namespace, token), now()
        try:
            answer = await self.transport.change("POST", f"{path}/run", token=token)
            with unreadable("the Hub's answer names no job", changed=True):
                return read_job(answer.body, self.transport.endpoint)
        except OutcomeUnknown as exc:
            clue = f"scheduled-job {scheduled_job_id}"
            raise exc.with_clue(initiator=clue, since=since) from exc

    async def update_scheduled_job_schedule(
        self,
        scheduled_job_id: str,
        *,
        schedule: str,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> ScheduledJobInfo:
        """Give a scheduled job another schedule; all else stays."""
        body = {"schedule": check_schedule(schedule)}
        path = await self._scheduled_path(scheduled_job_id, namespace, token)
        answer = await self.transport.change(
            "POST", f"{path}/schedule", json_body=body, token=token, harmless=True
        )
        return _scheduled(answer.body)

    async def update_scheduled_job_labels(
        self,
        scheduled_job_id: str,
        *,
        labels: Mapping[str, str],
        namespace: str | None = None,
        token: CallToken = None,
    ) -> ScheduledJobInfo:
        """Give a scheduled job other labels; those that it had are gone."""
        told = texts_to_set("labels", labels)
        no_problem(label_problems(told))
        path = await self._scheduled_path(scheduled_job_id, namespace, token)
        answer = await self.transport.change(
            "PUT", f"{path}/labels", json_body={"labels": told}, token=token, harmless=True
        )
        return _scheduled(answer.body)

    async def _tell(
        self, scheduled_job_id: str, what: str, namespace: str | None, token: CallToken
    ) -> None:
        path = await self._scheduled_path(scheduled_job_id, namespace, token)
        await self.transport.change("POST", f"{path}/{what}", token=token, harmless=True)

    async def _scheduled_path(
        self, scheduled_job_id: str, namespace: str | None, token: CallToken
    ) -> str:
        checked = an_id("scheduled job", scheduled_job_id)
        return f"/api/scheduled-jobs/{segment(await self._namespace(namespace, token))}/{checked}"


def _body(
    spec: JobSpec, schedule: str, suspend: bool | None, concurrency: bool | None
) -> dict[str, Any]:
    body: dict[str, Any] = {"jobSpec": spec.to_wire(), "schedule": check_schedule(schedule)}
    options = {"concurrency": concurrency, "suspend": suspend}
    return body | {key: a_flag(key, value) for key, value in options.items() if value is not None}


def _scheduled(wire: Any) -> ScheduledJobInfo:
    with unreadable("the Hub answered with something that is no scheduled job"):
        return read_scheduled_job(wire)
