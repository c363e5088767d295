"""The command line, run in this process or as one of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from commands import Ran, Run


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Run]:
    """Run `jobhook` in this process, in an empty folder."""
    from jobhook.cli import main

    monkeypatch.chdir(tmp_path)

    def run_here(*words: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["jobhook", *words])
        code: object = 0
        try:
            main()
        except SystemExit as exc:
            code = exc.code or 0
        out, err = capsys.readouterr()
        return Ran(int(str(code)), out, err)

    yield run_here
    structlog.reset_defaults()


@pytest.fixture
def own_environment(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """The environment of a process that is to be like on a stranger's machine."""

    def environment(**given: str) -> dict[str, str]:
        kept = {
            name: os.environ[name]
            for name in ("PATH", "COVERAGE_PROCESS_CONFIG")
            if name in os.environ
        }
        return {**kept, "HOME": str(tmp_path), **given}

    return environment
