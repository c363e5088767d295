"""Scheduled jobs on the Hub: what could start jobs goes through the ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import Field

from jobhook.core.access import Role
from jobhook.core.jobs import JobSpec
from jobhook.hub.models import JobInfo, ScheduledJobInfo
from jobhook.web.api.faults import Fault
from jobhook.web.api.hub_calls import (
    CHANGED,
    FOUND,
    LAUNCHED,
    NamespaceAsked,
    Somewhere,
    home,
    key_of,
    ours,
)
from jobhook.web.api.hub_lists import OfTheHub, Pairs, page_of
from jobhook.web.api.job_bodies import (
    CreateScheduledJob,
    CreateScheduledUvJob,
    NewLabels,
    NewTimes,
    job_of,
    uv_job_of,
)
from jobhook.web.api.job_kinds import Label
from jobhook.web.api.operations import Call, Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePage:
    """
    Scheduled jobs, the newest first.

    Attributes:
        items: In the Hub's order.
        next_cursor: What the next page is asked for with; null if this is the last.
    """

    items: list[ScheduledJobInfo]
    next_cursor: str | None


class SchedulesAsked(OfTheHub):
    """Which schedules."""

    label: tuple[Label, ...] = Field((), description="Carrying all of these, as `key=value`.")
    namespace: NamespaceAsked = None


async def create(call: Call) -> ScheduledJobInfo:
    """Make a schedule through the ledger."""
    return await _made(call, job_of(call.body))


async def create_uv(call: Call) -> ScheduledJobInfo:
    """Make a schedule for a script through the ledger."""
    return await _made(call, await uv_job_of(call.body))


async def _made(call: Call, spec: JobSpec) -> ScheduledJobInfo:
    body: CreateScheduledJob | CreateScheduledUvJob = call.body
    done = await call.services.schedules.create(
        spec,
        schedule=body.schedule,
        suspend=body.suspend,
        concurrency=body.concurrency,
        namespace=home(call),
        asked_by=call.caller.who,
        key=key_of(call),
    )
    return done.schedule


async def list_schedules(call: Call) -> SchedulePage:
    """Return one page of the schedules of a namespace."""
    asked: SchedulesAsked = call.query
    wanted = {tuple(each.partition("=")[::2]) for each in asked.label}
    hub, where = call.services.hub, home(call)

    async def read(page: Pairs) -> tuple[list[ScheduledJobInfo], Pairs | None]:
        # The Hub tells them all at once.
        found = await hub.list_scheduled_jobs(namespace=where)
        labels = ((each, set((each.job_spec.labels or {}).items())) for each in found)
        return [each for each, has in labels if wanted <= has], None

    items, cursor = await page_of(read, asked)
    return SchedulePage(items=items, next_cursor=cursor)


async def inspect(call: Call) -> ScheduledJobInfo:
    """Return one schedule."""
    return await call.services.hub.inspect_scheduled_job(
        call.params["schedule_id"], namespace=home(call)
    )


async def trigger(call: Call) -> JobInfo:
    """Start the job of a schedule now, through the ledger."""
    done = await call.services.runs.trigger(
        call.params["schedule_id"], namespace=home(call), asked_by=call.caller.who, key=key_of(call)
    )
    return done.job


async def reschedule(call: Call) -> ScheduledJobInfo:
    """Give a schedule other times, if the dollars of a day would do for them."""
    body: NewTimes = call.body
    return await call.services.schedules.reschedule(
        call.params["schedule_id"], schedule=body.schedule, namespace=home(call)
    )


async def relabel(call: Call) -> ScheduledJobInfo:
    """Give a schedule other labels."""
    body: NewLabels = call.body
    hub, schedule_id, where = call.services.hub, call.params["schedule_id"], home(call)
    found = await hub.inspect_scheduled_job(schedule_id, namespace=where)
    kept = ours(found.job_spec.labels)
    return await hub.update_scheduled_job_labels(
        schedule_id, labels={**body.labels, **kept}, namespace=where
    )


async def suspend(call: Call) -> None:
    """Pause a schedule."""
    await call.services.hub.suspend_scheduled_job(call.params["schedule_id"], namespace=home(call))


async def resume(call: Call) -> None:
    """Let a paused schedule go on."""
    await call.services.hub.resume_scheduled_job(call.params["schedule_id"], namespace=home(call))


async def delete(call: Call) -> None:
    """Delete a schedule."""
    await call.services.hub.delete_scheduled_job(call.params["schedule_id"], namespace=home(call))


def _told(
    name: str, method: str, path: str, summary: str, handle: Callable[[Call], Awaitable[None]]
) -> Operation:
    """Return an operation on one schedule of which nothing is answered."""
    return Operation(
        name=f"schedules.{name}",
        method=method,
        path=f"/schedules/{{schedule_id}}{path}",
        summary=summary,
        role=Role.OPERATOR,
        handle=handle,
        status=204,
        query=Somewhere,
        faults=CHANGED,
    )


_JUDGED = (
    "It goes through the ledger of launches, and is refused if what it starts in a day could cost "
    "more than all launches of a day may. The values of its secrets are kept nowhere but at the "
    "Hub."
)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="schedules.create",
        method="POST",
        path="/schedules",
        summary="Have a job started at set times.",
        description=_JUDGED,
        role=Role.OPERATOR,
        handle=create,
        answer=ScheduledJobInfo,
        status=201,
        body=CreateScheduledJob,
        example={
            "image": "python:3.12",
            "command": ["python", "-c", "print('good morning')"],
            "schedule": "0 6 * * 1",
            "timeout": "10m",
        },
        faults=LAUNCHED,
        takes_key=True,
        in_ledger=True,
    ),
    Operation(
        name="schedules.create_uv",
        method="POST",
        path="/schedules/uv",
        summary="Have `uv run` run a script at set times.",
        description=f"{_JUDGED} Files are carried as they are now.",
        role=Role.OPERATOR,
        handle=create_uv,
        answer=ScheduledJobInfo,
        status=201,
        body=CreateScheduledUvJob,
        example={
            "script": "report.py",
            "schedule": "@daily",
            "files": {"report.py": "print('all is well')\n"},
            "timeout": "10m",
        },
        faults=LAUNCHED,
        takes_key=True,
        in_ledger=True,
    ),
    Operation(
        name="schedules.list",
        method="GET",
        path="/schedules",
        summary="The scheduled jobs of a namespace, the newest first.",
        role=Role.VIEWER,
        handle=list_schedules,
        answer=SchedulePage,
        query=SchedulesAsked,
        faults=FOUND,
    ),
    Operation(
        name="schedules.inspect",
        method="GET",
        path="/schedules/{schedule_id}",
        summary="One scheduled job.",
        role=Role.VIEWER,
        handle=inspect,
        answer=ScheduledJobInfo,
        query=Somewhere,
        faults=FOUND,
    ),
    _told("delete", "DELETE", "", "Delete a schedule; the jobs that it started stay.", delete),
    _told("suspend", "POST", "/suspend", "Pause a schedule.", suspend),
    _told("resume", "POST", "/resume", "Let a paused schedule go on.", resume),
    Operation(
        name="schedules.run",
        method="POST",
        path="/schedules/{schedule_id}/run",
        summary="Start the job of a schedule now.",
        description="It goes through the ledger of launches, as `POST /jobs` does.",
        role=Role.OPERATOR,
        handle=trigger,
        answer=JobInfo,
        status=201,
        query=Somewhere,
        faults=LAUNCHED,
        takes_key=True,
        in_ledger=True,
    ),
    Operation(
        name="schedules.reschedule",
        method="PUT",
        path="/schedules/{schedule_id}/schedule",
        summary="Give a schedule other times; all else stays.",
        role=Role.OPERATOR,
        handle=reschedule,
        answer=ScheduledJobInfo,
        query=Somewhere,
        body=NewTimes,
        example={"schedule": "@weekly"},
        faults=(*CHANGED, Fault.LIMIT_REACHED),
    ),
    Operation(
        name="schedules.labels",
        method="PUT",
        path="/schedules/{schedule_id}/labels",
        summary="Give a schedule other labels.",
        description="Those that it had are gone, but for those by which the service knows it.",
        role=Role.OPERATOR,
        handle=relabel,
        answer=ScheduledJobInfo,
        query=Somewhere,
        body=NewLabels,
        example={"labels": {"team": "data"}},
        faults=CHANGED,
    ),
)
