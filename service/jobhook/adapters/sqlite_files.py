"""
Open, make, check and lock a SQLite database; nothing here lets a damaged one pass for a whole one.

WAL with `synchronous=FULL` is what survives a power cut; anything less loses what was acknowledged
last. One connection writes and checkpoints; the others are opened read-only, so that they can do
neither, not even when they are closed. What is at rest is compared with the sums of its pages.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath

from jobhook.adapters.mounts import filesystem_of, is_remote
from jobhook.adapters.page_sums import PageSums, damage_told, is_outdated, mark, sums_of, write_sums
from jobhook.adapters.sqlite_migrations import migrate, pending
from jobhook.adapters.wal import has_lost_commits
from jobhook.core.errors import StoreError, StoreUnavailable

# Gives a connection to the database at a path, which exists, in mode `ro` or `rw`.
Connect = Callable[[Path, str], sqlite3.Connection]

_BUSY_SECONDS = 5.0
_MOUNTINFO = Path("/proc/self/mountinfo")
# Summed up in 0.1 s and checked in 0.15 s: a start must not take longer than people wait for one.
_CHECKED_BYTES = 128 << 20
# SQLite empties the log at 1,000 pages, 8 MB; our reading of it takes 0.2 s for that much.
_LOG_READ_BYTES = 32 << 20


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a database as it is; every connection of the store comes from here, or a test's own."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.row_factory = sqlite3.Row
    # One damaged text must not keep all the rows beside it from being read.
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    return connection


def open_writer(
    path: Path, *, connect: Connect = connect, force: bool = False
) -> sqlite3.Connection:
    """
    Open the database for writing, made and migrated if need be; only its owner may read it.

    No other connection of this process may be open, because its locks would be lost.

    Raises:
        StoreError: It is damaged, is no database, is of a newer jobhook, or is on a file system
            that cannot be relied on (unless *force*); it was left as it is.
    """
    with translated(path):
        if not force:
            _refuse_remote(path)
        refuse_remains(path)
        if not path.exists():
            _make(path, connect)
        refuse_damage(path, connect)
        is_handled = is_outdated(path)
        if is_handled:
            sums_of(path).unlink()
        if not sums_of(path).exists():
            # Whoever put it there may have left it in another mode, which is a change to it.
            with contextlib.closing(connect(path, "rw")) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
            write_sums(path)
        mark(path, at_rest=False)
        connection = _writing(path, connect)
        if is_handled:
            # The log may have been copied, or lost with what was launched last.
            began_at = round(time.time() * 1000)
            connection.execute("UPDATE epoch SET began_at = ?", (began_at,))
        return connection


def reopen_writer(path: Path, sums: PageSums, connect: Connect = connect) -> sqlite3.Connection:
    """
    Open the database anew after a fault, while this process goes on reading it.

    What the log holds is copied out of it first: the kernel may have dropped parts of it that it
    failed to write, and says so only once.
    """
    with translated(path), contextlib.closing(connect(path, "ro")) as probe:
        _refuse_unsound(probe, path)
    with translated(path), _unless_failed(_writing(path, connect)) as connection:
        sums.checkpoint(connection)
        if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise StoreUnavailable(f"the database {path} is still in use by who read it before")
        return connection


def close_writer(connection: sqlite3.Connection, path: Path) -> None:
    """Close what `open_writer` gave: SQLite would copy the log on closing it, and keep no sums."""
    # What cannot be copied stays in the log; the next start looks there.
    with contextlib.suppress(OSError, sqlite3.Error):
        PageSums(path).checkpoint(connection)
    connection.close()
    if not _size(_beside(path, "-wal")):
        with contextlib.suppress(OSError):
            mark(path, at_rest=True)


def open_reader(path: Path, connect: Connect = connect) -> sqlite3.Connection:
    """Open the database for reading only; it must exist and be of this version."""
    with translated(path):
        refuse_remains(path)
    if not path.exists():
        raise StoreError(
            f"there is no database at {path}: run `jobhook serve` first, or go where it runs"
        )
    with translated(path), _unless_failed(connect(path, "ro")) as connection:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        if pending(connection, path):
            raise StoreError(
                f"{path} is of an older version: start `jobhook serve` once to bring it up"
            )
        return connection


def inode(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from any other, however named; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half the time of Path.stat, once for each commit
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Let no error of sqlite3 or the file system leave this package."""
    try:
        yield
    except UnicodeEncodeError as exc:
        raise StoreError("what was asked for is no text that a database could hold") from exc
    except UnicodeDecodeError as exc:
        # SQLite tells of a damaged schema in its own damaged words.
        raise StoreError(f"{path} is damaged: put an undamaged copy back") from exc
    except sqlite3.Error as exc:
        # Its subclasses are about use; this one itself means that the file is no good.
        if type(exc) is sqlite3.DatabaseError:
            raise StoreError(f"{path} is not a usable database ({exc}); it was left alone") from exc
        raise StoreUnavailable(f"the database {path} cannot be used now: {exc}") from exc
    except OSError as exc:
        raise StoreError(f"the database {path} cannot be opened: {exc.strerror}") from exc


