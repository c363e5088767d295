from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from factories import make_received
from jobhook.adapters import sqlite_files, sqlite_migrations
from jobhook.adapters.counts import Counts
from jobhook.adapters.sqlite import Writer
from jobhook.adapters.sqlite_files import close_writer, open_reader, open_writer
from jobhook.adapters.sqlite_reads import sqlite_reads
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.core.errors import StoreError, StoreUnavailable

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobhook.db"


def test_a_writer_commits_in_full_to_a_write_ahead_log(path: Path) -> None:
    with contextlib.closing(open_writer(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        full = 2
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == full


async def test_nobody_else_may_read_the_files(path: Path) -> None:
    async with sqlite_store(path) as store:
        await store.record(make_received())
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("jobhook.db*")}
    assert modes == {0o600}


async def test_a_second_writer_is_refused(path: Path) -> None:
    async with sqlite_store(path):
        with pytest.raises(StoreError, match="another jobhook already uses this database"):
            async with sqlite_store(path):
                pass


async def test_the_lock_ends_with_its_holder(path: Path) -> None:
    async with sqlite_store(path):
        pass
    async with sqlite_store(path) as store:
        assert not (await store.record(make_received())).duplicate


async def test_somebody_may_read_beside_the_writer(path: Path) -> None:
    async with sqlite_store(path) as store, sqlite_reads(path) as reads:
        receipt = await store.record(make_received())
        assert await reads.delivery(receipt.delivery) is not None


async def test_a_database_at_rest_can_be_read(path: Path) -> None:
    async with sqlite_store(path) as store:
        receipt = await store.record(make_received())
    async with sqlite_reads(path) as reads:
        assert await reads.delivery(receipt.delivery) is not None


async def test_a_reader_cannot_write(path: Path) -> None:
    open_writer(path).close()
    with (
        contextlib.closing(open_reader(path)) as connection,
        pytest.raises(sqlite3.OperationalError),
    ):
        connection.execute("DELETE FROM delivery")


def test_reading_makes_no_database(path: Path) -> None:
    with pytest.raises(StoreError, match="there is no database"):
        open_reader(path)
    assert not path.exists()


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_bytes(b"precious" * 1000)
    for open_it in (open_writer, open_reader):
        with pytest.raises(StoreError, match="is not a usable database"):
            open_it(path)
    assert path.read_bytes() == b"precious" * 1000


def test_a_folder_that_is_not_there_is_said_in_one_sentence(path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened: No such file"):
        open_writer(path / "below")


def test_a_database_of_a_newer_version_is_refused(path: Path) -> None:
    connection = open_writer(path)
    connection.execute("INSERT INTO migration VALUES ('9999_later.sql')")
    close_writer(connection, path)
    for open_it in (open_writer, open_reader):
        with pytest.raises(StoreError, match="made by a newer jobhook"):
            open_it(path)


def test_a_database_of_an_older_version_is_not_read(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE migration (name TEXT PRIMARY KEY)")
        connection.commit()
    with pytest.raises(StoreError, match="of an older version"):
        open_reader(path)


def test_a_migration_is_done_whole_or_not_at_all(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "migrations"
    broken.mkdir()
    (broken / "0001_a.sql").write_text("CREATE TABLE a (x);\nCREATE TABLE b (y);\n")
    monkeypatch.setattr(sqlite_migrations, "_MIGRATIONS", broken)
    open_writer(path).close()
    (broken / "0002_b.sql").write_text("CREATE TABLE c (x);\nCREATE TABLE a (x);\n")
    with pytest.raises(StoreUnavailable):
        open_writer(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        assert {name for (name,) in tables} == {"migration", "a", "b"}


async def test_writes_that_wait_share_one_commit(path: Path) -> None:
    connection = open_writer(path)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    writer = Writer(connection, path)
    gate = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def hold(_: sqlite3.Connection) -> None:
        asyncio.run_coroutine_threadsafe(_wait_for(gate), loop).result(10)

    first = asyncio.create_task(writer.submit(hold))
    await asyncio.sleep(0)
    others = [asyncio.create_task(writer.submit(lambda _: None)) for _ in range(50)]
    await asyncio.sleep(0)
    gate.set_result(None)
    await asyncio.gather(first, *others)
    assert statements.count("COMMIT") <= 2
    await writer.aclose()


async def _wait_for(gate: asyncio.Future[None]) -> None:
    await gate


async def test_an_error_undoes_its_own_write_only(path: Path) -> None:
    connection = open_writer(path)
    writer = Writer(connection, path)

    def good(given: sqlite3.Connection) -> None:
        given.execute("INSERT INTO migration VALUES ('good')")

    def bad(given: sqlite3.Connection) -> None:
        given.execute("INSERT INTO migration VALUES ('bad')")
        raise LookupError("no")

    results = await asyncio.gather(writer.submit(good), writer.submit(bad), return_exceptions=True)
    names = [row["name"] for row in connection.execute("SELECT name FROM migration")]
    await writer.aclose()
    assert results[0] is None
    assert isinstance(results[1], LookupError)
    assert "good" in names
    assert "bad" not in names


async def test_a_full_disk_stores_nothing_and_says_so(path: Path) -> None:
    connection = open_writer(path)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    writer = Writer(connection, path)

    def fill(given: sqlite3.Connection) -> None:
        given.execute("INSERT INTO migration VALUES (?)", ("x" * 100_000,))

    with pytest.raises(StoreUnavailable, match="full"):
        await writer.submit(fill)
    connection.execute("PRAGMA max_page_count=1000000")
    await writer.submit(fill)
    await writer.aclose()


async def test_a_database_that_somebody_else_locks_is_unavailable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "_BUSY_SECONDS", 0.05)
    async with sqlite_store(path) as store:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreUnavailable):
                await store.record(make_received())
            other.execute("ROLLBACK")
        assert not (await store.record(make_received())).duplicate


async def test_a_failed_read_is_translated(path: Path) -> None:
    async with sqlite_store(path) as store:
        with pytest.raises(StoreUnavailable):
            await store._reader.fetch("SELECT nothing FROM nowhere")


async def test_a_caller_that_gave_up_disturbs_nobody(path: Path) -> None:
    async with sqlite_store(path) as store:
        task = asyncio.create_task(store.record(make_received()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await store.record(make_received("w2"))).duplicate is False


def test_the_lock_cannot_be_made_where_nothing_can_be_written(path: Path) -> None:
    with (
        pytest.raises(StoreError, match="cannot be opened"),
        sqlite_files.WriterLock(path / os.pardir / "nowhere" / "x"),
    ):
        pass


async def test_what_is_waiting_when_it_closes_is_still_written(path: Path) -> None:
    connection = open_writer(path)
    writer = Writer(connection, path)
    done: list[int] = []
    tasks = [
        asyncio.create_task(writer.submit(lambda _, n=n: done.append(n)))  # type: ignore[misc]
        for n in range(20)
    ]
    await asyncio.sleep(0)
    await writer.aclose()
    await asyncio.gather(*tasks)
    assert done == list(range(20))


async def test_a_fault_in_committing_is_told_and_the_writer_lives_on(path: Path) -> None:
    class Broken:
        """A connection that fails once, in a way that no database does."""

        def __init__(self, real: sqlite3.Connection) -> None:
            self.real = real
            self.in_transaction = False
            self.broken = True

        def execute(self, *given: object) -> object:
            if self.broken:
                self.broken = False
                raise MemoryError
            return self.real.execute(*given)  # type: ignore[arg-type]

        def close(self) -> None:
            self.real.close()

    counts = Counts()
    writer = Writer(Broken(open_writer(path)), path, meter=counts)  # type: ignore[arg-type]
    with pytest.raises(MemoryError):
        await writer.submit(lambda _: None)
    assert await writer.submit(lambda _: 7) == 7
    await writer.aclose()
    assert (counts.failed_commits, counts.groups.sum) == (1, 1)
