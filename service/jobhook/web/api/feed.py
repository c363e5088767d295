"""What comes in and what becomes of it, as it happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache

from jobhook.core.access import Role
from jobhook.core.views import DeliverySummary, LaunchSummary
from jobhook.flows.feed import RECENT, Feed, FeedEvent
from jobhook.web.api.faults import Fault
from jobhook.web.api.operations import EVENTS, Call, Event, Events, Operation
from jobhook.web.api.streaming import written


@dataclass(frozen=True, slots=True)
class FeedItem:
    """
    What an event of the feed tells.

    Attributes:
        delivery: What came in, or became of it; null in other events.
        launch: What is launched, or became of it; null in other events.
    """

    delivery: DeliverySummary | None = None
    launch: LaunchSummary | None = None


async def _feed(call: Call) -> Events:
    return _followed(call.services.feed, call.last_event_id)


async def _followed(feed: Feed, after: str | None) -> AsyncIterator[Event | bytes]:
    async with feed.follow(after) as reader:
        # At once, so that whoever follows knows from where on.
        yield Event(data=FeedItem(), id=reader.begins, kind="open")
        while True:
            yield b"".join(map(_written, await reader.batch()))


# Once for all who follow: those hundreds are told the same.
@lru_cache(maxsize=RECENT)
def _written(event: FeedEvent) -> bytes:
    item = FeedItem() if event.data is None else FeedItem(**{event.kind.value: event.data})
    return written(Event(data=item, id=event.id, kind=event.kind.value))


OPERATIONS = (
    Operation(
        name="feed.follow",
        method="GET",
        path="/feed",
        summary="Follow deliveries and launches.",
        description="An event `open` says from where on; each `delivery` and `launch` tells one as "
        "lists show it; after a `gap`, more has happened than is known any more: look at lists.",
        role=Role.VIEWER,
        handle=_feed,
        answer=FeedItem,
        media=EVENTS,
        faults=(Fault.UNAVAILABLE,),
    ),
)
