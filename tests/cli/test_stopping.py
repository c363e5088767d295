from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from commands import Run
from factories import NOON, make_launch, make_spec
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.cli import stopping
from jobhook.core.jobs import JobStage
from jobhook.core.launches import LaunchState
from jobhook.hub.client import AsyncHub

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nobody_there")]


async def active(hub: AsyncHub) -> list[str]:
    jobs = await hub.list_jobs(namespace="dev", status=[JobStage.RUNNING, JobStage.SCHEDULING])
    return [job.label("jobhook-instance") or "" for job in jobs]


async def in_thread(run: Run, *words: str) -> Any:
    return await anyio.to_thread.run_sync(lambda: run(*words))


def test_without_a_token_nothing_can_be_stopped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    ran = run("stop-all", "--yes")
    assert (ran.code, "no Hub token is set" in ran.err) == (2, True)


async def test_stop_all_pauses_and_cancels(run: Run, town: AsyncHub, tmp_path: Path) -> None:
    async with sqlite_store(tmp_path / "jobhook.db"):
        pass
    ran = await in_thread(run, "stop-all", "--yes")
    assert (ran.code, "2 jobs were cancelled\n" in ran.out) == (0, True)
    assert "paused; `jobhook resume` ends that" in ran.err
    assert await active(town) == ["theirs"]
    paused = await in_thread(run, "pause", "--list", "--json")
    assert [(each["scope"], each["reason"]) for each in paused.json] == [("everything", "stop-all")]


async def test_stop_all_reaches_where_rules_have_their_jobs_run(
    run: Run, town: AsyncHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBHOOK_RULES", str(tmp_path))
    (tmp_path / "a.yaml").write_text(
        "id: a\non: [commit.pushed]\nrun: {image: x, command: [y], namespace: acme}\n"
    )
    spec = make_spec(command=("sleep", "60"), labels={"jobhook-instance": "jobhook"})
    await town.start_job("acme", spec)
    ran = await in_thread(run, "stop-all", "--yes", "--json")
    assert (ran.code, len(ran.json)) == (0, 3)


async def test_a_namespace_that_cannot_be_listed_hides_no_other(
    run: Run, town: AsyncHub, tmp_path: Path
) -> None:
    async with sqlite_store(tmp_path / "jobhook.db") as store:
        sent = {"state": LaunchState.COMPLETED, "claimed_at": NOON}
        await store.add(make_launch(namespace="somebody", **sent))
    ran = await in_thread(run, "stop-all", "--yes")
    assert ran.code != 0
    assert "2 jobs were cancelled\n" in ran.out
    assert "jobs in somebody may still run" in ran.err
    assert await active(town) == ["theirs"]


async def test_stop_all_needs_no_database_and_says_that_nothing_is_paused(
    run: Run, town: AsyncHub, tmp_path: Path
) -> None:
    ran = await in_thread(run, "stop-all", "--yes", "--json")
    assert ran.code == 0
    assert [each["error"] for each in ran.json] == [None, None]
    assert "NOT paused (there is no database" in ran.err
    assert await active(town) == ["theirs"]
    assert not (tmp_path / "jobhook.db").exists()


async def test_stop_all_that_is_ended_early_tells_what_it_did(
    run: Run, town: AsyncHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted(*_: object, **__: object) -> AsyncIterator[tuple[str, str | None]]:
        yield "j1", None
        yield "j2", "not yours"
        raise KeyboardInterrupt

    monkeypatch.setattr(stopping, "stop_everywhere", interrupted)
    ran = await in_thread(run, "stop-all", "--yes", "--json")
    assert ran.code != 0
    assert [each["job_id"] for each in ran.json] == ["j1", "j2"]


async def test_what_could_not_be_cancelled_is_exit_code_1(
    run: Run, town: AsyncHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object, **__: object) -> AsyncIterator[tuple[str, str | None]]:
        yield "j1", "not yours"

    monkeypatch.setattr(stopping, "stop_everywhere", refused)
    ran = await in_thread(run, "stop-all", "--yes")
    assert (ran.code, "0 jobs were cancelled, and 1 could not be" in ran.out) == (1, True)
