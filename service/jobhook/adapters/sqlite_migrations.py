"""Bring a SQLite database to the version of this jobhook, forward only."""

from __future__ import annotations

import importlib.resources
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from jobhook.core.errors import StoreError
from jobhook.failpoints import failpoint

_MIGRATIONS = importlib.resources.files("jobhook.adapters") / "migrations" / "sqlite"


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Do what is pending, all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY)")
        for name in pending(connection, path):
            for statement in _statements((_MIGRATIONS / name).read_text(encoding="utf-8")):
                connection.execute(statement)
                failpoint("store.migrating")
            connection.execute("INSERT INTO migration VALUES (?)", (name,))
        connection.execute("COMMIT")
    except BaseException:
        # A full disk has undone it already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def pending(connection: sqlite3.Connection, path: Path) -> list[str]:
    """Return the migrations to be done; `StoreError` if the database is of a newer jobhook."""
    ours = sorted(item.name for item in _MIGRATIONS.iterdir() if item.name.endswith(".sql"))
    exists = "SELECT 1 FROM sqlite_master WHERE name = 'migration'"
    if not connection.execute(exists).fetchone():
        return ours
    done = {row["name"] for row in connection.execute("SELECT name FROM migration")}
    if unknown := sorted(done.difference(ours)):
        raise StoreError(
            f"{path} was made by a newer jobhook (it has {unknown[-1]}): upgrade jobhook"
        )
    return [name for name in ours if name not in done]


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
