"""
Stop every job of ours that runs, by what the Hub knows alone.

Nothing here asks the database, which may be what is broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from jobhook.core.errors import HubError
from jobhook.core.jobs import ACTIVE_STAGES
from jobhook.core.planning import INSTANCE_LABEL
from jobhook.hub.models import JobInfo
from jobhook.ports import Hub

_AT_ONCE = 8
_CLEAN_LOOKS = 2
# A request that was on its way when launching was paused has its whole deadline.
_LOOK_AGAIN_SECONDS = 3.0


async def stop_all_jobs(
    hub: Hub,
    *,
    namespace: str,
    instance: str,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[tuple[str, str | None]]:
    """
    Cancel all active jobs of *instance* until none is listed any more; yield each as it is done.

    Each is yielded with None, or with why it could not be cancelled; that one is not tried again.

    Raises:
        HubError: The Hub's list cannot be read.
    """
    done: set[str] = set()
    clean_looks = 0
    while clean_looks < _CLEAN_LOOKS:
        jobs = await hub.list_jobs(
            namespace=namespace, labels={INSTANCE_LABEL: instance}, stages=ACTIVE_STAGES
        )
        # The Hub may list what was not asked for.
        ours = [job for job in jobs if job.labels.get(INSTANCE_LABEL) == instance]
        left = [job for job in ours if job.id not in done]
        clean_looks = 0 if left else clean_looks + 1
        for start in range(0, len(left), _AT_ONCE):
            for job_id, failure in await _cancelled(hub, left[start : start + _AT_ONCE], namespace):
                done.add(job_id)
                yield job_id, failure
        if clean_looks < _CLEAN_LOOKS:
            await sleep(_LOOK_AGAIN_SECONDS)


async def _cancelled(
    hub: Hub, jobs: Sequence[JobInfo], namespace: str
) -> list[tuple[str, str | None]]:
    async def cancel(job: JobInfo) -> tuple[str, str | None]:
        try:
            await hub.cancel_job(job.id, namespace=namespace)
        except HubError as exc:
            return job.id, str(exc)
        return job.id, None

    return await asyncio.gather(*map(cancel, jobs))
