"""What goes to the writer together is what it would have been one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import NOON, make_received
from jobhook.adapters import sqlite
from jobhook.adapters.sqlite import Writer
from jobhook.adapters.sqlite_files import open_writer
from jobhook.adapters.sqlite_migrations import migrate
from jobhook.adapters.sqlite_rows import record_deliveries
from jobhook.adapters.sqlite_tasks import Batch
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.core.records import WEAK_WINDOW_MS, Received

pytestmark = pytest.mark.anyio

_RECEIVED = st.builds(
    make_received,
    st.sampled_from([None, "a", "b", "c"]),
    st.sampled_from([b"one", b"two", b"three"]),
    st.integers(NOON, NOON + 2 * WEAK_WINDOW_MS),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobhook.db"


def rows_of(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    columns = "id, source, key, webhook_id, weak_key, state, reason, body"
    return sorted(map(tuple, connection.execute(f"SELECT {columns} FROM delivery")))  # noqa: S608


@contextlib.contextmanager
def in_memory() -> Iterator[sqlite3.Connection]:
    """A database that has forgotten a delivery with the id `c`."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        migrate(connection, Path("memory"))
        (receipt,) = record_deliveries(connection, [make_received("c")])
        connection.execute("INSERT INTO tombstone VALUES (?, ?)", (receipt.delivery, NOON))
        connection.execute("DELETE FROM delivery")
        yield connection


@given(st.lists(_RECEIVED, max_size=12))
def test_a_group_leaves_what_each_by_itself_would_have_left(group: list[Received]) -> None:
    with in_memory() as together, in_memory() as alone:
        one_by_one = [record_deliveries(alone, [received])[0] for received in group]
        assert record_deliveries(together, group) == one_by_one
        assert rows_of(together) == rows_of(alone)


async def test_a_group_is_listed_in_the_order_in_which_it_came(path: Path) -> None:
    ids = [f"w{number}" for number in range(50)]
    async with sqlite_store(path) as store:
        await asyncio.gather(*(store.record(make_received(each)) for each in ids))
        listed = [delivery.key for delivery, _ in await store.deliveries(limit=0)]
    assert listed == ids[::-1]


class Batches:
    """Two batches that keep what they were given, and refuse bad items."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, list[str]]] = []

    def first(self, connection: sqlite3.Connection, items: Sequence[str]) -> list[str]:
        return self._do("first", connection, items)

    def second(self, connection: sqlite3.Connection, items: Sequence[str]) -> list[str]:
        return self._do("second", connection, items)

    def _do(self, name: str, connection: sqlite3.Connection, items: Sequence[str]) -> list[str]:
        self.runs.append((name, list(items)))
        for item in items:
            connection.execute("INSERT INTO migration VALUES (?)", (item,))
            if item == "bad":
                raise LookupError("no")
        return [f"{item}!" for item in items]


async def submitted(
    writer: Writer, *given: tuple[Batch[str, str], str]
) -> list[str | BaseException]:
    """Let all of *given* wait at once, and return what came of each."""
    free, begun = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(_: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        free.wait(20)

    holding = asyncio.create_task(writer.submit(hold))
    await begun.wait()
    waiting = [asyncio.create_task(writer.submit_to(batch, item)) for batch, item in given]
    await asyncio.sleep(0)
    free.set()
    await holding
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_waits_side_by_side_for_one_batch_goes_to_it_together(path: Path) -> None:
    writer, batches = Writer(open_writer(path), path), Batches()
    first, second = batches.first, batches.second
    answers = await submitted(
        writer, (first, "a"), (first, "b"), (second, "c"), (first, "d"), (first, "e")
    )
    await writer.aclose()
    assert answers == ["a!", "b!", "c!", "d!", "e!"]
    assert batches.runs == [("first", ["a", "b"]), ("second", ["c"]), ("first", ["d", "e"])]


async def test_an_error_in_a_batch_undoes_only_what_it_is_about(path: Path) -> None:
    connection = open_writer(path)
    writer, first = Writer(connection, path), Batches().first
    answers = await submitted(writer, (first, "a"), (first, "bad"), (first, "b"))
    kept = {row["name"] for row in connection.execute("SELECT name FROM migration")}
    await writer.aclose()
    assert answers[::2] == ["a!", "b!"]
    assert isinstance(answers[1], LookupError)
    assert {"a", "b"} < kept
    assert "bad" not in kept


async def test_a_slow_batch_is_committed_before_all_have_come(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_GROUP_SECONDS", 0.0)
    monkeypatch.setattr(sqlite, "_BATCH_MAX", 2)
    connection, statements = open_writer(path), list[str]()
    writer, first = Writer(connection, path), Batches().first
    connection.set_trace_callback(statements.append)
    await submitted(writer, *((first, f"{number}") for number in range(6)))
    await writer.aclose()
    assert statements.count("COMMIT") == 4


class Contended(deque[Any]):
    """The event loop takes first; before it goes on, the writer has found nothing and sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.is_taken = False
        self.asleep = threading.Event()

    def popleft(self) -> Any:
        if self.is_taken:
            return super().popleft()
        if threading.current_thread() is not threading.main_thread():
            raise IndexError
        taken = super().popleft()
        self.is_taken = True
        assert self.asleep.wait(10)
        return taken


class Drowsy(threading.Event):
    """Tells when somebody waits for it though the event loop took something out."""

    def __init__(self, waiting: Contended) -> None:
        super().__init__()
        self._waiting = waiting

    def wait(self, timeout: float | None = None) -> bool:
        if self._waiting.is_taken:
            self._waiting.asleep.set()
        return super().wait(timeout)


async def test_what_is_put_back_because_it_is_not_late_is_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, waiting = Writer(open_writer(path), path), Contended()
    monkeypatch.setattr(Writer, "_is_late", lambda writer, _: bool(writer._waiting))
    before = writer._woken
    writer._waiting, writer._woken = waiting, Drowsy(waiting)
    before.set()
    written = asyncio.create_task(writer.submit(lambda _: 7))
    await asyncio.sleep(0)
    writer._shed()
    async with asyncio.timeout(5):
        assert await written == 7
    await writer.aclose()


async def test_looking_for_who_is_late_bears_with_the_writer(path: Path) -> None:
    writer = Writer(open_writer(path), path)

    class Emptied(deque[Any]):
        """Looks full to whoever asks, and is empty when it is looked into."""

        def __bool__(self) -> bool:
            return threading.current_thread() is threading.main_thread()

    writer._waiting = Emptied()
    writer._shed()
    await writer.aclose()
