"""
Judge the launches that are due, inside the transaction that claims them, on PostgreSQL.

One claim at a time reads what the limits count and writes what it reserves, on all replicas, so
that no two spend the same dollar. Launches are judged a page at a time; what a page has reserved
so far is added to what the database said before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from jobhook.adapters.postgres import Connection, Row
from jobhook.adapters.postgres_launches import insert_launches, replace_launches
from jobhook.adapters.rows import (
    SAME_LAUNCH,
    WHOLE_DELIVERY,
    is_damaged,
    launch_of,
    same_launch,
)
from jobhook.core.direct import not_queued
from jobhook.core.guards import (
    AHEAD_MS,
    CHILD_WINDOW_MS,
    CLAIMS_AHEAD,
    DAY_MS,
    HOUR_MS,
    Guard,
    Link,
    Spent,
    counted_until,
    judged,
    link_after,
    paused_by,
    spent_beside,
)
from jobhook.core.launches import LONGEST_WAIT_MS, Launch, LaunchState
from jobhook.core.records import EVERYTHING

_PAGE = 50
# Launches that have to wait must not keep those behind them from being looked at.
_PAGES_MAX = 10

CLAIM_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('jobhook.claim', 0))"
# Whoever changes a launch at this moment has it; it is left to the next claim.
_DUE = """
SELECT * FROM launch WHERE state = 'ready' AND (due_at <= $1 OR due_at > $2) AND seq > $3
ORDER BY seq LIMIT $4 FOR UPDATE SKIP LOCKED
"""
_SPENT = """
SELECT l.id, of_pair.hour, of_pair.day, of_rule.micro_usd, same.id AS same_commit,
       same.job_id, parent.depth, parent.root, of_root.launches AS of_root
