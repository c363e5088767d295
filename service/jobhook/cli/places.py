"""
Where records, rules and whoever carries out orders are: the only place that chooses.

All of them are on this machine (the database, the rules folder, and the service that runs here), or
a service elsewhere has them, if the settings name one. What is only needed to show something is
loaded when it is shown: no service waits for it to start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from jobhook import wiring
from jobhook.adapters.clocks import now_ms
from jobhook.adapters.rulefiles import check_texts, load_rules
from jobhook.cli.asking import who
from jobhook.cli.client import open_service
from jobhook.cli.lookups import FromHub
from jobhook.core.access import Role
from jobhook.core.advice import Surroundings
from jobhook.core.errors import JobHookError, UsageError
from jobhook.core.operations import Deed, Order, Outcome
from jobhook.flows.access import drawn_token
from jobhook.settings import Settings
from jobhook.stores import open_reads

if TYPE_CHECKING:
    from jobhook.core.views import TokenView
    from jobhook.ports.records import RecordsReader, RulesReader

T = TypeVar("T")


@asynccontextmanager
async def open_records(settings: Settings) -> AsyncIterator[RecordsReader]:
    """Open what is kept of deliveries, launches and pauses."""
    if settings.elsewhere:
        from jobhook.remote.records import RemoteRecords

        async with open_service(settings.elsewhere) as service:
            yield RemoteRecords(service)
        return
    from jobhook.flows.records import Records

    async with open_reads(settings.database) as reads:
        yield Records(reads, now_ms, is_paused=settings.pause)


def ask_records(settings: Settings, question: Callable[[RecordsReader], Awaitable[T]]) -> T:
    """Return what the records answer to *question*."""

    async def asking() -> T:
        async with open_records(settings) as records:
            return await question(records)

    return asyncio.run(asking())


@asynccontextmanager
async def open_rules(
    settings: Settings, *, me: str | None = None, offline: bool = False
) -> AsyncIterator[RulesReader]:
    """
    Open the rules; *me* is who `user:@me` is, and *offline* keeps the Hub from being asked.

    Raises:
        RulesError: A rule file is wrong.
        UsageError: The service elsewhere knows who it is.
    """
    if settings.elsewhere:
        from jobhook.remote.rules import RemoteRules

        if me:
            raise UsageError("--me is for rules of this machine: name their folder with --rules")
        async with open_service(settings.elsewhere) as service:
            yield RemoteRules(service, offline=offline)
        return
    from jobhook.adapters.reports import report_of
    from jobhook.flows.explaining import RuleRecords

    rules = load_rules(settings.rules)
    from_hub = FromHub(settings, me=me, offline=offline)
    yield RuleRecords(
        lambda: rules,
        check=lambda files: report_of(check_texts(files, around=surroundings(settings))),
        ask=from_hub.ask,
        me=from_hub.me,
        clock=now_ms,
        instance=settings.instance,
    )


async def carry_out(settings: Settings, order: Order) -> tuple[Outcome, ...]:
    """Carry out a person's *order*; raises `StoreError`."""
    if settings.elsewhere:
        from jobhook.remote.orders import RemoteOrders

        async with open_service(settings.elsewhere) as service:
            return await RemoteOrders(service).carry_out(order)
    return await wiring.carry_out(settings, order)


async def create_token(
    settings: Settings, name: str, role: Role, *, expires_at: int | None
) -> tuple[TokenView, str]:
    """
    Make an API token; return it and its value. *expires_at* is milliseconds since 1970.

    Raises:
        JobHookError: There can be no such token.
    """
    if settings.elsewhere:
        from jobhook.remote.orders import RemoteOrders

        async with open_service(settings.elsewhere) as service:
            return await RemoteOrders(service).create_token(name, role, expires_at=expires_at)
    from jobhook.core.viewing import token_view

    by, now = who(), now_ms()
    token, value = drawn_token(name, role, by=by, now=now, expires_at=expires_at)
    # The value stays in this process: what is kept, and who keeps it, need only its digest.
    order = Order(deed=Deed.CREATE_TOKEN, by=by, token=token)
    (outcome,) = await carry_out(settings, order)
    if not outcome.done:
        raise JobHookError(outcome.told)
    return token_view(token, now), value


def surroundings(settings: Settings) -> Surroundings:
    """Return what rules will meet in a service with these settings."""
    # Where none is set, as in CI, nothing is said about those that are missing.
    secrets = frozenset(settings.job_secrets) if settings.job_secrets else None
    return Surroundings(settings.limits.rule_usd_per_day, secrets)
