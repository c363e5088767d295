"""
Cancel copies of jobs that cost money for nothing.

The Hub may carry a request out twice, or so late that its launch was tried again meanwhile. What we
cannot prevent we find, within five minutes.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from jobhook.core.jobs import ACTIVE_STAGES
from jobhook.core.planning import INSTANCE_LABEL, LAUNCH_LABEL, LAUNCH_VARIABLE
from jobhook.failpoints import failpoint
from jobhook.flows.identity import Identity
from jobhook.flows.worker import Worker
from jobhook.hub.models import JobInfo
from jobhook.ports import Hub, Store

log = structlog.get_logger()


class Reaper(Worker):
    """Looks at all active jobs of this instance, and cancels those that stand for no launch."""

    idle = 5 * 60.0

    def __init__(self, store: Store, hub: Hub, *, identity: Identity, instance: str) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        self._identity = identity
        self._instance = instance

    async def step(self) -> bool:
        jobs = await self._hub.list_jobs(
            namespace=self._identity.namespace,
            labels={INSTANCE_LABEL: self._instance},
            stages=ACTIVE_STAGES,
        )
        for job in jobs:
            # A list can hold what was not asked for: whose job it is, is checked here.
            if job.labels.get(INSTANCE_LABEL) == self._instance:
                await self._judge(job)
        return False

    async def _judge(self, job: JobInfo) -> None:
        launch = await self._store.launch(_launch_of(job))
        # While a launch has no job of its own, this one may be it.
        if launch is None or launch.job_id in (None, job.id):
            return
        copy = job.id
        if not launch.state.is_final and job.id < (launch.job_id or ""):
            # Ids are made in the order of time. The first job counts, whoever looks: two services
            # that share a name by mistake then do not cancel each other's.
            copy = launch.job_id or ""
            await self._store.replace(launch, replace(launch, job_id=job.id, job_url=job.url))
        log.error("job.copy_cancelled", launch=launch.id, job=copy)
        await self._hub.cancel_job(copy, namespace=self._identity.namespace)
        failpoint("reaping.cancelled")


def _launch_of(job: JobInfo) -> str:
    return job.labels.get(LAUNCH_LABEL) or job.environment.get(LAUNCH_VARIABLE) or ""
