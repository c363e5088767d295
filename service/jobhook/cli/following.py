"""A job that was just started, told of until it has ended."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import typer

from jobhook.cli.client import Shown, Where
from jobhook.cli.output import plain, print_json, say, say_log, warn
from jobhook.core.errors import HubError
from jobhook.core.jobs import JobStage
from jobhook.core.jsonable import in_json
from jobhook.hub.models import JobInfo

if TYPE_CHECKING:
    from jobhook.cli.client import AnyHub

_LOOK_SECONDS = 2.0
_CLEAR_LINE = "\r\x1b[K"


def start(
    where: Where, question: Callable[[AnyHub], Awaitable[JobInfo]], shown: Shown, *, detach: bool
) -> None:
    """
    Start the job that *question* asks for, and follow it unless *detach*.

    Ends the command with 1 unless it is COMPLETED. Whoever interrupts it at a terminal is asked
    whether to cancel the job; otherwise it goes on.
    """
    try:
        job = where.ask(question)
    except KeyboardInterrupt:
        warn("jobhook: the job may have been started all the same: see `jobhook jobs ls`")
        raise typer.Exit(1) from None
    if detach:
        _announce_detached(job, shown)
        return
    _announce(job, shown)
    try:
        final = where.ask(lambda hub: _to_the_end(hub, job, shown))
    except KeyboardInterrupt:
        _interrupted(where, job)
        raise typer.Exit(1) from None
    except HubError:
        _goes_on(job)
        raise
    if shown.as_json:
        print_json(in_json(final))
    require_completed([final])


def require_completed(jobs: list[JobInfo]) -> None:
    """End the command with 1 and what the Hub says unless all *jobs* are COMPLETED."""
    failed = [job for job in jobs if job.status.stage != JobStage.COMPLETED]
    for job in failed:
        message = f": {job.status.message}" if job.status.message else ""
        warn(f"jobhook: job {job.id} is {job.status.stage}{message}")
    if failed:
        raise typer.Exit(1)


def was_cancelled(job: JobInfo) -> bool:
    """Whether *job*, as the Hub told of it when it was to be cancelled, had not ended before."""
    return not job.is_over or job.status.stage == JobStage.CANCELED


def _announce_detached(job: JobInfo, shown: Shown) -> None:
    if shown.as_json:
        print_json(in_json(job))
        return
    say(job.id)
    if not shown.quiet:
        for url in _addresses(job):
            warn(f"jobhook: {url}")


def _announce(job: JobInfo, shown: Shown) -> None:
    if shown.quiet and not shown.as_json:
        say(job.id)
        return
    tell = warn if shown.as_json else say
    tell(f"job {job.id}")
    for url in _addresses(job):
        tell(url)


def _addresses(job: JobInfo) -> list[str]:
    """Return where *job* is seen, where its ports are reached, and where one logs in."""
    ssh = [job.status.ssh_url] if job.status.ssh_url else []
    return [job.url, *(job.status.expose_urls or ()), *ssh]


async def _to_the_end(hub: AnyHub, job: JobInfo, shown: Shown) -> JobInfo:
    namespace = job.owner.name
    if not shown.quiet:
        await _while_scheduling(hub, job)
        async for line in hub.fetch_job_logs(job_id=job.id, namespace=namespace, follow=True):
            say_log(line, aside=shown.as_json)
    return await hub.wait_for_job(job.id, namespace=namespace)


async def _while_scheduling(hub: AnyHub, job: JobInfo) -> None:
    """Tell why *job* does not run yet, until it does."""
    begun, told = time.monotonic(), ""
    is_terminal = sys.stderr.isatty()
    while job.status.stage == JobStage.SCHEDULING:
        message = plain(job.status.message or "scheduling")
        if is_terminal:
            sys.stderr.write(f"{_CLEAR_LINE}{message} ({int(time.monotonic() - begun)} s)")
            sys.stderr.flush()
        elif message != told:
            warn(f"jobhook: {message}")
        told = message
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            job = await hub.inspect_job(job_id=job.id, namespace=job.owner.name)
        except HubError:
            break  # the log tells more, or why not
    if told and is_terminal:
        sys.stderr.write(_CLEAR_LINE)


def _interrupted(where: Where, job: JobInfo) -> None:
    if sys.stdin.isatty() and _wants_it_cancelled(job):
        told = where.ask(lambda hub: hub.cancel_job(job_id=job.id, namespace=job.owner.name))
        became = "is cancelled" if was_cancelled(told) else f"had ended: {told.status.stage}"
        warn(f"jobhook: job {job.id} {became}")
    else:
        _goes_on(job)


def _wants_it_cancelled(job: JobInfo) -> bool:
    try:
        return typer.confirm(f"\nCancel job {job.id}?", err=True)
    except typer.Abort:
        return False


def _goes_on(job: JobInfo) -> None:
    name = f"{job.owner.name}/{job.id}"
    warn(
        f"jobhook: the job goes on: `jobhook jobs logs -f {name}` follows it, "
        f"`jobhook jobs cancel {name}` ends it"
    )
