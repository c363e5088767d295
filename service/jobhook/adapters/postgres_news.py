"""
Tell the other processes on a PostgreSQL that there is something to do, and be told.

News only saves time: they may be lost, as they are behind a pooler in transaction mode, and then
whoever waits for them looks by itself a little later.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import structlog

from jobhook.adapters.postgres import Connection, Database, connect_options, translated
from jobhook.core.errors import StoreError

log = structlog.get_logger()

CHANNEL = "jobhook"
# What news can be about.
DELIVERIES = "deliveries"
LAUNCHES = "launches"
_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
# A connection that was cut somewhere on the way says nothing of it.
_CHECK_SECONDS = 30.0
CHECK = "SELECT 'is anybody there'"

Wakes = Mapping[str, Callable[[], None]]


class Notifier:
    """Says what there is to do: soon, once for many, and never in anybody's way."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._topics: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def post(self, topic: str) -> None:
        """Say that there is something to do about *topic*."""
        self._topics.add(topic)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send(), name="news")

    async def aclose(self) -> None:
        """Say what is left to say."""
        if self._task is not None:
            await self._task

    async def _send(self) -> None:
        while self._topics:
            topics = list(self._topics)
            self._topics.clear()
            try:
                # One round trip: this is said after every group of deliveries.
                await self._database.run(
                    "; ".join(f"NOTIFY {CHANNEL}, '{each}'" for each in topics)
                )
            except StoreError as exc:
                log.info("news.lost", error=str(exc))


@asynccontextmanager
async def listening(url: str, wakes: Wakes) -> AsyncIterator[None]:
    """`listen` while the block runs."""
    task = asyncio.create_task(listen(url, wakes), name="listening")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def listen(url: str, wakes: Wakes) -> None:
    """
    Call what *wakes* has for a topic whenever there is news of it, until cancelled.

    A lost connection is made anew, and everybody is woken then: something may have been missed.
    """
    failures = 0
    while True:
        try:
            with translated(url):
                connection = await asyncpg.connect(url, **connect_options())
            try:
                failures = 0
                await follow(connection, url, wakes)
            finally:
                connection.terminate()
        except StoreError as exc:
            log.warning("news.interrupted", error=str(exc))
        pause = min(_PAUSE_SECONDS * 2**failures, _LONGEST_PAUSE_SECONDS)
        failures = min(failures + 1, 10)
        await asyncio.sleep(pause)


async def follow(connection: Connection, url: str, wakes: Wakes) -> None:
    """Pass the news on until *connection* is lost; `StoreUnavailable` if it went silent."""
    lost = asyncio.Event()

    def heard(_connection: Any, _pid: int, _channel: str, topic: str) -> None:
        if topic in wakes:
            wakes[topic]()

    connection.add_termination_listener(lambda _: lost.set())
    with translated(url):
        async with asyncio.timeout(_CHECK_SECONDS):
            await connection.add_listener(CHANNEL, heard)
    for wake in wakes.values():
        wake()
    while not await _happens(lost, _CHECK_SECONDS):
        with translated(url):
            async with asyncio.timeout(_CHECK_SECONDS):
                await connection.execute(CHECK)


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
