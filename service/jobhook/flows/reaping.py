"""
Cancel copies of jobs that cost money for nothing.

The Hub may carry a request out twice, or so late that its launch was tried again meanwhile. What we
cannot prevent we find, within five minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from jobhook.core.errors import HubError, StoreError
from jobhook.core.planning import INSTANCE_LABEL, LAUNCH_LABEL, LAUNCH_VARIABLE
from jobhook.failpoints import failpoint
from jobhook.flows.worker import Worker
from jobhook.hub.models import JobInfo
from jobhook.ports import Hub, Store

log = structlog.get_logger()


class Reaper(Worker):
    """
    Judges active jobs that no followed launch knows, and cancels those that stand for no launch.

    The lists are those of the tracker, which looks at least every five minutes.
    """

    idle = 5 * 60.0

    def __init__(self, store: Store, hub: Hub, *, instance: str) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
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
        if job.labels.get(INSTANCE_LABEL) != self._instance:
            return
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
        await self._hub.cancel_job(copy, namespace=namespace)
        failpoint("reaping.cancelled")


def _launch_of(job: JobInfo) -> str:
    return job.labels.get(LAUNCH_LABEL) or job.environment.get(LAUNCH_VARIABLE) or ""
