"""`jobhook` as a process of its own, as a stranger would start it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import canaries

Environment = Callable[..., dict[str, str]]


class Process:
    """A running `jobhook`, its stdout and the log lines on its stderr."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.logs: list[dict[str, Any]] = []

    async def line(self) -> str:
        assert self.process.stdout
        return (await asyncio.wait_for(self.process.stdout.readline(), 20)).decode().rstrip()

    async def log(self, event: str) -> dict[str, Any]:
        """Read log lines until one of *event* comes."""
        assert self.process.stderr
        while True:
            line = await asyncio.wait_for(self.process.stderr.readline(), 20)
            assert line, f"the process ended without {event}; it said {self.logs}"
            assert not canaries.seen_in(line)
            self.logs.append(json.loads(line))
            if self.logs[-1]["event"] == event:
                return self.logs[-1]

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        _, err = await asyncio.wait_for(self.process.communicate(), 40)
        assert not canaries.seen_in(err)
        self.logs += [json.loads(line) for line in err.splitlines()]
        return self.process.returncode or 0


@asynccontextmanager
async def jobhook(
    environment: dict[str, str], *words: str, stdin: int | None = None
) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "jobhook",
        *words,
        env=environment,
        cwd=environment["HOME"],
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
