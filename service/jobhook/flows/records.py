"""Deliveries, launches and pauses, as people and programs are shown them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from itertools import starmap

from jobhook.core.audits import ANY_ENTRY, AuditFilter
from jobhook.core.changes import ChangeKind
from jobhook.core.errors import NoSuchRecord
from jobhook.core.filters import ANY_DELIVERY, ANY_LAUNCH, DeliveryFilter, LaunchFilter
from jobhook.core.pages import Page
from jobhook.core.viewing import (
    audit_view,
    delivery_detail,
    delivery_summary,
    launch_detail,
    launch_summary,
    pause_views,
    token_view,
)
from jobhook.core.views import (
    AuditView,
    DeliveryDetail,
    DeliverySummary,
    LaunchDetail,
    LaunchSummary,
    PauseView,
    TokenView,
)
from jobhook.flows.paging import gathered
from jobhook.ports import Clock, Reads

_GROUPS = {"delivery": "deliveries", "launch": "launches"}
# How many ids are named to somebody who gave the beginning of one.
_GUESSES = 3


class Records:
    """
    Reads what is kept; see `ports.records`.

    *is_paused* says whether the service was told by a setting to launch nothing.
    """

    def __init__(self, reads: Reads, clock: Clock, *, is_paused: bool = False) -> None:
        self._reads = reads
        self._clock = clock
        self._is_paused = is_paused

    async def deliveries(
        self, wanted: DeliveryFilter = ANY_DELIVERY, *, limit: int
    ) -> tuple[DeliverySummary, ...]:
        return await gathered(
            lambda some, after: self.delivery_page(wanted, limit=some, after=after), limit=limit
        )

    async def delivery_page(
        self, wanted: DeliveryFilter = ANY_DELIVERY, *, limit: int, after: str | None = None
    ) -> Page[DeliverySummary]:
        """Return a page of deliveries; the promises are of `ports.Reads.delivery_page`."""
        page = await self._reads.delivery_page(wanted, limit=limit, after=after)
        return Page(tuple(starmap(delivery_summary, page.items)), page.next)

    async def delivery(self, delivery_id: str) -> DeliveryDetail:
        stored = await self._reads.delivery(delivery_id)
        if stored is None:
            raise NoSuchRecord(await self._what_else("delivery", delivery_id))
        launches = await self._reads.launches(LaunchFilter(delivery=delivery_id), limit=0)
        return delivery_detail(
            stored,
            await self._reads.body(delivery_id) or b"",
            verdicts=await self._reads.verdicts(delivery_id),
            launches=[launch.id for launch in launches],
        )

    async def body(self, delivery_id: str) -> bytes:
        body = await self._reads.body(delivery_id)
        if body is None:
            raise NoSuchRecord(await self._what_else("delivery", delivery_id))
        return body

    async def launches(
        self, wanted: LaunchFilter = ANY_LAUNCH, *, limit: int
    ) -> tuple[LaunchSummary, ...]:
        return await gathered(
            lambda some, after: self.launch_page(wanted, limit=some, after=after), limit=limit
        )

    async def launch_page(
        self, wanted: LaunchFilter = ANY_LAUNCH, *, limit: int, after: str | None = None
    ) -> Page[LaunchSummary]:
        """Return a page of launches; the promises are of `ports.Reads.delivery_page`."""
        page = await self._reads.launch_page(wanted, limit=limit, after=after)
        paused = await self._paused()
        shown = partial(launch_summary, paused=paused, by_setting=self._is_paused)
        return Page(tuple(map(shown, page.items)), page.next)

    async def summaries(
        self, kind: ChangeKind, ids: Collection[str]
    ) -> Mapping[str, DeliverySummary | LaunchSummary]:
        """Return those of *ids* that are there, as lists show them, by their ids; for the feed."""
        shown: tuple[DeliverySummary | LaunchSummary, ...]
        if kind == ChangeKind.DELIVERY:
            shown = await self.deliveries(DeliveryFilter(ids=ids), limit=0)
        else:
            shown = await self.launches(LaunchFilter(ids=ids), limit=0)
        return {each.id: each for each in shown}

    async def launch(self, launch_id: str) -> LaunchDetail:
        found = await self._reads.launch(launch_id)
        if found is None:
            raise NoSuchRecord(await self._what_else("launch", launch_id))
        delivery = await self._reads.delivery(found.delivery)
        received_at = delivery.received_at if delivery else None
        paused = await self._paused()
        return launch_detail(found, received_at, paused, by_setting=self._is_paused)

    async def pauses(self) -> tuple[PauseView, ...]:
        return pause_views(await self._reads.pauses(), by_setting=self._is_paused)

    async def tokens(self) -> tuple[TokenView, ...]:
        now = self._clock()
        return tuple(token_view(token, now) for token in await self._reads.tokens())

    async def audits(
        self, wanted: AuditFilter = ANY_ENTRY, *, limit: int, before: int | None = None
    ) -> tuple[AuditView, ...]:
        found = await self._reads.audits(wanted, limit=limit, before=before)
        return tuple(map(audit_view, found))

    async def rules_version(self) -> str | None:
        return await self._reads.rules_version()

    async def _paused(self) -> Collection[str]:
        return [pause.scope for pause in await self._reads.pauses()]

    async def _what_else(self, thing: str, wrong_id: str) -> str:
        """Return what to do about an id that no delivery, or launch, has."""
        # Among the newest, which is what one page looks at: anybody may ask for what there is not.
        begun = await self._reads.delivery_page(DeliveryFilter(begins=wrong_id), limit=_GUESSES)
        launches = await self._reads.launch_page(LaunchFilter(begins=wrong_id), limit=_GUESSES)
        ids = {
            "delivery": [delivery.id for delivery, _ in begun.items],
            "launch": [launch.id for launch in launches.items],
        }
        told = f"there is no {thing} {wrong_id}"
        if ids[thing]:
            return f"{told}: give the whole id, such as {' or '.join(ids[thing])}"
        for other, found in ids.items():
            if found:
                return f"{told}, but a {other}: see `jobhook {_GROUPS[other]} show {found[0]}`"
        return f"{told}: `jobhook {_GROUPS[thing]} ls` lists those that are kept"
