"""`jobhook stop-all`: what runs costs money now, whatever else is broken."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import typer

from jobhook.cli.asking import Yes, confirm, count, who
from jobhook.cli.options import AsJson, Database, settings_with
from jobhook.cli.output import print_json, say, warn
from jobhook.core.errors import JobHookError, SettingsError
from jobhook.core.operations import Deed, Order
from jobhook.flows.stopping import stop_all_jobs
from jobhook.hub import AsyncHub
from jobhook.settings import Settings
from jobhook.wiring import carry_out


def stop_all(
    yes: Yes = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Pause everything, and cancel every job of this instance that the Hub lists."""
    settings = settings_with(database=database)
    if not settings.hf_token:
        raise SettingsError("no Hub token is set: put one into HF_TOKEN")
    if not yes:
        confirm(f"Pause everything and cancel all jobs of instance {settings.instance}?")
    order = Order(deed=Deed.PAUSE, by=who(), reason="stop-all")
    try:
        asyncio.run(carry_out(settings, order))
        warn("jobhook: paused; `jobhook resume` ends that")
    except JobHookError as exc:
        # What runs costs money now: a broken database must not stand in the way.
        warn(f"jobhook: NOT paused ({exc}): end the service, or set JOBHOOK_PAUSE=on")
    failures = asyncio.run(_stop_jobs(settings, as_json=as_json))
    if failures:
        raise typer.Exit(1)


async def _stop_jobs(settings: Settings, *, as_json: bool) -> int:
    rows: list[tuple[str, str | None]] = []
    try:
        async with AsyncHub(settings.hf_endpoint, settings.hf_token) as hub:
            namespace = settings.namespace or (await hub.whoami()).name
            stopped = stop_all_jobs(hub, namespace=namespace, instance=settings.instance)
            async for job_id, failure in stopped:
                rows.append((job_id, failure))
                if not as_json:
                    say(f"{job_id}: {failure or 'cancelled'}")
    finally:
        # Whatever ends it, what was done is told.
        failures = _print_stopped(rows, as_json=as_json)
    return failures


def _print_stopped(rows: Collection[tuple[str, str | None]], *, as_json: bool) -> int:
    failures = sum(failure is not None for _, failure in rows)
    if as_json:
        print_json([{"job_id": job_id, "error": failure} for job_id, failure in rows])
    else:
        told = f"{count(len(rows) - failures, 'job was', 'jobs were')} cancelled"
        say(f"{told}, and {failures} could not be" if failures else told)
    return failures
