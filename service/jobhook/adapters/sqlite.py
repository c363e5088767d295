"""
SQLite as a durable single-writer database: open it, migrate it, and write to it in groups.

One thread does all writes and commits whatever is waiting as one transaction, so that one fsync
serves many callers. WAL with `synchronous=FULL` is what survives a power cut; anything less loses
what was acknowledged last.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib.resources
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from jobhook.core.errors import StoreError, StoreUnavailable
from jobhook.failpoints import failpoint

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_BUSY_SECONDS = 5.0
_GROUP_MAX = 500
_MIGRATIONS = importlib.resources.files("jobhook.adapters") / "migrations" / "sqlite"


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the database for writing, made and migrated if need be; only its owner may read it."""
    # SQLite gives its WAL and shared-memory files the mode of the database.
    with translated(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with _connecting(path, "rw") as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            # Migrations that make a table anew need foreign keys to be off, as they are at first.
            _migrate(connection, path)
            connection.execute("PRAGMA foreign_keys=ON")
            return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the database for reading only; it must exist and be of this version."""
    if not path.exists():
        raise StoreError(f"there is no database at {path}: run `jobhook serve` first")
    with translated(path), _connecting(path, "ro") as connection:
        connection.execute("PRAGMA query_only=ON")
        if _pending(connection, path):
            raise StoreError(
                f"{path} is of an older version: start `jobhook serve` once to bring it up"
            )
        return connection


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Let no error of sqlite3 or the file system leave this package."""
    try:
        yield
    except UnicodeEncodeError as exc:
        raise StoreError("what was asked for is no text that a database could hold") from exc
    except sqlite3.Error as exc:
        # Its subclasses are about use; this one itself means that the file is no good.
        if type(exc) is sqlite3.DatabaseError:
            raise StoreError(f"{path} is not a usable database ({exc}); it was left alone") from exc
        raise StoreUnavailable(f"the database {path} cannot be used now: {exc}") from exc
    except OSError as exc:
        raise StoreError(f"the database {path} cannot be opened: {exc.strerror}") from exc


class WriterLock:
    """An OS lock beside the database: one writing process at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
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


class Writer:
    """The one thread that writes; `submit` returns when the work is on disk."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._waiting: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="jobhook-writer", daemon=True)
        self._thread.start()

    async def submit(self, work: Work[T]) -> T:
        """
        Run *work* inside a write transaction and return its result once that is committed.

        An error in *work* undoes that work alone. A failed commit raises `StoreUnavailable`.
        """
        task = _Task(work, asyncio.get_running_loop())
        self._waiting.put(task)
        result: T = await task.future
        return result

    async def aclose(self) -> None:
        """Finish what is waiting, then end the thread and close the connection."""
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            group, more = self._gather(first)
            self._commit(group)
            if not more:
                return

    def _gather(self, first: _Task) -> tuple[list[_Task], bool]:
        group = [first]
        while len(group) < _GROUP_MAX and not self._waiting.empty():
            task = self._waiting.get()
            if task is None:
                return group, False
            group.append(task)
        return group, True

    def _commit(self, group: list[_Task]) -> None:
        try:
            with translated(self._path):
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    for task in group:
                        task.attempt(self._connection)
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
        except Exception as exc:  # noqa: BLE001 - this thread must live on, and every caller is told
            for task in group:
                task.error = exc
        for task in group:
            task.tell()


class _Task:
    def __init__(self, work: Work[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: Exception | None = None

    def attempt(self, connection: sqlite3.Connection) -> None:
        connection.execute("SAVEPOINT task")
        try:
            self.result = self.work(connection)
        except sqlite3.OperationalError:
            # Disk full, I/O error: the whole group is in doubt.
            raise
        except Exception as exc:  # noqa: BLE001 - it is handed to the caller
            connection.execute("ROLLBACK TO task")
            self.error = exc
        connection.execute("RELEASE task")

    def tell(self) -> None:
        # The loop may be gone already when the process is ending.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Reader:
    """A thread with a connection that can only read."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="jobhook-reader")

    async def fetch(self, query: str, parameters: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """Return all rows of *query*."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._fetch, query, parameters)

    async def aclose(self) -> None:
        """End the thread and close the connection."""
        await asyncio.to_thread(self._pool.shutdown)
        self._connection.close()

    def _fetch(self, query: str, parameters: tuple[Any, ...]) -> list[sqlite3.Row]:
        with translated(self._path):
            return self._connection.execute(query, parameters).fetchall()


@contextlib.contextmanager
def _connecting(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """Open *path*; the connection is closed again only if the block fails."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.row_factory = sqlite3.Row
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY)")
        for name in _pending(connection, path):
            for statement in _statements((_MIGRATIONS / name).read_text(encoding="utf-8")):
                connection.execute(statement)
                failpoint("store.migrating")
            connection.execute("INSERT INTO migration VALUES (?)", (name,))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _pending(connection: sqlite3.Connection, path: Path) -> list[str]:
    ours = sorted(item.name for item in _MIGRATIONS.iterdir() if item.name.endswith(".sql"))
    exists = "SELECT 1 FROM sqlite_master WHERE name = 'migration'"
    if not connection.execute(exists).fetchone():
        return ours
    done = {row["name"] for row in connection.execute("SELECT name FROM migration")}
    if unknown := sorted(done.difference(ours)):
        raise StoreError(
            f"{path} was made by a newer jobhook (it has {unknown[-1]}): upgrade jobhook"
        )
    return [name for name in ours if name not in done]


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
