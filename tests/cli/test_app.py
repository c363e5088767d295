from __future__ import annotations

import subprocess
import sys

import pytest

from commands import Run
from jobhook import __version__
from jobhook.devhub import FAULT_KEYS

COMMANDS = (
    "demo serve devhub apply rules deliveries launches secret token audit jobs schedules webhooks"
).split()


def test_help_names_every_command(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    assert all(f"  {command} " in ran.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    ran = run(command, "--help")
    assert ran.code == 0
    assert ran.out.startswith("Usage: jobhook")


def test_devhub_names_every_key_of_a_fault(run: Run) -> None:
    told = " ".join(run("devhub", "--help").out.split())
    assert f"Keys: {', '.join(FAULT_KEYS)}." in told


def test_what_only_a_devhub_or_a_list_needs_is_loaded_by_nobody_else() -> None:
    seldom = "devhub.", "core.views", "core.explanations"
    script = (
        f"import sys, jobhook.cli.app; print(*(n for n in sys.modules for s in {seldom} if s in n))"
    )
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert ran.stdout == "\n"


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").out == f"jobhook {__version__}\n"


def test_a_new_secret_is_long_and_never_the_same(run: Run) -> None:
    first, second = run("secret", "new").out, run("secret", "new").out
    assert first != second
    assert len(first.strip()) >= 43


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["nonsense"], id="no such command"),
        pytest.param(["deliveries", "ls", "--limit", "x"], id="no number"),
        pytest.param(["deliveries", "ls", "--limit", "-1"], id="a negative number"),
        pytest.param(["deliveries", "ls", "--state", "x"], id="no such state"),
        pytest.param(["rules", "test"], id="a missing argument"),
        pytest.param(["devhub", "--port", "99999"], id="a port that is none"),
        pytest.param(["serve", "--devhub-port", "70000"], id="another port that is none"),
        pytest.param(["devhub", "--host", "0.0.0.0"], id="a devhub for everybody"),  # noqa: S104
        pytest.param(["devhub", "--chaos", "whoami"], id="a fault that says nothing"),
        pytest.param(["devhub", "--chaos-seed", "-1"], id="a seed that is none"),
        pytest.param(["serve"], id="a service without a secret"),
        pytest.param(["apply"], id="a registration without a URL"),
    ],
)
def test_wrong_use_is_exit_code_2_and_no_traceback(run: Run, words: list[str]) -> None:
    ran = run(*words)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err
    assert "Traceback" not in ran.err


def test_a_misspelt_setting_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBHOOK_DATABSE", "x")
    ran = run("deliveries", "ls")
    assert ran.code == 2
    assert ran.err == (
        "jobhook: there is no setting JOBHOOK_DATABSE; did you mean `JOBHOOK_DATABASE`?\n"
    )
