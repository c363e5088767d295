"""What a running job uses of this machine, told once a second as the Hub does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .jobs import Job
    from .limits import Limits
    from .running import Jobs

_GIB = 1024**3
# In /proc/PID/stat, counted from behind the name, which may hold anything.
_SESSION, _RSS = 3, 21
# Its own ticks as a program and in the system, and those of its children that have ended.
_TICKS = slice(11, 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the processes of a job have used: seconds of a core in all, and bytes right now."""

    cpu: float = 0.0
    memory: int = 0


def usage_of(session: int) -> Usage:
    """Return what the processes of *session* use; nothing where the system has no /proc."""
    ticks, pages = 0, 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        # Any may be gone by now.
        with contextlib.suppress(OSError):
            fields = path.read_bytes().rpartition(b")")[2].split()
            if int(fields[_SESSION]) == session:
                ticks += sum(map(int, fields[_TICKS]))
                pages += int(fields[_RSS])
    return Usage(cpu=ticks / os.sysconf("SC_CLK_TCK"), memory=pages * os.sysconf("SC_PAGE_SIZE"))


async def frames(jobs: Jobs, job: Job, limits: Limits) -> AsyncIterator[bytes]:
    """
    Yield what *job* uses as server-sent events, from when it runs until its end.

    As on the Hub, the stream is then silent for a while before it ends.
    """
    waited = 0.0
    before: tuple[float, float] | None = None
    while (session := jobs.session(job)) is not None or not jobs.is_over(job):
        if session is not None:
            # Walking through all processes may take some milliseconds.
            usage = await asyncio.to_thread(usage_of, session)
            at = time.monotonic()
            cores = (usage.cpu - before[1]) / (at - before[0]) if before else 0.0
            before = (at, usage.cpu)
            sample = orjson.dumps(_sample(job, cores, usage.memory))
            yield b"event: metric\ndata: " + sample + b"\n\n"
        elif (waited := waited + limits.metrics_pause) >= limits.keep_alive:
            waited = 0.0
            yield b": keep-alive\n\n"
        await asyncio.sleep(limits.metrics_pause)
    await asyncio.sleep(limits.metrics_linger)


def _sample(job: Job, cores: float, memory: int) -> dict[str, Any]:
    """Return one sample; the share is of the flavor's cores, which this machine may lack."""
    hardware = job.body.hardware
    return {
        "cpu_usage_pct": max(0, round(100 * cores / hardware.cores)),
        "cpu_millicores": hardware.cores * 1000,
        "memory_used_bytes": memory,
        "memory_total_bytes": hardware.memory * _GIB,
        # What goes over the network is counted for the machine, not for its processes.
        "rx_bps": 0,
        "tx_bps": 0,
        "gpus": {},
        "replica": job.id[-5:],
    }
