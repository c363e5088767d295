"""
Cancel copies of jobs that cost money for nothing, and adopt jobs that no launch knows of.

The Hub may carry a request out twice, or so late that its launch was tried again meanwhile; and a
database may be lost while jobs run. What we cannot prevent we find, within five minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from jobhook.core.direct import orphaned_run, run_of
from jobhook.core.errors import HubError, StoreError, UsageError
from jobhook.core.filters import LaunchFilter
from jobhook.core.guards import most_of
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import MOVES, SCHEDULE, Launch, LaunchState
from jobhook.core.planning import (
    INSTANCE_LABEL,
    LAUNCH_LABEL,
    LAUNCH_VARIABLE,
    RULE_LABEL,
    orphaned,
)
from jobhook.failpoints import failpoint
from jobhook.flows.finding import SCHEDULES, by_age, was_asked_for_elsewhere
from jobhook.flows.intake import SOURCE
from jobhook.flows.prices import Prices
from jobhook.flows.resolving import adopted
from jobhook.flows.worker import Worker
from jobhook.hub.models import JobInfo
from jobhook.hub.reading import spec_of
from jobhook.ports import Clock, Hub, Store

# Of so many launches about one schedule, the newest, the jobs are known.
_OTHERS = 1000
# Who sends it or looks for its job takes it in by itself.
_LOOKED_AFTER = {LaunchState.SENDING, LaunchState.UNKNOWN}

log = structlog.get_logger()


class Reaper(Worker):
    """
    Judges active jobs that no followed launch knows: copies are cancelled, the others adopted.

    The lists are those of the tracker, which looks at least every five minutes.
    """

    idle = 5 * 60.0

    def __init__(
        self, store: Store, hub: Hub, clock: Clock, *, prices: Prices, instance: str
    ) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        self._clock = clock
        self._prices = prices
        self._instance = instance
        self._strays: dict[str, Sequence[JobInfo]] = {}

    def judge(self, namespace: str, strays: Sequence[JobInfo]) -> None:
        """Take the *strays* of *namespace* for the next step, in place of earlier ones."""
        self._strays[namespace] = strays
        if strays:
            self.wake()

    async def step(self) -> bool:
        failure: HubError | StoreError | None = None
        for namespace in list(self._strays):
            unjudged = []
            for job in self._strays.pop(namespace):
                try:
                    await self._judge(namespace, job)
                except (HubError, StoreError) as exc:
                    # One that cannot be cancelled does not save the others.
                    unjudged.append(job)
                    failure = exc
            # A list that came meanwhile knows better.
            self._strays.setdefault(namespace, unjudged)
        if failure:
            raise failure
        return False

    async def _judge(self, namespace: str, job: JobInfo) -> None:
        # A list can hold what was not asked for: whose job it is, is checked here.
        if job.label(INSTANCE_LABEL) != self._instance:
            return
        if was_asked_for_elsewhere(job):
            # It carries the labels of what the Hub made it from, and is no copy.
            if job.label(RULE_LABEL) == SCHEDULE:
                await self._enter_run(namespace, job)
            return
        launch = await self._store.launch(_launch_of(job))
        if launch is None:
            await self._adopt_orphan(namespace, job)
        elif launch.job_id is None:
            await self._adopt_late(namespace, job, launch)
        elif launch.job_id != job.id:
            await self._cancel_copy(namespace, job, launch)

    async def _adopt_orphan(self, namespace: str, job: JobInfo) -> None:
        """Take in a job of ours that this database never had, because an older one was lost."""
        spec = _spec_of(namespace, job)
        launch = spec and self._launch_of(spec)
        if not (spec and launch):
            log.warning("job.unknown", job=job.id)
            return
        known = replace(launch, namespace=namespace, job_id=job.id, job_url=job.url)
        await self._store.add(await self._counted(known, job))
        log.error("job.adopted", launch=launch.id, rule=launch.rule, job=job.id)

    async def _enter_run(self, namespace: str, job: JobInfo) -> None:
        """Enter what a schedule of ours has started, so that its dollars count."""
        spec, initiator = _spec_of(namespace, job), job.initiator
        if not (spec and initiator and initiator.type == SCHEDULES):
            return
        about = LaunchFilter(repos=[f"schedule:{initiator.id}"])
        for other in await self._store.launches(about, limit=_OTHERS):
            # Somebody had it run now, or may have.
            if other.job_id == job.id or other.state in _LOOKED_AFTER:
                return
        made = await self._store.launch(_launch_of(job))
        run = run_of(
            initiator.id,
            job.id,
            spec,
            instance=self._instance,
            asked_by=made.asked_by if made else "",
            now=self._clock(),
        )
        run = replace(run, namespace=namespace, job_url=job.url)
        await self._store.add(await self._counted(run, job))
        log.info("job.of_schedule", launch=run.id, schedule=initiator.id, job=job.id)

    def _launch_of(self, spec: JobSpec) -> Launch | None:
        """Return the launch that a job with *spec* says it was started for, if that can be."""
        instance, now = self._instance, self._clock()
        return orphaned(spec, instance=instance, source=SOURCE, now=now) or orphaned_run(
            spec, instance=instance, now=now
        )

    async def _adopt_late(self, namespace: str, job: JobInfo, launch: Launch) -> None:
        """Give a launch the job that turned up after it was tried again, or held."""
        if launch.state in _LOOKED_AFTER:
            return
        if LaunchState.LAUNCHED in MOVES[launch.state]:
            log.error("job.adopted", launch=launch.id, rule=launch.rule, job=job.id)
            found = adopted(launch, job, namespace=namespace, now=self._clock())
            await self._store.replace(launch, await self._counted(found, job))
        else:
            # It was given up: nobody waits for what this job does.
            await self._cancel(namespace, job.id, launch)

    async def _counted(self, launch: Launch, job: JobInfo) -> Launch:
        """Return *launch* with what its *job* may cost, for which nothing is reserved."""
        spec, began = launch.spec, job.created_at
        price = (await self._prices.usd_per_hour()).get(spec.flavor, 0.0)
        return replace(
            launch,
            claimed_at=int(began.timestamp() * 1000) if began else self._clock(),
            micro_usd=most_of(price, spec),
        )

    async def _cancel_copy(self, namespace: str, job: JobInfo, launch: Launch) -> None:
        # The known one may run where jobs ran before, or run since.
        known, home = launch.job_id or "", launch.namespace or namespace
        if launch.state.is_final or not await self._counts(namespace, job, known, home):
            await self._cancel(namespace, job.id, launch)
            return
        found = replace(launch, namespace=namespace, job_id=job.id, job_url=job.url)
        await self._store.replace(launch, found)
        await self._cancel(home, known, launch)

    async def _counts(self, namespace: str, job: JobInfo, known: str, home: str) -> bool:
        """
        Whether *job* counts, and the *known* one in *home* is the copy.

        The older one counts, whoever looks: two services that share a name by mistake then do not
        cancel each other's. What has been cancelled since it was listed counts no more.
        """
        now = await self._hub.inspect_job(job.id, namespace=namespace)
        if now.is_over:
            return False
        return by_age(now) < by_age(await self._hub.inspect_job(known, namespace=home))

    async def _cancel(self, namespace: str, job_id: str, launch: Launch) -> None:
        log.error("job.copy_cancelled", launch=launch.id, job=job_id)
        await self._hub.cancel_job(job_id, namespace=namespace)
        failpoint("reaping.cancelled")


def _spec_of(namespace: str, job: JobInfo) -> JobSpec | None:
    try:
        # Whoever launches it again means the same place.
        return replace(spec_of(job), namespace=namespace, attempts=1 + (job.retry or 0))
    except UsageError:
        return None


def _launch_of(job: JobInfo) -> str:
    return job.label(LAUNCH_LABEL) or job.variable(LAUNCH_VARIABLE) or ""
