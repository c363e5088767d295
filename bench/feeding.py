"""
The rows about the live feed: many who follow it while nothing happens, and while much does.

First in the process of the bench, on SQLite, without HTTP; then all of a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from bench.followers import Followers
from bench.load import drive
from bench.payload import requests
from bench.processes import Server, memory_of
from bench.service import (
    count,
    rules_that_rest,
    service_environ,
    serving,
    wait_for,
)
from bench.stub_hub import StubHub
from bench.table import Row, Scale
from jobhook.adapters.sqlite import Reader
from jobhook.adapters.sqlite_files import connect, open_reader, open_writer
from jobhook.adapters.sqlite_reads import SqliteReads
from jobhook.core.changes import ChangeKind
from jobhook.flows.feed import Feed, FeedReader

# As the service has it.
_PAUSE_SECONDS = 0.5
_IDLE_TURNS = 5
_GOAL = 0.2
_CHANGES_EACH = 20
_GROWN_MIB = 8.0
_PATIENCE = 120.0


def feeding(folder: Path, scale: Scale) -> Iterable[Row]:
    """Yield the rows; *folder* is for databases."""
    yield from asyncio.run(_rows(folder / "feed.db", scale))
    yield from _over_http(folder, scale)


async def _rows(path: Path, scale: Scale) -> list[Row]:
    open_writer(path).close()
    reader = Reader(open_reader(path), path)
    feed = Feed(SqliteReads(reader), _summaries, pause=partial(asyncio.sleep, _PAUSE_SECONDS))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(reader.aclose)
        readers = [await stack.enter_async_context(feed.follow()) for _ in range(scale.feeds)]
        return [
            await _idle(readers, scale),
            await _busy(path, readers, scale),
        ]


async def _idle(readers: list[FeedReader], scale: Scale) -> Row:
    waiting = [asyncio.ensure_future(anext(reader)) for reader in readers]
    await asyncio.sleep(_PAUSE_SECONDS)
    begun, used = time.perf_counter(), time.process_time()
    await asyncio.sleep(scale.seconds * _IDLE_TURNS)
    part = (time.process_time() - used) / (time.perf_counter() - begun)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return Row(
        f"{scale.feeds} open feeds, idle (without HTTP)",
        f"< {_GOAL:.0%} of a core",
        f"{part:.2%}",
        part < _GOAL,
    )


async def _busy(path: Path, readers: list[FeedReader], scale: Scale) -> Row:
    """Let every second reader read all that happens, and the others nothing."""
    number = scale.feeds * _CHANGES_EACH
    await _pass(path, readers[::2], 1, number)
    begun = memory_of(os.getpid(), "VmRSS")
    await _pass(path, readers[::2], number + 1, number)
    grown = memory_of(os.getpid(), "VmRSS") - begun
    return Row(
        f"memory that they take more after {number:,} further changes, half of them reading",
        "flat",
        f"{grown:+.1f} MiB",
        grown < _GROWN_MIB,
    )


async def _pass(path: Path, readers: list[FeedReader], first: int, number: int) -> None:
    reading = [
        asyncio.ensure_future(_read_until(reader, f"l{first + number - 1}")) for reader in readers
    ]
    await asyncio.to_thread(_change, path, first, number)
    await asyncio.gather(*reading)


def _change(path: Path, first: int, number: int) -> None:
    with contextlib.closing(connect(path, "rw")) as connection:
        for n in range(first, first + number):
            connection.execute("INSERT INTO change (kind, id) VALUES ('launch', ?)", (f"l{n}",))


async def _read_until(reader: FeedReader, last: str) -> None:
    async for event in reader:
        if event.data["id"] == last:
            return


async def _summaries(kind: ChangeKind, ids: Collection[str]) -> Mapping[str, object]:
    return {each: {"id": each, "kind": kind, "padding": "x" * 500} for each in ids}


def _over_http(folder: Path, scale: Scale) -> Iterable[Row]:
    rules_that_rest(folder / "rules", 10)
    with StubHub() as hub:
        environ = service_environ(folder, folder / "rules", hub.url)
        with serving(environ) as server, Followers(server.port, scale.feeds) as followers:
            # What a process takes once, at its first events, is no growth.
            _send(server, followers, folder, scale.feeds)
            yield _idle_over_http(server, scale)
            yield from _busy_over_http(server, followers, folder, scale)


def _idle_over_http(server: Server, scale: Scale) -> Row:
    time.sleep(_PAUSE_SECONDS * 2)
    begun, used = time.perf_counter(), server.cpu_seconds()
    time.sleep(scale.seconds * _IDLE_TURNS)
    part = (server.cpu_seconds() - used) / (time.perf_counter() - begun)
    return Row(
        f"{scale.feeds} open feeds of a service, idle",
        f"< {_GOAL:.0%} of a core",
        f"{part:.1%} ({server.memory('VmRSS'):.0f} MiB)",
        part < _GOAL,
    )


def _busy_over_http(
    server: Server, followers: Followers, folder: Path, scale: Scale
) -> Iterable[Row]:
    # Each delivery changes twice: it comes, and is decided.
    number = scale.feeds * _CHANGES_EACH // 2
    before, used, told = server.memory("VmRSS"), server.cpu_seconds(), followers.received
    seconds = _send(server, followers, folder, number)
    cpu, grown = server.cpu_seconds() - used, server.memory("VmRSS") - before
    told = followers.received - told
    yield Row(
        f"memory that they take more after {number * 2:,} further changes, all of them reading",
        "flat",
        f"{grown:+.1f} MiB",
        grown < _GROWN_MIB,
        (f"{told / 1e6:,.0f} MB in {seconds:.1f} s, {cpu:.1f} s CPU with taking them in", ""),
    )


def _send(server: Server, followers: Followers, folder: Path, number: int) -> float:
    """Have so many deliveries taken in; return the seconds until everybody was told of all."""
    begun = time.perf_counter()
    drive(server.port, requests("/webhooks/hub"), connections=8, count=number)
    database = folder / "service.db"
    decided = "SELECT count(*) FROM delivery WHERE state != 'stored'"
    wait_for(database, decided, count(database, "SELECT count(*) FROM delivery"), seconds=_PATIENCE)
    followers.wait_for(count(database, "SELECT max(seq) FROM change"), seconds=_PATIENCE)
    return time.perf_counter() - begun
