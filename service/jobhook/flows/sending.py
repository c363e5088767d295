"""Send a claimed launch once, tell a clear no from an unknown outcome, and keep what came of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from jobhook.core.direct import initiator_of
from jobhook.core.errors import (
    HubBusy,
    HubRefused,
    LaunchMoved,
    ListTooLong,
    MissingSecret,
    OutcomeUnknown,
    StoreUnavailable,
    UsageError,
)
from jobhook.core.guards import paused_by, paused_reason
from jobhook.core.launches import (
    CANCELLED_BY,
    DAMAGED,
    LOOK_FIRST_MS,
    MOVES,
    SCHEDULE,
    Launch,
    LaunchState,
    home_of,
    moved,
)
from jobhook.failpoints import failpoint
from jobhook.flows.answers import after_look, after_sending, put_off
from jobhook.flows.finding import Finder
from jobhook.flows.identity import Identity
from jobhook.flows.resolving import Visibility, adopted, url_of
from jobhook.flows.worker import backoff
from jobhook.hub.models import JobInfo, ScheduledJobInfo
from jobhook.ports import Clock, Hub, Store

# About half a minute, which is what a process gets to end.
_KEEP_ATTEMPTS = 10
_KEEP_PAUSE = 4.0
_OF_ITS_JOB = ("namespace", "job_id", "job_url", "claimed_at", "micro_usd")

Made = JobInfo | ScheduledJobInfo
# Has the Hub make what a launch is for, in the namespace that it is given.
Start = Callable[[str], Awaitable[Made]]
Answer = HubBusy | HubRefused | OutcomeUnknown

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lease:
    """When a claim began, by a clock that can be set and by one that cannot."""

    length_ms: int
    wall: int
    monotonic: int

    def is_half_over(self, wall: int, monotonic: int) -> bool:
        # A machine that slept shows it on the first clock, a process that was stopped on both.
        return max(wall - self.wall, monotonic - self.monotonic) > self.length_ms // 2


@dataclass(frozen=True, slots=True)
class Sent:
    """
    What came of a launch that was to be sent.

    Attributes:
        made: Its job, or the schedule that it is for, if that is known to be there.
        failure: The Hub's words, if it has said something else.
    """

    launch: Launch
    made: Made | None = None
    failure: Answer | None = None


class Sender:
    """
    Sends what was claimed.

    What came of a launch is kept as *settle* makes it. *on_answer* is told of each answer of the
    Hub, None if that is a job.
    """

    def __init__(
        self,
        store: Store,
        hub: Hub,
        clock: Clock,
        *,
        monotonic: Clock,
        identity: Identity,
        visibility: Visibility,
        lease_ms: int,
        on_answer: Callable[[Answer | None], None] = lambda answer: None,
        settle: Callable[[Launch], Launch] = lambda launch: launch,
    ) -> None:
        self._store = store
        self._finder = Finder(hub)
        self._clock = clock
        self._monotonic = monotonic
        self._identity = identity
        self._visibility = visibility
        self._lease_ms = lease_ms
        self._on_answer = on_answer
        self._settle = settle

    def lease(self) -> Lease:
        """Return the lease of what is claimed after this, as of its wall clock or later."""
        return Lease(self._lease_ms, self._clock(), self._monotonic())

    async def send(
        self,
        launch: Launch,
        prepare: Callable[[], Start],
        lease: Lease,
        *,
        is_unheard_of: bool = False,
    ) -> Sent:
        """
        Send *launch*, which was claimed under *lease*, and keep what comes of it.

        *prepare* returns what starts its job, or raises `MissingSecret` or `UsageError`; nothing
        is asked of the Hub before. What *is_unheard_of* was asked for just now, and no database
        that is lost can have known it. This does not raise: a database that fails is tried again.
        """
        try:
            sent = await self._outcome(launch, prepare, lease, is_unheard_of=is_unheard_of)
        except Exception as exc:
            # A fault of ours, and nobody can tell how far it came.
            log.exception("launch.broken", launch=launch.id)
            reason = f"jobhook failed on it: {type(exc).__name__}"
            sent = Sent(moved(launch, LaunchState.UNKNOWN, now=self._clock(), reason=reason))
        sent = replace(sent, launch=self._settle(sent.launch))
        await self._keep(launch, sent.launch)
        failpoint("dispatch.recorded")
        return sent

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

    async def _outcome(
        self, launch: Launch, prepare: Callable[[], Start], lease: Lease, *, is_unheard_of: bool
    ) -> Sent:
        now = self._clock()
        if launch.is_damaged:
            return Sent(moved(launch, LaunchState.HELD, now=now, reason=DAMAGED))
        try:
            start = prepare()
        except MissingSecret as exc:
            return Sent(moved(launch, LaunchState.HELD, now=now, reason=f"secret: {exc}"))
        except UsageError as exc:
            return Sent(moved(launch, LaunchState.REJECTED, now=now, reason=str(exc)))
        unsent = await self._unsent(launch, lease, is_unheard_of=is_unheard_of)
        if unsent:
            return unsent
        try:
            home = home_of(launch, self._identity.namespace)
            made = await start(home)
            failpoint("dispatch.answered")
        except (HubBusy, HubRefused, OutcomeUnknown) as exc:
            self._on_answer(exc)
            return Sent(after_sending(exc, launch, now=self._clock()), failure=exc)
        self._on_answer(None)
        launched = moved(launch, LaunchState.LAUNCHED, now=self._clock())
        self._visibility.started(launch.id, launched.updated_at)
        return Sent(replace(launched, namespace=home, job_id=made.id, job_url=url_of(made)), made)

    async def _unsent(self, launch: Launch, lease: Lease, *, is_unheard_of: bool) -> Sent | None:
        """Return what becomes of *launch* without its being sent, or None: it is to go now."""
        try:
            earlier = None if is_unheard_of else await self._started_earlier(launch)
            if earlier:
                return earlier
            failpoint("dispatch.sending")
            back = await self._called_back(launch)
        except (HubBusy, HubRefused) as exc:
            self._on_answer(exc)
            return Sent(after_look(exc, launch, now=self._clock()), failure=exc)
        except StoreUnavailable as exc:
            return Sent(put_off(launch, str(exc), now=self._clock()))
        if not back and lease.is_half_over(self._clock(), self._monotonic()):
            # Somebody may take it for abandoned soon: what is not sent now is not sent twice.
            back = moved(launch, LaunchState.READY, now=self._clock(), reason="sent too late")
        return Sent(back) if back else None

    async def _started_earlier(self, launch: Launch) -> Sent | None:
        """Look for the job of *launch* while this database is too young to know what was done."""
        now = self._clock()
        if now - await self._store.began_at() > LOOK_FIRST_MS or initiator_of(launch):
            # What the Hub does once more carries no id of ours by which it could be found.
            return None
        namespace = home_of(launch, self._identity.namespace)
        if launch.rule == SCHEDULE:
            schedule = await self._finder.schedule(launch, namespace)
            if not schedule:
                return None
            return Sent(adopted(launch, schedule, namespace=namespace, now=now), schedule)
        try:
            found = await self._finder.anywhere(launch, namespace)
        except ListTooLong:
            # Nobody has a reason to think that this one was sent: its label is enough here.
            found = await self._finder.by_label(launch, namespace)
        if not found:
            return None
        return Sent(adopted(launch, found.job, namespace=namespace, now=now), found.job)

    async def _called_back(self, launch: Launch) -> Launch | None:
        """Return *launch* as it goes back, unsent, if somebody stopped it since it was claimed."""
        current = await self._store.standing(launch.id)
        is_ours = current and (current.state, current.attempts) == (launch.state, launch.attempts)
        is_cancelled = current and current.reason.startswith(CANCELLED_BY)
        scope = paused_by(launch, current.paused) if current else None
        if is_ours and not is_cancelled and not scope:
            return None
        reason = paused_reason(scope) if scope else "it was moved on meanwhile"
        back = moved(launch, LaunchState.READY, now=self._clock(), reason=reason)
        if current and is_cancelled:
            return moved(back, LaunchState.CANCELLED, now=self._clock(), reason=current.reason)
        return back


def _may_be_launched(launch: Launch) -> bool:
    return LaunchState.LAUNCHED in MOVES[launch.state]
