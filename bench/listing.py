"""The rows about much that is there: pages of many deliveries and launches, with every filter."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.listing_http import over_http
from bench.payload import body
from bench.postgres import MISSING, database
from bench.table import Row, Scale, left_out
from jobhook.adapters.sqlite_files import open_writer
from jobhook.adapters.sqlite_reads import sqlite_reads
from jobhook.core.deliveries import DeliveryState
from jobhook.core.filters import DeliveryFilter, LaunchFilter
from jobhook.core.launches import LaunchState
from jobhook.core.pages import Page
from jobhook.core.watches import REPO_TYPES
from jobhook.ports import Reads

_PAGE = 100
_GOAL_MS = 50.0
# So many filters are tried through all of a service.
_OVER_HTTP = 16
_BEGAN = 1_700_000_000_000
ReadPage = Callable[..., Awaitable[Page[Any]]]

# Of a thousand deliveries 900 are ignored, 95 matched, 5 unparsed; the oldest twenty are of a kind
# of their own, which is what a list has to go furthest for. Launches likewise.
_DELIVERIES = """
INSERT INTO delivery (id, source, key, webhook_id, received_at, state, scope, action, repo_type,
    repo_name, events, body)
SELECT 'd' || i, 'hub', 'w' || i, 'w' || i, {began} + i * 1000,
    CASE WHEN i <= 20 THEN 'quarantined' WHEN i % 1000 < 900 THEN 'ignored'
    WHEN i % 1000 < 995 THEN 'matched' ELSE 'unparsed' END,
    CASE WHEN i <= 20 THEN 'discussion' ELSE 'repo.content' END, 'update', 'model',
    CASE WHEN i <= 20 THEN 'acme/once' WHEN i % 2 = 0 THEN 'acme/busy' ELSE 'acme/m' || i % 500 END,
    '["push"]', {body} FROM numbers
"""
_LAUNCHES = """
INSERT INTO launch (id, delivery, rule, action, generation, rule_hash, event, spec, state, reason,
    job_id, attempts, due_at, unknown_since, looks, waited_ms, repo, claimed_at, micro_usd, depth,
    root, asked_by, created_at, updated_at)
SELECT 'l' || i, 'd' || i, CASE WHEN i <= 20 THEN 'once' ELSE 'rule-' || i % 50 END, 0, 0, 'hash',
    'push', '{spec}', CASE WHEN i <= 20 THEN 'rejected' WHEN i % 1000 < 970 THEN 'completed'
    ELSE 'failed' END, CASE WHEN i <= 20 THEN 'the Hub said no' ELSE '' END,
    'job-' || i, 1, 0, 0, 0, 0,
    CASE WHEN i <= 20 THEN 'model:acme/once' WHEN i % 2 = 0 THEN 'model:acme/busy'
    ELSE 'model:acme/m' || i % 500 END,
    {began} + i * 1000, 1, 0, '', '', {began} + i * 1000, {began} + i * 1000 FROM numbers
