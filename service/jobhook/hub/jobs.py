"""Jobs on the Hub: start, look at, list, cancel, and read their logs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from urllib.parse import quote

from jobhook.core.errors import HubBusy, HubRefused, OutcomeUnknown, UsageError
from jobhook.core.jobs import JobSpec, JobStage
from jobhook.hub.models import (
    JobHardware,
    JobInfo,
    LogLine,
    read_hardware,
    read_job,
    spec_of,
)
from jobhook.hub.transport import HubTransport

# A hundred jobs, each with the longest payload in its environment (131,055 bytes), escaped.
PAGE_MAX_BYTES = 32 * 1024 * 1024
_DATA = "data: {"
_START_MARK = "===== Job started"
# Keep-alives come about every 30 seconds.
_QUIET_SECONDS = 120.0
_RECONNECTS_MAX = 5
_RECONNECT_SECONDS = 0.2


class JobsApi:
    """The calls under `/api/jobs`."""

    transport: HubTransport

    async def start_job(self, namespace: str, spec: JobSpec) -> JobInfo:
        """
        Start *spec* in *namespace*; the request is sent once.

        Raises:
            HubRefused: The Hub said no; nothing runs.
            HubBusy: Nothing runs, and it may be tried again.
            OutcomeUnknown: It may run. Look for its labels before anything else.
        """
        path = f"/api/jobs/{quote(namespace, safe='')}"
        answer = await self.transport.change("POST", path, json_body=spec.to_wire())
        try:
            job = read_job(answer.body, self.transport.endpoint)
        except (KeyError, TypeError, AttributeError) as exc:
            raise OutcomeUnknown(f"the Hub's answer to POST {path} names no job") from exc
        if job.owner.name.casefold() != namespace.casefold():
            raise OutcomeUnknown(f"the Hub's answer to POST {path} names a job of somebody else")
        return job

    async def inspect_job(self, job_id: str, *, namespace: str) -> JobInfo:
        """Return one job; raises `HubNotFound` when there is none."""
        answer = await self.transport.get(_job_path(namespace, job_id))
        return self._job(answer.body)

    async def job_spec(self, job_id: str, *, namespace: str) -> JobSpec:
        """
        Return what a job was asked to run, to have it run again; its secrets are names.

        Raises:
            HubRefused: There is no such job, or it cannot be asked for again.
        """
        job = await self.inspect_job(job_id, namespace=namespace)
        try:
            return spec_of(job)
        except UsageError as exc:
            raise HubRefused(f"job {job_id} cannot be repeated: {exc}") from exc

    async def list_jobs(
        self,
        *,
        namespace: str,
        labels: Mapping[str, str] | None = None,
        stages: Sequence[JobStage] = (),
    ) -> list[JobInfo]:
        """
        Return the jobs that carry all *labels*, in any of *stages*, from all pages.

        The filter is the Hub's: whoever decides on money checks the labels again. `ListTooLong` if
        there are more than are read.
        """
        jobs: list[JobInfo] = []
        async for page in self.job_pages(namespace=namespace, labels=labels, stages=stages):
            jobs += page
        return jobs

    async def job_pages(
        self,
        *,
        namespace: str,
        labels: Mapping[str, str] | None = None,
        stages: Sequence[JobStage] = (),
    ) -> AsyncGenerator[list[JobInfo], None]:
        """Yield what `list_jobs` returns page by page; each is one call."""
        query = [("label", f"{key}={value}") for key, value in (labels or {}).items()]
        query += [("stage", stage.value) for stage in stages]
        path = f"/api/jobs/{quote(namespace, safe='')}"
        async for page in self.transport.pages(path, query, answer_max=PAGE_MAX_BYTES):
            if not isinstance(page, list):
                raise HubBusy("the Hub's list of jobs is no list")
            yield [self._job(job) for job in page]

    async def cancel_job(self, job_id: str, *, namespace: str) -> JobInfo:
        """Cancel a job; one that has ended already is left as it is."""
        answer = await self.transport.change("POST", f"{_job_path(namespace, job_id)}/cancel")
        return self._job(answer.body)

    async def list_hardware(self) -> list[JobHardware]:
        """Return the flavors and what they cost; the Hub tells that to everybody."""
        answer = await self.transport.get("/api/jobs/hardware")
        try:
            return [read_hardware(item) for item in answer.body]
        except (KeyError, TypeError, AttributeError) as exc:
            raise HubBusy("the Hub's list of hardware cannot be read") from exc

    async def follow_logs(self, job_id: str, *, namespace: str) -> AsyncIterator[LogLine]:
        """
        Yield every line of a job's log once, until the job has ended.

        The Hub replays the log from its start on every connection, so a break is mended by
        counting what was seen.

        Raises:
            HubBusy: After five breaks in a row.
        """
        seen, breaks = 0, 0
        while True:
            try:
                index = 0
                async for line in self._log_stream(job_id, namespace):
                    index += 1
                    if index > seen:
                        seen, breaks = index, 0
                        yield line
                if (await self.inspect_job(job_id, namespace=namespace)).is_over:
                    return
            except HubBusy:
                breaks += 1
                if breaks > _RECONNECTS_MAX:
                    raise
            await asyncio.sleep(min(_RECONNECT_SECONDS * 2**breaks, 10.0))

    async def _log_stream(self, job_id: str, namespace: str) -> AsyncIterator[LogLine]:
        path = f"{_job_path(namespace, job_id)}/logs"
        async with self.transport.stream(path, quiet=_QUIET_SECONDS) as lines:
            async for line in lines:
                if line.startswith(_DATA):
                    log_line = _log_line(line.removeprefix("data: "))
                    if not log_line.text.startswith(_START_MARK):
                        yield log_line

    def _job(self, wire: object) -> JobInfo:
        try:
            return read_job(wire, self.transport.endpoint)  # type: ignore[arg-type]
        except (KeyError, TypeError, AttributeError) as exc:
            raise HubBusy("the Hub answered with something that is no job") from exc


def _log_line(frame: str) -> LogLine:
    try:
        told = json.loads(frame)
    except ValueError as exc:
        raise HubBusy("the Hub's log holds a line that cannot be read") from exc
    return LogLine(text=str(told.get("data", "")).rstrip("\n"), timestamp=told.get("timestamp"))


def _job_path(namespace: str, job_id: str) -> str:
    return f"/api/jobs/{quote(namespace, safe='')}/{quote(job_id, safe='')}"
