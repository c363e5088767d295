"""
Reading what a job says until it has ended, over connections that may break.

The Hub replays a log from its start on every connection (`hub_wire.md` §2), so a break is mended by
telling what was seen from what is new. A log is only over when the Hub has ended a stream by itself
and the job has ended: what was written while a connection was down is in the next replay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from jobhook.core.errors import HubBusy
from jobhook.hub.reading import read_date
from jobhook.hub.sse import events
from jobhook.hub.transport import Opened, StreamQuiet

BREAKS_MAX = 5
_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_AT_ONCE_SECONDS = 1.0
# How many of the last events are compared to find the place in a replay that was cut to its tail.
_WINDOW = 200
# An event that is later than the answer's date by more than this was not there when it was asked.
_LATER = timedelta(seconds=1)

Event = dict[str, Any]
Key = tuple[Any, Any]


class Position:
    """
    How far a log was read, and what of a replay goes beyond it.

    The first replay may have been cut to the last lines (*is_cut*). Those that follow are whole.
    """

    def __init__(self, *, is_cut: bool) -> None:
        self._is_cut = is_cut
        self._seen = 0
        self._last: deque[Key] = deque(maxlen=_WINDOW)
        self._is_new = True
        self._index = 0
        self._replayed: deque[Key] = deque(maxlen=_WINDOW)
        # The latest moment that was seen, and that of when this replay began.
        self._newest: datetime | None = None
        self._replay_is_after: datetime | None = None

    @property
    def is_at_the_start(self) -> bool:
        """Whether nothing was seen yet."""
        return not self._seen

    def begin(self) -> None:
        """Start on another replay."""
        self._is_new = not self._seen
        self._index = 0
        self._replayed.clear()
        self._replay_is_after = self._newest

    def beyond(self, batch: list[Event]) -> list[Event]:
        """
        Return what of *batch*, the next of this replay, was not seen before.

        The Hub's own first line is left out: it comes before a tail as well, where it never is in a
        whole log.
        """
        lines = [event for event in batch if not _is_start(event)]
        new = [event for event in lines if self._is_beyond(event)]
        self._seen += len(new)
        self._last.extend(map(_key, new))
        moments = filter(None, (read_date(event.get("timestamp")) for event in new))
        self._newest = max([*moments, *filter(None, [self._newest])], default=None)
        return new

    def _is_beyond(self, event: Event) -> bool:
        if not self._is_new:
            if not self._is_later(event):
                self._skip(event)
                return False
            # This replay lacks what was seen last: it was shortened.
            self._is_new = True
        return True

    def _is_later(self, event: Event) -> bool:
        moment = read_date(event.get("timestamp"))
        return bool(moment and self._replay_is_after and moment > self._replay_is_after)

    def _skip(self, event: Event) -> None:
        self._index += 1
        if self._is_cut:
            self._replayed.append(_key(event))
            wanted = len(self._last)
            if len(self._replayed) > wanted:
                self._replayed.popleft()
            self._is_new = self._replayed == self._last
        else:
            self._is_new = self._index == self._seen


def _is_start(event: Event) -> bool:
    return str(event.get("data", "")).startswith("===== Job started")


def _key(event: Event) -> Key:
    return event.get("data"), event.get("timestamp")


def is_quiet_enough(keep_alives: int) -> bool:
    """Whether the job is asked after, when that many keep-alives came and nothing else."""
    # At growing distances: each look costs a call.
    return keep_alives >= 2 and keep_alives & (keep_alives - 1) == 0


async def follow(
    opened: Callable[[bool], AbstractAsyncContextManager[Opened]],
    is_over: Callable[[], Awaitable[bool]],
    position: Position,
    *,
    sleep: Callable[[float], Awaitable[None]],
    monotonic: Callable[[], float],
) -> AsyncGenerator[list[Event], None]:
    """
    Yield the events of a log, each once, until the job has ended.

    *opened* gives a stream, and is told whether nothing was read before.

    Raises:
        HubBusy: After `BREAKS_MAX` breaks in a row.
    """
    fruitless = breaks = 0
    was_over = False
    while True:
        try:
            async with opened(position.is_at_the_start) as stream:
                position.begin()
                async with aclosing(_until_forsaken(stream, is_over)) as batches:
                    async for batch in batches:
                        breaks = 0
                        if new := position.beyond(batch):
                            fruitless = 0
                            yield new
            ended_at = monotonic()
            is_last = was_over
            was_over = is_last or await is_over()
            # What is written while the Hub is asked in vain is in the next replay.
            if was_over and (is_last or monotonic() - ended_at < _AT_ONCE_SECONDS):
                return
        except HubBusy:
            breaks += 1
            if breaks > BREAKS_MAX:
                raise
        await sleep(min(_PAUSE_SECONDS * 2**fruitless, _LONGEST_PAUSE_SECONDS))
        fruitless += 1


async def _until_forsaken(
    stream: Opened, is_over: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[list[Event], None]:
    """Yield what comes, until it ends or the job has while nothing came: some never end."""
    keep_alives = 0
    async for batch in events(stream.chunks):
        keep_alives = 0 if batch else keep_alives + 1
        yield batch
        if is_quiet_enough(keep_alives) and await is_over():
            return


async def read_what_is_there(
    opened: Callable[[bool], AbstractAsyncContextManager[Opened]],
    position: Position,
    *,
    sleep: Callable[[float], Awaitable[None]],
) -> AsyncGenerator[list[Event], None]:
    """
    Yield the events that a log has by now, each once.

    Raises:
        HubBusy: After `BREAKS_MAX` breaks.
    """
    for breaks in range(BREAKS_MAX + 1):
        try:
            async with opened(position.is_at_the_start) as stream:
                position.begin()
                end = _end_of_what_is_there(stream)
                async for batch in events(stream.chunks):
                    before = [each for each in batch if not _is_after(each, end)]
                    if new := position.beyond(before):
                        yield new
                    if len(before) < len(batch):
                        return
        except StreamQuiet:
            return
        except HubBusy:
            if breaks == BREAKS_MAX:
                raise
            await sleep(_PAUSE_SECONDS * 2**breaks)
        else:
            return


def _end_of_what_is_there(stream: Opened) -> datetime | None:
    """Return the moment after which nothing was there when the Hub answered, if it says when."""
    try:
        answered_at = parsedate_to_datetime(stream.headers.get("date", ""))
        return answered_at.replace(tzinfo=answered_at.tzinfo or UTC) + _LATER
    except (ValueError, TypeError, OverflowError):
        return None


def _is_after(event: Event, end: datetime | None) -> bool:
    moment = read_date(event.get("timestamp"))
    return bool(moment and end and moment > end)