FROM launch l
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE s.claimed_at > $2) AS hour, count(*) AS day FROM launch s
    WHERE s.rule = l.rule AND s.repo = l.repo AND s.claimed_at > $3 AND s.claimed_at > 0
    AND s.claimed_at <= $5
) AS of_pair
CROSS JOIN LATERAL (
    SELECT coalesce(sum(s.micro_usd), 0)::bigint AS micro_usd FROM launch s
    WHERE s.rule = l.rule AND s.claimed_at > $3 AND s.claimed_at > 0 AND s.claimed_at <= $5
) AS of_rule
LEFT JOIN LATERAL (
    SELECT s.id, s.job_id FROM launch s
    WHERE s.rule = l.rule AND s.repo = l.repo AND s.subject = l.subject AND s.action = l.action
    AND s.generation = l.generation AND s.claimed_at > 0 AND s.id != l.id
    ORDER BY s.job_id IS NULL LIMIT 1
) AS same ON true
LEFT JOIN LATERAL (
    SELECT s.depth, s.root FROM launch s
    WHERE s.rule = l.rule AND s.repo = l.repo AND s.id != l.id AND s.delivery != l.delivery
    AND s.claimed_at > 0 AND s.claimed_at < l.created_at
    AND (s.state IN ('sending', 'unknown', 'launched', 'running')
         OR s.updated_at > l.created_at - $4)
    ORDER BY s.claimed_at DESC LIMIT 1
) AS parent ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS launches FROM launch s
    WHERE s.root = coalesce(parent.root, l.delivery) AND s.claimed_at > 0
) AS of_root
WHERE l.id = ANY($1::text[])
"""


async def claim(
    connection: Connection, now: int, limit: int, guard: Guard
) -> tuple[tuple[Launch, bytes], ...]:
    """Claim up to *limit* due launches that *guard* permits, and return them with their bodies."""
    await connection.execute(CLAIM_LOCK)
    paused = {row["scope"] for row in await connection.fetch("SELECT scope FROM pause")}
    if EVERYTHING in paused:
        return ()
    until = await _until(connection, now)
    claimed: list[Launch] = []
    seq = 0
    for _ in range(_PAGES_MAX):
        rows = await connection.fetch(_DUE, now, now + LONGEST_WAIT_MS, seq, _PAGE)
        page = [launch_of(row) for row in rows]
        claimed += await _judge(connection, page, guard, until, paused, limit - len(claimed))
        if len(rows) < _PAGE or len(claimed) == limit:
            break
        seq = rows[-1]["seq"]
    return await _with_bodies(connection, claimed)


async def begin_direct(connection: Connection, launch: Launch, guard: Guard) -> tuple[Launch, bool]:
    """Keep *launch* as *guard* leaves it, unless it is known; return what is kept, and if new."""
    await connection.execute(CLAIM_LOCK)
    # The limits are counted by what is in the table; a lease is begun by whoever replaces.
    if not await insert_launches(connection, [launch]):
        return launch_of(await connection.fetchrow(SAME_LAUNCH, *same_launch(launch))), False
    paused = {row["scope"] for row in await connection.fetch("SELECT scope FROM pause")}
    until = await _until(connection, guard.now)
    spent = spent_beside(launch, await _micro_usd(connection, guard.now, until), paused)
    new = not_queued(judged(launch, guard.permit(launch, spent), guard.now))
    await replace_launches(connection, [(launch, new)])
    return new, True


async def _until(connection: Connection, now: int) -> int:
    """Return up to which date claims count; see `counted_until`."""
    if not await connection.fetchval(
        "SELECT EXISTS (SELECT FROM launch WHERE claimed_at > $1 AND claimed_at > 0)",
        now + AHEAD_MS,
    ):
        await connection.execute("DELETE FROM memory WHERE name = $1", CLAIMS_AHEAD)
        return now + AHEAD_MS
    since: int = await connection.fetchval(
        "INSERT INTO memory (name, value) VALUES ($1, $2) ON CONFLICT (name)"
        " DO UPDATE SET value = least(memory.value, EXCLUDED.value) RETURNING value",
        CLAIMS_AHEAD,
        now,
    )
    return counted_until(now, since)


async def _judge(
    connection: Connection,
    page: Sequence[Launch],
    guard: Guard,
    until: int,
    paused: set[str],
    limit: int,
) -> list[Launch]:
    """Keep what *guard* says of *page*, until *limit* are permitted; return these."""
    if not page:
        return []
    decided = await _decided(connection, page, guard, until, paused, limit)
    await replace_launches(connection, decided)
    return [new for _, new in decided if new.state == LaunchState.SENDING]


async def _decided(
    connection: Connection,
    page: Sequence[Launch],
    guard: Guard,
    until: int,
    paused: set[str],
    limit: int,
) -> list[tuple[Launch, Launch]]:
    """Return those of *page* that are judged until *limit* are permitted, each as it becomes."""
    now = guard.now
    micro_usd = await _micro_usd(connection, now, until)
    ids = [launch.id for launch in page]
    rows = await connection.fetch(_SPENT, ids, now - HOUR_MS, now - DAY_MS, CHILD_WINDOW_MS, until)
    spent_before = {row["id"]: row for row in rows}
    reserved = _Reserved(micro_usd)
    decided: list[tuple[Launch, Launch]] = []
    for launch in page:
        if len(reserved.launches) == limit:
            break
        spent = reserved.spent(launch, spent_before[launch.id], paused)
        new = judged(launch, guard.permit(launch, spent), now)
        decided.append((launch, new))
        if new.state == LaunchState.SENDING:
            reserved.add(new)
    return decided


async def _micro_usd(connection: Connection, now: int, until: int) -> int:
    total: int = await connection.fetchval(
        "SELECT coalesce(sum(micro_usd), 0)::bigint FROM launch"
        " WHERE claimed_at > $1 AND claimed_at > 0 AND claimed_at <= $2",
        now - DAY_MS,
        until,
    )
    return total


@dataclass(slots=True)
class _Reserved:
    """What this page was permitted, which the database does not know yet."""

    micro_usd: int
    launches: list[Launch] = field(default_factory=list)
    of_pair: Counter[tuple[str, str]] = field(default_factory=Counter)
    of_rule: Counter[str] = field(default_factory=Counter)
    of_root: Counter[str] = field(default_factory=Counter)
    of_commit: dict[tuple[object, ...], str] = field(default_factory=dict)

    def add(self, launch: Launch) -> None:
        self.launches.append(launch)
        self.micro_usd += launch.micro_usd
        self.of_pair[launch.rule, launch.repo] += 1
        self.of_rule[launch.rule] += launch.micro_usd
        self.of_root[launch.root] += 1
        if launch.subject is not None:
            self.of_commit[_commit(launch)] = launch.id

    def spent(self, launch: Launch, before: Row, paused: set[str]) -> Spent:
        parent = None if before["root"] is None else Link(before["depth"], before["root"])
        link = link_after(parent, launch)
        here = self.of_pair[launch.rule, launch.repo]
        return Spent(
            rule_repo_hour=before["hour"] + here,
            rule_repo_day=before["day"] + here,
            rule_micro_usd=before["micro_usd"] + self.of_rule[launch.rule],
            micro_usd=self.micro_usd,
            same_commit=before["same_commit"] if before["job_id"] else None,
            on_its_way=before["same_commit"] or self.of_commit.get(_commit(launch)),
            link=link,
            of_root=before["of_root"] + self.of_root[link.root],
            paused=paused_by(launch, paused),
        )


def _commit(launch: Launch) -> tuple[object, ...]:
    return launch.rule, launch.repo, launch.subject, launch.action, launch.generation


async def _with_bodies(
    connection: Connection, launches: Sequence[Launch]
) -> tuple[tuple[Launch, bytes], ...]:
    rows = await connection.fetch(
        f"SELECT {WHOLE_DELIVERY} FROM delivery d WHERE d.id = ANY($1::text[])",  # noqa: S608
        [launch.delivery for launch in launches],
    )
    bodies = {row["id"]: row["body"] for row in rows}
    damaged = {row["id"] for row in rows if is_damaged(row)}
    return tuple(
        (
            replace(launch, is_damaged=launch.is_damaged or launch.delivery in damaged),
            bodies.get(launch.delivery, b""),
        )
        for launch in launches
    )
