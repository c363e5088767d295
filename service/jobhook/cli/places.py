"""
Where records, rules and whoever carries out orders are: the only place that chooses.

All of them are on this machine: the database, the rules folder, and the service that runs here.
What is only needed to show something is loaded when it is shown: no service waits for it to start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from jobhook import wiring
from jobhook.adapters.clocks import now_ms
from jobhook.adapters.rulefiles import check_texts, load_rules
from jobhook.cli.lookups import FromHub
from jobhook.core.advice import Surroundings
from jobhook.core.operations import Order, Outcome
from jobhook.settings import Settings
from jobhook.stores import open_reads

if TYPE_CHECKING:
    from jobhook.ports.records import RecordsReader, RulesReader

T = TypeVar("T")


@asynccontextmanager
async def open_records(settings: Settings) -> AsyncIterator[RecordsReader]:
    """Open what is kept of deliveries, launches and pauses."""
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
    """
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
    return await wiring.carry_out(settings, order)


def surroundings(settings: Settings) -> Surroundings:
    """Return what rules will meet in a service with these settings."""
    # Where none is set, as in CI, nothing is said about those that are missing.
    secrets = frozenset(settings.job_secrets) if settings.job_secrets else None
    return Surroundings(settings.limits.rule_usd_per_day, secrets)
