"""Follow the launched jobs to their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from jobhook.core.errors import HubError, HubNotFound, LaunchMoved
from jobhook.core.jobs import Stage
from jobhook.core.launches import INSTANCE_LABEL, Launch, LaunchState, moved, state_of_stage
from jobhook.flows.identity import Identity
from jobhook.flows.resolving import Visibility
from jobhook.flows.worker import Worker
from jobhook.hub.models import JobInfo
from jobhook.ports import Clock, Hub, Store

_ACTIVE = (Stage.SCHEDULING, Stage.RUNNING)

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
                stages=_ACTIVE,
            )
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
        state, message = await self._state_of(launch, job)
        if state in {None, launch.state}:
            return
        new = moved(launch, state or launch.state, now=self._clock(), reason=message)
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

    async def _state_of(
        self, launch: Launch, job: JobInfo | None
    ) -> tuple[LaunchState | None, str]:
        try:
            job = job or await self._hub.inspect_job(
                launch.job_id or "", namespace=launch.namespace or self._identity.namespace
            )
        except HubNotFound as exc:
            return LaunchState.GONE, str(exc)
        return state_of_stage(job.status.stage), job.status.message or ""
