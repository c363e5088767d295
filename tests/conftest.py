"""What every test may ask for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from commands import Ran, Run
from factories import ROOT
from jobhook import failpoints

_COVERAGE = "COVERAGE_PROCESS_CONFIG"
_NOT_THE_TESTS_OWN = ("JOBHOOK_", "HF_", "HUGGING_FACE_", "WEBHOOK_", "SPACE_", "OAUTH_")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep whoever runs the tests, with their token and settings, out of them."""
    for name in list(os.environ):
        if name.startswith(_NOT_THE_TESTS_OWN):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("HF_HUB_DISABLE_UPDATE_CHECK", "1")


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    """Leave no fail-point armed."""
    yield
    failpoints.disarm()


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
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", _COVERAGE)}
        if _COVERAGE in kept:
            # Processes that start elsewhere leave what they measured where it is collected.
            kept["COVERAGE_FILE"] = os.environ.get("COVERAGE_FILE", str(ROOT / ".coverage"))
        return {**kept, "HOME": str(tmp_path), **given}

    return environment
