"""What a job says while it runs: its log and its metrics; and waiting until it has ended."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, overload

from jobhook.core.errors import HubBusy, HubRefused, UsageError, WaitTimeout
from jobhook.core.jobs import ACTIVE_STAGES
from jobhook.core.texts import shown
from jobhook.hub.arguments import a_flag, an_id, listed, seconds
from jobhook.hub.following import BREAKS_MAX, Position, follow, read_what_is_there
from jobhook.hub.jobs import JobsApi, a_stage
from jobhook.hub.models import JobInfo
from jobhook.hub.sse import events
from jobhook.hub.streams import Stream
from jobhook.hub.transport import CallToken, Opened, StreamQuiet

_TAIL_MAX = 10**9
# Keep-alives come about every 30 seconds.
_QUIET_SECONDS = 120.0
# What the Hub has of a log comes at once.
_BACKLOG_SECONDS = 5.0
# A sample of the metrics comes every second.
_METRICS_SECONDS = 10.0
# The status of the metrics of a job that has ended; it was another once.
_NO_METRICS = (406, 500)


class JobStreamsApi(JobsApi):
    """The streams of jobs, with the arguments of the official client."""

    def fetch_job_logs(
        self,
        job_id: str,
        *,
        namespace: str | None = None,
        follow: bool = False,
        tail: int | None = None,
        token: CallToken = None,
    ) -> Stream[str]:
        """
        Return the lines of a job's log, each once: those that are there, or all until its end.

        Breaks are mended. With *tail* it begins with the last so many lines.

        Raises:
            UsageError: That is no id, or no number of lines.
            HubNotFound: There is no such job (while it is read, as all that follows).
            HubBusy: After five breaks in a row.
        """
        if tail is not None and (type(tail) is not int or not 0 <= tail <= _TAIL_MAX):
            raise UsageError(f"tail {shown(tail)} is no number of lines")
        follows = a_flag("follow", follow)
        return Stream(self._logs(an_id("job", job_id), namespace, follows, tail, token))

    def fetch_job_metrics(
        self,
        job_id: str,
        *,
        namespace: str | None = None,
        follow: bool = False,
        token: CallToken = None,
    ) -> Stream[dict[str, Any]]:
        """
        Return what a job uses of its machine: now, or every second until it has ended.

        The keys are the Hub's: `cpu_usage_pct`, `memory_used_bytes`, … A job that has ended gives
        none.

        Raises:
            UsageError: That is no id.
            HubNotFound: There is no such job (while it is read, as all that follows).
            HubBusy: After five breaks in a row.
        """
        follows = a_flag("follow", follow)
        return Stream(self._metrics(an_id("job", job_id), namespace, follows, token))

    @overload
    async def wait_for_job(
        self,
        job_id: str,
        *,
        timeout: float | None = None,
        poll_interval: float = 1.0,
        stages: Iterable[str] | None = None,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> JobInfo: ...

    @overload
    async def wait_for_job(
        self,
        job_id: list[str],
        *,
        timeout: float | None = None,
        poll_interval: float = 1.0,
        stages: Iterable[str] | None = None,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> list[JobInfo]: ...

    async def wait_for_job(
        self,
        job_id: str | list[str],
        *,
        timeout: float | None = None,
        poll_interval: float = 1.0,
        stages: Iterable[str] | None = None,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> JobInfo | list[JobInfo]:
        """
        Wait until a job, or each of several, is in one of *stages* or has ended.

        A job that failed raises nothing: look at its `status.stage`. Several jobs are asked after
        together where that takes fewer calls. *timeout* and *poll_interval* are seconds.

        Raises:
            UsageError: The times or the ids cannot be.
            WaitTimeout: They did not in *timeout* seconds.
        """
        if timeout is not None:
            seconds("timeout", timeout, may_be_0=True)
        seconds("poll_interval", poll_interval)
        ids = _ids(job_id)
        wanted = frozenset(map(a_stage, listed("stages", stages)))
        home = await self._namespace(namespace, token)
        wait = _Wait(self, home, token, wanted)
        found = await wait.until(ids, timeout, poll_interval)
        return found[ids[0]] if isinstance(job_id, str) else [found[each] for each in ids]

    async def _logs(
        self, job_id: str, namespace: str | None, follows: bool, tail: int | None, token: CallToken
    ) -> AsyncGenerator[list[str], None]:
        home = await self._namespace(namespace, token)
        opened = functools.partial(self._log, job_id, home, tail, token, follows=follows)
        position = Position(is_cut=tail is not None)
        sleep = self.transport.sleep
        if follows:
            over = functools.partial(self._is_over, job_id, home, token)
            monotonic = self.transport.monotonic
            batches = follow(opened, over, position, sleep=sleep, monotonic=monotonic)
        else:
            batches = read_what_is_there(opened, position, sleep=sleep)
        async with aclosing(batches):
            async for batch in batches:
                yield [str(event.get("data", "")) for event in batch]

    def _log(
        self,
        job_id: str,
        home: str,
        tail: int | None,
        token: CallToken,
        is_at_the_start: bool,
        *,
        follows: bool,
    ) -> AbstractAsyncContextManager[Opened]:
        path = f"/api/jobs/{home}/{job_id}/logs"
        # A replay that begins later could not be compared with what was seen.
        query = [("tail", str(tail))] if is_at_the_start and tail is not None else []
        quiet = _QUIET_SECONDS if follows else _BACKLOG_SECONDS
        return self.transport.stream(path, query, quiet=quiet, token=token)

    async def _metrics(
        self, job_id: str, namespace: str | None, follows: bool, token: CallToken
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        home = await self._namespace(namespace, token)
        path, breaks = f"/api/jobs/{home}/{job_id}/metrics", 0
        while True:
            try:
                async with self.transport.stream(
                    path, quiet=_METRICS_SECONDS, token=token
                ) as opened:
                    async for batch in events(opened.chunks):
                        if batch:
                            breaks = 0
                            yield batch if follows else batch[:1]
                            if not follows:
                                return
            except StreamQuiet:
                pass  # it has not begun, or it has ended
            except HubRefused as exc:
                if exc.status not in _NO_METRICS:
                    raise
                if not follows:
                    return
            except HubBusy:
                breaks += 1
                if breaks > BREAKS_MAX:
                    raise
            if not (follows or breaks) or await self._is_over(job_id, home, token):
                return
            await self.transport.sleep(1.0)

    async def _is_over(self, job_id: str, home: str, token: CallToken) -> bool:
        return (await self.inspect_job(job_id, namespace=home, token=token)).is_over


def _ids(given: Any) -> list[str]:
    # None is no empty list: whoever has no id has made a mistake.
    is_one = given is None or isinstance(given, str)
    return [an_id("job", each) for each in ([given] if is_one else listed("job_id", given))]


class _Wait:
    """One wait for jobs of one namespace."""

    def __init__(
        self, hub: JobStreamsApi, home: str, token: CallToken, stages: frozenset[str]
    ) -> None:
        self._hub, self._home, self._token = hub, home, token
        self._stages = stages
        self._found: dict[str, JobInfo] = {}

    async def until(
        self, ids: list[str], timeout: float | None, poll_interval: float
    ) -> dict[str, JobInfo]:
        transport = self._hub.transport
        until = None if timeout is None else transport.monotonic() + timeout
        breaks = 0
        while True:
            pending = [each for each in dict.fromkeys(ids) if not self._is_there(each)]
            try:
                await self._look(pending)
                breaks = 0
            except HubBusy:
                breaks += 1
                if breaks > BREAKS_MAX:
                    raise
            late = [each for each in pending if not self._is_there(each)]
            if not late:
                return self._found
            remaining = poll_interval if until is None else until - transport.monotonic()
            if remaining <= 0:
                job = self._found.get(late[0])
                stage = job.status.stage if job else "not seen"
                raise WaitTimeout(f"job {late[0]} is still {stage} after {timeout:g} seconds")
            await transport.sleep(min(poll_interval, remaining))

    def _is_there(self, job_id: str) -> bool:
        job = self._found.get(job_id)
        return job is not None and (job.is_over or job.status.stage in self._stages)

    async def _look(self, pending: list[str]) -> None:
        left = set(pending)
        if len(left) > 1:
            left -= await self._look_at_the_active(left)
        for job_id in sorted(left):
            self._found[job_id] = await self._hub.inspect_job(
                job_id, namespace=self._home, token=self._token
            )

    async def _look_at_the_active(self, wanted: set[str]) -> set[str]:
        """Return those that are found among the active jobs, for fewer calls than one for each."""
        seen: set[str] = set()
        pages = self._hub.job_pages(namespace=self._home, stages=ACTIVE_STAGES, token=self._token)
        calls = 0
        async with aclosing(pages):
            async for page in pages:
                calls += 1
                for job in page:
                    if job.id in wanted:
                        self._found[job.id] = job
                        seen.add(job.id)
                if seen == wanted or calls >= len(wanted) - 1:
                    break
        return seen
