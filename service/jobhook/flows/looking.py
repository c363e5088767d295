"""One look at the jobs on the Hub: it is made of as few calls as will do, and knows how many."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Collection, Sequence

from jobhook.core.errors import HubError, HubNotFound
from jobhook.core.jobs import ACTIVE_STAGES, JobStage
from jobhook.core.planning import INSTANCE_LABEL
from jobhook.hub.models import JobInfo
from jobhook.ports import Hub

Pages = AsyncGenerator[list[JobInfo], None]

_ENDED_STAGES = tuple(stage for stage in JobStage if stage.is_final)


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

    def ended(self, namespace: str) -> Pages:
        """Return the list of ended jobs, nothing of which is read yet."""
        return self._hub.job_pages(namespace=namespace, labels=self._labels, stages=_ENDED_STAGES)

    async def among(
        self, pages: Pages, wanted: Collection[str], *, pages_max: int
    ) -> tuple[dict[str, JobInfo], bool]:
        """Read on in *pages*; return those of the *wanted* jobs by id, and whether that was all."""
        found: dict[str, JobInfo] = {}
        for _ in range(pages_max):
            self.calls += 1
            page = await anext(pages, None)
            if page is None:
                return found, True
            found |= {job.id: job for job in page if job.id in wanted}
            if len(found) == len(wanted):
                break
        return found, False

    async def one(self, namespace: str, job_id: str) -> JobInfo | None:
        """Return one job, or None if it is not on the Hub any more."""
        self.calls += 1
        try:
            return await self._hub.inspect_job(job_id, namespace=namespace)
        except HubNotFound:
            return None

    async def _pages(self, namespace: str, stages: Sequence[JobStage]) -> Pages:
        asked = self._hub.job_pages(namespace=namespace, labels=self._labels, stages=stages)
        async with contextlib.aclosing(asked) as pages:
            try:
                async for page in pages:
                    self.calls += 1
                    yield page
            except HubError:
                self.calls += 1
                raise
