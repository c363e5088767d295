"""`jobhook doctor`: is everything here fit to run? It changes nothing, and shows no secret."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import typer

from jobhook.adapters.clocks import now_ms
from jobhook.adapters.control import is_service_running
from jobhook.adapters.rulefiles import load_rules
from jobhook.adapters.sqlite_health import damage_in, free_bytes_beside, is_there, sqlite_version
from jobhook.cli.options import AsJson, Database, RulesFolder, settings_with
from jobhook.cli.output import print_json, print_table
from jobhook.core.errors import HubError, JobHookError, RulesError, StoreError
from jobhook.core.filters import LaunchFilter
from jobhook.core.health import (
    Finding,
    Health,
    fail,
    of_clock,
    of_deliveries,
    of_disk,
    of_job_secrets,
    of_launches,
    of_leader,
    of_pauses,
    of_public_url,
    of_rules,
    of_rules_in_force,
    of_token,
    of_webhook_secrets,
    ok,
    warn,
)
from jobhook.core.launches import LaunchState
from jobhook.core.registration import RECEIVER_PATH, wanted_webhook
from jobhook.core.rules import RuleSet
from jobhook.flows.registration import judged_registration, plan_registration
from jobhook.hub.client import AsyncHub
from jobhook.ports import Reads
from jobhook.settings import Settings
from jobhook.stores import open_reads

_HUB_SECONDS = 5.0
_STUCK = (LaunchState.HELD, LaunchState.UNKNOWN, LaunchState.REJECTED)


def doctor(rules: RulesFolder = None, database: Database = None, as_json: AsJson = False) -> None:
    """Say whether everything here is fit to run, and what to do where it is not."""
    findings = asyncio.run(_examined(rules, database))
    if as_json:
        print_json([{"check": f.check, "state": f.state, "told": f.told} for f in findings])
    else:
        rows = ((f.check, f.state, f.told) for f in findings)
        print_table(("CHECK", "STATE", "TOLD"), rows, empty="nothing was checked")
    if any(finding.state == Health.FAIL for finding in findings):
        raise typer.Exit(1)


async def _examined(folder: Path | None, database: str | None) -> list[Finding]:
    try:
        settings = settings_with(rules=folder, database=database)
    except JobHookError as exc:
        return [fail("settings", str(exc))]
    rules, found = _rules(settings)
    findings = [
        ok("settings", "they can be read"),
        of_webhook_secrets(settings.webhook_secrets),
        of_public_url(settings.public_url, settings.register),
        *found,
    ]
    findings += [finding async for finding in _kept(settings, rules)]
    findings += [finding async for finding in _of_hub(settings, rules)]
    return findings


def _rules(settings: Settings) -> tuple[RuleSet, list[Finding]]:
    try:
        rules = load_rules(settings.rules)
    except RulesError as exc:
        more = f" (and {len(exc.problems) - 1} more)" if len(exc.problems) > 1 else ""
        return RuleSet(), [fail("rules", f"{exc.problems[0]}{more}: see `jobhook rules check`")]
    except JobHookError as exc:
        return RuleSet(), [fail("rules", str(exc))]
    secrets = of_job_secrets(rules.secret_names, settings.handed_secrets)
    return rules, [of_rules(rules), secrets]


async def _kept(settings: Settings, rules: RuleSet) -> AsyncIterator[Finding]:
    path = settings.database.path
    running = await is_service_running(path) if path else False
    if path:
        for finding in (*_of_file(path, running=running), _of_service(running=running)):
            yield finding
        if not path.exists():
            return
    try:
        async with open_reads(settings.database) as store:
            told = [finding async for finding in _of_store(store, settings, rules, running)]
    except JobHookError as exc:
        if not path:  # else it was said already
            yield fail("database", str(exc))
        return
    for finding in told:
        yield finding


async def _of_store(
    store: Reads, settings: Settings, rules: RuleSet, running: bool
) -> AsyncIterator[Finding]:
    if not settings.database.path:
        yield ok("database", f"{settings.database} answers, and is of this version")
        leader = await store.leader()
        running = leader is not None
        yield of_leader(leader)
    in_force = await store.rules_version()
    if running and in_force:
        yield of_rules_in_force(in_force, rules)
    ids = [rule.id for rule in rules.rules]
    yield of_pauses(await store.pauses(), ids, by_setting=settings.pause)
    yield of_deliveries(await store.backlog(), now_ms(), is_worked_on=running)
    yield of_launches(await store.launches(LaunchFilter(states=_STUCK), limit=0))


def _of_file(path: Path, *, running: bool) -> Iterator[Finding]:
    try:
        yield of_disk(free_bytes_beside(path))
        if not is_there(path):
            yield warn("database", f"there is none at {path} yet: `jobhook serve` makes it")
        elif damage := damage_in(path, in_use=running):
            yield fail("database", f"{path} is damaged ({damage}): stop, and restore a backup")
        else:
            yield ok("database", f"{path} is whole, and of this version")
    except StoreError as exc:
        yield fail("database", str(exc))
    version, has_defect = sqlite_version()
    if has_defect:
        # Our one writer does not meet it; other tools on the same file could.
        told = f"{version} can lose commits of two writers: let nothing but jobhook write to it"
        yield warn("SQLite", told)
    else:
        yield ok("SQLite", version)


def _of_service(*, running: bool) -> Finding:
    if running:
        return ok("service", "one is running here, and takes orders")
    return warn("service", "none is running on this database: start one with `jobhook serve`")


async def _of_hub(settings: Settings, rules: RuleSet) -> AsyncIterator[Finding]:
    if not settings.hf_token:
        yield fail("Hub", "no token is set: put one into HF_TOKEN, or log in with `hf auth login`")
        return
    async with AsyncHub(settings.hf_endpoint, settings.hf_token, deadline=_HUB_SECONDS) as hub:
        began = time.monotonic()
        try:
            account = await hub.whoami()
        except HubError as exc:
            yield fail("Hub", str(exc))
            return
        took = time.monotonic() - began
        yield ok("Hub", f"{settings.hf_endpoint} answered in {took * 1000:.0f} ms")
        yield of_clock(now_ms(), account.told_at)
        yield of_token(account, settings.namespace or account.name, rules.namespaces)
        yield await _of_webhook(hub, settings, rules, account.name)
        yield await _of_prices(hub)


async def _of_webhook(hub: AsyncHub, settings: Settings, rules: RuleSet, me: str) -> Finding:
    if not settings.public_url:
        return warn("webhook", "without a public URL nobody knows which one would be ours")
    wanted = wanted_webhook(rules.rules, public_url=settings.public_url, me=me, secret="")
    try:
        existing = await hub.list_webhooks()
    except HubError as exc:
        return fail("webhook", str(exc))
    url = settings.public_url + RECEIVER_PATH
    return judged_registration(plan_registration(wanted, existing, url=url), existing)


async def _of_prices(hub: AsyncHub) -> Finding:
    try:
        prices = await hub.list_jobs_hardware()
    except HubError as exc:
        return fail("prices", f"{exc}; without prices nothing is launched")
    if not prices:
        return fail("prices", "the Hub names none: without prices everything is held")
    return ok("prices", f"{len(prices)} flavors")
