"""Jobs, as a service elsewhere starts and tells of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from jobhook.core.jobs import JobStage, label_problems
from jobhook.hub.arguments import a_deadline, an_id, listed, no_problem, texts
from jobhook.hub.calls import a_namespace
from jobhook.hub.jobs import a_stage
from jobhook.hub.models import JobHardwareInfo, JobInfo
from jobhook.hub.streams import Listing
from jobhook.hub.transport import CallToken
from jobhook.remote.calls import RemoteCalls
from jobhook.remote.transport import Query

# What the Hub wants texts in.
_TEXTS = ("env", "secrets", "labels")


class RemoteJobs(RemoteCalls):
    """The calls of `JobsApi`; the service asks the Hub with its own token, and keeps to limits."""

    async def run_job(
        self,
        *,
        image: str,
        command: Sequence[str],
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
        ssh: bool = False,
        network_group: str | None = None,
        network_aliases: Iterable[str] | None = None,
        resource_group_id: str | None = None,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> JobInfo:
        """
        Start a job, once; raises as `JobsApi.run_job` does.

        Raises:
            NotLaunched: The service's limits or pauses do not permit it.
        """
        body = given(
            image=image,
            command=command,
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
            ssh=ssh or None,
            network_group=network_group,
            network_aliases=network_aliases,
            resource_group_id=resource_group_id,
            namespace=namespace,
        )
        return await self._change(JobInfo, "POST", "/jobs", body)

    async def inspect_job(
        self, job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> JobInfo:
        """Return one job; raises `HubNotFound` when there is none."""
        return await self._get(JobInfo, job_path(job_id), within(namespace))

    def list_jobs(
        self,
        *,
        status: JobStage | str | Iterable[JobStage | str] | None = None,
        labels: Mapping[str, str] | None = None,
        timeout: float | None = None,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> Listing[JobInfo]:
        """Return the jobs that carry all *labels*, in any stage of *status*, the newest first."""
        stages = [status] if isinstance(status, str) else listed("status", status)
        told = texts("labels", labels)
        no_problem(label_problems(told))
        query = [("status", a_stage(stage).value) for stage in stages]
        query += [("label", f"{key}={value}") for key, value in told.items()]
        query += within(namespace)
        return Listing(self._pages(JobInfo, "/jobs", query, seconds=a_deadline(timeout)))

    async def cancel_job(
        self, job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> JobInfo:
        """Cancel a job; one that has ended already is left as it is."""
        path = f"{job_path(job_id)}/cancel"
        return await self._change(JobInfo, "POST", path, query=within(namespace))

    async def rerun_job(
        self, job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> JobInfo:
        """Start a job like another, with its secrets, once; raises as `run_job` does."""
        path = f"{job_path(job_id)}/rerun"
        return await self._change(JobInfo, "POST", path, query=within(namespace))

    async def update_job_labels(
        self,
        job_id: str,
        *,
        labels: Mapping[str, str],
        namespace: str | None = None,
        token: CallToken = None,
    ) -> JobInfo:
        """Give a job other labels; those that it had are gone."""
        path, body = f"{job_path(job_id)}/labels", {"labels": dict(labels)}
        return await self._change(JobInfo, "PUT", path, body, query=within(namespace))

    async def update_job_expose(
        self,
        job_id: str,
        *,
        expose: Iterable[int] | None = None,
        expose_public: Iterable[int] | None = None,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> JobInfo:
        """Give a running job other ports; those that are in neither list are closed."""
        path = f"{job_path(job_id)}/expose"
        body = given(expose=expose, expose_public=expose_public)
        return await self._change(JobInfo, "PUT", path, body, query=within(namespace))

    def list_jobs_hardware(self, token: CallToken = None) -> Listing[JobHardwareInfo]:
        """Return the flavors and what they cost."""
        return Listing(self._hardware())

    async def _hardware(self) -> AsyncGenerator[list[JobHardwareInfo], None]:
        async for page in self._pages(JobHardwareInfo, "/hardware"):
            yield page


def job_path(job_id: str) -> str:
    """Return where a job is; raises `UsageError` if that is no id."""
    return f"/jobs/{an_id('job', job_id)}"


def within(namespace: str | None) -> Query:
    """Return the query that names *namespace*; that of the service if None."""
    return [] if namespace is None else [("namespace", a_namespace(namespace))]


def given(**told: Any) -> dict[str, Any]:
    """Return the body that says what is *told*, without what is None; numbers in `env` as text."""
    said = {name: value for name, value in told.items() if value is not None}
    return {
        name: texts(name, value) if name in _TEXTS else _plain(value)
        for name, value in said.items()
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return given(**asdict(value))
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        return value
    return [_plain(each) for each in value]
