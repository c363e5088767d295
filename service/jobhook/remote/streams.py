"""What a job says while it runs, through a service elsewhere; and waiting until it has ended."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, overload

from jobhook.core.errors import HubBusy, JobHookError, StoreUnavailable, UsageError, WaitTimeout
from jobhook.core.texts import shown
from jobhook.hub.arguments import a_flag, an_id, listed, seconds
from jobhook.hub.following import BREAKS_MAX
from jobhook.hub.jobs import a_stage
from jobhook.hub.models import JobInfo
from jobhook.hub.streams import Stream
from jobhook.hub.transport import CallToken
from jobhook.remote.calls import RemoteCalls
from jobhook.remote.events import Event, events
from jobhook.remote.failures import failure, told_in
from jobhook.remote.jobs import job_path, within
from jobhook.remote.transport import Query

_TAIL_MAX = 10**9
# Heartbeats come every 15 seconds.
_QUIET_SECONDS = 60.0
# The service answers after that, whatever the job does.
_WAIT_SECONDS = 60
_ANSWER_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
_ENDS = ("end", "error")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a job's log, without its end."""

    line: str


class RemoteStreams(RemoteCalls):
    """The calls of `JobStreamsApi`; what was read before a break is not told again."""

    def fetch_job_logs(
        self,
        job_id: str,
        *,
        namespace: str | None = None,
        follow: bool = False,
        tail: int | None = None,
        token: CallToken = None,
    ) -> Stream[str]:
        """Return the lines of a job's log, each once; raises as `JobStreamsApi` does."""
        if tail is not None and (type(tail) is not int or not 0 <= tail <= _TAIL_MAX):
            raise UsageError(f"tail {shown(tail)} is no number of lines")
        query = [*_following(follow), *within(namespace)]
        query += [("tail", str(tail))] if tail is not None else []
        return Stream(self._lines(f"{job_path(job_id)}/logs", query))

    def fetch_job_metrics(
        self,
        job_id: str,
        *,
        namespace: str | None = None,
        follow: bool = False,
        token: CallToken = None,
    ) -> Stream[dict[str, Any]]:
        """Return what a job uses of its machine: now, or every second until it has ended."""
        query = [*_following(follow), *within(namespace)]
        path = f"{job_path(job_id)}/metrics"
        return Stream(self._told(dict[str, Any], path, query, repeats=False))

    async def _lines(self, path: str, query: Query) -> AsyncGenerator[list[str], None]:
        async with aclosing(self._told(LogLine, path, query, repeats=True)) as batches:
            async for batch in batches:
                yield [each.line for each in batch]

    async def _told(
        self, kind: type[Any], path: str, query: Query, *, repeats: bool
    ) -> AsyncGenerator[list[Any], None]:
        """
        Yield what comes until the end is told of, over several connections if need be.

        *repeats* says that a stream which is opened anew without a `Last-Event-ID` begins with what
        was told before.
        """
        last: str | None = None
        breaks, is_told = 0, False
        while True:
            over: Event | None = None
            broken: JobHookError = HubBusy(
                f"the stream from the service at {self.service.url} broke off"
            )
            try:
                async with aclosing(self._events(path, query, last)) as batches:
                    async for batch in batches:
                        breaks = 0
                        plain = [event for event in batch if event.kind == "message"]
                        if plain:
                            is_told = True
                            yield [self._read(kind, each.data, changed=False) for each in plain]
                        last = next((event.id for event in batch[::-1] if event.id), last)
                        if over := next((event for event in batch if event.kind in _ENDS), None):
                            break
            except (HubBusy, StoreUnavailable) as exc:
                broken = exc
            if over:
                if over.kind == "error":
                    raise _error(over)
                return
            breaks += 1
            if breaks > BREAKS_MAX or (repeats and is_told and last is None):
                raise broken
            await self.service.sleep(_PAUSE_SECONDS * 2**breaks)

    async def _events(
        self, path: str, query: Query, last: str | None
    ) -> AsyncGenerator[list[Event], None]:
        async with self.service.stream(
            path, query, quiet=_QUIET_SECONDS, last_event_id=last
        ) as chunks:
            async for batch in events(chunks):
                yield batch

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

        The service looks, at an interval of its own.

        Raises:
            UsageError: The times or the ids cannot be.
            WaitTimeout: They did not in *timeout* seconds.
        """
        if timeout is not None:
            seconds("timeout", timeout, may_be_0=True)
        seconds("poll_interval", poll_interval)
        wanted = frozenset(map(a_stage, listed("stages", stages)))
        ids = [an_id("job", each) for each in _listed(job_id)]
        until = None if timeout is None else self.service.monotonic() + timeout
        # One after the other: whoever waits for all waits for the last.
        found = {
            each: await self._ended(each, wanted, until, timeout, namespace)
            for each in dict.fromkeys(ids)
        }
        return found[ids[0]] if isinstance(job_id, str) else [found[each] for each in ids]

    async def _ended(
        self,
        job_id: str,
        wanted: frozenset[str],
        until: float | None,
        timeout: float | None,
        namespace: str | None,
    ) -> JobInfo:
        breaks = 0
        while True:
            left = _WAIT_SECONDS if until is None else until - self.service.monotonic()
            most = max(0, min(_WAIT_SECONDS, math.ceil(left)))
            try:
                job = await self._waited(job_id, wanted, most, namespace)
            except (HubBusy, StoreUnavailable):
                breaks += 1
                if breaks > BREAKS_MAX:
                    raise
                await self.service.sleep(_PAUSE_SECONDS * 2**breaks)
                continue
            breaks = 0
            if job.is_over or job.status.stage in wanted:
                return job
            if until is not None and self.service.monotonic() >= until:
                raise WaitTimeout(
                    f"job {job_id} is still {job.status.stage} after {timeout:g} seconds"
                )

    async def _waited(
        self, job_id: str, wanted: frozenset[str], most: int, namespace: str | None
    ) -> JobInfo:
        """Return a job once it has ended, or as it is after *most* seconds."""
        query = [("timeout", str(most)), *within(namespace)]
        query += [("stages", stage) for stage in sorted(wanted)]
        path = f"{job_path(job_id)}/wait"
        return await self._get(JobInfo, path, query, seconds=most + _ANSWER_SECONDS)


def _listed(given: Any) -> Iterable[Any]:
    # None is no empty list: whoever has no id has made a mistake.
    return [given] if given is None or isinstance(given, str) else listed("job_id", given)


def _following(follow: bool) -> Query:
    return [("follow", "true")] if a_flag("follow", follow) else []


def _error(event: Event) -> JobHookError:
    told = told_in(200, {}, event.data)
    if told is None:
        return HubBusy("the service ended the stream with an error that cannot be read")
    return failure(told, changes=False)
