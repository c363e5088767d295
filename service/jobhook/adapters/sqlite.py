"""
Write to a SQLite database in groups, and read it beside that.

One thread does all writes and commits whatever is waiting as one transaction, so that one fsync
serves many callers.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from jobhook.adapters.page_sums import CHECKPOINT_PAGES, PageSums
from jobhook.adapters.sqlite_files import (
    Connect,
    close_writer,
    connect,
    inode,
    reopen_writer,
    translated,
)
from jobhook.adapters.sqlite_tasks import Batch, Task, Work, alone, attempt, settle
from jobhook.core.errors import StoreError, StoreUnavailable
from jobhook.ports import NO_METER, Meter

T = TypeVar("T")
A = TypeVar("A")

_GROUP_MAX = 500
# How many of a group are written between two looks at the clock.
_BATCH_MAX = 100
# A slow disk must not let those who came first wait for everybody after them.
_GROUP_SECONDS = 0.5
_WAITING_MAX = 10_000
_WAITING_BYTES = 64 << 20
_PATIENCE_SECONDS = 5.0
_PATROL_SECONDS = 0.25
# After these the connection is as good as before; after any other it is not known what it holds.
_HARMLESS = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
}
_PRIMARY = 0xFF


class Writer:
    """
    The one thread that writes; `submit` returns when the work is on disk.

    After a fault of the disk it opens the database anew before it goes on. When another file is in
    the place of the database, it never writes again. Made and used in one event loop.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        connect: Connect = connect,
        checkpoint_pages: int = CHECKPOINT_PAGES,
        meter: Meter = NO_METER,
    ) -> None:
        self._meter = meter
        self._connection: sqlite3.Connection | None = connection
        self._path = path
        self._connect = connect
        self._log = path.with_name(path.name + "-wal")
        self._inodes = self._found()
        self._sums = PageSums(path, checkpoint_pages)
        self._is_lost = False
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Task] = deque()
        self._group: list[Task] = []
        self._closing = False
        self._woken = threading.Event()
        self._patrol: asyncio.TimerHandle | None = None
        # Each of these pairs is written by one thread alone: what is let in by the loop's, what is
        # done with by the writer's.
        self._in_count = self._in_bytes = self._out_count = self._out_bytes = 0
        self._thread = threading.Thread(target=self._run, name="jobhook-writer", daemon=True)
        self._thread.start()

    async def submit(self, work: Work[T], *, size: int = 0, repeatable: bool = False) -> T:
        """
        Run *work* in a write transaction and return its result once that is on disk.

        *size* is how many bytes it holds until then. An error in *work* undoes that work alone.

        Raises:
            StoreUnavailable: Nothing was written: the disk is full or failing, too much is waiting,
                or it waited for five seconds. Work that is *repeatable* hears that after five
                seconds even if it may have been written in the end.
        """
        result: T = await self._enter(alone, work, size, repeatable)
        return result

    async def submit_to(
        self, batch: Batch[A, T], item: A, *, size: int = 0, repeatable: bool = True
    ) -> T:
        """
        Let *batch* write *item* together with what waits beside it; else this is `submit`.

        An error in *batch* undoes it, and each is then given to it alone.
        """
        result: T = await self._enter(batch, item, size, repeatable)
        return result

    def _enter(
        self, batch: Batch[Any, Any], item: object, size: int, repeatable: bool
    ) -> asyncio.Future[Any]:
        if self._closing:
            raise StoreUnavailable("the database is being closed")
        if (
            self._in_count - self._out_count >= _WAITING_MAX
            or self._in_bytes - self._out_bytes + size > _WAITING_BYTES
        ):
            raise StoreUnavailable(f"too much is waiting to be written to {self._path}")
        task = Task(batch, item, self._loop.create_future(), size, repeatable)
        self._in_count += 1
        self._in_bytes += size
        self._waiting.append(task)
        if not self._woken.is_set():
            self._woken.set()
        if self._patrol is None:
            self._patrol = self._loop.call_later(_PATROL_SECONDS, self._shed)
        return task.future

    async def aclose(self) -> None:
        """Finish what is waiting, then end the thread and close the connection."""
        self._closing = True
        self._woken.set()
        await asyncio.to_thread(self._thread.join)
        if self._patrol is not None:
            self._patrol.cancel()
        await asyncio.to_thread(self._close)

    def _run(self) -> None:
        while self._await_work():
            group: list[Task] = []
            self._group = group
            began = self._meter.moment()
            try:
                self._commit(group)
                self._meter.committed(len(group), began)
            except Exception as exc:  # noqa: BLE001 - this thread must live on, and every caller is told
                self._meter.not_committed()
                # Who waits for a database that cannot even be begun with, waits in vain.
                group = group or self._take_all()
                for task in group:
                    task.error = exc
            self._out_count += len(group)
            self._out_bytes += sum(task.size for task in group)
            # The loop may be gone already when the process is ending.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(settle, group)
            self._checkpoint_if_due()

    def _checkpoint_if_due(self) -> None:
        """Copy the log into the database now and then, after those who waited were told."""
        if self._connection is None or self._is_lost:
            return
        # What the log holds is safe, and the next commit leads to the next try.
        with contextlib.suppress(OSError, sqlite3.Error):
            self._sums.checkpoint_if_due(self._connection)

    def _await_work(self) -> bool:
        while not self._waiting:
            if self._closing:
                return False
            # Whoever adds work looks at this after adding it, so we look for work after this.
            self._woken.clear()
            if not self._waiting and not self._closing:
                self._woken.wait()
        return True

    def _commit(self, group: list[Task]) -> None:
        """Write what is waiting and add it to *group*; if this raises, nothing of it is written."""
        with translated(self._path):
            connection = self._usable()
            try:
                connection.execute("BEGIN IMMEDIATE")
                self._attempt(connection, group)
                connection.execute("COMMIT")
            except BaseException as exc:
                self._undo(connection, exc)
                raise
        # After the commit: what went into a file that nobody will find again is not acknowledged.
        if self._found() != self._inodes:
            self._give_up()

    def _attempt(self, connection: sqlite3.Connection, group: list[Task]) -> None:
        end = time.monotonic() + _GROUP_SECONDS
        while len(group) < _GROUP_MAX and (run := self._take_run(group)):
            attempt(connection, run)
            if time.monotonic() > end:
                break

    def _take_run(self, group: list[Task]) -> list[Task]:
        """Move the next that go to the same batch into *group*, and return them."""
        begin = len(group)
        end = min(_GROUP_MAX, begin + _BATCH_MAX)
        while len(group) < end and (task := self._take()):
            if len(group) > begin and task.batch is not group[begin].batch:
                self._waiting.appendleft(task)
                break
            group.append(task)
            if task.batch is alone:
                break
        return group[begin:]

    def _undo(self, connection: sqlite3.Connection, exc: BaseException) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._drop_connection()
        code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_INTERNAL)
        if isinstance(exc, sqlite3.Error) and code & _PRIMARY not in _HARMLESS:
            self._drop_connection()

    def _usable(self) -> sqlite3.Connection:
        if self._is_lost:
            self._give_up()
        if self._connection is None:
            if inode(self._path) != self._inodes[0]:
                self._give_up()
            try:
                self._connection = reopen_writer(self._path, self._sums, self._connect)
            except StoreUnavailable:
                raise
            except StoreError as exc:
                raise StoreUnavailable(str(exc)) from exc
            self._inodes = self._found()
        return self._connection

    def _give_up(self) -> NoReturn:
        self._is_lost = True
        raise StoreUnavailable(
            f"the database {self._path} was deleted or replaced while it was in use: "
            "put it back, and start jobhook again"
        )

    def _drop_connection(self) -> None:
        if self._connection is not None:
            # A disk that fails may fail at this too.
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _found(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        return inode(self._path), inode(self._log)

    def _take(self) -> Task | None:
        # `_shed` takes from the same end, so that looking first would prove nothing.
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _take_all(self) -> list[Task]:
        taken = []
        while task := self._take():
            taken.append(task)
        return taken

    def _shed(self) -> None:
        """Tell those who have waited for too long; the event loop calls this while any wait."""
        self._patrol = None
        late = time.monotonic() - _PATIENCE_SECONDS
        while self._is_late(late) and (task := self._take()):
            if task.since >= late:
                # The writer took the late one meanwhile, and may have found nothing more.
                self._waiting.appendleft(task)
                self._woken.set()
                break
            self._in_count -= 1
            self._in_bytes -= task.size
            self._refuse(task)
        for task in tuple(self._group):
            if task.repeatable and task.since < late:
                self._refuse(task)
        if self._in_count != self._out_count:
            self._patrol = self._loop.call_later(_PATROL_SECONDS, self._shed)

    def _is_late(self, late: float) -> bool:
        # The writer takes from the same end at the same time.
        try:
            return self._waiting[0].since < late
        except IndexError:
            return False

    def _refuse(self, task: Task) -> None:
        if not task.future.done():
            error = StoreUnavailable(f"the database {self._path} did not answer in time")
            task.future.set_exception(error)

    def _close(self) -> None:
        if self._connection is None:
            return
        is_ours = not self._is_lost and self._found() == self._inodes
        if is_ours:
            close_writer(self._connection, self._path)
        else:
            self._connection.close()


class Reader:
    """A thread with a connection that can only read."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="jobhook-reader")

    async def fetch(self, query: str, parameters: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """Return all rows of *query*."""
        return await self.run(lambda connection: connection.execute(query, parameters).fetchall())

    async def run(self, work: Work[T]) -> T:
        """Return the result of *work*, which only reads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._run, work)

    async def aclose(self) -> None:
        """End the thread and close the connection."""
        await asyncio.to_thread(self._pool.shutdown)
        self._connection.close()

    def _run(self, work: Work[T]) -> T:
        with translated(self._path):
            return work(self._connection)
