"""Run one command as a process group of its own, and leave nothing of it behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobhook.core.errors import JobHookError

from .limits import KIB

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Mapping, Sequence

_BLOCK = 64 * KIB
_ROUNDS = 20
_PAUSE = 0.005
# The dead count until the first process of the machine has buried them, which may take its time.
_BURIAL = 3.0


class CannotStart(JobHookError):
    """There is no such command, or the system refuses to run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """
    How a command ended.

    Attributes:
        code: The exit code, 128 and the signal for one that was killed; None if we ended it.
        timed_out: Whether we ended it because its time was over.
    """

    code: int | None = None
    timed_out: bool = False


async def run(
    argv: Sequence[str],
    *,
    folder: Path,
    env: Mapping[str, str],
    mark: str,
    timeout: float,
    stop: asyncio.Event,
    output: Callable[[bytes], None],
    grace: float,
    started: Callable[[int], None],
) -> Ending:
    """
    Run *argv* until it ends, its time is over or *stop* is set; *output* gets what it prints.

    *started* is told the id of its session, which is that of its first process.

    Every process of its group is dead when this returns, also those that outlived the first one;
    on Linux those too that left the group, as long as they kept the variable *mark* of *env*.

    Raises:
        CannotStart: If it does not come to run.
    """
    read_end, write_end = os.pipe()
    try:
        process = await _start(argv, folder, env, write_end)
    except BaseException:
        os.close(read_end)
        raise
    finally:
        # Ours must be closed, or the pipe would never end.
        os.close(write_end)
    started(process.pid)
    copying = asyncio.create_task(copy_pipe(read_end, output), name=f"output of {process.pid}")
    try:
        return await _ending(process, timeout, stop, grace)
    finally:
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()
        await asyncio.to_thread(_kill_strays, f"{mark}={env[mark]}".encode())
        await _group_gone(process.pid)
        # Whoever got away may hold the pipe open for ever.
        await asyncio.wait({copying}, timeout=grace)
        copying.cancel()


async def _start(argv: Sequence[str], folder: Path, env: Mapping[str, str], pipe: int) -> Process:
    program = argv[0] if "/" in argv[0] else shutil.which(argv[0], path=env["PATH"])
    if program is None:
        raise CannotStart(f"{argv[0][:200]}: command not found")
    try:
        # A pipe of our own: to wait for a process is not to wait for all who inherit its pipe.
        return await asyncio.create_subprocess_exec(
            program,
            *argv[1:],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            cwd=folder,
            env=env,
            start_new_session=True,
        )
    except OSError as exc:
        raise CannotStart(f"{argv[0][:200]}: {exc.strerror}") from exc


async def _ending(process: Process, timeout: float, stop: asyncio.Event, grace: float) -> Ending:
    exited = asyncio.ensure_future(process.wait())
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({exited, stopped}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    if exited.done():
        code = exited.result()
        return Ending(code=code if code >= 0 else 128 - code)
    await _end_group(process, exited, grace)
    return Ending(timed_out=not stop.is_set())


async def _end_group(process: Process, exited: asyncio.Future[int], grace: float) -> None:
    _signal_group(process.pid, signal.SIGTERM)
    await asyncio.wait({exited}, timeout=grace)
    _signal_group(process.pid, signal.SIGKILL)
    await exited


def _signal_group(group: int, number: signal.Signals) -> None:
    # macOS answers EPERM where nobody of the group is left but those already dead.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


async def _group_gone(group: int) -> None:
    """Wait until nothing is left of *group*; nobody announces the end of a grandchild."""
    for _ in range(round(_BURIAL / _PAUSE)):
        if _is_gone(group):
            return
        await asyncio.sleep(_PAUSE)


def _is_gone(group: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        # Where we are the first process, as in a container, orphans are ours to bury.
        os.waitpid(-group, os.WNOHANG)
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return True
    return False


def _kill_strays(mark: bytes) -> None:
    """Kill whoever has *mark* in its environment, until there is nobody, or they outrun us."""
    for _ in range(_ROUNDS):
        strays = [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/environ")
            if _holds(path, mark)
        ]
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not strays:
            return
        time.sleep(_PAUSE)


def _holds(path: Path, mark: bytes) -> bool:
    # Processes of others cannot be read, and any may be gone by now; a dead one reads as empty.
    with contextlib.suppress(OSError):
        return mark in path.read_bytes().split(b"\0")
    return False


async def copy_pipe(read_end: int, output: Callable[[bytes], None]) -> None:
    """
    Give *output* what comes out of a pipe until all its writers are gone; closes *read_end*.

    Raises:
        OSError: If the pipe cannot be read, or whatever *output* raises.
    """
    # Not `connect_read_pipe`: uvloop closes the descriptor twice, and by the second time it may
    # be that of a file which a thread has just opened.
    os.set_blocking(read_end, False)
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def read() -> None:
        try:
            block = os.read(read_end, _BLOCK)
            if block:
                output(block)
            elif not ended.done():
                ended.set_result(None)
        except BlockingIOError:
            return
        except OSError as exc:
            if not ended.done():
                ended.set_exception(exc)

    loop.add_reader(read_end, read)
    try:
        await ended
    finally:
        loop.remove_reader(read_end)
        os.close(read_end)
