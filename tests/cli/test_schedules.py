"""`jobhook schedules` against a devhub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commands import Run

pytestmark = pytest.mark.usefixtures("at_devhub")


def created(run: Run, *words: str) -> str:
    ran = run("schedules", "run", "-q", "@monthly", *words, "python:3.12", "echo", "hello")
    assert ran.code == 0, ran.err
    return ran.out.strip()


def inspect(run: Run, schedule: str) -> Any:
    return run("schedules", "inspect", schedule, "--json").json[0]


def test_a_schedule_is_what_the_options_say(run: Run) -> None:
    words = ["0 9 * * 1", "--no-suspend", "--concurrency", "-e", "AB=1", "-s", "KEY=hidden"]
    words += ["--name", "mine", "--timeout", "1h", "python:3.12", "python", "-c", "print(1)"]
    told = run("schedules", "run", "--json", *words).json
    spec = told["job_spec"]
    assert (told["schedule"], told["suspend"], told["concurrency"]) == ("0 9 * * 1", False, True)
    assert (spec["command"], spec["environment"]) == (["python", "-c", "print(1)"], {"AB": "1"})
    assert (list(spec["secrets"]), spec["labels"], spec["timeout"]) == (
        ["KEY"],
        {"name": "mine"},
        3600,
    )


def test_a_script_can_be_scheduled(run: Run, tmp_path: Path) -> None:
    (tmp_path / "nightly.py").write_text("print('hello')\n")
    ran = run("schedules", "uv", "run", "--suspend", "@daily", "nightly.py", "--flag")
    assert ran.code == 0, ran.err
    told = inspect(run, ran.out.split()[-1])
    assert (told["suspend"], told["job_spec"]["labels"]["name"][:8]) == (True, "nightly-")


@pytest.mark.parametrize("schedule", ["@midnight", "* * * *", "0 9 * * MON"])
def test_what_is_no_schedule_is_said(run: Run, schedule: str) -> None:
    ran = run("schedules", "run", schedule, "python:3.12", "x")
    assert (ran.code, ran.out) == (2, "")
    assert schedule in ran.err


def test_lists_show_what_is_asked_for(run: Run) -> None:
    active = created(run, "-l", "list=yes")
    asleep = created(run, "-l", "list=yes", "--suspend", "--name", "asleep")

    def ids(*words: str) -> set[str]:
        return set(run("schedules", *words, "-q").out.split())

    assert ids("ls", "-l", "list=yes") == {active}
    assert ids("list", "-a", "-l", "list=yes") == {active, asleep}
    assert ids("ps", "--status", "Suspended", "-l", "list=yes") == {asleep}
    assert ids("ls", "--status", "active,suspended", "-l", "list=yes") == {active, asleep}
    assert ids("ls", "-a", "--name", "asleep") == {asleep}
    table = run("schedules", "ls", "-l", "list=yes").out.splitlines()
    assert (table[0].split()[0], table[1].split()[0]) == ("ID", active)
    assert run("schedules", "ls", "-l", "none=x", "--json").json == []
    assert "--all lists suspended ones" in run("schedules", "ls", "-l", "none=x").out


def test_a_schedule_rests_goes_on_changes_and_goes(run: Run) -> None:
    schedule = created(run)
    assert run("schedules", "suspend", schedule).out == f"suspended: {schedule}\n"
    assert inspect(run, schedule)["suspend"] is True
    assert run("schedules", "resume", f"dev/{schedule}").code == 0
    assert inspect(run, schedule)["suspend"] is False
    told = run("schedules", "reschedule", schedule, "@hourly", "--json").json
    assert told["schedule"] == "@hourly"
    assert run("schedules", "delete", schedule, "--json").json == {"id": schedule}
    ran = run("schedules", "inspect", schedule)
    assert (ran.code, ran.err.count("\n")) == (1, 1)


def test_trigger_tells_the_job_that_it_started(run: Run) -> None:
    job = run("schedules", "trigger", created(run), "-q").out.strip()
    assert run("jobs", "logs", "-f", job).out == "hello\n"


def test_labels_are_replaced_or_named_or_cleared(run: Run) -> None:
    schedule = created(run, "-l", "a=1", "--name", "old")

    def labels(*words: str) -> dict[str, str]:
        told = run("schedules", "labels", schedule, *words, "--json").json
        labelled: dict[str, str] = told["job_spec"]["labels"]
        return labelled or {}

    assert labels("--name", "new") == {"a": "1", "name": "new"}
    assert labels("-l", "b=2") == {"b": "2"}
    assert labels("--clear") == {}
