"""
Find out what became of launches that may have been sent.

The Hub has no idempotency key, so a request whose answer was lost may have started a job, may start
it a little later, and the list of jobs may lag behind. Until the quarantine is over, finding
nothing proves nothing (reliability: an expired lease or a lost answer never leads back to `ready`
on suspicion).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from dataclasses import replace

import structlog

from jobhook.core.direct import initiator_of, made, not_queued
from jobhook.core.errors import HubRefused, LaunchMoved, ListTooLong
from jobhook.core.filters import LaunchFilter
from jobhook.core.launches import (
    LONGEST_LOOK_PAUSE_MS,
    SCHEDULE,
    Launch,
    LaunchState,
    home_of,
    moved,
)
from jobhook.flows.finding import Finder, Found
from jobhook.flows.identity import Identity
from jobhook.flows.outcomes import as_job_says
from jobhook.flows.prices import Prices
from jobhook.flows.worker import Worker
from jobhook.hub.models import JobInfo, ScheduledJobInfo
from jobhook.ports import Clock, Hub, Store

# A claim is left to its sender for so many times the deadline of a request. In the first half of
# that it may begin to send, and what it has begun ends within one deadline.
LEASE_DEADLINES = 4
QUARANTINE_MS = 15 * 60_000
_LOOK_AFTER_MS = (2_000, 5_000, 15_000, 30_000, 60_000, LONGEST_LOOK_PAUSE_MS)
_LOOK_EVERY_MS = 60_000
_CLEAN_LOOKS = 3
_ATTEMPTS_MAX = 5
_AT_ONCE = 1000
# So many are looked for one by one, which is a call each.
_FEW = 10
# Of so many launches that repeat the same, the newest, the jobs are told apart.
_OTHERS = 1000
_LAGS_KEPT = 10_000
# The name under which the store keeps it.
_WORST_LAG = "worst_lag_ms"
# Above this price a person decides whether to try again.
_RETRY_UP_TO_USD_PER_HOUR = 1.0

log = structlog.get_logger()


class Visibility:
    """How long jobs took to be listed after they were started, as we saw it ourselves."""

    def __init__(self, floor_ms: int = QUARANTINE_MS) -> None:
        self._floor = floor_ms
        self._started: OrderedDict[str, int] = OrderedDict()
        self._lags: deque[int] = deque(maxlen=_LAGS_KEPT)

    def started(self, launch_id: str, now: int) -> None:
        """Remember when the Hub said that it has the job."""
        self._started[launch_id] = now
        if len(self._started) > _LAGS_KEPT:
            self._started.popitem(last=False)

    def listed(self, launch_id: str, now: int) -> None:
        """Remember that the job is in a list; later than it could have been seen errs safely."""
        if launch_id in self._started:
            self._lags.append(now - self._started.pop(launch_id))

    def seen_before(self, lag_ms: int) -> None:
        """Count what an earlier process has seen as one more lag."""
        self._lags.append(lag_ms)

    @property
    def worst_ms(self) -> int:
        """The worst lag of a thousand, 0 as long as none was seen."""
        lags = sorted(self._lags)
        return lags[int(len(lags) * 0.999)] if lags else 0

    @property
    def quarantine_ms(self) -> int:
        """How long finding nothing proves nothing: ten times the worst lag of a thousand."""
        return max(self._floor, 10 * self.worst_ms)


def adopted(
    launch: Launch, found: JobInfo | ScheduledJobInfo, *, namespace: str, now: int
) -> Launch:
    """Return *launch* with the job or schedule that was found for it."""
    reason = "found by what set it off" if initiator_of(launch) else "found by its label"
    launched = moved(launch, LaunchState.LAUNCHED, now=now, reason=reason)
    return made(replace(launched, namespace=namespace, job_id=found.id, job_url=url_of(found)))


def url_of(found: JobInfo | ScheduledJobInfo) -> str | None:
    """Return the page of what was found, if it has one."""
    return found.url if isinstance(found, JobInfo) else None


def looked_in_vain(launch: Launch, *, began: int, now: int, quarantine_ms: int) -> Launch | None:
    """Return *launch* with one more clean look; None once that is enough to say it is not there."""
    # A list that was begun while a request may still have been leaving says nothing.
    looks = launch.looks + (began > launch.unknown_since)
    waited = waited_ms(launch, began)
    if looks >= _CLEAN_LOOKS and waited >= quarantine_ms:
        return None
    index = min(looks, len(_LOOK_AFTER_MS))
    pause = (*_LOOK_AFTER_MS, _LOOK_EVERY_MS)[index]
    if looks >= _CLEAN_LOOKS - 1:
        pause = min(pause, max(quarantine_ms - waited, _LOOK_AFTER_MS[0]))
    return replace(launch, looks=looks, waited_ms=waited, due_at=now + pause, updated_at=now)


def waited_ms(launch: Launch, now: int) -> int:
    """
    Return how much of its quarantine *launch* has behind it.

    Between two looks at most the longest pause counts: a clock that is set forward by an hour, or
    an hour in which nobody looked, does not end a quarantine.
    """
    passed = min(max(now - launch.updated_at, 0), LONGEST_LOOK_PAUSE_MS)
    return launch.waited_ms + passed


class Resolver(Worker):
    """Looks for the jobs of unknown launches: adopts, waits, tries again in the end, or holds."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        clock: Clock,
        *,
        identity: Identity,
        prices: Prices,
        visibility: Visibility,
        lease_ms: int,
    ) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        self._finder = Finder(hub)
        self._clock = clock
        self._identity = identity
        self._prices = prices
        self._visibility = visibility
        self._lease_ms = lease_ms
        self._worst_kept: int | None = None
        self._turns = asyncio.Lock()

    async def step(self) -> bool:
        now = self._clock()
        await self._learn()
        await self._store.abandon_sending(now, older_than_ms=self._lease_ms)
        due = await self._store.unresolved(now, limit=_AT_ONCE)
        ends = await asyncio.gather(
            *(self._resolve(launch, many=len(due) > _FEW) for launch in due),
            return_exceptions=True,
        )
        failures = [end for end in ends if end]
        # A namespace that we may not look into does not hide what is wrong with the others.
        for failure in sorted(failures, key=lambda end: isinstance(end, HubRefused)):
            raise failure
        return len(due) == _AT_ONCE

    async def _learn(self) -> None:
        """Know the worst lag that earlier processes saw, and let later ones know of ours."""
        if self._worst_kept is None:
            self._worst_kept = await self._store.recall(_WORST_LAG) or 0
            self._visibility.seen_before(self._worst_kept)
        worst = self._visibility.worst_ms
        if worst != self._worst_kept:
            await self._store.remember(_WORST_LAG, worst)
            self._worst_kept = worst

    async def _resolve(self, launch: Launch, *, many: bool) -> None:
        # Two that repeat the same are told apart by what the other one has been given.
        async with self._turns if initiator_of(launch) else contextlib.nullcontext():
            await self._look_for(launch, many=many)

    async def _look_for(self, launch: Launch, *, many: bool) -> None:
        # Both may change while the list is on its way, and what it is asked for depends on them.
        began, quarantine_ms = self._clock(), self._visibility.quarantine_ms
        over = waited_ms(launch, began) >= quarantine_ms
        try:
            found = await self._look(launch, over=over, many=many)
        except ListTooLong as exc:
            await self._keep(launch, self._not_looked_through(launch, exc, began=began, over=over))
            return
        except HubRefused:
            # The others have their turn first; the time in which nobody could look does not count.
            now = self._clock()
            await self._keep(launch, replace(launch, due_at=now + _LOOK_EVERY_MS, updated_at=now))
            raise
        if isinstance(found, ScheduledJobInfo):
            namespace = home_of(launch, self._identity.namespace)
            new = adopted(launch, found, namespace=namespace, now=self._clock())
            await self._keep(launch, new)
            return
        if found:
            await self._adopt(launch, found)
            return
        again = looked_in_vain(launch, began=began, now=self._clock(), quarantine_ms=quarantine_ms)
        await self._keep(launch, again or await self._given_up(launch))

    async def _look(
        self, launch: Launch, *, over: bool, many: bool
    ) -> Found | ScheduledJobInfo | None:
        namespace = home_of(launch, self._identity.namespace)
        if launch.rule == SCHEDULE:
            return await self._finder.schedule(launch, namespace)
        if initiator_of(launch):
            others = await self._store.launches(LaunchFilter(repos=[launch.repo]), limit=_OTHERS)
            besides = {other.job_id for other in others}
            return await self._finder.repeated(launch, namespace, besides=besides, wholly=over)
        if many:
            # One list serves all who wait for it; a call for each would use up the quota.
            with contextlib.suppress(ListTooLong):
                return await self._finder.anywhere(launch, namespace)
        found = await self._finder.by_label(launch, namespace)
        # Whether there is none is decided by a list of everything.
        return await self._finder.anywhere(launch, namespace) if over and not found else found

    def _not_looked_through(
        self, launch: Launch, exc: ListTooLong, *, began: int, over: bool
    ) -> Launch:
        """Return *launch* as a list leaves it that may hold its job where nobody read."""
        now = self._clock()
        if over:
            return moved(launch, LaunchState.HELD, now=now, reason=f"ambiguous: {exc}")
        waited, due_at = waited_ms(launch, began), now + _LOOK_EVERY_MS
        return replace(launch, waited_ms=waited, due_at=due_at, updated_at=now)

    async def _adopt(self, launch: Launch, found: Found) -> None:
        namespace = home_of(launch, self._identity.namespace)
        new = adopted(launch, found.job, namespace=namespace, now=self._clock())
        is_kept = await self._keep(launch, new)
        if is_kept and found.job.is_over:
            # Who follows the jobs would have to ask for it by itself.
            await self._keep(new, as_job_says(new, found.job, now=self._clock()))
        # Its sender may just have kept the other one: what nobody chose is not a copy yet.
        for copy in found.extra if is_kept else ():
            log.error("job.copy_cancelled", launch=launch.id, job=copy.id)
            await self._hub.cancel_job(copy.id, namespace=namespace)

    async def _given_up(self, launch: Launch) -> Launch:
        now, flavor = self._clock(), launch.spec.flavor
        if launch.is_direct:
            # Should it turn up after all, it is cancelled: nobody waits for it any more.
            reason = "no job was found, and what a person asked for is not started later"
            return not_queued(moved(launch, LaunchState.READY, now=now, reason=reason))
        price = (await self._prices.usd_per_hour()).get(flavor)
        if price is None or price > _RETRY_UP_TO_USD_PER_HOUR:
            cost = "at a price nobody knows" if price is None else f"at ${price:.2f} an hour"
            reason = f"ambiguous: no job was found, and {flavor} {cost} is not tried again unasked"
            return moved(launch, LaunchState.HELD, now=now, reason=reason)
        if launch.attempts >= _ATTEMPTS_MAX:
            reason = f"ambiguous: the outcome of {launch.attempts} requests was never known"
            return moved(launch, LaunchState.HELD, now=now, reason=reason)
        return moved(launch, LaunchState.READY, now=now, reason="no job was found: tried again")

    async def _keep(self, old: Launch, new: Launch) -> bool:
        try:
            await self._store.replace(old, new)
        except LaunchMoved:
            return False
        if new.state != old.state:
            log.info(
                "launch.moved",
                delivery=new.delivery,
                rule=new.rule,
                launch=new.id,
                state=new.state,
                reason=new.reason,
                job=new.job_id,
            )
        return True
