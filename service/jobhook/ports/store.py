"""What is remembered: deliveries, what was decided about them and the launches they led to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from jobhook.core.events import Event
from jobhook.core.figures import Figures
from jobhook.core.filters import ANY_DELIVERY, ANY_LAUNCH, DeliveryFilter, LaunchFilter
from jobhook.core.guards import Guard
from jobhook.core.launches import Launch
from jobhook.core.pages import Page
from jobhook.core.records import (
    Backlog,
    DeliveryWithLaunches,
    Pause,
    Receipt,
    Received,
    Standing,
    StoredDelivery,
    Verdict,
)
from jobhook.ports.access import AccessReads, AccessStore
from jobhook.ports.changes import Changes


class Reads(AccessReads, Protocol):
    """What can be asked of the store, beside whoever writes to it."""

    async def recall(self, name: str) -> int | None:
        """Return the number that was last remembered under *name*, or None."""

    async def pauses(self) -> tuple[Pause, ...]:
        """Return what is paused."""

    async def backlog(self) -> Backlog:
        """Return how many deliveries wait to be decided, and how many were put aside."""

    async def figures(self, now: int) -> Figures:
        """Return how things stand; it costs the same with any number of deliveries and launches."""

    async def leader(self) -> str | None:
        """Return who has the lead, or None; also where whoever has the store open needs none."""

    async def rules_version(self) -> str | None:
        """
        Return the version of the rules in force, or None if there are none.

        Of those that living processes have, these were introduced last. Where there is only one
        process, they are what it has, or had when it ended.
        """

    async def unresolved(self, now: int, *, limit: int) -> tuple[Launch, ...]:
        """
        Return the first *limit* launches in `unknown` that are to be looked for by *now*.

        One that would have to wait over `LONGEST_LOOK_PAUSE_MS` is due: the clock was set back.
        """

    async def began_at(self) -> int:
        """Return when this database was made, or put back, in milliseconds since 1970."""

    async def namespaces(self, since: int) -> frozenset[str]:
        """Return where launches were sent to that were claimed since then, or may go once more."""

    async def followed(self) -> tuple[Launch, ...]:
        """Return the launches whose jobs have not been seen to end."""

    async def deliveries(
        self, wanted: DeliveryFilter = ANY_DELIVERY, *, limit: int
    ) -> tuple[DeliveryWithLaunches, ...]:
        """
        Return deliveries with the ids of their launches, newest first; *limit* 0 means all.

        That takes as long as it takes; see `delivery_page`.
        """

    async def delivery_page(
        self, wanted: DeliveryFilter = ANY_DELIVERY, *, limit: int, after: str | None = None
    ) -> Page[DeliveryWithLaunches]:
        """
        Return up to *limit* deliveries, newest first: those that come *after* this cursor.

        Whatever the filter, only so much is looked at, and of what is found only so much is
        read: a page may hold fewer than *limit*, or nothing, and a cursor all the same. The list
        is over when there is no cursor. Its order is that of the dates, so that nothing comes
        twice, and nothing is missed that was there, and what the filter wants, from the first
        page to the last.

        Raises:
            UsageError: The cursor is none of this list.
        """

    async def delivery(self, delivery_id: str) -> StoredDelivery | None:
        """Return one delivery, and whether it is damaged; None if there is none."""

    async def body(self, delivery_id: str) -> bytes | None:
        """Return the bytes of a delivery as they came, or None."""

    async def verdicts(self, delivery_id: str) -> tuple[Verdict, ...]:
        """Return what every rule said of a delivery."""

    async def launches(
        self, wanted: LaunchFilter = ANY_LAUNCH, *, limit: int, oldest_first: bool = False
    ) -> tuple[Launch, ...]:
        """
        Return launches, newest first unless said; *limit* 0 means all.

        That takes as long as it takes; see `launch_page`.
        """

    async def launch_page(
        self, wanted: LaunchFilter = ANY_LAUNCH, *, limit: int, after: str | None = None
    ) -> Page[Launch]:
        """Return up to *limit* launches, newest first; the promises are of `delivery_page`."""

    async def launch(self, launch_id: str) -> Launch | None:
        """Return one launch, or None."""

    async def standing(self, launch_id: str) -> Standing | None:
        """Return how one launch stands at this moment, or None; it costs less than `launch`."""

    async def trusted_id(self, repo: str) -> str | None:
        """Return the id by which *repo* (`type:owner/name`) is known, or None."""


class Store(Reads, AccessStore, Changes, Protocol):
    """
    Remembers deliveries, what was decided about them and the launches they led to.

    What a method did is on disk when it returns. Every method raises `StoreUnavailable` when
    nothing was done because the database is busy, full or gone.
    """

    async def record(self, received: Received) -> Receipt:
        """
        Store a delivery, unless its key is known for its source.

        The same key with another body is kept beside the first as a `conflict`; the receipt names
        the first. Deliveries without an id are copies of one another for `WEAK_WINDOW_MS`.
        """

    async def begin_routing(self, limit: int) -> tuple[tuple[StoredDelivery, bytes, int], ...]:
        """
        Count a try of up to *limit* deliveries in state `stored`, oldest first, and return them.

        Each comes with its body and how often it was tried before. One that was tried before
        comes alone, because it may be what ended the process. One that is not as it came is put
        into quarantine instead.
        """

    async def route(
        self,
        delivery: StoredDelivery,
        *,
        events: Sequence[Event],
        verdicts: Sequence[Verdict],
        launches: Sequence[Launch],
    ) -> bool:
        """
        Keep what was decided about *delivery* (with its new state), all or nothing.

        Returns False, and changes nothing, if it does not wait to be decided any more, or for
        another generation. A launch whose id is known already is left as it is.
        """

    async def begin_enriching(
        self, now: int, limit: int, lease_ms: int, *, besides: Collection[str] = ()
    ) -> tuple[tuple[StoredDelivery, bytes], ...]:
        """
        Return up to *limit* deliveries that are `enriching` and due, oldest first, with bodies.

        Those whose ids are *besides* are left alone.

        Each is due again after *lease_ms*, unless it is decided before, and has one look more. One
        that is not as it came is put into quarantine instead. One that would have to wait over
        `LONGEST_WAIT_MS` is due: the clock was set back.
        """

    async def get_to_know(self, repo: str, repo_id: str) -> str:
        """Let *repo* be known by *repo_id* if it is not known; return the id it is known by."""

    async def trust(self, repo: str, repo_id: str) -> None:
        """Let *repo* (`type:owner/name`) be known by *repo_id* from now on."""

    async def claim(self, now: int, limit: int, guard: Guard) -> tuple[tuple[Launch, bytes], ...]:
        """
        Move up to *limit* due launches from `ready` to `sending`, oldest first, if *guard* permits.

        What it permits is reserved in the same transaction, so that claims at the same moment
        cannot overspend. Each launch is handed to one caller only, with its delivery's body, and
        with `is_damaged` if that is not as it came. While everything is paused nothing is claimed.
        One that would have to wait over `LONGEST_WAIT_MS` is due: the clock was set back.
        """

    async def add(self, launch: Launch) -> bool:
        """Keep a launch that no routing led to; return False if its id is known already."""

    async def begin_direct(self, launch: Launch, guard: Guard) -> tuple[Launch, bool]:
        """
        Keep a launch that a person asked for, which is `ready`, as `sending` if *guard* permits.

        What it permits is reserved in the same transaction, as in `claim`. What it does not permit
        is kept as `skipped` for its reason: it is not queued. Returns what is kept, and True. One
        that is known already, by its id or by delivery, rule, action and generation, is returned
        as it is, with False, and nothing is changed.
        """

    async def room_at(self, now: int, micro_usd: int) -> int | None:
        """
        Return when no more than *micro_usd* will count in the dollars of a day, if more does *now*.

        That is when the oldest claims are a day old; what ends for less than it reserved frees the
        rest sooner. None if nothing counts.
        """

    async def replace(self, old: Launch, new: Launch) -> None:
        """
        Keep *new* in place of *old*, if state, attempts and job are still those of *old*.

        Raises:
            LaunchMoved: The launch is no longer what *old* says; nothing was changed.
        """

    async def abandon_sending(self, now: int, *, older_than_ms: int) -> int:
        """
        Move what has been `sending` for longer than that to `unknown`; return how many.

        Where several processes share the store, its own clock tells how long that is. One that was
        claimed that much in the future is abandoned as well: the clock was set back.
        """

    async def expire(self, now: int, *, created_before: int) -> int:
        """Move what waits since *created_before* and was not sent to `expired`; return how many."""

    async def release(self, now: int, *, reason_prefix: str) -> int:
        """Move what is `held` for a reason that starts so to `ready`; return how many."""

    async def pause(self, pause: Pause) -> None:
        """
        Let nothing of *pause*'s scope be claimed any more.

        What is paused already stays so since then, and of who and why a second pause tells only if
        it has a reason.
        """

    async def resume(self, now: int, scope: str) -> bool:
        """End a pause, so that what waited for it is due; return False if there was none."""

    async def remember(self, name: str, value: int) -> None:
        """Keep a number for whoever comes after this process."""

    async def signing_key(self, drawn: str) -> str:
        """Keep *drawn*, unless a key is kept already; return the one that is, for good."""

    async def begin_anew(self, now: int) -> None:
        """Let the database count as made *now*, because it may lack what was done before."""

    async def replay(self, delivery_id: str) -> bool:
        """
        Let a delivery that was decided be decided again, one generation later.

        Returns False, and changes nothing, if there is none, if it is a conflict or waits to be
        decided anyway, or if one of its launches is not over.
        """

    async def prune(self, *, received_before: int, limit: int) -> int:
        """
        Forget up to *limit* old deliveries with their verdicts and launches; return how many.

        Launches without a delivery are forgotten as well, and count as one each. Ids of deliveries
        stay known for good. What is not decided, or has a launch that is not over, stays whole.
        """

    async def prune_changes(self, *, keep: int, limit: int) -> int:
        """
        Forget up to *limit* of the changes before the newest *keep*; return how many.

        The newest is always kept.
        """

    async def lead(
        self, holder: str, ttl_ms: int, *, version: str, replaces: str | None = None
    ) -> bool:
        """
        Take or renew the lead over all processes on this store; False while another one has it.

        *holder* counts as alive, and what it leads ends by itself, *ttl_ms* after the last call, by
        the store's own clock. Whose rules are not those in force does not get the lead, and does
        not keep it either: it is not renewed, and left to `step_down`. A *version* that was never
        seen is introduced, and in force from then on; so is a known one that *replaces* a later
        one, because somebody went back to it.
        """

    async def step_down(self, holder: str) -> None:
        """Give the lead up, if *holder* has it, and let it count as gone."""
