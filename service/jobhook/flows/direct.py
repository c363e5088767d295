"""Start the jobs that people and programs ask for, under the limits and with the care of rules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from jobhook.core.direct import (
    GENERATIONS_MAX,
    is_same,
    not_queued,
    plan_run,
    refusal,
    request_id,
    with_secrets,
)
from jobhook.core.errors import (
    HubBusy,
    KeyReused,
    OutcomeUnknown,
    StillRunning,
)
from jobhook.core.filters import LaunchFilter
from jobhook.core.guards import Guard, Limits
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import Launch, LaunchState, home_of
from jobhook.failpoints import failpoint
from jobhook.flows.identity import Identity
from jobhook.flows.prices import Prices
from jobhook.flows.resolving import Visibility
from jobhook.flows.sending import Lease, Sender, Sent, Start
from jobhook.hub.models import JobInfo
from jobhook.ports import Clock, Hub, Store

_AT_ONCE = 16
# It was never sent, or the Hub said no: asked for again, it may go.
_GIVEN_UP = {LaunchState.SKIPPED, LaunchState.REJECTED, LaunchState.EXPIRED, LaunchState.CANCELLED}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DirectRun:
    """A job that was asked for, and the launch by which it is known here."""

    launch_id: str
    job: JobInfo


class DirectRuns:
    """
    Starts what people ask for.

    A request is kept before it is sent, and sent once. Whoever asks may go away meanwhile: what is
    on its way goes on, and what came of it is kept. *draw* gives a key to a request that comes
    without one; *paused* names what keeps everything back, if a setting does.
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
        self._hub = hub
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
            settle=not_queued,
        )
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._on_their_way: set[asyncio.Task[DirectRun]] = set()

    async def finish(self) -> None:
        """Wait for everything that is on its way."""
        await asyncio.gather(*self._on_their_way, return_exceptions=True)

    async def run(
        self, spec: JobSpec, *, namespace: str | None, asked_by: str, key: str | None = None
    ) -> DirectRun:
        """
        Start the job that *spec* describes, with the values of its secrets; it is sent once.

        *key* makes a request the same as another one, and belongs to the caller: the same key gives
        the same job, and starts another only where the first ended without one.

        Raises:
            Paused: Nothing may be started for now.
            LimitReached: It would cost too much, or nobody knows what it would cost.
            NotLaunched: It was called back before it was sent.
            StillRunning: Nobody knows yet what came of the same request.
            KeyReused: The key was used for something else.
            HubRefused: The Hub said no; nothing runs.
            HubBusy: Nothing runs, and it may be tried again.
            OutcomeUnknown: It may run; *look_for* names the launch that will say so.
            StoreUnavailable: Nothing was sent.
        """
        spec = replace(spec, namespace=namespace or spec.namespace)
        request = request_id(self._draw() if key is None else key)

        def plan(generation: int) -> Launch:
            return plan_run(
                spec,
                instance=self._instance,
                request=request,
                generation=generation,
                asked_by=asked_by,
                now=self._clock(),
            )

        def prepare(launch: Launch) -> Start:
            job = with_secrets(launch, spec.secrets)
            return lambda home: self._hub.start_job(home, job)

        return await self._to_the_end(plan, prepare)

    async def _to_the_end(
        self, plan: Callable[[int], Launch], prepare: Callable[[Launch], Start]
    ) -> DirectRun:
        """Let nothing that happens to the caller break off what was begun."""
        task = asyncio.create_task(self._launched(plan, prepare), name="direct")
        self._on_their_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[DirectRun]) -> None:
        self._on_their_way.discard(task)
        # Nobody may be there any more to be told.
        if not task.cancelled() and (failure := task.exception()):
            log.info("direct.not_launched", error=str(failure))

    async def _launched(
        self, plan: Callable[[int], Launch], prepare: Callable[[Launch], Start]
    ) -> DirectRun:
        # Whoever has to wait for room has claimed nothing yet.
        async with self._room:
            generation = 0
            for kept in await self._kept(plan(0)):
                if kept.job_id or kept.state not in _GIVEN_UP:
                    return await self._known(kept, plan)
                _check_same(kept, plan)
                generation = kept.generation + 1
            if generation >= GENERATIONS_MAX:
                raise KeyReused(f"this was tried {GENERATIONS_MAX} times: ask with another key")
            asked = plan(generation)
            if not home_of(asked, self._identity.namespace):
                raise HubBusy("the Hub has not told yet whose token this is: try again")
            guard, lease = await self._guard()
            launch, is_new = await self._store.begin_direct(asked, guard)
            if not is_new:
                return await self._known(launch, plan)
            failpoint("direct.begun")
            if launch.state != LaunchState.SENDING:
                raise refusal(launch)
            return self._told(await self._sender.send(launch, partial(prepare, launch), lease))

    async def _kept(self, asked: Launch) -> Sequence[Launch]:
        """Return the launch that the same request led to last, if it led to one."""
        wanted = LaunchFilter(delivery=asked.delivery, rule=asked.rule)
        return await self._store.launches(wanted, limit=1)

    async def _known(self, kept: Launch, plan: Callable[[int], Launch]) -> DirectRun:
        """Return what the same request has led to already."""
        _check_same(kept, plan)
        if not kept.job_id:
            told = f"launch {kept.id} of the same request is {kept.state}"
            raise StillRunning(f"{told}: look at what becomes of it", launch_id=kept.id)
        home = home_of(kept, self._identity.namespace)
        return DirectRun(kept.id, await self._hub.inspect_job(kept.job_id, namespace=home))

    async def _guard(self) -> tuple[Guard, Lease]:
        prices = await self._prices.usd_per_hour()
        lease = self._sender.lease()
        own = self._identity.namespace
        return Guard(self._limits, prices, lease.wall, own, self._paused), lease

    def _told(self, sent: Sent) -> DirectRun:
        launch = sent.launch
        if sent.job:
            self._on_launched()
            return DirectRun(launch.id, sent.job)
        if launch.state == LaunchState.UNKNOWN:
            home = home_of(launch, self._identity.namespace)
            # The words are the Hub's, or say what of ours has failed.
            unknown = OutcomeUnknown(launch.reason)
            raise unknown.with_clue(launch=launch.id, namespace=home)
        raise sent.failure or refusal(launch)


def _check_same(kept: Launch, plan: Callable[[int], Launch]) -> None:
    if not is_same(kept, plan(kept.generation)):
        raise KeyReused(f"this key was used for another job, with launch {kept.id}: take a new one")
