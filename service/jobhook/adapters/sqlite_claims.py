"""
Judge the launches that are due, inside the transaction that claims them, on SQLite.

What the limits count is read and written in one transaction, so that no two claims spend the same
dollar.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from jobhook.adapters.rows import SAME_LAUNCH, launch_of, launch_row, same_launch
from jobhook.adapters.sqlite_rows import INSERT_LAUNCH, replace_launch
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


def claimed(connection: sqlite3.Connection, now: int, guard: Guard) -> Iterator[Launch]:
    """Yield the due launches that *guard* permits, oldest first, each claimed as it is yielded."""
    paused = {row["scope"] for row in connection.execute("SELECT scope FROM pause")}
    if EVERYTHING in paused:
        return
    # All dollars of a day are many rows: they are added up once, and then what is reserved here.
    until = _until(connection, now)
    micro_usd = _micro_usd(connection, now, until)
    for launch in _due(connection, now):
        spent = _spent(connection, launch, now, until, micro_usd=micro_usd, paused=paused)
        new = judged(launch, guard.permit(launch, spent), now)
        replace_launch(connection, launch, new)
        if new.state == LaunchState.SENDING:
            micro_usd += new.micro_usd
            yield new


def begin_direct(
    connection: sqlite3.Connection, asked: Sequence[tuple[Launch, Guard]]
) -> list[tuple[Launch, bool]]:
    """Keep each as its guard leaves it, unless it is known; return what is kept, and if new."""
    moments = [guard.now for _, guard in asked]
    paused = {row["scope"] for row in connection.execute("SELECT scope FROM pause")}
    # As in a claim, the dollars are added up once for all: those of the longest day that is meant.
    until = _until(connection, max(moments))
    micro_usd = _micro_usd(connection, min(moments), until)
    kept: list[tuple[Launch, bool]] = []
    for launch, guard in asked:
        spent = spent_beside(launch, micro_usd, paused)
        new = not_queued(judged(launch, guard.permit(launch, spent), guard.now))
        if connection.execute(INSERT_LAUNCH, launch_row(new)).rowcount:
            micro_usd += new.micro_usd
            kept.append((new, True))
        else:
            same = connection.execute(SAME_LAUNCH.replace("$", "?"), same_launch(launch))
            kept.append((launch_of(same.fetchone()), False))
    return kept


def _due(connection: sqlite3.Connection, now: int) -> Iterator[Launch]:
    seq = 0
    for _ in range(_PAGES_MAX):
        rows = connection.execute(
            "SELECT * FROM launch WHERE state = 'ready' AND (due_at <= ? OR due_at > ?)"
            " AND seq > ? ORDER BY seq LIMIT ?",
            (now, now + LONGEST_WAIT_MS, seq, _PAGE),
        ).fetchall()
        yield from map(launch_of, rows)
        if len(rows) < _PAGE:
            return
        seq = rows[-1]["seq"]


def _until(connection: sqlite3.Connection, now: int) -> int:
    """Return up to which date claims count; see `counted_until`."""
    ahead = connection.execute(
        "SELECT 1 FROM launch WHERE claimed_at > ? AND claimed_at > 0 LIMIT 1", (now + AHEAD_MS,)
    ).fetchone()
    if not ahead:
        connection.execute("DELETE FROM memory WHERE name = ?", (CLAIMS_AHEAD,))
        return now + AHEAD_MS
    connection.execute(
        "INSERT INTO memory VALUES (?, ?) ON CONFLICT (name)"
        " DO UPDATE SET value = min(value, excluded.value)",
        (CLAIMS_AHEAD, now),
    )
    row = connection.execute("SELECT value FROM memory WHERE name = ?", (CLAIMS_AHEAD,)).fetchone()
    return counted_until(now, row["value"])


def _spent(
    connection: sqlite3.Connection,
    launch: Launch,
    now: int,
    until: int,
    *,
    micro_usd: int,
    paused: set[str],
) -> Spent:
    day = {
        "rule": launch.rule,
        "repo": launch.repo,
        "hour": now - HOUR_MS,
        "day": now - DAY_MS,
        "until": until,
    }
    counts = connection.execute(
        "SELECT count(*) FILTER (WHERE claimed_at > :hour) AS hour, count(*) AS day FROM launch"
        " WHERE rule = :rule AND repo = :repo AND claimed_at > :day AND claimed_at > 0"
        " AND claimed_at <= :until",
        day,
    ).fetchone()
    of_rule = connection.execute(
        "SELECT coalesce(sum(micro_usd), 0) AS micro_usd FROM launch"
        " WHERE rule = :rule AND claimed_at > :day AND claimed_at > 0 AND claimed_at <= :until",
        day,
    ).fetchone()
    link = link_after(_parent(connection, launch), launch)
    same_commit, on_its_way = _same_commit(connection, launch)
    return Spent(
        rule_repo_hour=counts["hour"],
        rule_repo_day=counts["day"],
        rule_micro_usd=of_rule["micro_usd"],
        micro_usd=micro_usd,
        same_commit=same_commit,
        on_its_way=on_its_way,
        link=link,
        of_root=_of_root(connection, link.root),
        paused=paused_by(launch, paused),
    )


def _micro_usd(connection: sqlite3.Connection, now: int, until: int) -> int:
    row = connection.execute(
        "SELECT coalesce(sum(micro_usd), 0) AS micro_usd FROM launch"
        " WHERE claimed_at > ? AND claimed_at > 0 AND claimed_at <= ?",
        (now - DAY_MS, until),
    ).fetchone()
    total: int = row["micro_usd"]
    return total


def _same_commit(connection: sqlite3.Connection, launch: Launch) -> tuple[str | None, str | None]:
    """Return the launch that has a job for the same commit, or else one that may get it."""
    row = connection.execute(
        "SELECT id, job_id FROM launch WHERE rule = :rule AND repo = :repo AND subject = :subject"
        " AND action = :action AND claimed_at > 0 AND id != :id AND generation = :generation"
        " ORDER BY job_id IS NULL LIMIT 1",
        {
            "rule": launch.rule,
            "repo": launch.repo,
            "subject": launch.subject,
            "action": launch.action,
            "id": launch.id,
            "generation": launch.generation,
        },
    ).fetchone()
    if row is None:
        return None, None
    return (row["id"], None) if row["job_id"] else (None, row["id"])


def _parent(connection: sqlite3.Connection, launch: Launch) -> Link | None:
    row = connection.execute(
        "SELECT depth, root FROM launch WHERE rule = :rule AND repo = :repo AND id != :id"
        " AND claimed_at > 0 AND claimed_at < :created_at AND delivery != :delivery"
        " AND (state IN ('sending', 'unknown', 'launched', 'running') OR updated_at > :since)"
        " ORDER BY claimed_at DESC LIMIT 1",
        {
            "rule": launch.rule,
            "repo": launch.repo,
            "id": launch.id,
            "created_at": launch.created_at,
            "delivery": launch.delivery,
            "since": launch.created_at - CHILD_WINDOW_MS,
        },
    ).fetchone()
    return Link(row["depth"], row["root"]) if row else None


def _of_root(connection: sqlite3.Connection, root: str) -> int:
    row = connection.execute(
        "SELECT count(*) AS launches FROM launch WHERE root = ? AND claimed_at > 0", (root,)
    ).fetchone()
    launches: int = row["launches"]
    return launches
