"""The rows about much that is there: many rules to match, many deliveries to list."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.payload import body
from bench.table import Row, Scale
from jobhook.adapters.sqlite_files import open_writer
from jobhook.adapters.sqlite_reads import sqlite_reads
from jobhook.core.deliveries import Delivery, DeliveryState, read_delivery
from jobhook.core.filters import DeliveryFilter
from jobhook.core.indexing import RuleIndex
from jobhook.core.matching import decide
from jobhook.core.occasions import occasions_of
from jobhook.core.rules import Rule

_PAGE = 100
_LOOKS = 100


def storing(folder: Path, scale: Scale) -> Iterable[Row]:
    """Yield the rows; *folder* is for the database."""
    number = scale.rules * 10
    few, many, wild = (
        _match_us(*mix, scale) for mix in ((_typical, 10), (_typical, number), (_wild, number))
    )
    matched = f"match one event against {number:,} rules, of which three fire"
    yield Row(f"{matched}: typical mix", "≤ 8 µs", f"{many:,.1f} µs", many <= 8)
    yield Row(f"{matched}: half wildcards", "≤ 100 µs", f"{wild:,.1f} µs", wild <= 100)
    growth = many / few
    yield Row(f"growth from 10 to {number:,} rules", "≤ 3 ×", f"{growth:,.2f} ×", growth <= 3)
    yield _list(folder / "many.db", scale)


def _match_us(repo_of: Callable[[int], str], number: int, scale: Scale) -> float:
    fire = ["model:acme/model-7", "model:acme/*", "model:*/model-*"]
    others = [f"model:{repo_of(n)}" for n in range(number - len(fire))]
    index = RuleIndex([_rule(n, repo) for n, repo in enumerate([*others, *fire])])
    delivery = read_delivery(body())
    if not isinstance(delivery, Delivery):
        raise TypeError(delivery.reason)
    occasions = occasions_of(delivery, me="acme", now=0)
    waits = []
    for _ in range(scale.matched):
        begun = time.perf_counter()
        near = index.near(occasions)
        fired = sum(decide(occasions, rule).fired for rule in near)
        waits.append(time.perf_counter() - begun)
        if fired != len(fire):
            raise ValueError(f"{fired} rules fired")
    return statistics.median(waits) * 1e6


def _typical(number: int) -> str:
    mix = {7: f"team-{number}/*", 8: f"team-{number}/*", 9: f"team-{number}/a*z"}
    return mix.get(number % 10, f"acme/exact-{number}")


def _wild(number: int) -> str:
    return f"team-{number}/*" if number % 2 else f"*/a{number}-*z"


def _rule(number: int, repo: str) -> Rule:
    run = {"image": "python:3.12", "command": ["true"]}
    return Rule.model_validate(
        {"id": f"rule-{number}", "on": ["commit.pushed"], "repos": [repo], "run": run}
    )


def _list(path: Path, scale: Scale) -> Row:
    _fill(path, scale.stored)
    waits = asyncio.run(_looks(path))
    p50, p95 = statistics.median(waits) * 1000, statistics.quantiles(waits, n=20)[18] * 1000
    return Row(
        f"{scale.stored:,} stored deliveries: list of {_PAGE} in one state",
        "p95 ≤ 50 ms",
        f"p95 {p95:.1f} ms (median {p50:.1f})",
        p95 <= 50,
    )


def _fill(path: Path, number: int) -> None:
    """Make deliveries in one statement: of a thousand, 900 ignored, 95 matched, 5 unparsed."""
    connection = open_writer(path)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)"
        " INSERT INTO delivery (id, source, key, webhook_id, received_at, state, scope, action,"
        " repo_type, repo_name, body) SELECT printf('d%025d', i), 'hub', printf('w%d', i),"
        " printf('w%d', i), 1700000000000 + i,"
        " CASE WHEN i % 1000 < 900 THEN 'ignored' WHEN i % 1000 < 995 THEN 'matched'"
        " ELSE 'unparsed' END, 'repo.content', 'update', 'model', printf('acme/m%d', i % 500),"
        " ?2 FROM n",
        (number, body()),
    )
    connection.close()


async def _looks(path: Path) -> list[float]:
    states = (
        DeliveryState.IGNORED,
        DeliveryState.MATCHED,
        DeliveryState.UNPARSED,
        DeliveryState.QUARANTINED,  # there is none
    )
    waits = []
    async with sqlite_reads(path) as reads:
        for look in range(_LOOKS):
            begun = time.perf_counter()
            wanted = DeliveryFilter(state=states[look % len(states)])
            await reads.deliveries(wanted, limit=_PAGE)
            waits.append(time.perf_counter() - begun)
    return waits
