"""
The schema in PostgreSQL: migrations that only go forward, in one transaction with their record.

Replicas that start at once wait for one another here. A database that is newer than this program
is refused.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from jobhook.adapters.postgres import Connection, Database, connected
from jobhook.core.errors import StoreError
from jobhook.failpoints import failpoint

OLDEST_VERSION = 15
_MIGRATIONS = importlib.resources.files("jobhook.adapters") / "migrations" / "postgres"
# Large tables take their time, and whoever starts at the same moment waits for it.
_MIGRATION_SECONDS = 600.0
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('jobhook.migration', 0))"
# What must be on for an acknowledged delivery to outlive a power cut.
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")

log = structlog.get_logger()


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """
    Connect to the database at *url*, brought up to this version if need be.

    Raises:
        StoreUnavailable: It cannot be reached now.
        StoreError: It is of a newer version, or the URL or the PostgreSQL cannot be used.
    """
    async with connected(url) as database:
        await _check_server(database)
        if await _pending(database):
            await database.transact(_Migration(database).run, seconds=_MIGRATION_SECONDS)
        yield database


@asynccontextmanager
async def open_existing(url: str) -> AsyncIterator[Database]:
    """Connect to the database at *url* for reading; it must be of this version."""
    async with connected(url) as database:
        if await _pending(database):
            raise StoreError(
                f"{database.place} is of an older version: "
                "start `jobhook serve` once to bring it up"
            )
        yield database


class _Migration:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, connection: Connection) -> None:
        await connection.execute(_LOCK)
        await connection.execute("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY)")
        for name in await _pending_of(connection, self._database.place):
            for statement in _statements((_MIGRATIONS / name).read_text(encoding="utf-8")):
                await connection.execute(statement)
                failpoint("store.migrating")
            await connection.execute("INSERT INTO migration VALUES ($1)", name)


async def _pending(database: Database) -> list[str]:
    return await database.transact(lambda connection: _pending_of(connection, database.place))


async def _pending_of(connection: Connection, place: str) -> list[str]:
    ours = sorted(item.name for item in _MIGRATIONS.iterdir() if item.name.endswith(".sql"))
    if await connection.fetchval("SELECT to_regclass('migration')") is None:
        return ours
    done = {row["name"] for row in await connection.fetch("SELECT name FROM migration")}
    if unknown := sorted(done.difference(ours)):
        raise StoreError(
            f"{place} was made by a newer jobhook (it has {unknown[-1]}): upgrade jobhook"
        )
    return [name for name in ours if name not in done]


async def _check_server(database: Database) -> None:
    (row,) = await database.fetch(
        "SELECT current_setting('server_version_num')::int / 10000 AS version"
    )
    if row["version"] < OLDEST_VERSION:
        raise StoreError(
            f"{database.place} is PostgreSQL {row['version']}: {OLDEST_VERSION} or newer is needed"
        )
    off = await database.fetch(
        "SELECT name FROM pg_settings WHERE name = ANY($1) AND setting = 'off'", _DURABLE
    )
    for row in off:
        # Somebody may want that, but not without being told.
        log.warning("store.not_durable", setting=row["name"], set="on")


def _statements(script: str) -> list[str]:
    """Split *script*, whose statements each end with a line."""
    return re.findall(r"[^;]+?.*?;$", script, flags=re.DOTALL | re.MULTILINE)
