"""One look at the jobs on the Hub: it is made of as few calls as will do, and knows how many."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Collection, Sequence

from jobhook.core.errors import HubError, HubNotFound
from jobhook.core.jobs import ACTIVE_STAGES, Stage
from jobhook.core.planning import INSTANCE_LABEL
from jobhook.hub.models import JobInfo
from jobhook.ports import Hub

_ENDED_STAGES = tuple(stage for stage in Stage if stage.is_final)


class Look:
    """
    Asks for the jobs of one instance.

    Attributes:
        calls: How many calls were made so far, also those that failed.
    """

    def __init__(self, hub: Hub, instance: str) -> None:
        self._hub = hub
        self._labels = {INSTANCE_LABEL: instance}
        self.calls = 0

    async def active(self, namespace: str) -> list[JobInfo]:
        """Return all jobs that wait or run; a list that breaks off is no list (`HubError`)."""
        return [job async for page in self._pages(namespace, ACTIVE_STAGES) for job in page]

    async def ended(
        self, namespace: str, wanted: Collection[str], *, pages_max: int
    ) -> dict[str, JobInfo]:
        """Return those of the *wanted* jobs that are on the first pages of ended ones, by id."""
        found: dict[str, JobInfo] = {}
        before = self.calls
        async with contextlib.aclosing(self._pages(namespace, _ENDED_STAGES)) as pages:
            async for page in pages:
                found |= {job.id: job for job in page if job.id in wanted}
                if len(found) == len(wanted) or self.calls - before >= pages_max:
                    break
        return found

    async def one(self, namespace: str, job_id: str) -> JobInfo | None:
        """Return one job, or None if it is not on the Hub any more."""
        self.calls += 1
        try:
            return await self._hub.inspect_job(job_id, namespace=namespace)
        except HubNotFound:
            return None

    async def _pages(
        self, namespace: str, stages: Sequence[Stage]
    ) -> AsyncGenerator[list[JobInfo], None]:
        asked = self._hub.job_pages(namespace=namespace, labels=self._labels, stages=stages)
        async with contextlib.aclosing(asked) as pages:
            try:
                async for page in pages:
                    self.calls += 1
                    yield page
            except HubError:
                self.calls += 1
                raise
