"""
Stop every job of ours that runs, by what the Hub knows alone.

Nothing here asks the database, which may be what is broken.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

from jobhook.core.errors import HubBusy, HubError, HubRefused, ListTooLong
from jobhook.core.jobs import ACTIVE_STAGES
from jobhook.core.planning import INSTANCE_LABEL
from jobhook.hub.models import JobInfo
from jobhook.ports import Hub

_AT_ONCE = 8
_CLEAN_LOOKS = 2
_TRIES = 3
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

    Each is yielded with None, or with why it could not be cancelled after `_TRIES`.

    Raises:
        HubError: The Hub's list cannot be read, `_TRIES` times in a row.
    """
    tries: Counter[str] = Counter()
    done: set[str] = set()
    clean_looks = 0
    while clean_looks < _CLEAN_LOOKS:
        jobs, cut = await _listed(hub, namespace, instance, sleep)
        left = [job for job in jobs if job.id not in done]
        if cut and not left:
            # Others may run that nobody can see.
            raise cut
        clean_looks = 0 if left else clean_looks + 1
        for start in range(0, len(left), _AT_ONCE):
            for job_id, failure in await _cancelled(hub, left[start : start + _AT_ONCE], namespace):
                tries[job_id] += 1
                if failure and _may_pass(failure) and tries[job_id] < _TRIES:
                    continue
                done.add(job_id)
                yield job_id, str(failure) if failure else None
        if clean_looks < _CLEAN_LOOKS:
            await sleep(_LOOK_AGAIN_SECONDS)


async def stop_everywhere(
    hub: Hub,
    *,
    namespaces: Iterable[str],
    instance: str,
    on_unread: Callable[[str, HubError], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[tuple[str, str | None]]:
    """
    Do what `stop_all_jobs` does in one of *namespaces* after the other.

    Where the Hub's list cannot be read, *on_unread* is told, and the next one is looked at: what
    runs there costs money as well.
    """
    for namespace in namespaces:
        stopped = stop_all_jobs(hub, namespace=namespace, instance=instance, sleep=sleep)
        try:
            async for each in stopped:
                yield each
        except HubError as exc:
            on_unread(namespace, exc)


async def _listed(
    hub: Hub, namespace: str, instance: str, sleep: Callable[[float], Awaitable[None]]
) -> tuple[list[JobInfo], ListTooLong | None]:
    for _ in range(_TRIES - 1):
        with contextlib.suppress(HubBusy):
            return await _ours(hub, namespace, instance)
        await sleep(_LOOK_AGAIN_SECONDS)
    return await _ours(hub, namespace, instance)


async def _ours(
    hub: Hub, namespace: str, instance: str
) -> tuple[list[JobInfo], ListTooLong | None]:
    """Return the jobs that are listed, and why there may be more."""
    labels, ours = {INSTANCE_LABEL: instance}, []
    try:
        async for page in hub.job_pages(namespace=namespace, labels=labels, stages=ACTIVE_STAGES):
            # The Hub may list what was not asked for.
            ours += [job for job in page if job.label(INSTANCE_LABEL) == instance]
    except ListTooLong as exc:
        return ours, exc
    return ours, None


async def _cancelled(
    hub: Hub, jobs: Sequence[JobInfo], namespace: str
) -> list[tuple[str, HubError | None]]:
    async def cancel(job: JobInfo) -> tuple[str, HubError | None]:
        try:
            await hub.cancel_job(job.id, namespace=namespace)
        except HubError as exc:
            return job.id, exc
        return job.id, None

    return await asyncio.gather(*map(cancel, jobs))


def _may_pass(failure: HubError) -> bool:
    return not isinstance(failure, HubRefused)
