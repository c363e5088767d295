"""`jobhook stop-all`: what runs costs money now, whatever else is broken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection

import typer

from jobhook.adapters.rulefiles import load_rules
from jobhook.cli.asking import Yes, confirm, count, who
from jobhook.cli.client import open_service
from jobhook.cli.options import AsJson, Database, settings_with
from jobhook.cli.output import print_json, say, warn
from jobhook.cli.places import carry_out
from jobhook.core.errors import HubError, JobHookError, SettingsError
from jobhook.core.operations import Deed, Order
from jobhook.flows.stopping import stop_everywhere
from jobhook.hub.client import AsyncHub
from jobhook.settings import Elsewhere, Settings
from jobhook.stores import open_reads


def stop_all(
    yes: Yes = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Pause everything, and cancel every job of this instance that the Hub lists."""
    settings = settings_with(database=database)
    if settings.elsewhere:
        _stop_elsewhere(settings.elsewhere, yes=yes, as_json=as_json)
        return
    if not settings.hf_token:
        raise SettingsError("no Hub token is set: put one into HF_TOKEN")
    if not yes:
        confirm(f"Pause everything and cancel all jobs of instance {settings.instance}?")
    order = Order(deed=Deed.PAUSE, by=who(), reason="stop-all")
    try:
        asyncio.run(carry_out(settings, order))
        _tell_of_pause(None)
    except JobHookError as exc:
        # What runs costs money now: a broken database must not stand in the way.
        _tell_of_pause(str(exc))
    failures = asyncio.run(_stop_jobs(settings, as_json=as_json))
    if failures:
        raise typer.Exit(1)


def _tell_of_pause(problem: str | None) -> None:
    if problem is None:
        warn("jobhook: paused; `jobhook resume` ends that")
    else:
        warn(f"jobhook: NOT paused ({problem}): end the service, or set JOBHOOK_PAUSE=on")


def _stop_elsewhere(elsewhere: Elsewhere, *, yes: bool, as_json: bool) -> None:
    from jobhook.remote.orders import RemoteOrders, StopReport

    if not yes:
        confirm(f"Pause everything and cancel all jobs of the service at {elsewhere.url}?")

    async def stop() -> StopReport:
        async with open_service(elsewhere) as service:
            return await RemoteOrders(service).stop_all()

    report = asyncio.run(stop())
    _tell_of_pause(report.not_paused)
    for namespace in report.unread:
        warn(f"jobhook: jobs in {namespace} may still run: the Hub did not list them")
    rows = [(job.job_id, job.error) for job in report.jobs]
    if not as_json:
        for job_id, failure in rows:
            say(f"{job_id}: {failure or 'cancelled'}")
    if _print_stopped(rows, as_json=as_json) or report.unread:
        raise typer.Exit(1)


async def _stop_jobs(settings: Settings, *, as_json: bool) -> int:
    rows: list[tuple[str, str | None]] = []
    try:
        async with AsyncHub(settings.hf_endpoint, settings.hf_token or False) as hub:
            async for job_id, failure in _stopped(settings, hub):
                rows.append((job_id, failure))
                if not as_json:
                    say(f"{job_id}: {failure or 'cancelled'}")
    finally:
        # Whatever ends it, what was done is told.
        failures = _print_stopped(rows, as_json=as_json)
    return failures


async def _stopped(settings: Settings, hub: AsyncHub) -> AsyncIterator[tuple[str, str | None]]:
    own = settings.namespace or (await hub.whoami()).name
    unread: list[HubError] = []

    def tell(namespace: str, failure: HubError) -> None:
        warn(f"jobhook: jobs in {namespace} may still run: {failure}")
        unread.append(failure)

    async for each in stop_everywhere(
        hub,
        namespaces=(own, *sorted(await _others(settings) - {own})),
        instance=settings.instance,
        on_unread=tell,
    ):
        yield each
    if unread:
        raise unread[0]


async def _others(settings: Settings) -> frozenset[str]:
    """Return where rules have jobs run, as far as that can be found out."""
    named: frozenset[str] = frozenset()
    with contextlib.suppress(JobHookError):
        named |= load_rules(settings.rules).namespaces
    with contextlib.suppress(JobHookError):
        async with open_reads(settings.database) as store:
            named |= await store.namespaces(0)
    return named


def _print_stopped(rows: Collection[tuple[str, str | None]], *, as_json: bool) -> int:
    failures = sum(failure is not None for _, failure in rows)
    if as_json:
        print_json([{"job_id": job_id, "error": failure} for job_id, failure in rows])
    else:
        told = f"{count(len(rows) - failures, 'job was', 'jobs were')} cancelled"
        say(f"{told}, and {failures} could not be" if failures else told)
    return failures
