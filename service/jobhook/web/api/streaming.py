"""
Server-sent events: one stream of them to one caller.

A caller who goes away ends what feeds the stream; one who reads nothing of it is cut off
(`web/limits.py`), and comes back with the id of the last event that was read. One whose token is
good no more is told so at the next heartbeat.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from jobhook.core.errors import JobHookError, NotSignedIn, StoreError
from jobhook.web.api.answering import dumped, encoded
from jobhook.web.api.faults import ApiError, Fault, fault_of
from jobhook.web.api.operations import EVENTS, Event, Events, Told
from jobhook.web.api.reading import CallerGone

if TYPE_CHECKING:
    from starlette.types import Receive, Send

HEARTBEAT_SECONDS = 15.0
STREAMS_MAX = 600
# What goes wrong so soon is answered with a status of its own.
_FIRST_SECONDS = 2.0
_HEARTBEAT = b": still here\n\n"

T = TypeVar("T")

log = structlog.get_logger()


class Streams:
    """All open streams: so many and no more, and none once the service is *ending*."""

    def __init__(
        self,
        *,
        most: int = STREAMS_MAX,
        heartbeat: float = HEARTBEAT_SECONDS,
        ending: asyncio.Event,
    ) -> None:
        self._most, self._heartbeat = most, heartbeat
        self._ended = ending
        self.open = 0

    async def begin(self, events: Events, look: Callable[[], Awaitable[object]]) -> Stream:
        """
        Return the stream of *events*, whose first may be here.

        *look* raises `NotSignedIn` once its caller may call no more.

        Raises:
            ApiError: Too many are open, or the service ends.
            JobHookError: *events* began with it.
        """
        if self._ended.is_set():
            raise _stopping()
        if self.open >= self._most:
            raise ApiError(
                fault=Fault.UNAVAILABLE, message="too many streams are open", retry_after=30
            )
        self.open += 1
        stream = Stream(self, events, look)
        try:
            await stream.look_at_first()
        except BaseException:
            await stream.close()
            raise
        return stream

    async def unless_ended(self, work: Awaitable[T], receive: Receive) -> T:
        """
        Return what *work* gives; break it off when nobody waits for it any more.

        Raises:
            CallerGone: The caller has closed the connection.
            ApiError: The service ends.
        """
        asked = asyncio.ensure_future(work)
        gone = asyncio.create_task(until_gone(receive))
        over = asyncio.create_task(self.until_ended())
        try:
            await asyncio.wait({asked, gone, over}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return asked.result()
            if gone.done():
                raise CallerGone
            raise _stopping()
        finally:
            for task in (asked, gone, over):
                task.cancel()
            await asyncio.gather(asked, gone, over, return_exceptions=True)

    def closed(self) -> None:
        """Count one less."""
        self.open -= 1

    def look_again_at(self) -> float:
        """Return when a stream that is let on now is to be looked at again."""
        return asyncio.get_running_loop().time() + self._heartbeat

    async def next(self, *tasks: asyncio.Task[Any]) -> set[asyncio.Task[Any]]:
        """Return which of *tasks* are done; none if it is time for a heartbeat."""
        done, _ = await asyncio.wait(
            tasks, timeout=self._heartbeat, return_when=asyncio.FIRST_COMPLETED
        )
        return done

    async def until_ended(self) -> None:
        """Wait until the service ends."""
        await self._ended.wait()


class Stream:
    """One open stream."""

    def __init__(
        self, streams: Streams, events: Events, look: Callable[[], Awaitable[object]]
    ) -> None:
        self._streams, self._events, self._look = streams, events, look
        self._look_at = streams.look_again_at()
        self._coming = self._ask()

    def _ask(self) -> asyncio.Task[Told]:
        return asyncio.create_task(_next(self._events))

    async def look_at_first(self) -> None:
        """Wait a moment for the first event; raise what came instead of it."""
        done, _ = await asyncio.wait({self._coming}, timeout=_FIRST_SECONDS)
        failure = self._coming.exception() if done else None
        if failure and not isinstance(failure, StopAsyncIteration):
            raise failure

    async def close(self) -> None:
        """End what feeds it."""
        self._coming.cancel()
        with contextlib.suppress(BaseException):
            await self._coming
        if close := getattr(self._events, "aclose", None):
            await close()
        self._streams.closed()

    async def send(
        self, receive: Receive, send: Send, headers: tuple[tuple[str, str], ...]
    ) -> None:
        """Send everything until there is no more, or nobody to read it."""
        own = (("content-type", EVENTS), ("cache-control", "no-store"), ("x-accel-buffering", "no"))
        head = {
            "type": "http.response.start",
            "status": 200,
            "headers": [*encoded((*own, *headers))],
        }
        gone = asyncio.create_task(until_gone(receive))
        over = asyncio.create_task(self._streams.until_ended())
        try:
            await send(head)
            await self._send_all(send, gone, over)
            await send({"type": "http.response.body", "body": b""})
        finally:
            for task in (gone, over):
                task.cancel()
            await asyncio.gather(gone, over, return_exceptions=True)
            await self.close()

    async def _send_all(
        self, send: Send, gone: asyncio.Task[None], over: asyncio.Task[None]
    ) -> None:
        while True:
            done = await self._streams.next(self._coming, gone, over)
            if gone in done or over in done:
                return
            if not await self._may_go_on(is_quiet=not done):
                text, last = _broken(fault_of(NotSignedIn("the token is good no more"))), True
            else:
                text, last = self._told() if done else (_HEARTBEAT, False)
            await send({"type": "http.response.body", "body": text, "more_body": True})
            if last:
                return

    async def _may_go_on(self, *, is_quiet: bool) -> bool:
        """Whether the caller's token is still good, as far as is known."""
        if not is_quiet and asyncio.get_running_loop().time() < self._look_at:
            return True
        self._look_at = self._streams.look_again_at()
        try:
            await self._look()
        except NotSignedIn:
            return False
        except StoreError as exc:
            log.warning("api.stream_not_checked", error=str(exc))
        return True

    def _told(self) -> tuple[bytes, bool]:
        """Return what has come, and whether it is the last."""
        try:
            come = self._coming.result()
        except StopAsyncIteration:
            return written(Event(data={}, kind="end")), True
        except JobHookError as exc:
            return _broken(fault_of(exc)), True
        except Exception:
            log.exception("api.stream_broken")
            return _broken(None), True
        self._coming = self._ask()
        if isinstance(come, bytes):
            return come, False
        return b"".join(map(written, come if isinstance(come, tuple) else (come,))), False


def _stopping() -> ApiError:
    return ApiError(
        fault=Fault.UNAVAILABLE, message="the service is stopping: ask again", retry_after=5
    )


async def _next(events: Events) -> Told:
    return await anext(events)


async def until_gone(receive: Receive) -> None:
    """Wait until the caller closes the connection; the request must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _broken(exc: ApiError | None) -> bytes:
    told = exc or ApiError(fault=Fault.INTERNAL, message="a fault of ours")
    return written(Event(data=told.body(), kind="error"))


def written(event: Event) -> bytes:
    """Return *event* as it goes over the wire."""
    name = b"" if event.id is None else b"id: %b\n" % event.id.encode()
    kind = b"" if event.kind == "message" else b"event: %b\n" % event.kind.encode()
    return b"%b%bdata: %b\n\n" % (name, kind, dumped(event.data))
