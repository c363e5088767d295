"""What a person sees at a terminal of so many columns."""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from factories import make_launch
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.cli.output import say_log
from jobhook.core.launches import LaunchState

STYLES = re.compile(r"\x1b\[[0-9;]*m")
ID = "l" + "n2og6mzdqk4tw7yb3xva5cjhe"
RULE = "retrain-on-data"
REASON = "budget: $1.25 at most, $4.40 of the $5.00 a day for this rule are used"


@pytest.fixture
def seen_at(
    own_environment: Callable[..., dict[str, str]], tmp_path: Path
) -> Callable[..., list[str]]:
    """Runs `jobhook` at a terminal of a width; the lines that stand there afterwards."""

    def seen(columns: int, *words: str) -> list[str]:
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        subprocess.run(
            [sys.executable, "-m", "jobhook", *words],
            check=True,
            cwd=tmp_path,
            env=own_environment(TERM="xterm"),
            stdin=subprocess.DEVNULL,
            stdout=follower,
        )
        os.close(follower)
        with os.fdopen(leader, "rb") as terminal:
            shown = terminal.read1(65536).decode()
        return [line.rstrip() for line in STYLES.sub("", shown).splitlines()]

    return seen


def keep(folder: Path, **given: object) -> None:
    async def fill() -> None:
        async with sqlite_store(folder / "jobhook.db") as store:
            await store.add(make_launch(id=ID, rule=RULE, repo="dataset:acme/corpus", **given))

    asyncio.run(fill())


def test_at_80_columns_a_reason_has_a_line_of_its_own(
    seen_at: Callable[..., list[str]], tmp_path: Path
) -> None:
    keep(tmp_path, reason=REASON)
    assert seen_at(80, "launches", "ls") == [
        f"LAUNCH{' ' * 22}RULE{' ' * 13}STATE  UPDATED",
        "  REASON",
        f"{ID}  {RULE}  ready  01-15 08:00:00",
        f"  {REASON}",
    ]


def test_a_reason_that_is_short_stays_beside_the_rest(
    seen_at: Callable[..., list[str]], tmp_path: Path
) -> None:
    keep(tmp_path, reason="short")
    head, row = seen_at(80, "launches", "ls")
    assert (head.split()[-1], row.split()[-1]) == ("REASON", "short")


def test_at_a_wide_terminal_all_is_on_one_line(
    seen_at: Callable[..., list[str]], tmp_path: Path
) -> None:
    keep(tmp_path, reason=REASON, state=LaunchState.READY)
    _, row = seen_at(200, "launches", "ls")
    assert ID in row
    assert "acme/corpus" in row
    assert row.endswith(REASON)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param("a\tb\rc", "a\tb\rc", id="white space"),
        pytest.param("\x1b[1;31mred\x1b[0m!", "\x1b[1;31mred\x1b[0m!", id="colours"),
        pytest.param("\x1b[2J\x1b]0;x\x07", r"\x1b[2J\x1b]0;x\x07", id="what steers"),
        pytest.param("\u202egnp.exe", r"\x202egnp.exe", id="what turns it round"),
    ],
)
def test_a_log_on_a_terminal_is_coloured_and_steers_nothing(
    monkeypatch: pytest.MonkeyPatch, line: str, seen: str
) -> None:
    screen, pipe = Screen(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", pipe)
    say_log(line)
    say_log(line, aside=True)
    assert (screen.getvalue(), pipe.getvalue()) == (f"{seen}\n", f"{line}\n")
