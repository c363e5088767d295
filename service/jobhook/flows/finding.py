"""Find the jobs that were started for a launch, for whoever has to know before anything is sent."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from jobhook.core.direct import initiator_of
from jobhook.core.errors import HubBusy, HubError
from jobhook.core.launches import Launch
from jobhook.core.planning import LAUNCH_LABEL, LAUNCH_VARIABLE
from jobhook.hub.models import JobInfo, ScheduledJobInfo
from jobhook.ports import Hub

# By so much the Hub's clock and ours may differ.
_CLOCKS_DIFFER_MS = 60_000
# What starts jobs on the Hub without a request of ours for a new job.
SCHEDULES = "scheduled-job"
_ELSEWHERE = {"duplicated-job", SCHEDULES, "webhook"}


def is_of(launch: Launch, job: JobInfo) -> bool:
    """
    Whether *job* was started for *launch*.

    Its label or its environment says so: labels can be replaced by anybody, and a list can hold
    jobs that do not carry the label that was asked for. The Hub copies both to what somebody has
    it do once more, which is another job.
    """
    return launch.id in _ids_on(job)


@dataclass(frozen=True, slots=True)
class Found:
    """The job that counts for a launch, and copies of it that cost money for nothing."""

    job: JobInfo
    extra: tuple[JobInfo, ...]


def by_age(job: JobInfo) -> tuple[float, str]:
    """Return a key that puts the oldest job first: of two for one launch, that one counts."""
    # Job ids are made in the order of time, and stand in where a date is missing.
    return job.created_at.timestamp() if job.created_at else 0.0, job.id


def found_among(jobs: Iterable[JobInfo], launch: Launch) -> Found | None:
    """Return the first job that was started for *launch*, or None; every stage counts."""
    ours = sorted((job for job in jobs if is_of(launch, job)), key=by_age)
    if not ours:
        return None
    return Found(ours[0], tuple(job for job in ours[1:] if not job.is_over))


class Finder:
    """Looks for jobs of launches on the Hub; a list that cannot be read is no list (`HubError`)."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._waiting: dict[str, _Round] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def by_label(self, launch: Launch, namespace: str) -> Found | None:
        """Look among the jobs that carry the label of *launch*: that is one call."""
        mine = _Round({launch.id})
        await self._list(mine, namespace, {LAUNCH_LABEL: launch.id})
        return mine.answer(launch)

    async def anywhere(self, launch: Launch, namespace: str) -> Found | None:
        """
        Look among all jobs, because somebody may have replaced the labels of ours.

        That costs a call for each page. So those who ask while a list is on its way share the
        next one, which begins after each of them has asked.
        """
        mine = self._waiting.setdefault(namespace, _Round())
        mine.wanted.add(launch.id)
        async with self._turns[namespace]:
            if self._waiting.get(namespace) is mine:
                del self._waiting[namespace]
                await self._list(mine, namespace, {})
        return mine.answer(launch)

    async def repeated(
        self, launch: Launch, namespace: str, *, besides: Collection[str | None], wholly: bool
    ) -> Found | None:
        """
        Look for the job of a *launch* that the Hub makes from what it has, by what set it off.

        Those *besides* belong to others. The newest stand first: unless *wholly*, the list is read
        no further than to where all is older than the launch.
        """
        since = (launch.claimed_at - _CLOCKS_DIFFER_MS) / 1000
        found: list[JobInfo] = []
        async for page in self._hub.job_pages(namespace=namespace, labels={}):
            young = [job for job in page if job.created_at and job.created_at.timestamp() >= since]
            found += [job for job in young if _is_repeated(launch, job) and job.id not in besides]
            if not (young or wholly):
                break
        return Found(min(found, key=by_age), ()) if found else None

    async def schedule(self, launch: Launch, namespace: str) -> ScheduledJobInfo | None:
        """Look for the schedule that was made for *launch*, by its label."""
        labels = {LAUNCH_LABEL: launch.id}
        listed = await self._hub.list_scheduled_jobs(namespace=namespace, labels=labels)
        # A list can hold what was not asked for.
        ours = (each for each in listed if (each.job_spec.labels or {}).items() >= labels.items())
        return next(ours, None)

    async def _list(self, round_: _Round, namespace: str, labels: Mapping[str, str]) -> None:
        try:
            # Page by page: of a long list only ours have to be kept.
            async for page in self._hub.job_pages(namespace=namespace, labels=labels):
                round_.jobs += [job for job in page if round_.wanted & _ids_on(job)]
            round_.failure = None
        except HubError as exc:
            round_.failure = exc


@dataclass(slots=True)
class _Round:
    """One list of jobs, for everybody who waits for it."""

    wanted: set[str] = field(default_factory=set)
    jobs: list[JobInfo] = field(default_factory=list)
    # Until it has been read to its end, nobody may take it for an answer.
    failure: HubError | None = field(default_factory=lambda: HubBusy("the look was broken off"))

    def answer(self, launch: Launch) -> Found | None:
        """Return what the list says of *launch*; raises why it could not be read to its end."""
        found = found_among(self.jobs, launch)
        # What is there is there; only that something is not takes all of the list.
        if self.failure and not found:
            raise self.failure
        return found


def was_asked_for_elsewhere(job: JobInfo) -> bool:
    """Whether the Hub made *job* from what it had: a job, a schedule or a webhook."""
    return job.initiator is not None and job.initiator.type in _ELSEWHERE


def _is_repeated(launch: Launch, job: JobInfo) -> bool:
    told = job.initiator
    return told is not None and (told.type, told.id) == initiator_of(launch)


def _ids_on(job: JobInfo) -> set[str | None]:
    if was_asked_for_elsewhere(job):
        return set()
    return {job.label(LAUNCH_LABEL), job.variable(LAUNCH_VARIABLE)}