"""
_SPEC = '{"command":["python","-c","pass"],"image":"python:3.12","flavor":"cpu-basic"}'


def listing(folder: Path, scale: Scale) -> Iterable[Row]:
    """Yield the rows; *folder* is for the database."""
    path = folder / "many.db"
    _fill_sqlite(path, scale.stored)
    yield from _rows_of(_Sqlite(path), folder, scale)
    path.unlink()
    with database() as url:
        if url is None:
            what = f"{scale.stored:,} stored: lists on PostgreSQL"
            yield left_out(what, f"p95 ≤ {_GOAL_MS:.0f} ms", MISSING)
            return
        asyncio.run(_fill_postgres(url, scale.stored))
        yield from _rows_of(_Postgres(url), folder, scale)


@dataclass(frozen=True)
class _Sqlite:
    path: Path
    name: str = "SQLite"

    @property
    def setting(self) -> str:
        return f"sqlite:///{self.path}"

    def reads(self) -> contextlib.AbstractAsyncContextManager[Reads]:
        return sqlite_reads(self.path)


@dataclass(frozen=True)
class _Postgres:
    url: str
    name: str = "PostgreSQL"

    @property
    def setting(self) -> str:
        return self.url

    def reads(self) -> contextlib.AbstractAsyncContextManager[Reads]:
        from jobhook.adapters.store_postgres import postgres_reads

        return postgres_reads(self.url)


def _rows_of(store: _Sqlite | _Postgres, folder: Path, scale: Scale) -> Iterable[Row]:
    every = asyncio.run(_all_looks(store, scale))
    for what, waits in every.items():
        yield _row(f"{what} on {store.name}, any of {len(waits)} filters", waits, scale)
    slowest = {what: _slowest(waits)[:_OVER_HTTP] for what, waits in every.items()}
    for what, waits in over_http(store.setting, folder, slowest, scale).items():
        named = f"{what} on {store.name} over HTTP, the {len(waits)} slowest filters"
        yield _row(named, waits, scale)


async def _all_looks(
    store: _Sqlite | _Postgres, scale: Scale
) -> Mapping[str, Mapping[str, list[float]]]:
    async with store.reads() as reads:
        return {
            "deliveries": await _looks(reads.delivery_page, _of_deliveries(scale), scale),
            "launches": await _looks(reads.launch_page, _of_launches(scale), scale),
        }


def _slowest(waits: Mapping[str, Sequence[float]]) -> list[str]:
    return sorted(waits, key=lambda name: -statistics.median(waits[name]))


def _row(what: str, waits: Mapping[str, Sequence[float]], scale: Scale) -> Row:
    slowest = _slowest(waits)[0]
    typical = statistics.median(waits[slowest]) * 1000
    every = [wait * 1000 for each in waits.values() for wait in each]
    p95 = statistics.quantiles(every, n=20)[18]
    # What a single page took says more of the machine.
    return Row(
        f"{scale.stored:,} stored: a page of {_PAGE} {what}",
        f"p95 ≤ {_GOAL_MS:.0f} ms, each filter",
        f"p95 {p95:.1f} ms; the slowest filter {typical:.1f}",
        max(p95, typical) <= _GOAL_MS,
        (f"slowest: {slowest}", ""),
    )


async def _looks(
    read: ReadPage, filters: Iterable[tuple[str, Any]], scale: Scale
) -> Mapping[str, list[float]]:
    """Return how long each page took of each list, read on from one to the next."""
    waits: dict[str, list[float]] = {}
    for name, wanted in filters:
        after = None
        for _ in range(scale.rounds + 2):
            begun = time.perf_counter()
            page = await read(wanted, limit=_PAGE, after=after)
            waits.setdefault(name, []).append(time.perf_counter() - begun)
            after = page.next
    return waits


def _of_deliveries(scale: Scale) -> Iterator[tuple[str, DeliveryFilter]]:
    states = (None, DeliveryState.IGNORED, DeliveryState.QUARANTINED, DeliveryState.CONFLICT)
    repos = (None, "acme/busy", "acme/once", "acme/none")
    events = (None, "push", "discussion", "none")
    for state, repo, event, (since, until) in itertools.product(
        states, repos, events, _spans(scale)
    ):
        yield (
            _named(state=state, repo=repo, type=event, since=since, until=until),
            DeliveryFilter(state=state, repo=repo, event=event, since=since, until=until),
        )


def _of_launches(scale: Scale) -> Iterator[tuple[str, LaunchFilter]]:
    states = (None, LaunchState.COMPLETED, LaunchState.REJECTED, LaunchState.HELD)
    repos = (None, "acme/busy", "acme/once", "acme/none")
    rules = (None, "rule-7", "once", "none")
    reasons = (None, "the Hub", "none")
    for state, repo, rule, reason, (since, until) in itertools.product(
        states, repos, rules, reasons, _spans(scale)
    ):
        yield (
            _named(state=state, repo=repo, rule=rule, reason=reason, since=since, until=until),
            LaunchFilter(
                states=None if state is None else [state],
                repos=None if repo is None else [f"{kind}:{repo}" for kind in REPO_TYPES],
                rule=rule,
                reason=reason,
                since=since,
                until=until,
            ),
        )


def _spans(scale: Scale) -> Iterator[tuple[int | None, int | None]]:
    tenth = _BEGAN + scale.stored * 100
    yield None, None
    yield None, tenth


def _named(**given: object) -> str:
    return (
        " ".join(f"{name}={value}" for name, value in given.items() if value is not None) or "none"
    )


def _fill_sqlite(path: Path, number: int) -> None:
    open_writer(path).close()
    numbers = (
        "WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {})"
    )
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
            connection.execute(f"PRAGMA {pragma}")
        begin = numbers.format(number)
        fill = _DELIVERIES.format(began=_BEGAN, body="?")
        connection.execute(begin + fill, (body(),))
        connection.execute(begin + _LAUNCHES.format(began=_BEGAN, spec=_SPEC))
        connection.execute("DELETE FROM change WHERE seq < (SELECT max(seq) FROM change)")
        connection.commit()
        connection.execute("PRAGMA journal_mode=WAL")


async def _fill_postgres(url: str, number: int) -> None:
    import asyncpg

    from jobhook.adapters.store_postgres import postgres_store

    async with postgres_store(url):
        pass
    connection = await asyncpg.connect(url)
    numbers = f"WITH numbers AS (SELECT * FROM generate_series(1, {number:d}) AS n(i))"  # noqa: S608
    await connection.execute("SET synchronous_commit = off")
    indexes = await connection.fetch(
        "SELECT indexname AS name, indexdef AS text FROM pg_indexes"
        " WHERE tablename IN ('delivery', 'launch') AND indexdef NOT LIKE '%UNIQUE%'"
    )
    # To write them at the end takes a third of the time.
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    for table, fill, values in (
        ("delivery", _DELIVERIES.format(began=_BEGAN, body="$1::bytea"), [body()]),
        ("launch", _LAUNCHES.format(began=_BEGAN, spec=_SPEC), []),
    ):
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        await connection.execute(numbers + fill, *values)
        await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    for index in indexes:
        await connection.execute(index["text"])
    # What the server does by itself within a minute.
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
