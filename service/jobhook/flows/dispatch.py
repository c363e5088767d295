"""Send the launches that are due, each once, and tell a clear no from an unknown outcome."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import structlog

from jobhook.core.errors import (
    HubBusy,
    HubForbidden,
    HubRefused,
    HubUnauthorized,
    LaunchMoved,
    ListTooLong,
    MissingSecret,
    OutcomeUnknown,
    StoreUnavailable,
    UsageError,
)
from jobhook.core.guards import Guard, Limits, paused_by, paused_reason
from jobhook.core.launches import (
    CANCELLED_BY,
    DAMAGED,
    LONGEST_WAIT_MS,
    LOOK_FIRST_MS,
    MOVES,
    Launch,
    LaunchState,
    home_of,
    moved,
)
from jobhook.core.planning import job_of
from jobhook.failpoints import failpoint
from jobhook.flows.answers import AUTH, after_look, after_sending, put_off
from jobhook.flows.finding import Finder
from jobhook.flows.identity import Identity
from jobhook.flows.prices import Prices
from jobhook.flows.resolving import Visibility, adopted
from jobhook.flows.worker import Worker, backoff
from jobhook.ports import Clock, Hub, Store

_AT_ONCE = 16
# About half a minute, which is what a process gets to end.
_KEEP_ATTEMPTS = 10
_KEEP_PAUSE = 4.0
_TOO_MANY_REQUESTS = 429
_PROBE_SECONDS = 60.0
_OF_ITS_JOB = ("namespace", "job_id", "job_url", "claimed_at", "micro_usd")

log = structlog.get_logger()


class Dispatcher(Worker):
    """Claims what is ready, sends it, and keeps what came of it."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        clock: Clock,
        *,
        monotonic: Clock,
        identity: Identity,
        secrets: Mapping[str, str],
        payload_url: Callable[[Launch, int], str | None] = lambda launch, now: None,
        visibility: Visibility,
        prices: Prices,
        limits: Limits,
        max_age_ms: int,
        lease_ms: int,
        on_launched: Callable[[], None],
    ) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        self._finder = Finder(hub)
        self._clock = clock
        self._monotonic = monotonic
        self._identity = identity
        self._secrets = secrets
        self._payload_url = payload_url
        self._visibility = visibility
        self._prices = prices
        self._limits = limits
        self._on_launched = on_launched
        self._max_age_ms = max_age_ms
        self._lease_ms = lease_ms
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._closed_until = -math.inf
        self._probing = False
        # What a process before this one held may go by now.
        self._release_due = True

    async def run(self) -> None:
        await super().run()
        await self.finish()

    async def step(self) -> bool:
        if self._monotonic() < self._closed_until:
            return False
        now = self._clock()
        if self._release_due:
            await self._store.release(now, reason_prefix=AUTH)
            self._release_due = False
        await self._store.expire(now, created_before=now - self._max_age_ms)
        # While it is not known whether the Hub lets us again, one launch finds out.
        room = (1 if self._probing else _AT_ONCE) - len(self._on_their_way)
        prices = await self._prices.usd_per_hour()
        guard = Guard(self._limits, prices, now, self._identity.namespace)
        # The lease begins when the store says so, which is later than this.
        lease = _Lease(self._lease_ms, now, self._monotonic())
        claimed = await self._store.claim(now, room, guard) if room > 0 else ()
        if claimed:
            failpoint("dispatch.claimed")
        for launch, body in claimed:
            task = asyncio.create_task(self._send(launch, body, lease), name=f"send {launch.id}")
            self._on_their_way.add(task)
            task.add_done_callback(self._sent)
        return False

    async def finish(self) -> None:
        """Wait for everything that is on its way."""
        await asyncio.gather(*self._on_their_way)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._on_their_way.discard(task)
        # There is room for one more.
        self.wake()

    async def _send(self, launch: Launch, body: bytes, lease: _Lease) -> None:
        try:
            outcome = await self._outcome(launch, body, lease)
        except Exception as exc:
            # A fault of ours, and nobody can tell how far it came.
            log.exception("launch.broken", launch=launch.id)
            reason = f"jobhook failed on it: {type(exc).__name__}"
            outcome = moved(launch, LaunchState.UNKNOWN, now=self._clock(), reason=reason)
        await self._keep(launch, outcome)
        failpoint("dispatch.recorded")
        if outcome.job_id:
            self._on_launched()

    async def _keep(self, launch: Launch, outcome: Launch) -> None:
        bound = log.bind(
            delivery=launch.delivery,
            rule=launch.rule,
            launch=launch.id,
            state=outcome.state,
            reason=outcome.reason,
            job=outcome.job_id,
        )
        for failures in range(1, _KEEP_ATTEMPTS + 1):
            try:
                in_time = await self._try_to_keep(launch, outcome)
            except StoreUnavailable as exc:
                # What came of it must not be forgotten because the disk is full for a moment.
                bound.warning("launch.not_kept", error=str(exc))
                await asyncio.sleep(backoff(failures, _KEEP_PAUSE))
                continue
            if in_time:
                bound.info("launch.moved")
            else:
                bound.warning("launch.overtaken")
            return

    async def _try_to_keep(self, launch: Launch, outcome: Launch) -> bool:
        try:
            await self._store.replace(launch, outcome)
        except LaunchMoved:
            await self._keep_late(outcome)
            return False
        return True

    async def _keep_late(self, outcome: Launch) -> None:
        """Keep the job of a launch that was taken for abandoned while its request was answered."""
        current = await self._store.launch(outcome.id)
        if outcome.job_id and current and not current.job_id and _may_be_launched(current):
            launched = moved(current, LaunchState.LAUNCHED, now=self._clock())
            # Its job costs money after all.
            job = {name: getattr(outcome, name) for name in _OF_ITS_JOB}
            with contextlib.suppress(LaunchMoved):
                await self._store.replace(current, replace(launched, **job))

    async def _outcome(self, launch: Launch, body: bytes, lease: _Lease) -> Launch:
        now = self._clock()
        if launch.is_damaged:
            return moved(launch, LaunchState.HELD, now=now, reason=DAMAGED)
        try:
            spec = job_of(launch, body, self._secrets, url=self._payload_url(launch, now))
        except MissingSecret as exc:
            return moved(launch, LaunchState.HELD, now=now, reason=f"secret: {exc}")
        except UsageError as exc:
            return moved(launch, LaunchState.REJECTED, now=now, reason=str(exc))
        unsent = await self._unsent(launch, lease)
        if unsent:
            return unsent
        try:
            home = home_of(launch, self._identity.namespace)
            job = await self._hub.start_job(home, spec)
            failpoint("dispatch.answered")
        except (HubBusy, HubRefused, OutcomeUnknown) as exc:
            self._mind(exc)
            return after_sending(exc, launch, now=self._clock())
        self._probing = False
        launched = moved(launch, LaunchState.LAUNCHED, now=self._clock())
        self._visibility.started(launch.id, launched.updated_at)
        return replace(launched, namespace=home, job_id=job.id, job_url=job.url)

    async def _unsent(self, launch: Launch, lease: _Lease) -> Launch | None:
        """Return what becomes of *launch* without its being sent, or None: it is to go now."""
        try:
            earlier = await self._started_earlier(launch)
            if earlier:
                return earlier
            failpoint("dispatch.sending")
            back = await self._called_back(launch)
        except (HubBusy, HubRefused) as exc:
            self._mind(exc)
            return after_look(exc, launch, now=self._clock())
        except StoreUnavailable as exc:
            return put_off(launch, str(exc), now=self._clock())
        if not back and lease.is_half_over(self._clock(), self._monotonic()):
            # Somebody may take it for abandoned soon: what is not sent now is not sent twice.
            return moved(launch, LaunchState.READY, now=self._clock(), reason="sent too late")
        return back

    async def _started_earlier(self, launch: Launch) -> Launch | None:
        """Look for the job of *launch* while this database is too young to know what was done."""
        now = self._clock()
        if now - await self._store.began_at() > LOOK_FIRST_MS:
            return None
        namespace = home_of(launch, self._identity.namespace)
        try:
            found = await self._finder.anywhere(launch, namespace)
        except ListTooLong:
            # Nobody has a reason to think that this one was sent: its label is enough here.
            found = await self._finder.by_label(launch, namespace)
        return adopted(launch, found.job, namespace=namespace, now=now) if found else None

    async def _called_back(self, launch: Launch) -> Launch | None:
        """Return *launch* as it goes back, unsent, if somebody stopped it since it was claimed."""
        current = await self._store.launch(launch.id)
        scope = paused_by(launch, {pause.scope for pause in await self._store.pauses()})
        reason = paused_reason(scope) if scope else "it was moved on meanwhile"
        back = moved(launch, LaunchState.READY, now=self._clock(), reason=reason)
        if current and current.reason.startswith(CANCELLED_BY):
            return moved(back, LaunchState.CANCELLED, now=self._clock(), reason=current.reason)
        is_ours = current and (current.state, current.attempts) == (launch.state, launch.attempts)
        return None if is_ours and not scope else back

    def _mind(self, exc: HubBusy | HubRefused | OutcomeUnknown) -> None:
        """Let the other launches wait as well when the answer is about all of them."""
        if isinstance(exc, HubUnauthorized | HubForbidden):
            pause = _PROBE_SECONDS
            self._release_due = True
        elif isinstance(exc, HubBusy) and exc.status == _TOO_MANY_REQUESTS:
            pause = exc.retry_after or _PROBE_SECONDS
        else:
            return
        # By a clock that nobody sets: one that was wrong would keep everything back for as long.
        self._closed_until = self._monotonic() + min(int(pause * 1000), LONGEST_WAIT_MS)
        self._probing = True
        log.warning("dispatch.closed", seconds=pause, error=str(exc))


@dataclass(frozen=True, slots=True)
class _Lease:
    """When a claim began, by a clock that can be set and by one that cannot."""

    length_ms: int
    wall: int
    monotonic: int

    def is_half_over(self, wall: int, monotonic: int) -> bool:
        # A machine that slept shows it on the first clock, a process that was stopped on both.
        return max(wall - self.wall, monotonic - self.monotonic) > self.length_ms // 2


def _may_be_launched(launch: Launch) -> bool:
    return LaunchState.LAUNCHED in MOVES[launch.state]
