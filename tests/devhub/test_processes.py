"""One command, and what must not be left of it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvloop

from jobhook.devhub.processes import CannotStart, Ending, copy_pipe, run

pytestmark = pytest.mark.anyio

MARK = "JOB_ID"


class Command:
    """Runs a command in a folder, and collects what it prints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stop = asyncio.Event()
        self.printed = b""
        self.sessions: list[int] = []
        self.spoke = asyncio.Event()

    def hear(self, output: bytes) -> None:
        self.printed = (self.printed + output)[-1000:]
        self.spoke.set()

    async def run(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        timeout: float = 20,
        grace: float = 0.2,
    ) -> Ending:
        given = {"PATH": os.defpath, MARK: f"{os.getpid()}-{id(self)}", **(env or {})}
        return await run(
            argv,
            folder=self.folder,
            env=given,
            mark=MARK,
            timeout=timeout,
            stop=self.stop,
            output=self.hear,
            grace=grace,
            started=self.sessions.append,
        )


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("script", "code"),
    [
        pytest.param("exit 0", 0, id="success"),
        pytest.param("exit 7", 7, id="code"),
        pytest.param("kill -TERM $$", 128 + signal.SIGTERM, id="signal"),
    ],
)
async def test_the_exit_code_is_told(command: Command, script: str, code: int) -> None:
    assert await command.run("sh", "-c", script) == Ending(code=code)


async def test_both_streams_come_together_in_order(command: Command) -> None:
    await command.run("sh", "-c", "echo a; echo b >&2; echo c; pwd")
    assert command.printed.decode() == f"a\nb\nc\n{command.folder}\n"


async def test_nothing_comes_in(command: Command) -> None:
    assert await command.run("cat") == Ending(code=0)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        pytest.param(["nothing-here"], "nothing-here: command not found", id="unknown"),
        pytest.param(["./nothing"], "./nothing: No such file or directory", id="unknown-path"),
        pytest.param(["true", "x" * 200_000], "true: Argument list too long", id="too-long"),
    ],
)
async def test_what_cannot_start_is_told(command: Command, argv: list[str], message: str) -> None:
    with pytest.raises(CannotStart) as error:
        await command.run(*argv)
    assert str(error.value) == message


async def test_a_command_is_given_time_to_clean_up(command: Command) -> None:
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    running = asyncio.create_task(command.run("sh", "-c", script, grace=10))
    await command.spoke.wait()
    command.stop.set()
    assert await running == Ending()
    assert command.printed.endswith(b"\nbye\n")


async def test_a_command_that_will_not_listen_is_killed(command: Command) -> None:
    script = "trap '' TERM; echo up; exec sleep 60"
    running = asyncio.create_task(command.run("sh", "-c", script))
    await command.spoke.wait()
    command.stop.set()
    assert await running == Ending()


LEAVE = "import subprocess; print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid)"


async def test_nothing_is_left_of_a_command(
    tmp_path: Path, until: Callable[[Callable[[], Any]], Any]
) -> None:
    by_timeout, by_itself, by_leaving = (Command(tmp_path) for _ in range(3))
    # At once, because the machine may take seconds to bury the dead.
    endings = await asyncio.gather(
        by_timeout.run("sh", "-c", "sleep 60 & sleep 60 & echo $!; wait", timeout=1.5),
        by_itself.run("sh", "-c", "sleep 60 & echo $!"),
        by_leaving.run(sys.executable, "-c", LEAVE),
    )
    assert list(endings) == [Ending(timed_out=True), Ending(code=0), Ending(code=0)]
    assert not is_alive(int(by_timeout.printed))
    assert not is_alive(int(by_itself.printed))
    if sys.platform == "linux":
        # Who left the group is found by the environment, and is not waited for.
        await until(lambda: not is_alive(int(by_leaving.printed)))
    else:
        os.kill(int(by_leaving.printed), signal.SIGKILL)


async def test_who_gets_away_does_not_hold_us_up(command: Command) -> None:
    code = (
        "import subprocess;"
        "print(subprocess.Popen(['sleep', '60'], start_new_session=True, env={}).pid)"
    )
    assert await command.run(sys.executable, "-c", code) == Ending(code=0)
    os.kill(int(command.printed), signal.SIGKILL)


async def test_a_cancelled_task_leaves_no_process(command: Command) -> None:
    running = asyncio.create_task(command.run("sh", "-c", "echo $$; exec sleep 60"))
    await command.spoke.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not is_alive(int(command.printed))


async def test_a_torrent_of_output_passes(command: Command) -> None:
    script = "head -c 50000000 /dev/urandom; echo; echo end"
    assert await command.run("sh", "-c", script) == Ending(code=0)
    assert command.printed.endswith(b"\nend\n")


def test_reading_a_pipe_closes_no_file_of_a_thread() -> None:
    # On uvloop, which the service runs on: it closes what it is given once more than it should.
    lost: list[OSError] = []

    def open_and_close(over: threading.Event) -> None:
        try:
            while not over.is_set():
                handle = os.open(os.devnull, os.O_RDONLY)
                os.fstat(handle)
                os.close(handle)
        except OSError as exc:
            lost.append(exc)

    async def read_pipes(count: int) -> None:
        for _ in range(count):
            read_end, write_end = os.pipe()
            os.close(write_end)
            async with asyncio.timeout(20):
                await copy_pipe(read_end, print)

    over = threading.Event()
    threads = [threading.Thread(target=open_and_close, args=(over,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        uvloop.run(read_pipes(1000))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert lost == []
