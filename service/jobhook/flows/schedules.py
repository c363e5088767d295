"""Make schedules for people and programs, if the dollars of a day would do for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from jobhook.core.direct import NO_PRICE, OF_SCHEDULE, with_secrets
from jobhook.core.errors import LimitReached
from jobhook.core.guards import no_price_for
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import SCHEDULE, Launch
from jobhook.core.recurring import objection
from jobhook.core.schedules import check_schedule
from jobhook.flows.direct import repeated
from jobhook.flows.requests import Requests
from jobhook.flows.sending import Start
from jobhook.hub.models import ScheduledJobInfo


@dataclass(frozen=True, slots=True)
class DirectSchedule:
    """A schedule that was asked for, and the launch by which it is known here."""

    launch_id: str
    schedule: ScheduledJobInfo


class Schedules:
    """Makes schedules for whoever asks; what they start on the Hub is none of its doing."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def create(
        self,
        spec: JobSpec,
        *,
        schedule: str,
        suspend: bool | None = None,
        concurrency: bool | None = None,
        namespace: str | None,
        asked_by: str,
        key: str | None = None,
    ) -> DirectSchedule:
        """
        Have the job that *spec* describes started at the times of *schedule*; it is asked once.

        Raises as `DirectRuns.run` does; `LimitReached` if what it starts in 24 hours could cost
        more than all launches of a day may. One that is suspended is judged as if it were not.
        """
        spec = replace(spec, namespace=namespace or spec.namespace)
        check_schedule(schedule)

        def prepare(launch: Launch) -> Start:
            job = with_secrets(launch, spec.secrets)
            return lambda home: self._requests.hub.start_schedule(
                home, job, schedule=schedule, suspend=suspend, concurrency=concurrency
            )

        flags = {"suspended": suspend, "concurrent": concurrency}
        when = ", ".join([schedule, *(word for word, is_so in flags.items() if is_so)])
        asked = self._requests.request(SCHEDULE, spec, asked_by, key, when=when)
        judge = partial(objection, schedule, spec, concurrency=bool(concurrency))
        done = await self._requests.carry_out(asked, prepare, objection=judge)
        return DirectSchedule(done.launch_id, cast("ScheduledJobInfo", done.made))

    async def reschedule(
        self, schedule_id: str, *, schedule: str, namespace: str | None
    ) -> ScheduledJobInfo:
        """
        Give a schedule other times.

        Raises:
            UsageError: That is no schedule.
            LimitReached: At these times it could cost more than all launches of a day may, or
                nobody knows what it would cost.
            HubError: The Hub does not do it.
        """
        check_schedule(schedule)
        home, hub = self._requests.home(namespace), self._requests.hub
        found = await hub.inspect_scheduled_job(schedule_id, namespace=home)
        spec, guard = repeated(found.job_spec, schedule_id, home), await self._requests.guard()
        if spec.flavor not in guard.usd_per_hour:
            raise LimitReached(no_price_for(spec.flavor), limit=NO_PRICE)
        why_not = objection(schedule, spec, guard, concurrency=bool(found.concurrency))
        if why_not:
            raise LimitReached(why_not, limit=OF_SCHEDULE)
        return await hub.update_scheduled_job_schedule(
            schedule_id, schedule=schedule, namespace=home
        )
