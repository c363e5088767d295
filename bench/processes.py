"""Servers as processes: on a core of their own, with what they cost read from `/proc`."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
SERVER_CORE, LOAD_CORE = 0, 1
_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0


class ServerFailed(Exception):
    """A server did not come up; its text is one sentence."""


def pin(pid: int, core: int) -> None:
    """Keep a process (0: this one) on *core*, if the machine has that many."""
    if core < (os.cpu_count() or 1):
        os.sched_setaffinity(pid, {core})


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def rest(self) -> None:
        """Let the process stand still, whatever it still has to do."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let the process run again."""
        self.process.send_signal(signal.SIGCONT)

    def cpu_seconds(self) -> float:
        """Return what the process has used so far, in user and system mode."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self, what: str) -> float:
        """Return MiB of `VmRSS` (now) or `VmHWM` (at most)."""
        return memory_of(self.process.pid, what)


def memory_of(pid: int, what: str) -> float:
    """Return MiB of `VmRSS` (now) or `VmHWM` (at most) of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise ServerFailed(f"the system does not tell {what}")


@contextlib.contextmanager
def running(
    argv: Sequence[str],
    *,
    port: int,
    ready: str = "/readyz",
    environ: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """
    Run `argv` while the block runs; it is up once it answers at *ready*, whatever it says.

    Raises:
        ServerFailed: It ended, or did not answer for a minute.
    """
    process = subprocess.Popen(
        argv,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        pin(process.pid, SERVER_CORE)
        _wait_until_up(process, f"http://127.0.0.1:{port}{ready}", argv)
        yield Server(process, port)
    finally:
        process.terminate()
        process.send_signal(signal.SIGCONT)  # it may be resting
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def python(module: str, *arguments: object) -> list[str]:
    """Return the command that runs a module in this environment."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def _wait_until_up(process: subprocess.Popen[bytes], url: str, argv: Sequence[str]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - a URL of ours
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.005)
    raise ServerFailed(f"{' '.join(argv[:4])} did not come up")
