"""Follow the launched jobs to their end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from jobhook.core.errors import HubError, HubNotFound, LaunchMoved
from jobhook.core.jobs import ACTIVE_STAGES
from jobhook.core.launches import Launch, LaunchState, moved, state_of_stage
from jobhook.core.planning import INSTANCE_LABEL
from jobhook.failpoints import failpoint
from jobhook.flows.identity import Identity
from jobhook.flows.resolving import Visibility
from jobhook.flows.worker import Worker
from jobhook.hub.models import JobInfo
from jobhook.ports import Clock, Hub, Store

log = structlog.get_logger()


class Tracker(Worker):
    """
    Asks the Hub what became of our jobs: one list of the active ones for all of them.

    Only a job that is no longer among them is looked at by itself, once, for how it ended.
    """

    idle = 2.0

    def __init__(
        self,
        store: Store,
        hub: Hub,
        clock: Clock,
        *,
        identity: Identity,
        instance: str,
        visibility: Visibility,
    ) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        self._clock = clock
        self._identity = identity
        self._instance = instance
        self._visibility = visibility

    async def step(self) -> bool:
        launches = await self._store.followed()
        if launches:
            listed = await self._hub.list_jobs(
                namespace=self._identity.namespace,
                labels={INSTANCE_LABEL: self._instance},
                stages=ACTIVE_STAGES,
            )
            failpoint("tracking.listed")
            jobs = {job.id: job for job in listed}
            await self._follow_all(launches, jobs)
        return False

    async def _follow_all(self, launches: Sequence[Launch], jobs: Mapping[str, JobInfo]) -> None:
        failure: HubError | None = None
        for launch in launches:
            try:
                await self._follow(launch, jobs.get(launch.job_id or ""))
            except HubError as exc:
                # One job that cannot be looked at does not hide the others.
                log.warning("launch.not_followed", launch=launch.id, error=str(exc))
                failure = exc
        if failure:
            raise failure

    async def _follow(self, launch: Launch, job: JobInfo | None) -> None:
        if job:
            self._visibility.listed(launch.id, self._clock())
        job = await self._look_at(launch, job)
        state = state_of_stage(job.status.stage) if job else LaunchState.GONE
        if state is None or state == launch.state:
            return
        reason = (job.status.message or "") if job else "the job is not on the Hub any more"
        new = settled(moved(launch, state, now=self._clock(), reason=reason), job)
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

    async def _look_at(self, launch: Launch, job: JobInfo | None) -> JobInfo | None:
        try:
            return job or await self._hub.inspect_job(
                launch.job_id or "", namespace=launch.namespace or self._identity.namespace
            )
        except HubNotFound:
            return None


def settled(launch: Launch, job: JobInfo | None) -> Launch:
    """Return *launch* with what its job cost in truth, once it is over and the times are told."""
    if not (launch.state.is_final and job and job.created_at and job.finished_at):
        return launch
    # Starting is billed as well; whole minutes are.
    seconds = (job.finished_at - job.created_at).total_seconds()
    minutes = math.ceil(max(seconds, 1) / 60)
    most = math.ceil(launch.spec.timeout / 60)
    return replace(launch, micro_usd=launch.micro_usd * min(minutes, most) // most)
