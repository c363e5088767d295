"""The sums that are kept of the pages of a SQLite database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobhook.adapters.page_sums import PageSums, damage_told, is_outdated, mark, sums_of, write_sums

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    """A database with some pages, and the connection that writes to it."""
    made = sqlite3.connect(path, isolation_level=None)
    made.execute("PRAGMA journal_mode=WAL")
    made.execute("CREATE TABLE t (x)")
    fill(made)
    made.close()
    write_sums(path)
    opened = sqlite3.connect(path, isolation_level=None)
    opened.execute("PRAGMA wal_autocheckpoint=0")
    yield opened
    opened.close()


def fill(connection: sqlite3.Connection, rows: int = 20) -> None:
    connection.execute("INSERT INTO t SELECT randomblob(3000) FROM json_each(?)", [str([0] * rows)])


def told(path: Path, limit: int | None = None, harmed_at: int | None = None) -> str | None:
    # In a copy: closing it here would take away the locks of the connection.
    copy = path.with_name("copy.db")
    for end in ("", "-wal", ".sums"):
        found = path.with_name(path.name + end)
        copy.with_name(copy.name + end).write_bytes(found.read_bytes() if found.exists() else b"")
    if harmed_at is not None:
        harm(copy, harmed_at)
    with copy.open("rb") as file:
        return damage_told(copy, file, limit=limit)


def harm(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 4]))


def test_every_page_is_compared(path: Path, connection: sqlite3.Connection) -> None:
    assert told(path) is None
    connection.close()
    for page in range(path.stat().st_size // PAGE):
        harm(path, page * PAGE + 100)
        assert told(path) == f"page {page + 1} is not as it was written"
        harm(path, page * PAGE + 100)


@pytest.mark.parametrize(
    ("at_rest", "has_log", "outdated"),
    [
        pytest.param(True, False, False, id="closed-in-order"),
        pytest.param(False, True, False, id="killed"),
        pytest.param(False, False, True, id="killed-and-its-log-copied-by-another-program"),
    ],
)
def test_sums_are_outdated_once_another_program_has_copied_the_log(
    path: Path, connection: sqlite3.Connection, *, at_rest: bool, has_log: bool, outdated: bool
) -> None:
    if not has_log:
        connection.close()
    else:
        fill(connection)
    mark(path, at_rest=at_rest)
    assert is_outdated(path) is outdated
    assert told(path) is None


def test_a_missing_end_is_told_though_only_the_beginning_is_read(
    path: Path, connection: sqlite3.Connection
) -> None:
    connection.close()
    path.write_bytes(path.read_bytes()[:-PAGE])
    assert told(path, PAGE) == "its end is missing"


def test_only_so_much_is_read(path: Path, connection: sqlite3.Connection) -> None:
    connection.close()
    harm(path, PAGE)
    assert told(path, PAGE) is None


@pytest.mark.parametrize("data", [b"", b"\0" * 400, b"abc"])
def test_sums_that_are_none_are_told(
    path: Path, connection: sqlite3.Connection, data: bytes
) -> None:
    sums_of(path).write_bytes(data)
    assert told(path) == "copy.db.sums is damaged itself"


def test_what_is_in_the_log_is_not_missed_and_after_a_checkpoint_it_is_summed_up(
    path: Path, connection: sqlite3.Connection
) -> None:
    sums = PageSums(path)
    for _ in range(3):
        before = sums_of(path).read_bytes()
        connection.execute("UPDATE t SET x = randomblob(3000)")
        fill(connection)
        assert (told(path), sums_of(path).read_bytes()) == (None, before)
        sums.checkpoint(connection)
        assert told(path) is None
        assert sums_of(path).read_bytes() != before
    connection.close()
    assert told(path) is None
    harm(path, PAGE * 30)
    assert told(path) == "page 31 is not as it was written"


def test_a_checkpoint_that_a_reader_keeps_from_its_end_is_no_damage(
    path: Path, connection: sqlite3.Connection
) -> None:
    reader = sqlite3.connect(path, isolation_level=None)
    sums = PageSums(path)
    fill(connection)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM t").fetchone()
    fill(connection)
    sums.checkpoint(connection)
    fill(connection)
    sums.checkpoint(connection)
    assert told(path) is None
    # Then the rest is copied by whoever closes it last.
    connection.close()
    reader.close()
    assert not path.with_name("x.db-wal").exists()
    assert told(path) is None


def test_what_was_undone_is_not_summed_up(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA cache_size=1")
    connection.execute("BEGIN")
    connection.execute("UPDATE t SET x = randomblob(3000)")
    connection.execute("ROLLBACK")
    assert told(path) is None
    assert told(path, harmed_at=PAGE * 2) == "page 3 is not as it was written"
    PageSums(path).checkpoint(connection)
    connection.close()
    assert told(path) is None


def test_it_is_due_once_the_log_is_long(path: Path, connection: sqlite3.Connection) -> None:
    sums, before = PageSums(path, 30), path.read_bytes()
    sums.checkpoint_if_due(connection)
    for _ in range(3):
        fill(connection, 10)
        sums.checkpoint_if_due(connection)
        assert path.read_bytes() == before
        fill(connection, 20)
        sums.checkpoint_if_due(connection)
        # After it the log is begun anew, and as long as ever.
        assert path.read_bytes() != before
        assert told(path) is None
        before = path.read_bytes()


def test_a_log_whose_beginning_is_damaged_holds_nothing(
    path: Path, connection: sqlite3.Connection
) -> None:
    fill(connection)
    log = path.with_name("x.db-wal")
    left = {each: each.read_bytes() for each in (path, log)}
    PageSums(path).checkpoint(connection)
    connection.close()
    path.write_bytes(left[path])
    log.write_bytes(left[log])
    assert told(path) is None
    log.write_bytes(b"\xff" * 32 + left[log][32:])
    assert "page" in str(told(path))


def test_without_sums_there_is_nothing_to_keep(path: Path, connection: sqlite3.Connection) -> None:
    sums_of(path).unlink()
    fill(connection)
    PageSums(path).checkpoint(connection)
    assert not sums_of(path).exists()


def test_without_a_log_nothing_is_due(path: Path, connection: sqlite3.Connection) -> None:
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError):
        PageSums(path, 1).checkpoint(connection)
    PageSums(path, 1).checkpoint_if_due(connection)
