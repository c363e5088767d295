"""Follow the launched jobs to their end."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog

from jobhook.core.errors import HubError, LaunchMoved
from jobhook.core.launches import Launch, LaunchState, home_of, moved
from jobhook.core.pacing import (
    LONGEST,
    QUICK,
    SINGLES,
    Purse,
    pages_worth,
    pause_after,
    unchanged_for,
)
from jobhook.failpoints import failpoint
from jobhook.flows.identity import Identity
from jobhook.flows.looking import Look, Pages
from jobhook.flows.outcomes import as_job_says
from jobhook.flows.resolving import Visibility
from jobhook.flows.worker import Worker, backoff
from jobhook.hub.models import JobInfo
from jobhook.ports import Clock, Hub, Store

_SEEN_BY_THEN_MS = 30_000
# How long after its launch a copy of a job is still looked for.
_SWEPT_MS = 48 * 3_600_000
# When the list of ended jobs is of no use.
_SINGLES_ONLY = 12
_LONGEST_BACKOFF = 60.0
# Two clocks never agree on when a pause is over.
_SHORTEST_PAUSE = 0.05

log = structlog.get_logger()


class Tracker(Worker):
    """
    Asks the Hub what became of our jobs: one list of the active ones in each namespace.

    Jobs that are no longer among them are looked up in the list of ended ones when they are many,
    and singly when they are few. How soon it looks again is decided in `core.pacing`. Active jobs
    that no followed launch knows go to *on_strays*, at least every five minutes, also from
    namespaces where nothing is followed any more.

    *monotonic* is a clock that nobody can set; pauses go by it. *namespaces* tells where jobs run
    beside our own, because rules say so: what an older database knew of them may be lost.
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
        visibility: Visibility,
        on_strays: Callable[[str, Sequence[JobInfo]], None],
        namespaces: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        self._clock = clock
        self._monotonic = monotonic
        self._identity = identity
        self._instance = instance
        self._visibility = visibility
        self._on_strays = on_strays
        self._namespaces = namespaces
        self._purse = Purse()
        self._news = False
        self._due = self._due_for_news = self._sweep_due = -math.inf
        self._failed_looks = 0
        # By namespace: the list of ended jobs that is being read, look after look, and the jobs
        # that are so far down in it that to ask for each by itself costs less.
        self._lists: dict[str, Pages] = {}
        self._hidden: dict[str, frozenset[str]] = {}
        self._inspected: dict[str, float] = {}

    def wake(self) -> None:
        """Say that something was launched: the next look may be sooner, if that can be paid."""
        self._news = True
        super().wake()

    async def step(self) -> bool:
        wait = self._wait()
        if wait <= 0:
            self._news = False
            launches = await self._store.followed()
            if launches or self._seconds() >= self._sweep_due:
                await self._look(launches)
                wait = self._wait()
            else:
                wait = QUICK
        self.idle = max(wait, _SHORTEST_PAUSE)
        return False

    def _seconds(self) -> float:
        return self._monotonic() / 1000

    def _wait(self) -> float:
        due = self._due_for_news if self._news else self._due
        return max(due - self._seconds(), self._hub.quota.shortage)

    async def _look(self, launches: Sequence[Launch]) -> None:
        look = Look(self._hub, self._instance)
        open_ids = {launch.id for launch in launches}
        self._inspected = {id_: at for id_, at in self._inspected.items() if id_ in open_ids}
        self._failed_looks += 1
        theirs = self._by_namespace(launches)
        try:
            await self._look_everywhere(look, theirs)
            self._failed_looks = 0
            if self._seconds() >= self._sweep_due:
                await self._sweep(look, theirs)
                self._sweep_due = self._seconds() + LONGEST
        finally:
            self._plan(look.calls, launches)

    def _plan(self, calls: int, launches: Sequence[Launch]) -> None:
        now, quota = self._seconds(), self._hub.quota
        self._purse = self._purse.spend(calls, now=now, quota=quota)
        unchanged = unchanged_for(self._clock(), (launch.updated_at for launch in launches))
        failed = self._failed_looks
        least = backoff(failed, _LONGEST_BACKOFF) if failed else 0.0
        self._due, self._due_for_news = (
            now + max(least, pause_after(calls, self._purse, quota, unchanged=seconds))
            for seconds in (unchanged, 0.0)
        )

    def _by_namespace(self, launches: Sequence[Launch]) -> Mapping[str, Sequence[Launch]]:
        own = self._identity.namespace
        theirs: dict[str, list[Launch]] = {own: []}
        for launch in launches:
            theirs.setdefault(home_of(launch, own), []).append(launch)
        return theirs

    async def _sweep(self, look: Look, known: Collection[str]) -> None:
        """Look for copies where jobs ran before or may run, and nothing is followed."""
        were_sent = await self._store.namespaces(self._clock() - _SWEPT_MS)
        for namespace in sorted((were_sent | self._namespaces()).difference(known)):
            try:
                self._on_strays(namespace, await look.active(namespace))
            except HubError as exc:
                # It may be none of ours any more, and those that are must not suffer from that.
                log.warning("namespace.not_swept", namespace=namespace, error=str(exc))

    async def _look_everywhere(self, look: Look, theirs: Mapping[str, Sequence[Launch]]) -> None:
        failure: HubError | None = None
        for namespace, followed in theirs.items():
            try:
                await self._look_into(look, namespace, followed)
            except HubError as exc:
                # One namespace or job that cannot be looked at does not hide the others.
                log.warning("namespace.not_followed", namespace=namespace, error=str(exc))
                failure = exc
        if failure:
            raise failure

    async def _look_into(self, look: Look, namespace: str, launches: Sequence[Launch]) -> None:
        listed = await look.active(namespace)
        failpoint("tracking.listed")
        ours = {launch.job_id for launch in launches}
        self._on_strays(namespace, [job for job in listed if job.id not in ours])
        jobs = {job.id: job for job in listed if job.id in ours}
        for launch in launches:
            if launch.job_id in jobs:
                self._visibility.listed(launch.id, self._clock())
        missing = [launch for launch in launches if launch.job_id not in jobs]
        jobs |= await self._ended(look, namespace, missing)
        for launch in launches:
            if launch.job_id in jobs:
                await self._follow(launch, jobs[launch.job_id])
        missing = [launch for launch in missing if launch.job_id not in jobs]
        await self._follow_singly(look, namespace, missing)

    async def _ended(
        self, look: Look, namespace: str, missing: Sequence[Launch]
    ) -> Mapping[str, JobInfo]:
        """Look for the *missing* in the list of ended jobs, from where the last look stopped."""
        wanted = {launch.job_id or "" for launch in missing}
        if not pages_worth(len(wanted)):
            self._hidden.pop(namespace, None)
        hidden = self._hidden.get(namespace, frozenset()) & wanted
        pages = pages_worth(len(wanted) - len(hidden))
        if not pages:
            await self._close_list(namespace)
            return {}
        is_at_top = namespace not in self._lists
        reading = self._lists.setdefault(namespace, look.ended(namespace))
        before = look.calls
        found: dict[str, JobInfo] = {}
        is_end = True
        try:
            found, is_end = await look.among(reading, wanted, pages_max=pages)
        finally:
            # What ended meanwhile is at the top.
            if is_end or len(found) < look.calls - before:
                await self._close_list(namespace)
        if is_at_top and len(found) < look.calls - before:
            # They hide behind too many others that ended.
            self._hidden[namespace] = frozenset(wanted.difference(found))
        return found

    async def _close_list(self, namespace: str) -> None:
        if reading := self._lists.pop(namespace, None):
            await reading.aclose()

    async def _follow_singly(self, look: Look, namespace: str, missing: Sequence[Launch]) -> None:
        """Ask for some of the *missing*, the longest not asked for first, then the oldest."""
        most = _SINGLES_ONLY if namespace in self._hidden else SINGLES
        failure: HubError | None = None
        for launch in sorted(missing, key=self._asked_at)[:most]:
            self._inspected[launch.id] = self._seconds()
            try:
                job = await look.one(namespace, launch.job_id or "")
                await self._follow(launch, job)
            except HubError as exc:
                log.warning("launch.not_followed", launch=launch.id, error=str(exc))
                failure = exc
        if failure:
            raise failure

    def _asked_at(self, launch: Launch) -> float:
        return self._inspected.get(launch.id, -math.inf)

    async def _follow(self, launch: Launch, job: JobInfo | None) -> None:
        now = self._clock()
        if job:
            new = as_job_says(launch, job, now=now)
        elif now - launch.updated_at < _SEEN_BY_THEN_MS:
            # The Hub may not know yet of a job that it has just started.
            return
        else:
            reason = "the job is not on the Hub any more"
            new = moved(launch, LaunchState.GONE, now=now, reason=reason)
        if new == launch:
            return
        try:
            await self._store.replace(launch, new)
        except LaunchMoved:
            return
        log.info(
            "launch.moved",
            delivery=launch.delivery,
            rule=launch.rule,
            launch=launch.id,
            job=launch.job_id,
            state=new.state,
            reason=new.reason,
        )
