"""`jobhook jobs ls` and `hardware`: what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from jobhook.cli.client import Shown, Where, Who, moment
from jobhook.cli.job_options import (
    NAME_LABEL,
    FilterOption,
    WithNameOption,
    label_filter,
    statuses_of,
)
from jobhook.cli.options import with_options
from jobhook.cli.output import print_json, print_table, say, warn
from jobhook.core.durations import format_length
from jobhook.core.errors import UsageError, did_you_mean
from jobhook.core.jobs import ACTIVE_STAGES, JobStage
from jobhook.core.jsonable import in_json
from jobhook.hub.models import JobHardwareInfo, JobInfo

if TYPE_CHECKING:
    from jobhook.cli.client import AnyHub

Limit = Annotated[int, typer.Option("--limit", min=0, help="How many, newest first; 0 means all.")]


@with_options
def list_jobs(
    where: Where,
    shown: Shown,
    show_all: Annotated[
        bool, typer.Option("-a", "--all", help="Those that have ended as well.")
    ] = False,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", help="In these stages, separated by commas: running,error."),
    ] = None,
    label: FilterOption = None,
    name: WithNameOption = None,
    limit: Limit = 100,
) -> None:
    """List jobs: those that wait or run, unless others are asked for."""
    stages = [_stage(word) for word in statuses_of(status, show_all=show_all)]
    labels = label_filter(label, name)
    wanted = None if show_all else stages or list(ACTIVE_STAGES)

    async def first(hub: AnyHub) -> list[JobInfo]:
        found: list[JobInfo] = []
        # No more pages are asked for than are shown.
        async for job in hub.list_jobs(status=wanted, labels=labels or None, namespace=where.home):
            found.append(job)
            if len(found) == limit + 1 and limit:
                break
        return found

    jobs = where.ask(first)
    shown_jobs = jobs[:limit] if limit else jobs
    if len(jobs) > len(shown_jobs):
        warn(f"jobhook: there are more than {limit} jobs: --limit 0 lists all")
    _print_jobs(shown_jobs, shown, is_all=show_all)


@with_options
def list_hardware(who: Who, shown: Shown) -> None:
    """List what jobs can run on, and what it costs."""
    hardware = who.ask(lambda hub: hub.list_jobs_hardware(), anonymous=True)
    if shown.as_json:
        print_json(in_json(hardware))
        return
    if shown.quiet:
        for each in hardware:
            say(each.name)
        return
    print_table(
        ("FLAVOR", "CPU", "RAM", "STORAGE", "$/HOUR", "ACCELERATOR"),
        (
            (
                each.name,
                each.cpu,
                each.ram,
                each.ephemeral_storage,
                f"{each.usd_per_hour:.2f}",
                _accelerator(each),
            )
            for each in hardware
        ),
        empty="the Hub tells of no hardware",
    )


def _accelerator(hardware: JobHardwareInfo) -> str:
    found = hardware.accelerator
    return f"{found.quantity}x {found.model} ({found.vram})" if found else ""


def _stage(word: str) -> JobStage:
    if word.upper() not in JobStage.__members__:
        known = [stage.lower() for stage in JobStage]
        hint = did_you_mean(word.lower(), known)
        raise UsageError(f"--status {word[:40]!r}: one of {', '.join(known)}{hint}")
    return JobStage[word.upper()]


def _print_jobs(jobs: list[JobInfo], shown: Shown, *, is_all: bool) -> None:
    if shown.as_json or shown.quiet:
        shown.detail(jobs)
        return
    print_table(
        ("JOB", "NAME", "STAGE", "CREATED", "RUNTIME", "IMAGE", "COMMAND"),
        (
            (
                job.id,
                (job.labels or {}).get(NAME_LABEL),
                job.status.stage,
                moment(job.created_at),
                format_length(job.durations.running_secs if job.durations else None),
                job.docker_image or job.space_id,
                " ".join(job.command or ()),
            )
            for job in jobs
        ),
        empty="there are no such jobs" + ("" if is_all else "; --all lists ended ones"),
        roomy=("NAME", "RUNTIME"),
    )
