"""
Ask the Hub what rules want to know about a delivery, after it was answered, and decide then.

Each delivery waits for its own look-ups, so that a slow Hub, or a repo that it does not show us,
holds up no other. What cannot be had in the end leaves the launches held, for a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import structlog

from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import HubBusy, HubError
from jobhook.core.findings import NOTHING_FOUND, Findings, Found, Lookup, Unavailable
from jobhook.core.records import StoredDelivery
from jobhook.failpoints import failpoint
from jobhook.flows.deciding import Decider, Routed, standing
from jobhook.flows.lookups import Lookups
from jobhook.flows.worker import Worker, backoff
from jobhook.ports import Clock, Store

_AT_ONCE = 16
# With pauses that double up to a minute, about a quarter of an hour.
LOOKS_MAX = 20
_LONGEST_PAUSE = 60.0
# After so long another process, or this one, asks as well: whoever began may be gone.
_LEASE_MS = 10_000
_GRACE_SECONDS = 5.0
# The Hub counts calls in windows of five minutes.
_LONGEST_ASKED = 300.0
_KEPT_MAX = 1000
_KEPT_FILES_MAX = 1000
# What one delivery is worth: a push may name thousands of refs.
LOOKUPS_MAX = 32
# So often beyond its patience a delivery is taken up by processes that do not come to its end.
_DEATHS_MAX = 5

log = structlog.get_logger()


class Enricher(Worker):
    """Looks up what deliveries wait for, each with its own pauses and an end to its patience."""

    def __init__(self, store: Store, clock: Clock, *, decider: Decider, lookups: Lookups) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._decider = decider
        self._lookups = lookups
        # What was found for deliveries that still wait for something else.
        self._found: dict[str, Findings] = {}
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._asking: set[str] = set()

    async def run(self) -> None:
        await super().run()
        # What is not looked up by then is looked up by whoever comes next.
        if self._on_their_way:
            await asyncio.wait(self._on_their_way, timeout=_GRACE_SECONDS)
        for task in self._on_their_way:
            task.cancel()
        await self.finish()

    async def step(self) -> bool:
        room = _AT_ONCE - len(self._on_their_way)
        if room > 0:
            due = await self._store.begin_enriching(
                self._clock(), room, _LEASE_MS, besides=tuple(self._asking)
            )
            for stored, body in due:
                self._asking.add(stored.id)
                task = asyncio.create_task(self._enrich(stored, body), name=f"enrich {stored.id}")
                self._on_their_way.add(task)
                task.add_done_callback(self._enriched)
        return False

    async def finish(self) -> None:
        """Wait for everything that is being looked up."""
        await asyncio.gather(*self._on_their_way, return_exceptions=True)

    def _enriched(self, task: asyncio.Task[None]) -> None:
        self._on_their_way.discard(task)
        if not task.cancelled() and (failure := task.exception()):
            # It comes again when its lease is over.
            log.warning("enrichment.failed", error=str(failure))
        # There is room for one more.
        self.wake()

    async def _enrich(self, stored: StoredDelivery, body: bytes) -> None:
        try:
            await self._look_up_and_decide(stored, body)
        finally:
            self._asking.discard(stored.id)

    async def _look_up_and_decide(self, stored: StoredDelivery, body: bytes) -> None:
        failpoint("enriching.begun")
        earlier = await self._store.verdicts(stored.id)
        findings = self._found.pop(stored.id, NOTHING_FOUND)
        routed = _poison(stored) or self._decider.decide(stored, body, findings)
        while (repo := routed.repo) and routed.open:
            if len(findings.known) >= LOOKUPS_MAX:
                findings = findings.close(f"one delivery is worth {LOOKUPS_MAX} look-ups")
                routed = self._decider.decide(stored, body, findings)
                break
            found, failures = await self._lookups.all_of(routed.open, repo)
            if failures and stored.looks < LOOKS_MAX:
                waiting = self._put_off(routed, findings.plus(found), failures)
                await self._decider.keep(standing(waiting, earlier))
                return
            findings = findings.plus({**found, **_given_up(failures)})
            routed = self._decider.decide(stored, body, findings)
        failpoint("enriching.found")
        await self._decider.keep(standing(routed, earlier))
        failpoint("enriching.decided")

    def _put_off(
        self, routed: Routed, findings: Findings, failures: Mapping[Lookup, HubError]
    ) -> Routed:
        looks = routed.delivery.looks
        pause = max([backoff(looks, _LONGEST_PAUSE), *_asked_to_wait(failures.values())])
        reason = str(next(iter(failures.values())))
        log.warning("enrichment.put_off", delivery=routed.delivery.id, looks=looks, error=reason)
        self._remember(routed.delivery.id, findings)
        waiting = replace(
            routed.delivery,
            state=DeliveryState.ENRICHING,
            reason=f"{routed.delivery.reason}; after {looks} of {LOOKS_MAX} looks: {reason}",
            due_at=self._clock() + int(pause * 1000),
        )
        return replace(routed, delivery=waiting)

    def _remember(self, delivery: str, findings: Findings) -> None:
        """Keep what was found until the rest is, unless that is very much, or for very many."""
        small = {
            lookup: found
            for lookup, found in findings.known.items()
            if not (isinstance(found, tuple) and len(found) > _KEPT_FILES_MAX)
        }
        self._found[delivery] = Findings(small)
        while len(self._found) > _KEPT_MAX:
            del self._found[next(iter(self._found))]


def _poison(stored: StoredDelivery) -> Routed | None:
    if stored.looks <= LOOKS_MAX + _DEATHS_MAX:
        return None
    log.error("delivery.quarantined", delivery=stored.id, looks=stored.looks)
    reason = f"nobody came to the end of any of the {stored.looks - 1} looks at it"
    return Routed(replace(stored, state=DeliveryState.QUARANTINED, reason=reason))


def _given_up(failures: Mapping[Lookup, HubError]) -> Mapping[Lookup, Found | Unavailable]:
    return {lookup: Unavailable(str(exc), is_refused=False) for lookup, exc in failures.items()}


def _asked_to_wait(failures: Iterable[HubError]) -> Iterator[float]:
    for exc in failures:
        if isinstance(exc, HubBusy) and exc.retry_after:
            yield min(exc.retry_after, _LONGEST_ASKED)
