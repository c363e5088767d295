"""The loop that every part of the service runs in: woken, or by itself after a while."""

from __future__ import annotations

import abc
import asyncio
import contextlib

import structlog

from jobhook.core.errors import HubError, StoreError

log = structlog.get_logger()

_LONGEST_PAUSE = 60.0


class Worker(abc.ABC):
    """
    Does its step again and again until it is told to stop.

    Attributes:
        idle: Seconds after which it looks again although nobody woke it.
    """

    idle = 1.0

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._stopping = False
        self._failures = 0

    @abc.abstractmethod
    async def step(self) -> bool:
        """Do what is due; return whether there may be more of it at once."""

    def wake(self) -> None:
        """Say that there is something to do."""
        self._woken.set()

    def stop(self) -> None:
        """Let `run` return after the step that it is in."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Work until `stop`; a store or a Hub that fails is tried again after a pause."""
        while not self._stopping:
            self._woken.clear()
            more = await self._guarded_step()
            if not more and not self._stopping:
                await self._rest()

    async def _guarded_step(self) -> bool:
        try:
            more = await self.step()
        except (StoreError, HubError) as exc:
            self._failures += 1
            log.warning("worker.failed", worker=type(self).__name__, error=str(exc))
            return False
        except Exception:
            # A fault of ours: say so, but let the other parts of the service go on.
            self._failures += 1
            log.exception("worker.broken", worker=type(self).__name__)
            return False
        self._failures = 0
        return more

    async def _rest(self) -> None:
        if self._failures:
            # Being woken must not turn a failing Hub into a busy loop.
            await asyncio.sleep(min(2.0 ** (self._failures - 1), _LONGEST_PAUSE))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.idle):
                await self._woken.wait()
