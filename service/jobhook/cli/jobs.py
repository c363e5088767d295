"""`jobhook jobs`: jobs on the Hub, with the words of `hf jobs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from jobhook.cli.client import Shown, Where
from jobhook.cli.following import require_completed, start, was_cancelled
from jobhook.cli.job_lists import list_hardware, list_jobs
from jobhook.cli.job_options import (
    Clear,
    Detach,
    LabelsOption,
    NameOption,
    RunOptions,
    UvOptions,
    check_labels,
    new_labels,
)
from jobhook.cli.launching import named_for_image, print_request, ready
from jobhook.cli.options import with_options
from jobhook.cli.output import print_table, say_log
from jobhook.cli.passing import PassingOn
from jobhook.cli.stats import show_stats
from jobhook.cli.uv_jobs import Script, ScriptArgs, local_script, uv_request
from jobhook.core.durations import parse_wait
from jobhook.core.errors import UsageError
from jobhook.hub.models import JobInfo

if TYPE_CHECKING:
    from jobhook.cli.client import AnyHub

jobs_app = typer.Typer(help="Jobs on the Hub, as with `hf jobs`.", no_args_is_help=True)

uv_app = typer.Typer(help="Python scripts that uv runs.", no_args_is_help=True)
jobs_app.add_typer(uv_app, name="uv")
jobs_app.command("stats")(show_stats)
jobs_app.command("hardware")(list_hardware)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="ID, or NAMESPACE/ID.")]
JobIds = Annotated[list[str], typer.Argument(metavar="JOB...", help="ID, or NAMESPACE/ID.")]


@jobs_app.command("run", cls=PassingOn)
@with_options
def run_job(
    image: Annotated[str, typer.Argument(help="A Docker image, or hf.co/spaces/OWNER/NAME.")],
    command: Annotated[list[str], typer.Argument(help="What runs, word by word.")],
    options: RunOptions,
    where: Where,
    shown: Shown,
) -> None:
    """Run a job, and follow it: exits 0 only if it is COMPLETED."""
    request = named_for_image(
        {"image": image, "command": command, **options.request(), "namespace": where.home}
    )
    if options.dry_run:
        print_request(request, shown)
        return
    request = ready(request, where)
    start(where, lambda hub: hub.run_job(**request), shown, detach=options.detach)


@uv_app.command("run", cls=PassingOn)
@with_options
def run_uv_job(
    script: Script,
    options: RunOptions,
    uv: UvOptions,
    where: Where,
    shown: Shown,
    args: ScriptArgs = None,
) -> None:
    """Run a Python script, and follow its job: exits 0 only if it is COMPLETED."""
    with local_script(script) as local:
        given = options.request()
        request = uv_request(script, local, args, given, uv, where, dry_run=options.dry_run)
        if options.dry_run:
            print_request(request, shown)
            return
        sent = {**ready(request, where), "script": local}
        start(where, lambda hub: hub.run_uv_job(**sent), shown, detach=options.detach)


@jobs_app.command("rerun")
@with_options
def rerun_job(job: JobId, where: Where, shown: Shown, detach: Detach = False) -> None:
    """Run a job again, as it was asked for."""
    job_id, namespace = where.find(job)
    start(
        where,
        lambda hub: hub.rerun_job(job_id=job_id, namespace=namespace),
        shown,
        detach=detach,
    )


for _alias in ("ls", "list", "ps"):
    jobs_app.command(_alias, hidden=_alias != "ls")(list_jobs)


@jobs_app.command("inspect")
@with_options
def inspect_jobs(jobs: JobIds, where: Where, shown: Shown) -> None:
    """Tell everything of jobs."""
    wanted = [where.find(each) for each in jobs]

    async def inspect(hub: AnyHub) -> list[JobInfo]:
        return [await hub.inspect_job(job_id=job, namespace=home) for job, home in wanted]

    shown.detail(where.ask(inspect))


@jobs_app.command("logs")
@with_options
def show_logs(
    job: JobId,
    where: Where,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on until the job has ended.")
    ] = False,
    tail: Annotated[
        int | None, typer.Option("-n", "--tail", min=0, help="Only the last so many lines.")
    ] = None,
) -> None:
    """Print the log of a job."""
    job_id, namespace = where.find(job)

    async def read(hub: AnyHub) -> None:
        logs = hub.fetch_job_logs(job_id=job_id, namespace=namespace, follow=follow, tail=tail)
        async for line in logs:
            say_log(line)

    where.ask(read)


@jobs_app.command("wait")
@with_options
def wait_for_jobs(
    jobs: JobIds,
    where: Where,
    shown: Shown,
    timeout: Annotated[
        str | None, typer.Option("--timeout", help="At most so long: 90, 15m, 2h, 1d, 1w, 1mo, 1y.")
    ] = None,
) -> None:
    """Wait until jobs have ended: exits 0 only if all are COMPLETED."""
    ids, homes = zip(*map(where.find, jobs), strict=True)
    if len(set(homes)) > 1:
        raise UsageError("wait for the jobs of one namespace at a time")
    seconds = parse_wait(timeout) if timeout is not None else None
    ended = where.ask(lambda hub: hub.wait_for_job(list(ids), timeout=seconds, namespace=homes[0]))
    if shown.as_json or shown.quiet:
        shown.detail(ended)
    else:
        print_table(
            ("JOB", "STAGE", "MESSAGE"),
            ((job.id, job.status.stage, job.status.message) for job in ended),
            empty="",
        )
    require_completed(ended)


@jobs_app.command("cancel")
@with_options
def cancel_job(job: JobId, where: Where, shown: Shown) -> None:
    """Cancel a job."""
    job_id, namespace = where.find(job)
    told = where.ask(lambda hub: hub.cancel_job(job_id=job_id, namespace=namespace))
    shown.tell("cancelled" if was_cancelled(told) else "had ended before", job_id, told)


@jobs_app.command("labels")
@with_options
def label_job(
    job: JobId,
    where: Where,
    shown: Shown,
    label: LabelsOption = None,
    name: NameOption = None,
    clear: Clear = False,
) -> None:
    """Give a job other labels; --name alone lets the others be."""
    check_labels(label, name, clear=clear)
    job_id, namespace = where.find(job)

    async def change(hub: AnyHub) -> JobInfo:
        async def current() -> Mapping[str, str] | None:
            return (await hub.inspect_job(job_id=job_id, namespace=namespace)).labels

        labels = await new_labels(label, name, current)
        return await hub.update_job_labels(job_id=job_id, labels=labels, namespace=namespace)

    shown.tell("labelled", job_id, where.ask(change))


@jobs_app.command("expose")
@with_options
def expose_job(
    job: JobId,
    where: Where,
    shown: Shown,
    ports: Annotated[
        list[int] | None, typer.Argument(help="What users of the namespace reach.")
    ] = None,
    public: Annotated[
        list[int] | None, typer.Option("--public", help="What everybody reaches. Repeat it.")
    ] = None,
    clear: Clear = False,
) -> None:
    """Expose these ports of a running job, and no others."""
    if clear == bool(ports or public):
        raise UsageError("give the ports, or close all with --clear")
    job_id, namespace = where.find(job)
    exposed = where.ask(
        lambda hub: hub.update_job_expose(
            job_id=job_id, expose=ports, expose_public=public, namespace=namespace
        )
    )
    shown.tell("exposed", job_id, exposed)
