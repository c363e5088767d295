"""`jobhook jobs stats`: what jobs use of the machines they run on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from jobhook.cli.client import Shown, Where
from jobhook.cli.options import with_options
from jobhook.cli.output import plain, print_json, print_table, say, warn
from jobhook.core.errors import UsageError
from jobhook.core.jobs import JobStage

if TYPE_CHECKING:
    from jobhook.cli.client import AnyHub

Sample = Mapping[str, Any]
# A job's id with where it runs.
Wanted = list[tuple[str, str | None]]

_COLUMNS = ("JOB", "CPU", "CORES", "MEMORY", "NETWORK IN/OUT", "GPU")
_UNITS = ("", "k", "M", "G", "T")


@with_options
def show_stats(
    where: Where,
    shown: Shown,
    jobs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[JOB]...", help="ID, or NAMESPACE/ID; without, all that run."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on until the jobs have ended.")
    ] = False,
) -> None:
    """Show what running jobs use."""
    if follow and (shown.as_json or shown.quiet):
        raise UsageError("--follow is for people to look at: leave --json and --quiet out")
    given = [where.find(each) for each in jobs or ()]
    if follow:
        where.ask(lambda hub: _follow(hub, given, where))
        return
    samples = where.ask(lambda hub: _now(hub, given, where))
    for job_id, sample in samples:
        if sample is None:
            warn(f"jobhook: there is nothing to tell of job {job_id}: does it run?")
    told = [(job_id, sample) for job_id, sample in samples if sample is not None]
    if shown.as_json:
        print_json([{"job_id": job_id, **sample} for job_id, sample in told])
    elif shown.quiet:
        for job_id, _ in told:
            say(job_id)
    else:
        print_table(_COLUMNS, (_row(*each) for each in told), empty="no job runs")


async def _now(hub: AnyHub, given: Wanted, where: Where) -> list[tuple[str, Sample | None]]:
    wanted = given or await _running(hub, where)

    async def first(job_id: str, namespace: str | None) -> Sample | None:
        async for sample in hub.fetch_job_metrics(job_id=job_id, namespace=namespace):
            return sample
        return None

    samples = await asyncio.gather(*(first(*each) for each in wanted))
    return [(job_id, sample) for (job_id, _), sample in zip(wanted, samples, strict=True)]


async def _follow(hub: AnyHub, given: Wanted, where: Where) -> None:
    """Show every sample of every job: in place on a terminal, line by line elsewhere."""
    wanted = given or await _running(hub, where)
    rows: dict[str, tuple[str, ...]] = {}
    live = Live(console=Console(), transient=False) if sys.stdout.isatty() else None

    async def watch(job_id: str, namespace: str | None) -> None:
        metrics = hub.fetch_job_metrics(job_id=job_id, namespace=namespace, follow=True)
        async for sample in metrics:
            rows[job_id] = _row(job_id, sample)
            if live:
                live.update(_table(rows))
            else:
                say("  ".join(rows[job_id]))
        rows.pop(job_id, None)

    with live or nullcontext():
        await asyncio.gather(*(watch(*each) for each in wanted))


async def _running(hub: AnyHub, where: Where) -> Wanted:
    running = await hub.list_jobs(status=[JobStage.RUNNING], namespace=where.home)
    return [(job.id, job.owner.name) for job in running]


def _table(rows: Mapping[str, tuple[str, ...]]) -> Table:
    table = Table(*_COLUMNS, box=None, pad_edge=False, header_style="bold")
    for row in rows.values():
        table.add_row(*row)
    return table


def _row(job_id: str, sample: Sample) -> tuple[str, ...]:
    gpus = sample.get("gpus")
    return (
        job_id,
        f"{_number(sample.get('cpu_usage_pct')):.0f}%",
        f"{_number(sample.get('cpu_millicores')) / 1000:.1f}",
        _memory(sample),
        f"{_amount(sample.get('rx_bps'))}/{_amount(sample.get('tx_bps'))}bps",
        " ".join(_gpu(gpus[each]) for each in sorted(gpus)) if isinstance(gpus, Mapping) else "",
    )


def _gpu(sample: Any) -> str:
    if not isinstance(sample, Mapping):
        return plain(sample)
    return f"{_number(sample.get('utilization')):.0f}% {_memory(sample)}"


def _memory(sample: Sample) -> str:
    used, total = (sample.get(f"memory_{each}_bytes") for each in ("used", "total"))
    return f"{_amount(used)}B/{_amount(total)}B"


def _amount(value: Any) -> str:
    number, unit = _number(value), 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.1f}{_UNITS[unit]}" if unit else f"{number:.0f}"


def _number(value: Any) -> float:
    # What the Hub does not tell, or tells oddly, is shown as nothing.
    return float(value) if isinstance(value, int | float) else 0.0
