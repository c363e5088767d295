"""Keep tokens, the audit log and calls with a key in PostgreSQL."""

from __future__ import annotations

from jobhook.adapters.access_rows import (
    ENTRY_COLUMNS,
    TOKEN_COLUMNS,
    TOKENS,
    entry_row,
    kept_of,
    token_of,
    token_row,
)
from jobhook.adapters.postgres import Connection, Database, changed
from jobhook.core.access import USED_EVERY_MS, ApiToken
from jobhook.core.audits import AuditEntry
from jobhook.core.errors import NameTaken
from jobhook.core.repeats import Reply, Request, Standing, Turn, turn_of

_TOKEN_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('jobhook.token', 0))"  # noqa: S105
# Entries are seen in the order of their numbers, so that no page misses one.
_AUDIT_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('jobhook.audit', 0))"
_REQUEST_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('jobhook.request', 0))"
_FORGET_DEAD = """
DELETE FROM api_token WHERE seq IN (
    SELECT seq FROM api_token WHERE revoked_at IS NOT NULL OR expires_at <= $1
    ORDER BY seq LIMIT greatest(0, (SELECT count(*) FROM api_token) - $2::bigint + 1)
)
"""
_BEGIN = (
    "INSERT INTO api_request (caller, key, digest, began_at, holder) VALUES ($1, $2, $3, $4, $5)"
    " ON CONFLICT (caller, key) DO UPDATE SET digest = EXCLUDED.digest,"
    " began_at = EXCLUDED.began_at, holder = EXCLUDED.holder, status = NULL, body = NULL"
)
_MAKE_ROOM = """
DELETE FROM api_request WHERE caller = $1 AND began_at < (
    SELECT began_at FROM api_request WHERE caller = $1
    ORDER BY began_at DESC LIMIT 1 OFFSET $2::bigint
)
"""
_OLD_ENTRIES = """
DELETE FROM audit WHERE seq IN (
    SELECT seq FROM audit WHERE at < $1 OR seq <= (SELECT max(seq) FROM audit) - $2::bigint
    ORDER BY seq LIMIT $3
)
"""
_OLD_REQUESTS = """
DELETE FROM api_request WHERE (caller, key) IN (
    SELECT caller, key FROM api_request WHERE began_at < $1 LIMIT $2
)
"""


class PostgresAccess:
    """What the store does about access."""

    _database: Database

    async def add_token(self, token: ApiToken, *, most: int) -> bool:
        async def work(connection: Connection) -> bool:
            named = "SELECT 1 FROM api_token WHERE name = $1 AND revoked_at IS NULL"
            if await connection.fetchval(named, token.name):
                raise NameTaken(f"there is a token named {token.name}: revoke it first")
            await connection.execute(_FORGET_DEAD, token.created_at, most)
            if await connection.fetchval("SELECT count(*) FROM api_token") >= most:
                return False
            await connection.execute(_insert("api_token", TOKEN_COLUMNS), *token_row(token))
            return True

        return await self._database.transact(work, first=_TOKEN_LOCK)

    async def revoke_token(self, token_id: str, now: int) -> ApiToken | None:
        async def work(connection: Connection) -> ApiToken | None:
            row = await connection.fetchrow(f"{TOKENS} WHERE id = $1", token_id)
            await connection.execute(
                "UPDATE api_token SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL",
                now,
                token_id,
            )
            return token_of(row) if row else None

        return await self._database.transact(work, first=_TOKEN_LOCK)

    async def token_used(self, token_id: str, now: int) -> None:
        await self._do(
            "UPDATE api_token SET last_used_at = $2 WHERE id = $1"
            " AND (last_used_at IS NULL OR abs($2 - last_used_at) >= $3)",
            token_id,
            now,
            USED_EVERY_MS,
        )

    async def note(self, entry: AuditEntry) -> None:
        await self._do(_insert("audit", ENTRY_COLUMNS), *entry_row(entry), first=_AUDIT_LOCK)

    async def begin_request(self, request: Request, now: int, holder: str, *, most: int) -> Turn:
        who = (request.caller, request.key)

        async def work(connection: Connection) -> Turn:
            row = await connection.fetchrow(
                "SELECT * FROM api_request WHERE caller = $1 AND key = $2", *who
            )
            kept = kept_of(row) if row else None
            turn = turn_of(request, kept, now)
            if turn.standing == Standing.FIRST:
                await connection.execute(_BEGIN, *who, request.digest, now, holder)
                await connection.execute(_MAKE_ROOM, request.caller, most - 1)
            return turn

        return await self._database.transact(work, first=_REQUEST_LOCK)

    async def answer_request(self, request: Request, holder: str, reply: Reply) -> None:
        kept = reply.kept()
        await self._do(
            "UPDATE api_request SET status = $1, body = $2"
            " WHERE caller = $3 AND key = $4 AND holder = $5",
            kept.status,
            kept.body,
            request.caller,
            request.key,
            holder,
        )

    async def forget_request(self, request: Request, holder: str) -> None:
        await self._do(
            "DELETE FROM api_request WHERE caller = $1 AND key = $2 AND holder = $3",
            request.caller,
            request.key,
            holder,
        )

    async def prune_access(
        self, *, audits_before: int, audits_most: int, requests_before: int, limit: int
    ) -> int:
        async def work(connection: Connection) -> int:
            entries = await changed(connection, _OLD_ENTRIES, audits_before, audits_most, limit)
            return entries + await changed(connection, _OLD_REQUESTS, requests_before, limit)

        return await self._database.transact(work)

    async def _do(self, statement: str, *values: object, first: str = "") -> None:
        await self._database.transact(
            lambda connection: connection.execute(statement, *values), first=first
        )


def _insert(table: str, columns: list[str]) -> str:
    marks = ", ".join(f"${at}" for at in range(1, len(columns) + 1))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
