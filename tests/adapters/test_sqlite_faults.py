"""What the store does when its disk fails, on a disk that fails as it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from disks import Disk, Strike, broken, full, read_only
from factories import NOON, make_direct, make_received
from jobhook.adapters import page_sums, sqlite, sqlite_files
from jobhook.adapters.page_sums import sums_of
from jobhook.adapters.sqlite import Writer
from jobhook.adapters.sqlite_files import open_reader, open_writer
from jobhook.adapters.sqlite_health import damage_in
from jobhook.adapters.sqlite_reads import sqlite_reads
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.core.errors import StoreError, StoreUnavailable
from jobhook.core.guards import Guard, Limits, Permission, Spent
from jobhook.core.launches import Launch, LaunchState

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobhook.db"


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[Writer]:
    opened = Writer(open_writer(path), path)
    yield opened
    await opened.aclose()


async def stored(path: Path) -> dict[str, bytes | None]:
    async with sqlite_reads(path) as reads:
        found = await reads.deliveries(limit=0)
        return {delivery.id: await reads.body(delivery.id) for delivery, _ in found}


# Acknowledging


async def test_a_receipt_is_told_after_the_log_was_synced(path: Path) -> None:
    disk, trace = Disk(), list[str]()
    async with sqlite_store(path, connect=disk.connect) as store:
        disk.strike = lambda operation, kind: trace.append(f"{operation} {kind}")
        for number in range(3):
            await store.record(make_received(f"w{number}"))
            trace.append("told")
    upto = [at for at, step in enumerate(trace) if step == "told"]
    assert [trace[at - 1] for at in upto] == ["sync wal"] * 3
    assert all("write wal" in trace[a:b] for a, b in zip([0, *upto], upto, strict=False))


# A disk that fails


@pytest.mark.parametrize("fault", [full, broken, read_only], ids=["full", "broken", "read-only"])
async def test_a_fault_at_any_write_stores_nothing_and_passes(path: Path, fault: Strike) -> None:
    disk, known = Disk(), dict[str, bytes]()
    async with sqlite_store(path, connect=disk.connect) as store:
        for number in itertools.count(1):
            striking = Nth(number, fault)
            disk.strike = striking
            body = bytes([number]) * 10_000
            with contextlib.suppress(StoreUnavailable):
                known[(await store.record(make_received(f"w{number}", body))).delivery] = body
            disk.strike = lambda operation, kind: None
            after = await store.record(make_received(f"after{number}", body))
            assert not after.duplicate
            known[after.delivery] = body
            if not striking.has_struck:
                break
    assert number > 5
    found = await stored(path)
    assert {name: found.get(name) for name in known} == known
    # What was refused may be there after all, but then it is whole.
    assert {len(set(body or b"")) for body in found.values()} == {1}
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


class Nth:
    """Strikes at the nth operation, and at all after it."""

    def __init__(self, number: int, fault: Strike) -> None:
        self.left = number
        self.fault = fault
        self.has_struck = False

    def __call__(self, operation: str, kind: str) -> None:
        if operation != "open":
            self.left -= 1
            if self.left <= 0:
                self.has_struck = True
                self.fault(operation, kind)


async def test_after_a_sync_that_failed_the_database_is_opened_anew(path: Path) -> None:
    disk, opened, syncs = Disk(), list[str](), list[str]()

    def fail_once(operation: str, kind: str) -> None:
        if operation == "sync":
            syncs.append(kind)
            if len(syncs) == 1:
                broken(operation, kind)

    def connect(at: Path, mode: str) -> sqlite3.Connection:
        opened.append(mode)
        return disk.connect(at, mode)

    async with sqlite_store(path, connect=connect) as store:
        await store.record(make_received("before"))
        opened.clear()
        disk.strike = fail_once
        with pytest.raises(StoreUnavailable):
            await store.record(make_received())
        assert opened == []
        assert not (await store.record(make_received())).duplicate
        assert opened == ["ro", "rw"]
        # The log's content was copied and synced before anything was written behind it.
        assert syncs.index("db") < len(syncs) - 1


async def test_while_it_cannot_be_opened_anew_it_says_so(path: Path) -> None:
    disk = Disk()

    def connect(at: Path, mode: str) -> sqlite3.Connection:
        if mode in forbidden:
            raise sqlite3.OperationalError("unable to open database file")
        return disk.connect(at, mode)

    forbidden = ""
    async with sqlite_store(path, connect=connect) as store:
        disk.strike, forbidden = broken_sync, "ro rw"
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await store.record(make_received())
        disk.strike, forbidden = (lambda operation, kind: None), ""
        assert not (await store.record(make_received())).duplicate


def broken_sync(operation: str, kind: str) -> None:
    if operation == "sync":
        broken(operation, kind)


async def test_a_database_found_damaged_after_a_fault_is_not_written_to(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk()
    async with sqlite_store(path, connect=disk.connect) as store:
        disk.strike = broken_sync
        with pytest.raises(StoreUnavailable):
            await store.record(make_received())
        disk.strike = lambda operation, kind: None
        monkeypatch.setattr(sqlite, "reopen_writer", damaged)
        with pytest.raises(StoreUnavailable, match="damaged"):
            await store.record(make_received())


def damaged(*_: object) -> sqlite3.Connection:
    raise StoreError("it is damaged")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() or not mounted("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder):
        pytest.skip("only who may mount can have a disk that is really full")
    yield folder
    assert mounted("umount", folder)


def mounted(command: str, *words: str | Path) -> bool:
    found = shutil.which(command)
    line = [found or command, *map(str, words)]
    return bool(found) and not subprocess.run(line, capture_output=True, check=False).returncode


async def test_a_disk_that_is_really_full_is_recovered_from(small_disk: Path) -> None:
    path, known = small_disk / "jobhook.db", set[str]()
    async with sqlite_store(path) as store:
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(300_000))
        with contextlib.suppress(StoreUnavailable):
            for number in itertools.count():
                known.add((await store.record(make_received(f"w{number}", bytes(9000)))).delivery)
        assert known
        with pytest.raises(StoreUnavailable):
            await store.record(make_received("while it is full", bytes(9000)))
        ballast.unlink()
        known.add((await store.record(make_received("after"))).delivery)
    assert known <= (await stored(path)).keys()


async def test_a_file_system_that_is_read_only_for_a_while_is_recovered_from(
    small_disk: Path,
) -> None:
    path = small_disk / "jobhook.db"

    async with sqlite_store(path) as store:
        await store.record(make_received("before"))
    if not mounted("mount", "-o", "remount,ro", small_disk):
        pytest.skip("this file system cannot be made read-only")
    with pytest.raises(StoreError, match="Read-only"):
        async with sqlite_store(path):
            pass
    assert mounted("mount", "-o", "remount,rw", small_disk)
    async with sqlite_store(path) as store:
        assert (await store.record(make_received("before"))).duplicate


# Locked, slow, overloaded


async def test_while_another_process_holds_it_everybody_is_told_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "_BUSY_SECONDS", 0.05)
    async with sqlite_store(path) as store:
        other = holder(path)
        # In turn they would wait for 50 times as long.
        given = [store.record(make_received(f"w{number}")) for number in range(50)]
        told = await asyncio.gather(*given, return_exceptions=True)
        assert {type(answer) for answer in told} == {StoreUnavailable}
        other.communicate()
        assert not (await store.record(make_received())).duplicate


def holder(path: Path) -> subprocess.Popen[bytes]:
    """A process that locks the database until its input ends."""
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()"
    )
    line = [sys.executable, "-c", script, str(path)]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """Lets the writer's thread go on when it is set."""
    event = threading.Event()
    yield event
    event.set()


