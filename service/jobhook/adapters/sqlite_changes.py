"""The journal of changes on SQLite, whose one writer numbers them in the order of its commits."""

from __future__ import annotations

import sqlite3

from jobhook.adapters.sqlite import Reader
from jobhook.core.changes import Change, ChangeKind
from jobhook.core.pages import FIRST_PLACE, Place


class SqliteChanges:
    """What changed, read beside whoever writes."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def changes_after(self, place: Place, *, limit: int) -> tuple[Change, ...]:
        rows = await self._reader.fetch(
            "SELECT seq, kind, id FROM change WHERE seq > ? ORDER BY seq LIMIT ?",
            (place.minor, limit),
        )
        return tuple(
            Change(Place(0, row["seq"]), ChangeKind(row["kind"]), row["id"]) for row in rows
        )

    async def newest_change(self) -> Place:
        return await self._place("SELECT max(seq) AS seq FROM change")

    async def oldest_change(self) -> Place:
        return await self._place("SELECT min(seq) AS seq FROM change")

    async def _place(self, query: str) -> Place:
        (row,) = await self._reader.fetch(query)
        return FIRST_PLACE if row["seq"] is None else Place(0, row["seq"])


def prune_changes(connection: sqlite3.Connection, keep: int, limit: int) -> int:
    """Forget up to *limit* of those before the newest *keep*, at least one; return how many."""
    return connection.execute(
        "DELETE FROM change WHERE seq IN (SELECT seq FROM change"
        " WHERE seq <= (SELECT max(seq) FROM change) - ? ORDER BY seq LIMIT ?)",
        (max(keep, 1), limit),
    ).rowcount
