"""Carry requests of people and programs through the ledger, with the care that rules get."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import structlog

from jobhook.core.direct import (
    GENERATIONS_MAX,
    USD_PER_DAY,
    Request,
    check_size,
    is_same,
    made,
    not_queued,
    planned,
    refusal,
    request_id,
)
from jobhook.core.errors import (
    HubBusy,
    KeyReused,
    LimitReached,
    NotLaunched,
    OutcomeUnknown,
    StillRunning,
)
from jobhook.core.filters import LaunchFilter
from jobhook.core.guards import Guard, Limits
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import SCHEDULE, Launch, LaunchState, home_of
from jobhook.failpoints import failpoint
from jobhook.flows.identity import Identity
from jobhook.flows.prices import Prices
from jobhook.flows.resolving import Visibility
from jobhook.flows.sending import Lease, Made, Sender, Sent, Start
from jobhook.ports import Clock, Hub, Store

_AT_ONCE = 16
# It was never sent, or the Hub said no: asked for again, it may go.
_GIVEN_UP = {LaunchState.SKIPPED, LaunchState.REJECTED, LaunchState.EXPIRED, LaunchState.CANCELLED}

Objection = Callable[[Guard], str | None]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Done:
    """What a request has led to, and the launch by which that is known here."""

    launch_id: str
    made: Made


class Requests:
    """
    Carries out what people ask for.

    A request is kept before it is sent, and sent once. Few are on their way at a time: whoever
    waits for room and goes away has asked for nothing. What is on its way goes on without its
    caller, and what came of it is kept. *draw* gives a key to a request that comes without one;
    *paused* names what keeps everything back, if a setting does.

    Attributes:
        hub: Who is asked.
    """

    def __init__(
        self,
        store: Store,
        hub: Hub,
        clock: Clock,
        *,
        monotonic: Clock,
        identity: Identity,
        instance: str,
        prices: Prices,
        limits: Limits,
        visibility: Visibility,
        lease_ms: int,
        draw: Callable[[], str],
        paused: str | None = None,
        on_launched: Callable[[], None],
    ) -> None:
        self._store = store
        self.hub = hub
        self._clock = clock
        self._identity = identity
        self._instance = instance
        self._prices = prices
        self._limits = limits
        self._draw = draw
        self._paused = paused
        self._on_launched = on_launched
        self._sender = Sender(
            store,
            hub,
            clock,
            monotonic=monotonic,
            identity=identity,
            visibility=visibility,
            lease_ms=lease_ms,
            settle=lambda launch: not_queued(made(launch)),
        )
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._on_their_way: set[asyncio.Task[Done]] = set()
        self._is_stopping = False

    async def finish(self) -> None:
        """Take nothing more, and wait for everything that is on its way."""
        self._is_stopping = True
        await asyncio.gather(*self._on_their_way, return_exceptions=True)

    def home(self, namespace: str | None) -> str:
        """Return *namespace*, or our own; `HubBusy` while that is not known."""
        home = namespace or self._identity.namespace
        if not home:
            raise HubBusy("the Hub has not told yet whose token this is: try again")
        return home

    def request(
        self,
        rule: str,
        spec: JobSpec,
        asked_by: str,
        key: str | None,
        *,
        about: str = "",
        when: str = "",
    ) -> Request:
        """Return the request of a caller; without a *key* it is the same as no other one."""
        return Request(
            rule=rule,
            id=request_id(self._draw() if key is None else key),
            instance=self._instance,
            spec=spec,
            about=about,
            when=when,
            asked_by=asked_by,
            is_unheard_of=key is None,
        )

    async def guard(self) -> Guard:
        """Return what says of each launch whether it may go, as of now; raises `HubError`."""
        guard, _ = await self._guard()
        return guard

    async def carry_out(
        self,
        asked: Request,
        prepare: Callable[[Launch], Start],
        *,
        objection: Objection = lambda guard: None,
    ) -> Done:
        """
        Do what was *asked*, unless it is done, or the guard or the *objection* says no.

        *prepare* returns what has the Hub do it. Nothing that happens to the caller breaks off what
        was begun. The errors are those of `DirectRuns.run`.
        """
        await self._room.acquire()
        # Also for whoever has waited for room meanwhile: nothing of it is kept.
        if self._is_stopping:
            self._room.release()
            raise HubBusy("the service is stopping, and nothing was asked of the Hub: try again")
        task = asyncio.create_task(self._launched(asked, prepare, objection), name="direct")
        self._on_their_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Done]) -> None:
        self._room.release()
        self._on_their_way.discard(task)
        # Nobody may be there any more to be told.
        if not task.cancelled() and (failure := task.exception()):
            log.info("direct.not_launched", error=str(failure))

    async def _launched(
        self, asked: Request, prepare: Callable[[Launch], Start], objection: Objection
    ) -> Done:
        kept = None if asked.is_unheard_of else await self._kept(asked)
        if kept and (kept.job_id or kept.state not in _GIVEN_UP):
            return await self._known(kept, asked)
        launch = self._planned(asked, after=kept)
        guard, lease = await self._guard()
        why_not = objection(guard)
        if why_not:
            launch = replace(launch, state=LaunchState.SKIPPED, reason=why_not)
            await self._store.add(launch)
            raise refusal(launch)
        begun, is_new = await self._store.begin_direct(launch, guard)
        if not is_new:
            return await self._known(begun, asked)
        failpoint("direct.begun")
        if begun.state != LaunchState.SENDING:
            raise await self._refusal(begun, guard)
        prepared = partial(prepare, begun)
        sent = await self._sender.send(begun, prepared, lease, is_unheard_of=asked.is_unheard_of)
        return self._told(sent)

    async def _refusal(self, launch: Launch, guard: Guard) -> NotLaunched:
        """Return the error for whoever asked for *launch*, with when it may go if time will do."""
        error = refusal(launch)
        if isinstance(error, LimitReached) and error.limit == USD_PER_DAY:
            room = guard.room_beside(launch)
            free_at = await self._store.room_at(guard.now, room) if room >= 0 else None
            if free_at:
                error.retry_after = (free_at - guard.now) / 1000
        return error

    async def _kept(self, asked: Request) -> Launch | None:
        """Return the launch that the same key led to last, if it led to one."""
        wanted = LaunchFilter(delivery=asked.id)
        return next(iter(await self._store.launches(wanted, limit=1)), None)

    def _planned(self, asked: Request, *, after: Launch | None) -> Launch:
        """Return the launch of *asked*, which has led to nothing *after* this one, if any."""
        if after:
            self._check_same(after, asked)
        generation = after.generation + 1 if after else 0
        if generation >= GENERATIONS_MAX:
            raise KeyReused(f"this was tried {GENERATIONS_MAX} times: ask with another key")
        check_size(asked.spec)
        launch = planned(asked, generation=generation, now=self._clock())
        self.home(launch.spec.namespace)
        return launch

    async def _known(self, kept: Launch, asked: Request) -> Done:
        """Return what the same request has led to already."""
        self._check_same(kept, asked)
        if not kept.job_id and kept.state in _GIVEN_UP:
            raise refusal(kept)
        if not kept.job_id:
            told = f"launch {kept.id} of the same request is {kept.state}"
            raise StillRunning(f"{told}: look at what becomes of it", launch_id=kept.id)
        home = home_of(kept, self._identity.namespace)
        if kept.rule == SCHEDULE:
            schedule = await self.hub.inspect_scheduled_job(kept.job_id, namespace=home)
            return Done(kept.id, schedule)
        return Done(kept.id, await self.hub.inspect_job(kept.job_id, namespace=home))

    def _check_same(self, kept: Launch, asked: Request) -> None:
        if not is_same(kept, planned(asked, generation=kept.generation, now=self._clock())):
            raise KeyReused(
                f"this key was used for something else, with launch {kept.id}: take a new one"
            )

    async def _guard(self) -> tuple[Guard, Lease]:
        prices = await self._prices.usd_per_hour()
        lease = self._sender.lease()
        own = self._identity.namespace
        return Guard(self._limits, prices, lease.wall, own, self._paused), lease

    def _told(self, sent: Sent) -> Done:
        launch = sent.launch
        if sent.made:
            self._on_launched()
            return Done(launch.id, sent.made)
        if launch.state == LaunchState.UNKNOWN:
            home = home_of(launch, self._identity.namespace)
            # The words are the Hub's, or say what of ours has failed.
            unknown = OutcomeUnknown(launch.reason)
            raise unknown.with_clue(launch=launch.id, namespace=home)
        raise sent.failure or refusal(launch)