def refuse_remains(path: Path) -> None:
    """Raise `StoreError` for what SQLite would take for new, though something was there before."""
    if path.exists():
        if not _size(path):
            raise StoreError(f"{path} is empty: put its data back, or delete it to begin anew")
        return
    for log in (_beside(path, "-wal"), _beside(path, "-journal")):
        if _size(log):
            raise StoreError(
                f"{path} is missing, but its log {log.name} is there: put the database back, "
                "or move the log away to begin anew"
            )


class WriterLock:
    """An OS lock beside the database: one writing process at a time."""

    def __init__(self, path: Path) -> None:
        self._path = _beside(path, ".lock")
        self._held = ExitStack()

    def __enter__(self) -> WriterLock:
        with translated(self._path):
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        self._held.callback(os.close, handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            self._held.close()
            raise StoreError(
                f"another jobhook already uses this database (it holds {self._path}): stop it first"
            ) from exc
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()


def _writing(path: Path, connect: Connect) -> sqlite3.Connection:
    connection = connect(path, "rw")
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        # Ours keep the sums as well.
        connection.execute("PRAGMA wal_autocheckpoint=0")
        # What a savepoint would undo is kept in memory: in a file it costs half of an insert.
        connection.execute("PRAGMA temp_store=MEMORY")
        # Migrations that make a table anew need foreign keys to be off, as they are at first.
        migrate(connection, path)
        connection.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        close_writer(connection, path)
        raise
    return connection


def _make(path: Path, connect: Connect) -> None:
    """Make the database under another name first: an unfinished one is never taken for one."""
    draft = _beside(path, ".new")
    for end in ("", "-journal", "-wal", "-shm"):
        _beside(draft, end).unlink(missing_ok=True)
    # SQLite gives its WAL and shared-memory files the mode of the database.
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with contextlib.closing(connect(draft, "rw")) as connection:
        # A delivery has some 2 KB: SQLite's own 4 KB hold one of them and leave the rest empty.
        connection.execute("PRAGMA page_size=8192")
        migrate(connection, path)
        connection.execute("PRAGMA journal_mode=WAL")
    # Those of one that was deleted to begin anew.
    sums_of(path).unlink(missing_ok=True)
    draft.rename(path)
    _sync_folder(path)


def _refuse_remote(path: Path) -> None:
    try:
        mountinfo = _MOUNTINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        # Not Linux: nothing is known, and nothing is refused.
        return
    filesystem = filesystem_of(PurePosixPath(path.resolve()), mountinfo)
    if filesystem and is_remote(filesystem):
        raise StoreError(
            f"{path} is on a file system of type {filesystem}, where what was acknowledged can get "
            "lost: put the database on a local disk, or set JOBHOOK_DATABASE_FORCE to take the risk"
        )


def refuse_damage(path: Path, connect: Connect = connect, *, all_of_it: bool = False) -> None:
    """
    Raise `StoreError` for a database that is not what was last written; nobody may have it open.

    It is compared with the sums of its pages: all of it if the process was killed (0.5 s for each
    GB) or if asked for, else its length and the first `_CHECKED_BYTES`. If there are no sums, or
    another program has copied the log of a killed process, SQLite's own check is made, up to that
    size the one that also compares every index with its table.
    """
    refuse_lost_commits(path)
    sums, log = sums_of(path), _beside(path, "-wal")
    is_summed = sums.exists() and not is_outdated(path)
    if is_summed:
        limit = None if all_of_it or _size(log) else _CHECKED_BYTES
        with path.open("rb") as file:
            damage = damage_told(path, file, limit=limit)
        if damage:
            raise StoreError(
                f"{path} is not as it was left ({damage}): put an undamaged copy back, or, if "
                f"another program had it open on purpose, delete {sums.name} beside it; after a "
                "backup was put back, `jobhook launches look-first` keeps what it does not know "
                "from being launched again"
            )
    # A connection that cannot write leaves all files as they are, also when it is closed.
    with contextlib.closing(connect(path, "ro")) as probe:
        pending(probe, path)
        if not is_summed:
            _refuse_unsound(probe, path)


def refuse_lost_commits(path: Path) -> None:
    """Raise `StoreError` for a log that was damaged; nobody may be writing to it."""
    log, index = _beside(path, "-wal"), _beside(path, "-shm")
    if _size(log) <= _LOG_READ_BYTES and has_lost_commits(_bytes(log), _bytes(index)):
        raise StoreError(
            f"{log} is damaged or cut, and what it held is not in {path.name}; "
            "they were left alone: put a copy of both back"
        )


def _refuse_unsound(probe: sqlite3.Connection, path: Path) -> None:
    check = "integrity_check" if path.stat().st_size <= _CHECKED_BYTES else "quick_check"
    (found,) = probe.execute(f"PRAGMA {check}(1)").fetchone()
    if found != "ok":
        raise StoreError(
            f"{path} is damaged ({found}); it was left alone: put a copy back, and then "
            "run `jobhook launches look-first`"
        )


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _sync_folder(path: Path) -> None:
    handle = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _unless_failed(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Close *connection* again only if the block fails."""
    try:
        yield connection
    except BaseException:
        connection.close()
        raise
