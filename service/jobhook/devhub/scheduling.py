"""All scheduled jobs of a devhub, and launching those that are due."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobhook.core.cron import Schedule

from .jobs import Initiator
from .schedules import LastJob, ScheduledJob
from .wire import Refusal, new_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from .accounts import Namespace
    from .jobs import Job
    from .limits import Limits
    from .running import Jobs
    from .schedules import ScheduleBody
    from .storage import Workspace

_log = logging.getLogger(__name__)


class Schedules:
    """All scheduled jobs, oldest first; *clock* says what time it is, in UTC."""

    def __init__(
        self, workspace: Workspace, jobs: Jobs, limits: Limits, clock: Callable[[], datetime]
    ) -> None:
        self._shelf = workspace.shelf("schedules")
        self._jobs = jobs
        self._limits = limits
        self._clock = clock
        self._all: dict[str, ScheduledJob] = {}
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Read what an earlier devhub kept, and begin to launch what is due."""
        for one in self._shelf.read(lambda kept: ScheduledJob.from_stored(kept, self._clock())):
            self._all[one.id] = one
        self._task = asyncio.create_task(self._watch(), name="schedules")

    async def close(self) -> None:
        """Launch nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    def create(self, body: ScheduleBody, owner: Namespace, creator: Namespace) -> ScheduledJob:
        """Take a scheduled job on."""
        if len(self.of(owner.name)) >= self._limits.schedules:
            raise Refusal(
                400,
                f"devhub keeps {self._limits.schedules} scheduled jobs of one namespace: "
                "delete some first",
            )
        return self._keep(
            ScheduledJob(
                id=new_id(),
                owner=owner,
                creator=creator,
                body=body.job_spec,
                schedule=body.schedule,
                created_at=self._clock(),
                next_at=Schedule(body.schedule).after(self._clock()),
                suspend=body.suspend,
                concurrency=body.concurrency,
            )
        )

    def of(self, namespace: str) -> list[ScheduledJob]:
        """Return the scheduled jobs of *namespace*, the newest first."""
        return [one for one in reversed(self._all.values()) if one.owner.name == namespace]

    def find(self, namespace: str, scheduled_id: str) -> ScheduledJob:
        """Return this one of *namespace*."""
        one = self._all.get(scheduled_id)
        if one is None or one.owner.name != namespace:
            raise Refusal(404, "There is no such scheduled job in this namespace")
        return one

    def delete(self, one: ScheduledJob) -> None:
        """Forget *one*; the jobs that it launched run on."""
        del self._all[one.id]
        self._shelf.drop(one.id)

    def suspend(self, one: ScheduledJob) -> ScheduledJob:
        """Let *one* launch nothing by itself."""
        return self._keep(replace(one, suspend=True))

    def resume(self, one: ScheduledJob) -> ScheduledJob:
        """Let *one* launch again, from its next time on."""
        return self._rescheduled(one, suspend=False)

    def reschedule(self, one: ScheduledJob, schedule: str) -> ScheduledJob:
        """Let *one* be due by another schedule."""
        return self._rescheduled(one, schedule=schedule)

    def relabel(self, one: ScheduledJob, labels: dict[str, str]) -> ScheduledJob:
        """Give what *one* launches from now on these labels alone."""
        return self._keep(replace(one, body=one.body.model_copy(update={"labels": labels})))

    def trigger(self, one: ScheduledJob) -> Job:
        """Launch the job of *one* now; a `Refusal` if its last one still runs and must be alone."""
        if self._is_busy(one):
            raise Refusal(409, "A job of this schedule is running, and concurrency is off")
        return self._launch(one)

    async def _watch(self) -> None:
        """Launch what is due, again and again; a look is cheap, and clocks are set anew."""
        while True:
            moment = self._clock()
            for one in [one for one in self._all.values() if one.is_due(moment)]:
                try:
                    self._fire(one)
                except OSError:
                    _log.exception("schedule.failed: %s", one.id)
            await asyncio.sleep(self._limits.schedule_pause)

    def _fire(self, one: ScheduledJob) -> None:
        """Launch *one* once, however often it has been due, unless it is busy."""
        one = self._rescheduled(one)
        if not self._is_busy(one):
            self._launch(one)

    def _is_busy(self, one: ScheduledJob) -> bool:
        last = self._jobs.get(one.last.id) if one.last else None
        return not one.concurrency and last is not None and not last.stage.is_final

    def _launch(self, one: ScheduledJob) -> Job:
        source = Initiator(type="scheduled-job", id=one.id)
        job = self._jobs.create(one.body, one.owner, one.creator, source)
        self._keep(replace(one, last=LastJob(id=job.id, at=job.created_at)))
        return job

    def _rescheduled(self, one: ScheduledJob, **changes: Any) -> ScheduledJob:
        one = replace(one, **changes)
        return self._keep(replace(one, next_at=Schedule(one.schedule).after(self._clock())))

    def _keep(self, one: ScheduledJob) -> ScheduledJob:
        self._all[one.id] = one
        self._shelf.put(one.id, one.to_stored())
        return one
