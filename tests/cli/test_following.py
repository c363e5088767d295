"""A job that is followed, on a Hub that says what it is told to."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from commands import Run
from jobhook.cli import client, following
from jobhook.core.errors import HubBusy
from jobhook.hub.models import JobInfo, JobOwner, JobStatus

RUN = ("jobs", "run", "python:3.12", "x")


def job(stage: str, message: str | None = None) -> JobInfo:
    return JobInfo(
        id="j1",
        status=JobStatus(stage=stage, message=message, ssh_url="ssh://j1@ssh.hf.jobs"),
        owner=JobOwner(id="u1", name="dev"),
        endpoint="https://hub.example",
    )


class ToldHub:
    """A Hub on which a job goes through the stages it is told, and whose log may break."""

    def __init__(self) -> None:
        self.stages = [job("COMPLETED")]
        self.started: JobInfo | BaseException = job("RUNNING")
        self.log: list[str | Exception] = []
        self.metrics: list[dict[str, Any]] = []

    async def __aenter__(self) -> ToldHub:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def run_job(self, **_: object) -> JobInfo:
        if isinstance(self.started, BaseException):
            raise self.started
        return self.started

    async def inspect_job(self, **_: object) -> JobInfo:
        if not self.stages:
            raise HubBusy("the Hub is tired")
        return self.stages.pop(0)

    async def wait_for_job(self, *_: object, **__: object) -> JobInfo:
        return job("COMPLETED")

    async def fetch_job_logs(self, **_: object) -> AsyncIterator[str]:
        for line in self.log:
            if isinstance(line, Exception):
                raise line
            yield line

    async def fetch_job_metrics(self, **_: object) -> AsyncIterator[dict[str, Any]]:
        for sample in self.metrics:
            yield sample


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> ToldHub:
    """Whatever is asked is asked of this Hub."""
    told = ToldHub()
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    monkeypatch.setattr(client, "AsyncHub", lambda *_, **__: told)
    monkeypatch.setattr(following, "_LOOK_SECONDS", 0)
    return told


def test_why_a_job_waits_is_told_once(run: Run, hub: ToldHub) -> None:
    hub.started = job("SCHEDULING")
    waits = job("SCHEDULING", "no t4-small\x1b is free")
    hub.stages = [waits, waits, job("RUNNING")]
    hub.log = ["hello"]
    ran = run(*RUN)
    assert ran.err == "jobhook: scheduling\njobhook: no t4-small\\x1b is free\n"
    assert ran.out.splitlines()[-1] == "hello"


def test_on_a_terminal_it_is_one_line_that_goes_away(
    run: Run, hub: ToldHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    hub.started = job("SCHEDULING")
    hub.stages = [job("SCHEDULING", "no t4-small is free"), job("RUNNING")]
    ran = run(*RUN)
    assert ran.code == 0
    assert ran.err == "\r\x1b[Kscheduling (0 s)\r\x1b[Kno t4-small is free (0 s)\r\x1b[K"


def test_a_hub_that_cannot_say_why_is_asked_for_the_log(run: Run, hub: ToldHub) -> None:
    hub.started, hub.stages, hub.log = job("SCHEDULING"), [], ["hello"]
    ran = run(*RUN)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "hello")


def test_where_it_can_be_reached_is_told(run: Run, hub: ToldHub) -> None:
    assert run(*RUN).out.splitlines() == [
        "job j1",
        "https://hub.example/jobs/dev/j1",
        "ssh://j1@ssh.hf.jobs",
    ]


def test_a_hub_that_is_lost_has_not_ended_the_job(run: Run, hub: ToldHub) -> None:
    hub.log = ["so far", HubBusy("the stream broke")]
    ran = run(*RUN)
    assert (ran.code, ran.out.splitlines()[-1]) == (1, "so far")
    assert "the job goes on: `jobhook jobs logs -f dev/j1` follows it" in ran.err
    assert "the stream broke" in ran.err


def test_ctrl_c_before_the_hub_has_answered_says_that_it_may_run(run: Run, hub: ToldHub) -> None:
    hub.started = KeyboardInterrupt()
    ran = run(*RUN)
    assert (ran.code, ran.out) == (1, "")
    assert "may have been started all the same" in ran.err


@pytest.mark.parametrize(
    ("gpus", "shown"),
    [
        pytest.param({}, "", id="none"),
        pytest.param(None, "", id="not told"),
        pytest.param(
            {"1": {"utilization": 7, "memory_used_bytes": 2e9, "memory_total_bytes": 24e9}, "0": 5},
            "5 7% 2.0GB/24.0GB",
            id="two, one of them odd",
        ),
    ],
)
def test_what_a_job_uses_is_shown(run: Run, hub: ToldHub, gpus: Any, shown: str) -> None:
    hub.metrics = [
        {
            "cpu_usage_pct": 12.4,
            "cpu_millicores": 2000,
            "memory_used_bytes": 512,
            "memory_total_bytes": 16_000_000_000,
            "rx_bps": 1500,
            "tx_bps": "much",
            "gpus": gpus,
        }
    ]
    cells = run("jobs", "stats", "j1").out.splitlines()[1].split()
    assert cells[:5] == ["j1", "12%", "2.0", "512B/16.0GB", "1.5k/0bps"]
    assert " ".join(cells[5:]) == shown


@pytest.mark.parametrize("is_terminal", [True, False])
def test_stats_go_on_until_the_job_has_ended(
    run: Run, hub: ToldHub, monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    hub.metrics = [{"cpu_usage_pct": 12}, {"cpu_usage_pct": 13}]
    ran = run("jobs", "stats", "-f", "j1")
    assert ran.code == 0
    assert all(word in ran.out for word in ("j1", "13%"))
