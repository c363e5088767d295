"""
Give the lead over several processes to one of them, if it has the rules in force, on PostgreSQL.

Of the sets of rules that living processes have, the one that was introduced last is in force. All
of it is decided under one lock, by the clock of the server.
"""

from __future__ import annotations

from jobhook.adapters.postgres import Connection
from jobhook.adapters.postgres_launches import SERVER_NOW

LEAD_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('jobhook.lead', 0))"

_STAND = (
    f"INSERT INTO candidate VALUES ($1, $2, {SERVER_NOW} + $3::bigint)"  # noqa: S608
    " ON CONFLICT (holder)"
    " DO UPDATE SET version = EXCLUDED.version, until = EXCLUDED.until"
)
# Known rules are news only to whoever goes back to them from later ones.
_INTRODUCE = (
    "INSERT INTO ruleset SELECT $1, 1 + coalesce(max(introduced), 0) FROM ruleset"
    " ON CONFLICT (version) DO UPDATE SET introduced = EXCLUDED.introduced WHERE"
    " ruleset.introduced < (SELECT introduced FROM ruleset WHERE version = $2)"
)
_NEWEST = (
    "SELECT version FROM candidate JOIN ruleset USING (version) ORDER BY introduced DESC LIMIT 1"
)
_TAKE = (
    f"INSERT INTO lead (holder, until) VALUES ($1, {SERVER_NOW} + $2::bigint)"  # noqa: S608
    " ON CONFLICT (one) DO UPDATE SET holder = EXCLUDED.holder, until = EXCLUDED.until"
    f" WHERE lead.holder = EXCLUDED.holder OR lead.until <= {SERVER_NOW} RETURNING holder"
)


async def take_lead(
    connection: Connection, holder: str, ttl_ms: int, version: str, replaces: str | None
) -> bool:
    """Do what `Store.lead` promises; the transaction began with `LEAD_LOCK`."""
    await connection.execute(f"DELETE FROM candidate WHERE until <= {SERVER_NOW}")  # noqa: S608
    await connection.execute(_STAND, holder, version, ttl_ms)
    await connection.execute(_INTRODUCE, version, replaces)
    if await connection.fetchval(_NEWEST) != version:
        return False
    return await connection.fetchval(_TAKE, holder, ttl_ms) is not None


async def leave(connection: Connection, holder: str) -> None:
    """Do what `Store.step_down` promises; the transaction began with `LEAD_LOCK`."""
    await connection.execute("DELETE FROM lead WHERE holder = $1", holder)
    await connection.execute("DELETE FROM candidate WHERE holder = $1", holder)
