"""Keep tokens, the audit log and calls with a key in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from jobhook.adapters.access_rows import (
    ENTRY_COLUMNS,
    TOKEN_COLUMNS,
    TOKENS,
    entry_row,
    kept_of,
    token_of,
    token_row,
)
from jobhook.adapters.sqlite import Writer
from jobhook.core.access import USED_EVERY_MS, ApiToken
from jobhook.core.audits import AuditEntry
from jobhook.core.errors import NameTaken
from jobhook.core.repeats import Reply, Request, Standing, Turn, turn_of

_FORGET_DEAD = """
DELETE FROM api_token WHERE seq IN (
    SELECT seq FROM api_token WHERE revoked_at IS NOT NULL OR expires_at <= ?1
    ORDER BY seq LIMIT max(0, (SELECT count(*) FROM api_token) - ?2 + 1)
)
"""
_INSERT_TOKEN = (
    f"INSERT INTO api_token ({', '.join(TOKEN_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join('?' * len(TOKEN_COLUMNS))})"
)
_INSERT_ENTRY = (
    f"INSERT INTO audit ({', '.join(ENTRY_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join('?' * len(ENTRY_COLUMNS))})"
)
_BEGIN = (
    "INSERT OR REPLACE INTO api_request (caller, key, digest, began_at, holder)"
    " VALUES (?, ?, ?, ?, ?)"
)
_MAKE_ROOM = """
DELETE FROM api_request WHERE caller = ?1 AND began_at < (
    SELECT began_at FROM api_request WHERE caller = ?1 ORDER BY began_at DESC LIMIT 1 OFFSET ?2
)
"""
_OLD_ENTRIES = """
DELETE FROM audit WHERE seq IN (
    SELECT seq FROM audit WHERE at < ?1 OR seq <= (SELECT max(seq) FROM audit) - ?2
    ORDER BY seq LIMIT ?3
)
"""
_OLD_REQUESTS = """
DELETE FROM api_request WHERE (caller, key) IN (
    SELECT caller, key FROM api_request WHERE began_at < ?1 LIMIT ?2
)
"""


def _note(connection: sqlite3.Connection, entries: Sequence[AuditEntry]) -> Sequence[None]:
    connection.executemany(_INSERT_ENTRY, map(entry_row, entries))
    return [None] * len(entries)


class SqliteAccess:
    """What the store does about access."""

    _writer: Writer

    async def add_token(self, token: ApiToken, *, most: int) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            named = "SELECT 1 FROM api_token WHERE name = ? AND revoked_at IS NULL"
            if connection.execute(named, (token.name,)).fetchone():
                raise NameTaken(f"there is a token named {token.name}: revoke it first")
            connection.execute(_FORGET_DEAD, (token.created_at, most))
            (count,) = connection.execute("SELECT count(*) FROM api_token").fetchone()
            if count >= most:
                return False
            connection.execute(_INSERT_TOKEN, token_row(token))
            return True

        return await self._writer.submit(work)

    async def revoke_token(self, token_id: str, now: int) -> ApiToken | None:
        def work(connection: sqlite3.Connection) -> ApiToken | None:
            row = connection.execute(f"{TOKENS} WHERE id = ?", (token_id,)).fetchone()
            connection.execute(
                "UPDATE api_token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
                (now, token_id),
            )
            return token_of(row) if row else None

        return await self._writer.submit(work)

    async def token_used(self, token_id: str, now: int) -> None:
        await self._writer.submit(
            lambda connection: connection.execute(
                "UPDATE api_token SET last_used_at = ?2 WHERE id = ?1"
                " AND (last_used_at IS NULL OR abs(?2 - last_used_at) >= ?3)",
                (token_id, now, USED_EVERY_MS),
            )
        )

    async def note(self, entry: AuditEntry) -> None:
        await self._writer.submit_to(_note, entry, repeatable=False)

    async def begin_request(self, request: Request, now: int, holder: str, *, most: int) -> Turn:
        who = (request.caller, request.key)

        def work(connection: sqlite3.Connection) -> Turn:
            row = connection.execute(
                "SELECT * FROM api_request WHERE caller = ? AND key = ?", who
            ).fetchone()
            kept = kept_of(row) if row else None
            turn = turn_of(request, kept, now)
            if turn.standing == Standing.FIRST:
                connection.execute(_BEGIN, (*who, request.digest, now, holder))
                connection.execute(_MAKE_ROOM, (request.caller, most - 1))
            return turn

        return await self._writer.submit(work)

    async def answer_request(self, request: Request, holder: str, reply: Reply) -> None:
        kept = reply.kept()
        await self._writer.submit(
            lambda connection: connection.execute(
                "UPDATE api_request SET status = ?, body = ?"
                " WHERE caller = ? AND key = ? AND holder = ?",
                (kept.status, kept.body, request.caller, request.key, holder),
            )
        )

    async def forget_request(self, request: Request, holder: str) -> None:
        await self._writer.submit(
            lambda connection: connection.execute(
                "DELETE FROM api_request WHERE caller = ? AND key = ? AND holder = ?",
                (request.caller, request.key, holder),
            )
        )

    async def prune_access(
        self, *, audits_before: int, audits_most: int, requests_before: int, limit: int
    ) -> int:
        def work(connection: sqlite3.Connection) -> int:
            entries = connection.execute(_OLD_ENTRIES, (audits_before, audits_most, limit))
            requests = connection.execute(_OLD_REQUESTS, (requests_before, limit))
            return entries.rowcount + requests.rowcount

        return await self._writer.submit(work)
