"""`jobhook schedules`: scheduled jobs on the Hub, with the words of `hf jobs scheduled`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobhook.cli.client import Shown, Where, moment
from jobhook.cli.job_options import (
    NAME_LABEL,
    Clear,
    FilterOption,
    JobOptions,
    LabelsOption,
    NameOption,
    ScheduleOptions,
    UvOptions,
    WithNameOption,
    check_labels,
    label_filter,
    new_labels,
    statuses_of,
)
from jobhook.cli.launching import Request, named_for_image, print_request, ready
from jobhook.cli.options import with_options
from jobhook.cli.output import print_table
from jobhook.cli.passing import ScheduledPassingOn
from jobhook.cli.uv_jobs import Script, ScriptArgs, local_script, uv_request
from jobhook.core.errors import UsageError
from jobhook.hub.models import ScheduledJobInfo

if TYPE_CHECKING:
    from jobhook.cli.client import AnyHub

schedules_app = typer.Typer(
    help="Scheduled jobs on the Hub, as with `hf jobs scheduled`.", no_args_is_help=True
)
uv_app = typer.Typer(help="Python scripts that uv runs.", no_args_is_help=True)
schedules_app.add_typer(uv_app, name="uv")

Schedule = Annotated[
    str, typer.Argument(help="@hourly, @daily, @weekly, @monthly, @yearly, or cron (UTC).")
]
ScheduleId = Annotated[str, typer.Argument(metavar="ID", help="ID, or NAMESPACE/ID.")]
ScheduleIds = Annotated[list[str], typer.Argument(metavar="ID...", help="ID, or NAMESPACE/ID.")]

_ACTIVE, _SUSPENDED = "active", "suspended"


@schedules_app.command("run", cls=ScheduledPassingOn)
@with_options
def schedule_job(
    schedule: Schedule,
    image: Annotated[str, typer.Argument(help="A Docker image, or hf.co/spaces/OWNER/NAME.")],
    command: Annotated[list[str], typer.Argument(help="What runs, word by word.")],
    options: JobOptions,
    when: ScheduleOptions,
    where: Where,
    shown: Shown,
) -> None:
    """Run a job by a schedule."""
    request = named_for_image(
        {"image": image, "command": command, **options.request(), "namespace": where.home}
    )
    timed = {"schedule": schedule, **when.request(), **request}
    _create(
        where, lambda hub, sent: hub.create_scheduled_job(**sent), timed, options.dry_run, shown
    )


@uv_app.command("run", cls=ScheduledPassingOn)
@with_options
def schedule_uv_job(
    schedule: Schedule,
    script: Script,
    options: JobOptions,
    uv: UvOptions,
    when: ScheduleOptions,
    where: Where,
    shown: Shown,
    args: ScriptArgs = None,
) -> None:
    """Run a Python script by a schedule."""
    with local_script(script) as local:
        given = options.request()
        request = uv_request(script, local, args, given, uv, where, dry_run=options.dry_run)
        if request.get("network_group") or request.get("network_aliases"):
            raise UsageError(f"{script}: scheduled jobs have no network, and its header names one")
        timed = {"schedule": schedule, **when.request(), **request}

        def create(hub: AnyHub, sent: Request) -> Awaitable[ScheduledJobInfo]:
            return hub.create_scheduled_uv_job(**{**sent, "script": local})

        _create(where, create, timed, options.dry_run, shown)


@with_options
def list_schedules(
    where: Where,
    shown: Shown,
    show_all: Annotated[bool, typer.Option("-a", "--all", help="Suspended ones as well.")] = False,
    status: Annotated[
        list[str] | None, typer.Option("--status", help="active, suspended, or both with a comma.")
    ] = None,
    label: FilterOption = None,
    name: WithNameOption = None,
) -> None:
    """List scheduled jobs: those that are active, unless others are asked for."""
    statuses = [word.lower() for word in statuses_of(status, show_all=show_all)]
    for word in statuses:
        if word not in (_ACTIVE, _SUSPENDED):
            raise UsageError(f"--status {word[:40]!r}: one of {_ACTIVE}, {_SUSPENDED}")
    wanted = (_ACTIVE, _SUSPENDED) if show_all else statuses or (_ACTIVE,)
    labels = label_filter(label, name)

    async def matching(hub: AnyHub) -> list[ScheduledJobInfo]:
        found = await hub.list_scheduled_jobs(labels=labels or None, namespace=where.home)
        return [each for each in found if (_SUSPENDED if each.suspend else _ACTIVE) in wanted]

    _print_schedules(where.ask(matching), shown, is_all=show_all)


for _alias in ("ls", "list", "ps"):
    schedules_app.command(_alias, hidden=_alias != "ls")(list_schedules)


@schedules_app.command("inspect")
@with_options
def inspect_schedules(ids: ScheduleIds, where: Where, shown: Shown) -> None:
    """Tell everything of scheduled jobs."""
    wanted = [where.find(each) for each in ids]

    async def inspect(hub: AnyHub) -> list[ScheduledJobInfo]:
        return [
            await hub.inspect_scheduled_job(scheduled_job_id=each, namespace=home)
            for each, home in wanted
        ]

    shown.detail(where.ask(inspect))


@schedules_app.command("delete")
@with_options
def delete_schedule(schedule_id: ScheduleId, where: Where, shown: Shown) -> None:
    """Delete a scheduled job."""
    which = _which(schedule_id, where)
    where.ask(lambda hub: hub.delete_scheduled_job(**which))
    shown.tell("deleted", which["scheduled_job_id"])


@schedules_app.command("suspend")
@with_options
def suspend_schedule(schedule_id: ScheduleId, where: Where, shown: Shown) -> None:
    """Let a scheduled job rest."""
    which = _which(schedule_id, where)
    where.ask(lambda hub: hub.suspend_scheduled_job(**which))
    shown.tell("suspended", which["scheduled_job_id"])


@schedules_app.command("resume")
@with_options
def resume_schedule(schedule_id: ScheduleId, where: Where, shown: Shown) -> None:
    """Let a scheduled job go on."""
    which = _which(schedule_id, where)
    where.ask(lambda hub: hub.resume_scheduled_job(**which))
    shown.tell("resumed", which["scheduled_job_id"])


@schedules_app.command("trigger")
@with_options
def trigger_schedule(schedule_id: ScheduleId, where: Where, shown: Shown) -> None:
    """Run a scheduled job now; its schedule stays as it is."""
    which = _which(schedule_id, where)
    job = where.ask(lambda hub: hub.trigger_scheduled_job(**which))
    shown.tell("started job", job.id, job)


@schedules_app.command("reschedule")
@with_options
def reschedule(schedule_id: ScheduleId, schedule: Schedule, where: Where, shown: Shown) -> None:
    """Give a scheduled job another schedule."""
    which = _which(schedule_id, where)
    told = where.ask(lambda hub: hub.update_scheduled_job_schedule(schedule=schedule, **which))
    shown.tell("rescheduled", which["scheduled_job_id"], told)


@schedules_app.command("labels")
@with_options
def label_schedule(
    schedule_id: ScheduleId,
    where: Where,
    shown: Shown,
    label: LabelsOption = None,
    name: NameOption = None,
    clear: Clear = False,
) -> None:
    """Give a scheduled job other labels; --name alone lets the others be."""
    check_labels(label, name, clear=clear)
    which = _which(schedule_id, where)

    async def change(hub: AnyHub) -> ScheduledJobInfo:
        async def current() -> Mapping[str, str] | None:
            return (await hub.inspect_scheduled_job(**which)).job_spec.labels

        labels = await new_labels(label, name, current)
        return await hub.update_scheduled_job_labels(labels=labels, **which)

    shown.tell("labelled", which["scheduled_job_id"], where.ask(change))


def _create(
    where: Where,
    create: Callable[[AnyHub, Request], Awaitable[ScheduledJobInfo]],
    request: Request,
    dry_run: bool,
    shown: Shown,
) -> None:
    if dry_run:
        print_request(request, shown)
        return
    sent = ready(request, where)
    created = where.ask(lambda hub: create(hub, sent))
    shown.tell("scheduled", created.id, created)


def _which(schedule_id: str, where: Where) -> dict[str, Any]:
    found, namespace = where.find(schedule_id)
    return {"scheduled_job_id": found, "namespace": namespace}


def _print_schedules(schedules: list[ScheduledJobInfo], shown: Shown, *, is_all: bool) -> None:
    if shown.as_json or shown.quiet:
        shown.detail(schedules)
        return
    print_table(
        ("ID", "NAME", "SCHEDULE", "SUSPENDED", "LAST RUN", "NEXT RUN", "IMAGE", "COMMAND"),
        (
            (
                each.id,
                (each.job_spec.labels or {}).get(NAME_LABEL),
                each.schedule,
                "yes" if each.suspend else "",
                moment(each.status.last_job.at if each.status.last_job else None),
                moment(each.status.next_job_run_at),
                each.job_spec.docker_image or each.job_spec.space_id,
                " ".join(each.job_spec.command or ()),
            )
            for each in schedules
        ),
        empty="there are no such schedules" + ("" if is_all else "; --all lists suspended ones"),
        roomy=("NAME", "LAST RUN", "IMAGE"),
    )
