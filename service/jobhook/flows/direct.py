"""Start the jobs that people and programs ask for, under the limits and with the care of rules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import structlog

from jobhook.core.direct import (
    GENERATIONS_MAX,
    RERUN,
    TRIGGER,
    Request,
    is_same,
    not_queued,
    planned,
    refusal,
    request_id,
    with_secrets,
)
from jobhook.core.errors import (
    HubBusy,
    HubRefused,
    KeyReused,
    OutcomeUnknown,
    StillRunning,
    UsageError,
)
from jobhook.core.filters import LaunchFilter
from jobhook.core.guards import Guard, Limits
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import RUN, Launch, LaunchState, home_of
from jobhook.core.planning import without_payload
from jobhook.failpoints import failpoint
from jobhook.flows.identity import Identity
from jobhook.flows.prices import Prices
from jobhook.flows.resolving import Visibility
from jobhook.flows.sending import Lease, Sender, Sent, Start
from jobhook.hub.models import JobInfo, JobSpecInfo
from jobhook.hub.reading import spec_of
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

        def prepare(launch: Launch) -> Start:
            job = with_secrets(launch, spec.secrets)
            return lambda home: self._hub.start_job(home, job)

        return await self._to_the_end(self._request(RUN, spec, asked_by, key), prepare)

    async def rerun(
        self, job_id: str, *, namespace: str | None, asked_by: str, key: str | None = None
    ) -> DirectRun:
        """
        Have the Hub run a job once more, with its secrets; it is asked once.

        Raises as `run` does; `HubNotFound` if there is no such job.
        """
        home = self._home(namespace)
        job = await self._hub.inspect_job(job_id, namespace=home)
        spec = self._repeated(job, job_id, home)

        def prepare(launch: Launch) -> Start:
            return lambda home: self._hub.rerun_job(job_id, namespace=home)

        asked = self._request(RERUN, spec, asked_by, key, about=f"job:{job_id}")
        return await self._to_the_end(asked, prepare)

    async def trigger(
        self, schedule_id: str, *, namespace: str | None, asked_by: str, key: str | None = None
    ) -> DirectRun:
        """
        Have the Hub start the job of a schedule now; it is asked once.

        Raises as `run` does; `HubNotFound` if there is no such schedule.
        """
        home = self._home(namespace)
        found = await self._hub.inspect_scheduled_job(schedule_id, namespace=home)
        spec = self._repeated(found.job_spec, schedule_id, home)

        def prepare(launch: Launch) -> Start:
            return lambda home: self._hub.trigger_scheduled_job(schedule_id, namespace=home)

        asked = self._request(TRIGGER, spec, asked_by, key, about=f"schedule:{schedule_id}")
        return await self._to_the_end(asked, prepare)

    def _repeated(self, told: JobInfo | JobSpecInfo, source: str, home: str) -> JobSpec:
        """Return what is run once more, as far as the Hub tells: what it costs is in it."""
        try:
            spec = spec_of(told)
        except UsageError as exc:
            raise HubRefused(f"{source} cannot be repeated: {exc}") from exc
        attempts = 1 + (told.retry or 0)
        return replace(spec, env=without_payload(spec.env), namespace=home, attempts=attempts)

    def _home(self, namespace: str | None) -> str:
        home = namespace or self._identity.namespace
        if not home:
            raise HubBusy("the Hub has not told yet whose token this is: try again")
        return home

    def _request(
        self, rule: str, spec: JobSpec, asked_by: str, key: str | None, *, about: str = ""
    ) -> Request:
        request = request_id(self._draw() if key is None else key)
        return Request(
            rule=rule,
            id=request,
            instance=self._instance,
            spec=spec,
            about=about,
            asked_by=asked_by,
        )

    async def _to_the_end(self, asked: Request, prepare: Callable[[Launch], Start]) -> DirectRun:
        """Let nothing that happens to the caller break off what was begun."""
        task = asyncio.create_task(self._launched(asked, prepare), name="direct")
        self._on_their_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[DirectRun]) -> None:
        self._on_their_way.discard(task)
        # Nobody may be there any more to be told.
        if not task.cancelled() and (failure := task.exception()):
            log.info("direct.not_launched", error=str(failure))

    async def _launched(self, asked: Request, prepare: Callable[[Launch], Start]) -> DirectRun:
        # Whoever has to wait for room has claimed nothing yet.
        async with self._room:
            kept = await self._kept(asked)
            if kept and (kept.job_id or kept.state not in _GIVEN_UP):
                return await self._known(kept, asked)
            launch = self._planned(asked, after=kept)
            guard, lease = await self._guard()
            begun, is_new = await self._store.begin_direct(launch, guard)
            if not is_new:
                return await self._known(begun, asked)
            failpoint("direct.begun")
            if begun.state != LaunchState.SENDING:
                raise refusal(begun)
            return self._told(await self._sender.send(begun, partial(prepare, begun), lease))

    async def _kept(self, asked: Request) -> Launch | None:
        """Return the launch that the same request led to last, if it led to one."""
        wanted = LaunchFilter(delivery=asked.id, rule=asked.rule)
        return next(iter(await self._store.launches(wanted, limit=1)), None)

    def _planned(self, asked: Request, *, after: Launch | None) -> Launch:
        """Return the launch of *asked*, which has led to nothing *after* this one, if any."""
        if after:
            self._check_same(after, asked)
        generation = after.generation + 1 if after else 0
        if generation >= GENERATIONS_MAX:
            raise KeyReused(f"this was tried {GENERATIONS_MAX} times: ask with another key")
        launch = planned(asked, generation=generation, now=self._clock())
        self._home(launch.spec.namespace)
        return launch

    async def _known(self, kept: Launch, asked: Request) -> DirectRun:
        """Return what the same request has led to already."""
        self._check_same(kept, asked)
        if not kept.job_id:
            told = f"launch {kept.id} of the same request is {kept.state}"
            raise StillRunning(f"{told}: look at what becomes of it", launch_id=kept.id)
        home = home_of(kept, self._identity.namespace)
        return DirectRun(kept.id, await self._hub.inspect_job(kept.job_id, namespace=home))

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
