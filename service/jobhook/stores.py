"""Open the store that the settings name: the only place that chooses one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

from jobhook.adapters.sqlite_reads import sqlite_reads
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.core.errors import SettingsError
from jobhook.database import Database
from jobhook.ports import NO_METER, Meter, Reads, Store


class Bells:
    """What wakes the workers: deliveries that were stored, launches that changed, other rules."""

    def __init__(self) -> None:
        self.on_stored: Sequence[Callable[[], None]] = ()
        self.on_changed: Sequence[Callable[[], None]] = ()
        self.on_rules: Sequence[Callable[[], None]] = ()

    def stored(self) -> None:
        """Say that a delivery waits to be routed."""
        for wake in self.on_stored:
            wake()

    def changed(self) -> None:
        """Say that a person changed what is to be done."""
        for wake in self.on_changed:
            wake()

    def rules_replaced(self) -> None:
        """Say that other rules are in force."""
        for wake in self.on_rules:
            wake()


@asynccontextmanager
async def open_store(
    database: Database, bells: Bells, *, meter: Meter = NO_METER
) -> AsyncIterator[Store]:
    """Open the store to write; where several processes share it, *bells* hears of the others."""
    if database.path:
        async with sqlite_store(database.path, force=database.force, meter=meter) as store:
            yield store
        return
    with _postgres_installed():
        from jobhook.adapters.postgres_news import DELIVERIES, LAUNCHES, listening
        from jobhook.adapters.store_postgres import postgres_store
    news = {DELIVERIES: bells.stored, LAUNCHES: bells.changed}
    async with postgres_store(database.url, meter=meter) as shared, listening(database.url, news):
        yield shared


@asynccontextmanager
async def open_reads(database: Database) -> AsyncIterator[Reads]:
    """Open the store to read, beside a running service or without one."""
    if database.path:
        async with sqlite_reads(database.path) as reads:
            yield reads
        return
    with _postgres_installed():
        from jobhook.adapters.store_postgres import postgres_reads
    async with postgres_reads(database.url) as shared:
        yield shared


@contextlib.contextmanager
def _postgres_installed() -> Iterator[None]:
    """Its driver is an extra, and loaded by nobody who does not use it."""
    try:
        yield
    except ModuleNotFoundError as exc:
        raise SettingsError(
            "a postgresql:// database needs a driver: install `jobhook[postgres]`"
        ) from exc
