"""
The journal of changes on PostgreSQL, where transactions do not end in the order of their numbers.

It is read in the order of the transactions, and up to the first that may still be open: whatever
is written later has a number that is greater than all that was told.
"""

from __future__ import annotations

from jobhook.adapters.postgres import Connection, Database, changed
from jobhook.core.changes import Change, ChangeKind
from jobhook.core.pages import FIRST_PLACE, Place

# All transactions before this number have ended. What a database holds that was moved here from
# another server may have greater ones, and is nobody's to see.
_TOLD = "xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_PRUNE = """
DELETE FROM change WHERE (xid, seq) IN (
    SELECT xid, seq FROM change
    WHERE (xid, seq) < (SELECT xid, seq FROM change ORDER BY xid DESC, seq DESC LIMIT 1 OFFSET $1)
    OR xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    ORDER BY xid, seq LIMIT $2
)
"""


class PostgresChanges:
    """What changed, read beside all who write."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def changes_after(self, place: Place, *, limit: int) -> tuple[Change, ...]:
        rows = await self._database.fetch(
            f"SELECT xid, seq, kind, id FROM change WHERE (xid, seq) > ($1, $2) AND {_TOLD}"  # noqa: S608
            " ORDER BY xid, seq LIMIT $3",
            place.major,
            place.minor,
            limit,
        )
        return tuple(
            Change(Place(row["xid"], row["seq"]), ChangeKind(row["kind"]), row["id"])
            for row in rows
        )

    async def newest_change(self) -> Place:
        return await self._place("xid DESC, seq DESC")

    async def oldest_change(self) -> Place:
        return await self._place("xid, seq")

    async def _place(self, order: str) -> Place:
        rows = await self._database.fetch(
            f"SELECT xid, seq FROM change WHERE {_TOLD} ORDER BY {order} LIMIT 1"  # noqa: S608
        )
        return Place(rows[0]["xid"], rows[0]["seq"]) if rows else FIRST_PLACE


async def prune_changes(connection: Connection, keep: int, limit: int) -> int:
    """Forget up to *limit* of those before the newest *keep*, at least one; return how many."""
    return await changed(connection, _PRUNE, max(keep, 1) - 1, limit)
