"""What waits for the writer of a SQLite database, and how it is tried without harm to the rest."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

A = TypeVar("A")
T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
# Does for many at once what they would do one after the other, and answers each in turn.
Batch = Callable[[sqlite3.Connection, Sequence[A]], Sequence[T]]

# Faults of one write; any other error of the database puts the whole group in doubt.
_ITS_OWN = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)


class Task:
    """Something to be written, and whoever waits for it."""

    __slots__ = ("batch", "error", "future", "item", "repeatable", "result", "since", "size")

    def __init__(
        self,
        batch: Batch[Any, Any],
        item: Any,
        future: asyncio.Future[Any],
        size: int,
        repeatable: bool,
    ) -> None:
        self.batch = batch
        self.item = item
        self.future = future
        self.size = size
        self.repeatable = repeatable
        self.since = time.monotonic()
        self.result: Any = None
        self.error: Exception | None = None


def alone(connection: sqlite3.Connection, works: Sequence[Work[T]]) -> Sequence[T]:
    """Be the batch of what goes to no other."""
    return [work(connection) for work in works]


def attempt(connection: sqlite3.Connection, run: Sequence[Task]) -> None:
    """Give *run* its results or errors; whatever is no fault of one of them alone is raised."""
    connection.execute("SAVEPOINT run")
    try:
        results = run[0].batch(connection, [task.item for task in run])
        for task, result in zip(run, results, strict=True):
            task.result = result
    except Exception as exc:
        if isinstance(exc, sqlite3.Error) and not isinstance(exc, _ITS_OWN):
            raise
        connection.execute("ROLLBACK TO run")
        connection.execute("RELEASE run")
        if len(run) == 1:
            run[0].error = exc
        else:
            for task in run:
                attempt(connection, [task])
    else:
        connection.execute("RELEASE run")


def settle(group: list[Task]) -> None:
    """Tell everybody of *group* what came of it; in their event loop."""
    for task in group:
        if task.future.done():
            continue
        if task.error is not None:
            task.future.set_exception(task.error)
        else:
            task.future.set_result(task.result)
