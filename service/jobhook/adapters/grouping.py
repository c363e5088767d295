"""Gather what several callers want stored, so that one commit serves them all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from jobhook.core.errors import StoreError, StoreUnavailable

A = TypeVar("A")
B = TypeVar("B")

# How often those who wait are looked at, as a part of how long they wait at most.
_PATROL_PART = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """
    How much may wait, and how much of it goes at once.

    Attributes:
        seconds: How long a caller waits at most.
    """

    waiting: int = 10_000
    waiting_bytes: int = 64 * 1024 * 1024
    group: int = 500
    group_bytes: int = 8 * 1024 * 1024
    seconds: float = 5.0


@dataclass(slots=True, eq=False)
class _Asked(Generic[A, B]):
    item: A
    size: int
    answer: asyncio.Future[B]
    since: float


class Grouping(Generic[A, B]):
    """
    Hands what waits to *work*, one group at a time, in the order in which it came.

    *work* does all of a group or nothing of it, and answers each in turn. Made and used in one
    event loop.
    """

    def __init__(
        self, work: Callable[[Sequence[A]], Awaitable[Sequence[B]]], bounds: Bounds
    ) -> None:
        self._work = work
        self._bounds = bounds
        self._waiting: deque[_Asked[A, B]] = deque()
        self._bytes = 0
        self._group: list[_Asked[A, B]] = []
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._patrol: asyncio.TimerHandle | None = None

    async def submit(self, item: A, size: int) -> B:
        """
        Return what *work* answers to *item*, which has *size* bytes.

        Raises:
            StoreUnavailable: Too much waits already, or it took too long.
        """
        bounds = self._bounds
        if len(self._waiting) >= bounds.waiting or self._bytes + size > bounds.waiting_bytes:
            raise StoreUnavailable("the database is too slow for what comes in: try again later")
        asked: _Asked[A, B] = _Asked(item, size, self._loop.create_future(), self._loop.time())
        self._waiting.append(asked)
        self._bytes += size
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="grouping")
        if self._patrol is None:
            self._look_again()
        return await asked.answer

    async def aclose(self) -> None:
        """Finish what is waiting."""
        if self._task is not None:
            await self._task
        if self._patrol is not None:
            self._patrol.cancel()

    async def _run(self) -> None:
        while self._waiting:
            self._group = self._gather()
            await self._do(self._group)
        self._group = []

    def _look_again(self) -> None:
        # One timer for all: one for each of them costs more than to wake them.
        self._patrol = self._loop.call_later(
            self._bounds.seconds * _PATROL_PART, self._tell_those_who_are_late
        )

    def _tell_those_who_are_late(self) -> None:
        self._patrol = None
        late = self._loop.time() - self._bounds.seconds
        for asked in (*self._group, *self._waiting):
            if asked.since > late:
                break
            if not asked.answer.done():
                asked.answer.set_exception(
                    StoreUnavailable(
                        f"the database stored nothing within {self._bounds.seconds:.0f} seconds"
                    )
                )
        if self._group or self._waiting:
            self._look_again()

    def _gather(self) -> list[_Asked[A, B]]:
        group: list[_Asked[A, B]] = []
        size = 0
        while self._waiting and len(group) < self._bounds.group:
            if group and size + self._waiting[0].size > self._bounds.group_bytes:
                break
            asked = self._waiting.popleft()
            self._bytes -= asked.size
            # Whoever gave up meanwhile was told that nothing was stored.
            if not asked.answer.done():
                group.append(asked)
                size += asked.size
        return group

    async def _do(self, group: list[_Asked[A, B]]) -> None:
        try:
            answers = await self._work([asked.item for asked in group])
        except Exception as exc:  # noqa: BLE001 - every caller is told
            if len(group) > 1 and type(exc) is StoreError:
                # One of them cannot be stored; the others must not suffer for it.
                for asked in group:
                    await self._do([asked])
                return
            for asked in group:
                if not asked.answer.done():
                    asked.answer.set_exception(exc)
            return
        for asked, answer in zip(group, answers, strict=True):
            if not asked.answer.done():
                asked.answer.set_result(answer)
