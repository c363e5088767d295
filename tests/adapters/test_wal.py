from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from jobhook.adapters.wal import has_lost_commits, has_wal_reset_defect

PAGE = 4096
HEADER, FRAME = 32, PAGE + 24


@pytest.mark.parametrize(
    ("version", "has_it"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_the_versions_with_the_wal_reset_defect(version: tuple[int, ...], has_it: bool) -> None:
    assert has_wal_reset_defect(version) is has_it


@pytest.fixture
def killed(tmp_path: Path) -> tuple[bytes, bytes]:
    """The log and the index of a process that was killed after five commits of one page each."""
    path = tmp_path / "a.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE a (x)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for number in range(5):
            connection.execute("INSERT INTO a VALUES (?)", (number,))
        log = (tmp_path / "a.db-wal").read_bytes()
        index = (tmp_path / "a.db-shm").read_bytes()
    assert len(log) == HEADER + 5 * FRAME
    return log, index


def flipped(log: bytes, at: int) -> bytes:
    return log[:at] + bytes([log[at] ^ 1]) + log[at + 1 :]


def test_a_log_as_it_was_written_has_lost_nothing(killed: tuple[bytes, bytes]) -> None:
    assert not has_lost_commits(*killed)
    assert not has_lost_commits(killed[0], b"")


@pytest.mark.parametrize("frame", range(4))
@pytest.mark.parametrize("at", [4, 8, 12, 16, 24, FRAME - 1])
def test_damage_before_a_later_commit_is_found(
    killed: tuple[bytes, bytes], frame: int, at: int
) -> None:
    log, index = killed
    damaged = flipped(log, HEADER + frame * FRAME + at)
    assert has_lost_commits(damaged, index)
    # Without the index it takes a commit that is whole, and a frame built upon it.
    if frame < 3:
        assert has_lost_commits(damaged, b"")


def test_the_last_commit_may_be_what_a_power_cut_left(killed: tuple[bytes, bytes]) -> None:
    log, index = killed
    torn = flipped(log, len(log) - 1)
    assert not has_lost_commits(torn, b"")
    assert has_lost_commits(torn, index)


@pytest.mark.parametrize("length", [0, HEADER, HEADER + FRAME, HEADER + 5 * FRAME - 1])
def test_a_log_that_is_too_short_is_found_by_its_index(
    killed: tuple[bytes, bytes], length: int
) -> None:
    log, index = killed
    assert has_lost_commits(log[:length], index)
    assert not has_lost_commits(log[:length], b"")


@pytest.mark.parametrize("at", [0, 4, 12, 16, 24, 31])
def test_a_damaged_head_is_found(killed: tuple[bytes, bytes], at: int) -> None:
    assert has_lost_commits(flipped(killed[0], at), b"")


def test_zeros_are_found(killed: tuple[bytes, bytes]) -> None:
    assert has_lost_commits(bytes(len(killed[0])), b"")


def test_an_index_that_was_being_written_proves_nothing(killed: tuple[bytes, bytes]) -> None:
    log, index = killed
    assert not has_lost_commits(log[:HEADER], flipped(index, 50))


def test_frames_of_an_earlier_round_are_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE a (x)")
        for number in range(5):
            connection.execute("INSERT INTO a VALUES (?)", (number,))
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        connection.execute("INSERT INTO a VALUES (6)")
        log = (tmp_path / "a.db-wal").read_bytes()
    assert len(log) > HEADER + 5 * FRAME
    assert not has_lost_commits(log, b"")
