"""The loop that every part of the service runs in: woken, or by itself after a while."""

from __future__ import annotations

import abc
import asyncio
import contextlib

import structlog

from jobhook.core.errors import HubBusy, HubError, StoreError
from jobhook.ports import NO_METER, Meter

log = structlog.get_logger()

# The Hub counts calls in windows of five minutes.
_LONGEST_ASKED = 5 * 60.0


class Worker(abc.ABC):
    """
    Does its step again and again until it is told to stop.

    Attributes:
        idle: Seconds after which it looks again although nobody woke it.
        longest_pause: Seconds that it waits at most after failures.
        meter: Hears of steps that failed.
    """

    idle = 1.0
    longest_pause = 60.0

    def __init__(self) -> None:
        self.meter: Meter = NO_METER
        self._woken = asyncio.Event()
        self._stopped = asyncio.Event()
        self._failures = 0
        self._asked_to_wait = 0.0

    @abc.abstractmethod
    async def step(self) -> bool:
        """Do what is due; return whether there may be more of it at once."""

    def wake(self) -> None:
        """Say that there is something to do."""
        self._woken.set()

    def reset(self) -> None:
        """Let `run` work again although it was told to stop."""
        self._stopped.clear()
        self._failures = 0

    def stop(self) -> None:
        """Let `run` return after the step that it is in."""
        self._stopped.set()
        self._woken.set()

    async def run(self) -> None:
        """Work until `stop`; a store or a Hub that fails is tried again after a pause."""
        while not self._stopped.is_set():
            self._woken.clear()
            more = await self._guarded_step()
            if not more and not self._stopped.is_set():
                await self._rest()

    async def _guarded_step(self) -> bool:
        try:
            more = await self.step()
        except (StoreError, HubError) as exc:
            self._failures += 1
            self._asked_to_wait = (isinstance(exc, HubBusy) and exc.retry_after) or 0.0
            self.meter.failed(type(self).__name__, broken=False)
            log.warning("worker.failed", worker=type(self).__name__, error=str(exc))
            return False
        except Exception:
            # A fault of ours: say so, but let the other parts of the service go on.
            self._failures += 1
            self._asked_to_wait = 0.0
            self.meter.failed(type(self).__name__, broken=True)
            log.exception("worker.broken", worker=type(self).__name__)
            return False
        self._failures = 0
        return more

    async def _rest(self) -> None:
        # After a failure, being woken must not turn a failing Hub into a busy loop.
        awaited = self._stopped if self._failures else self._woken
        pause = self._pause_after_failures() if self._failures else self.idle
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await awaited.wait()

    def _pause_after_failures(self) -> float:
        asked = min(self._asked_to_wait, _LONGEST_ASKED)
        return max(backoff(self._failures, self.longest_pause), asked)


def backoff(failures: int, longest: float) -> float:
    """Return seconds to wait after so many failures in a row: 1, 2, 4, … up to *longest*."""
    return float(min(2 ** min(failures - 1, 30), longest))