async def hold_up(writer: Writer, held: threading.Event, *, repeatable: bool) -> asyncio.Task[int]:
    """Keep the writer's thread busy, as a disk that hangs does."""
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work(_: sqlite3.Connection) -> int:
        loop.call_soon_threadsafe(begun.set)
        held.wait(20)
        return 7

    task = asyncio.create_task(writer.submit(work, repeatable=repeatable))
    await begun.wait()
    return task


async def test_who_waits_too_long_is_told_that_nothing_was_stored(
    writer: Writer, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(sqlite, "_PATROL_SECONDS", 0.005)
    done: list[int] = []
    begun = await hold_up(writer, held, repeatable=False)
    with pytest.raises(StoreUnavailable, match="did not answer in time"):
        await writer.submit(lambda _: done.append(1))
    assert not begun.done()
    held.set()
    # What was begun is told how it ended.
    assert await begun == 7
    assert done == []


async def test_what_may_be_repeated_is_not_waited_for(
    writer: Writer, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(sqlite, "_PATROL_SECONDS", 0.005)
    begun = await hold_up(writer, held, repeatable=True)
    with pytest.raises(StoreUnavailable, match="did not answer in time"):
        await begun


async def test_who_asks_for_a_launch_is_never_told_that_it_is_not_kept_while_it_may_be(
    path: Path, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(sqlite, "_PATROL_SECONDS", 0.005)
    begun = threading.Event()

    class HangingGuard(Guard):
        def permit(self, launch: Launch, spent: Spent) -> Permission:
            begun.set()
            held.wait(20)
            return super().permit(launch, spent)

    guard = HangingGuard(Limits(), {"cpu-basic": 0.01}, NOON, "acme")
    async with sqlite_store(path) as store:
        asked = asyncio.create_task(store.begin_direct(make_direct(), guard))
        await asyncio.to_thread(begun.wait)
        with pytest.raises(StoreUnavailable, match="did not answer in time"):
            await store.remember("late", 1)
        assert not asked.done()
        held.set()
        launch, is_new = await asked
        assert (launch.state, is_new) == (LaunchState.SENDING, True)


async def test_no_more_wait_than_there_is_room_for(
    writer: Writer, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_WAITING_MAX", 3)
    begun = await hold_up(writer, held, repeatable=False)
    waiting = [asyncio.create_task(writer.submit(lambda _: None)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="too much is waiting"):
        await writer.submit(lambda _: None)
    held.set()
    await asyncio.gather(begun, *waiting)
    await writer.submit(lambda _: None)


async def test_no_more_bytes_wait_than_there_is_room_for(
    writer: Writer, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_WAITING_BYTES", 100)
    begun = await hold_up(writer, held, repeatable=False)
    waiting = asyncio.create_task(writer.submit(lambda _: None, size=90))
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="too much is waiting"):
        await writer.submit(lambda _: None, size=11)
    held.set()
    await asyncio.gather(begun, waiting)
    await writer.submit(lambda _: None, size=100)


async def test_a_slow_group_is_committed_before_all_have_come(
    writer: Writer, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_GROUP_SECONDS", 0.0)
    statements: list[str] = []
    begun = await hold_up(writer, held, repeatable=False)
    waiting = [
        asyncio.create_task(writer.submit(lambda c: c.set_trace_callback(statements.append)))
        for _ in range(3)
    ]
    await asyncio.sleep(0)
    held.set()
    await asyncio.gather(begun, *waiting)
    assert statements.count("COMMIT") == 3


async def test_nothing_is_taken_in_once_it_is_closed(path: Path) -> None:
    writer = Writer(open_writer(path), path)
    await writer.aclose()
    with pytest.raises(StoreUnavailable, match="being closed"):
        await writer.submit(lambda _: None)


# Deleted or replaced while it runs


def deleted(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


def robbed_of_its_log(path: Path) -> None:
    path.with_name("jobhook.db-wal").unlink()


@pytest.mark.parametrize("harm", [deleted, replaced, robbed_of_its_log])
async def test_a_database_that_is_gone_acknowledges_nothing_until_the_next_start(
    path: Path, harm: Callable[[Path], None]
) -> None:
    async with sqlite_store(path) as store:
        await store.record(make_received("before"))
        aside = path.with_suffix(".aside")
        os.link(path, aside)
        harm(path)
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="deleted or replaced while it was in use"):
                await store.record(make_received("after"))
        aside.replace(path)
        with pytest.raises(StoreUnavailable, match="start jobhook again"):
            await store.record(make_received("after"))


async def test_another_file_is_not_opened_after_a_fault(path: Path) -> None:
    disk = Disk()
    async with sqlite_store(path, connect=disk.connect) as store:
        disk.strike = broken_sync
        with pytest.raises(StoreUnavailable):
            await store.record(make_received())
        disk.strike = lambda operation, kind: None
        replaced(path)
        with pytest.raises(StoreUnavailable, match="deleted or replaced"):
            await store.record(make_received())


# What is found at the start


async def test_a_disk_that_fails_at_the_end_loses_nothing_and_is_no_damage(path: Path) -> None:
    disk = Disk()
    async with sqlite_store(path, connect=disk.connect) as store:
        receipt = await store.record(make_received())
        disk.strike = broken_sync
    async with sqlite_store(path):
        assert receipt.delivery in await stored(path)


async def test_where_no_sums_can_be_kept_there_are_none_until_the_next_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(page_sums.PageSums, "_keep", no_room)
        async with sqlite_store(path) as store:
            receipt = await store.record(make_received())
    assert not sums_of(path).exists()
    async with sqlite_store(path):
        assert receipt.delivery in await stored(path)
        assert sums_of(path).exists()


async def test_a_change_since_it_was_closed_is_refused_until_the_sums_are_deleted(
    path: Path,
) -> None:
    async with sqlite_store(path) as store:
        await store.record(make_received())
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE delivery SET reason = 'because'")
    with pytest.raises(StoreError, match=r"delete jobhook\.db\.sums beside it"):
        async with sqlite_store(path):
            pass
    sums_of(path).unlink()
    for _ in range(2):
        async with sqlite_store(path):
            pass


async def test_a_copy_in_another_mode_is_taken_and_summed_up_as_it_is_then(path: Path) -> None:
    async with sqlite_store(path):
        pass
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
    sums_of(path).unlink()
    for _ in range(2):
        async with sqlite_store(path):
            assert sums_of(path).exists()


async def test_a_database_without_sums_is_checked(path: Path) -> None:
    async with sqlite_store(path) as store:
        for number in range(20):
            await store.record(make_received(f"w{number}"))
    sums_of(path).unlink()
    data = with_zeros(path)
    with pytest.raises(StoreError, match=r"is damaged|is not a usable database"):
        async with sqlite_store(path):
            pass
    assert with_zeros(path) == data


def with_the_last_byte_changed(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def without_the_last_page(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4096])


def with_zeros(path: Path) -> bytes:
    data = bytearray(path.read_bytes())
    page = int.from_bytes(data[16:18], "big")
    data[page * 3 : page * 5] = bytes(page * 2)
    path.write_bytes(data)
    return bytes(data)


async def test_of_a_large_database_that_was_closed_the_beginning_and_the_length_are_compared(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "_CHECKED_BYTES", 4096)
    async with sqlite_store(path) as store:
        # So long that the last page is one of its own.
        await store.record(make_received(body=b"x" * 100_000))
    with_the_last_byte_changed(path)
    async with sqlite_store(path):
        pass
    without_the_last_page(path)
    with pytest.raises(StoreError, match="its end is missing"):
        async with sqlite_store(path):
            pass


async def test_a_database_that_was_deleted_to_begin_anew_leaves_nothing_in_the_way(
    path: Path,
) -> None:
    for _ in range(2):
        async with sqlite_store(path) as store:
            assert not (await store.record(make_received())).duplicate
        deleted(path)


def test_an_empty_file_is_not_taken_for_a_new_database(path: Path) -> None:
    path.touch()
    with pytest.raises(StoreError, match="is empty: put its data back, or delete it"):
        open_writer(path)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("end", ["-wal", "-journal"])
def test_no_new_database_is_made_beside_the_log_of_an_old_one(path: Path, end: str) -> None:
    log = path.with_name(path.name + end)
    log.write_bytes(b"something")
    with pytest.raises(StoreError, match=f"its log jobhook.db{end} is there"):
        open_writer(path)
    assert not path.exists()
    assert log.read_bytes() == b"something"


def left_by_a_killed_process(path: Path) -> None:
    script = (
        "import asyncio, os, sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from factories import make_received\n"
        "from jobhook.adapters.store_sqlite import sqlite_store\n"
        "async def main():\n"
        "    async with sqlite_store(Path(sys.argv[1])) as store:\n"
        "        await store.record(make_received())\n"
        "        os._exit(9)\n"
        "asyncio.run(main())\n"
    )
    tests = str(Path(__file__).parent.parent)
    line = [sys.executable, "-c", script, str(path), tests]
    assert subprocess.run(line, check=False).returncode == 9


async def test_a_log_that_was_deleted_after_a_crash_is_missed(path: Path) -> None:
    left_by_a_killed_process(path)
    path.with_name("jobhook.db-wal").unlink()
    with pytest.raises(StoreError, match="is damaged or cut"):
        async with sqlite_store(path):
            pass


async def test_another_program_may_look_at_what_a_killed_process_left(path: Path) -> None:
    left_by_a_killed_process(path)
    # On closing it copies the log into the database.
    with contextlib.closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT count(*) FROM delivery").fetchone() == (1,)
        other.execute("UPDATE epoch SET began_at = 0")
        other.commit()
    assert damage_in(path, in_use=False) is None
    async with sqlite_store(path) as store:
        assert (await store.record(make_received())).duplicate
        # It may as well have lost the log: nothing is sent before it was looked for.
        assert await store.began_at() > 0


async def test_a_reader_copies_nothing_out_of_the_log(path: Path) -> None:
    left_by_a_killed_process(path)
    files = [path, path.with_name("jobhook.db-wal")]
    before = [file.read_bytes() for file in files]
    with contextlib.closing(open_reader(path)) as reader:
        assert reader.execute("SELECT count(*) FROM delivery").fetchone()[0] == 1
    assert [file.read_bytes() for file in files] == before
    async with sqlite_store(path) as store:
        assert (await store.record(make_received())).duplicate


def test_what_is_refused_keeps_its_log(path: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    killed.mkdir()
    with contextlib.closing(open_writer(path)) as connection:
        connection.execute("INSERT INTO migration VALUES ('9999_later.sql')")
        for file in tmp_path.glob("jobhook.db*"):
            shutil.copy(file, killed)
    files = {file: file.read_bytes() for file in killed.iterdir() if file.suffix != ".db-shm"}
    with pytest.raises(StoreError, match="made by a newer jobhook"):
        open_writer(killed / path.name)
    assert len(files) == 3
    assert {file: file.read_bytes() for file in files} == files


# Where it is


def test_a_network_file_system_is_refused_unless_it_is_forced(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text("30 26 0:25 / / rw,relatime - nfs4 server:/export rw\n")
    monkeypatch.setattr(sqlite_files, "_MOUNTINFO", mountinfo)
    with pytest.raises(StoreError, match="on a file system of type nfs4"):
        open_writer(path)
    assert not path.exists()
    open_writer(path, force=True).close()


def test_where_nothing_is_known_of_mounts_nothing_is_refused(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "_MOUNTINFO", tmp_path / "missing")
    open_writer(path).close()
