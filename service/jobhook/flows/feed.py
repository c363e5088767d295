"""
The live feed: one poller reads the journal of changes for all who follow it.

What was read last is kept in memory once, and each reader only knows how far it is. One that is
slower than that goes on from the journal, and one that is slower than the journal is told of the
gap; so that nobody's slowness costs memory, or holds anybody else up.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

from jobhook.core.changes import Change, ChangeKind
from jobhook.core.errors import StoreError, TooManyCallers, UsageError
from jobhook.core.pages import Place, place_in
from jobhook.ports.changes import Changes

log = structlog.get_logger()

# Gives what is shown of each that is still there, by its id.
Summaries = Callable[[ChangeKind, Collection[str]], Awaitable[Mapping[str, Any]]]

READERS_MAX = 1000
# How many events are kept in memory, for all readers together.
RECENT = 1000
_AT_ONCE = 200


class EventKind(StrEnum):
    """What an event of the feed is about."""

    DELIVERY = "delivery"
    LAUNCH = "launch"
    # Changes were missed that nobody knows any more: look at the lists, and go on from here.
    GAP = "gap"


@dataclass(frozen=True, slots=True, eq=False)
class FeedEvent:
    """
    Something that came or changed; the same object for all who are told of it.

    Attributes:
        place: Where it stands in the journal; see `id`.
        data: What it is now, as it is shown in lists; None for a gap. Of several changes of one
            thing at about the same time only the last may be told.
    """

    place: Place
    kind: EventKind
    data: Any

    @property
    def id(self) -> str:
        """What `follow` takes to go on after this event, in whatever process."""
        return str(self.place)


class Feed:
    """
    Tells any number of readers, up to *readers_max*, what changes.

    While anybody follows it, it looks at *changes* and awaits *pause*, again and again; while
    nobody does, it does nothing. Made and used in one event loop.
    """

    def __init__(
        self,
        changes: Changes,
        summaries: Summaries,
        *,
        pause: Callable[[], Awaitable[object]],
        readers_max: int = READERS_MAX,
    ) -> None:
        self._changes = changes
        self._summaries = summaries
        self._pause = pause
        self._readers_max = readers_max
        self._readers = 0
        self._poller: asyncio.Task[None] | None = None
        self._recent: _Recent | None = None
        self._news = asyncio.Event()

    @asynccontextmanager
    async def follow(self, after: str | None = None) -> AsyncIterator[FeedReader]:
        """
        Give the events that come after the one with the id *after*, or from now on, for ever.

        If it is not known any more what came after it, the first event is a gap.

        Raises:
            UsageError: *after* is no id of an event.
            TooManyCallers: So many follow already.
            StoreError: The journal cannot be read now.
        """
        place = _asked(after)
        if self._readers >= self._readers_max:
            raise TooManyCallers(
                f"{self._readers_max:,} feeds are open already: close some, or look at the lists"
            )
        self._readers += 1
        try:
            if self._poller is None:
                self._poller = asyncio.create_task(self._poll(), name="feed")
            yield await self._reader(place)
        finally:
            self._readers -= 1
            if self._poller is not None and not self._readers:
                await self._stop(self._poller)

    async def after(self, place: Place) -> tuple[Sequence[FeedEvent], Place]:
        """
        Return events that come after *place*, and how far they go.

        If there are none it waits until there may be some.
        """
        recent, news = self._recent, self._news
        if recent is not None and place >= recent.since:
            if place >= recent.head:
                await news.wait()
            return recent.after(place)
        changes = await self._changes.changes_after(place, limit=_AT_ONCE)
        # After it: what was forgotten meanwhile may be missing in between.
        if place < await self._changes.oldest_change():
            newest = await self._changes.newest_change()
            return (_gap(newest),), newest
        if changes:
            return await self._events(changes), changes[-1].place
        await news.wait()
        return (), place

    async def _reader(self, after: Place | None) -> FeedReader:
        newest = await self._changes.newest_change()
        if after is None:
            return FeedReader(self, newest)
        if await self._changes.oldest_change() <= after <= newest:
            return FeedReader(self, after)
        return FeedReader(self, newest, _gap(newest))

    async def _stop(self, poller: asyncio.Task[None]) -> None:
        self._poller = self._recent = None
        poller.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await poller

    async def _poll(self) -> None:
        while True:
            try:
                while await self._look():
                    pass
            except StoreError as exc:
                log.warning("feed.failed", error=str(exc))
            except Exception:
                # A fault of ours: those who follow must not be left waiting for ever.
                log.exception("feed.broken")
            await self._pause()

    async def _look(self) -> bool:
        """Read what is new; return whether there may be more of it at once."""
        recent = self._recent
        if recent is None:
            recent = self._recent = _Recent(await self._changes.newest_change())
            self._tell()
        changes = await self._changes.changes_after(recent.head, limit=_AT_ONCE)
        if changes:
            recent.add(await self._events(changes), changes[-1].place)
            self._tell()
        return len(changes) == _AT_ONCE

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _events(self, changes: Sequence[Change]) -> list[FeedEvent]:
        """Return what *changes* come to now, each thing where it changed last."""
        last: dict[tuple[ChangeKind, str], Place] = {}
        for change in changes:
            last.pop((change.kind, change.id), None)
            last[change.kind, change.id] = change.place
        told: dict[ChangeKind, Mapping[str, Any]] = {}
        for kind in ChangeKind:
            if ids := [identity for of, identity in last if of is kind]:
                told[kind] = await self._summaries(kind, ids)
        # What was forgotten since is told no more.
        return [
            FeedEvent(place, EventKind(kind), told[kind][identity])
            for (kind, identity), place in last.items()
            if identity in told[kind]
        ]


class FeedReader:
    """
    The events that one reader is given, for ever.

    Whoever gives up waiting for one, to say that it is still there, may go on with the next.

    Attributes:
        begins: The id of the event before the first, which `follow` takes.
    """

    def __init__(self, feed: Feed, begin: Place, *events: FeedEvent) -> None:
        self._feed = feed
        self.begins = str(begin)
        self._read = begin
        self._waiting = deque(events)

    def __aiter__(self) -> FeedReader:
        return self

    async def __anext__(self) -> FeedEvent:
        """Return the next event; raises `StoreError` if the journal cannot be read now."""
        while not self._waiting:
            events, self._read = await self._feed.after(self._read)
            self._waiting.extend(events)
        return self._waiting.popleft()

    async def batch(self) -> Sequence[FeedEvent]:
        """Return the next event and all that are here with it; raises as a single one does."""
        events = [await anext(self), *self._waiting]
        self._waiting.clear()
        return events


class _Recent:
    """The events between two places that were read last."""

    def __init__(self, begin: Place) -> None:
        self.since = self.head = begin
        self._events: list[FeedEvent] = []

    def add(self, events: Sequence[FeedEvent], head: Place) -> None:
        self._events += events
        self.head = head
        if (surplus := len(self._events) - RECENT) > 0:
            self.since = self._events[surplus - 1].place
            del self._events[:surplus]

    def after(self, place: Place) -> tuple[Sequence[FeedEvent], Place]:
        begin = bisect_right(self._events, place, key=lambda event: event.place)
        events = self._events[begin : begin + _AT_ONCE]
        is_all = begin + len(events) == len(self._events)
        return events, max(place, self.head) if is_all else events[-1].place


def _gap(newest: Place) -> FeedEvent:
    return FeedEvent(newest, EventKind.GAP, None)


def _asked(after: str | None) -> Place | None:
    if after is None:
        return None
    place = place_in(after)
    if place is None:
        raise UsageError(
            f"{after[:100]!r} is no id of an event: give that of the last one that came, as it "
            "came, or none to begin with what happens from now on"
        )
    return place
