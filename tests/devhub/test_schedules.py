"""What becomes of scheduled jobs; time goes as the test says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub.errors import JobNotFoundError

if TYPE_CHECKING:
    from devhub.conftest import Running

pytestmark = pytest.mark.anyio

Serve = Callable[..., AbstractAsyncContextManager["Running"]]
Until = Callable[[Callable[[], Any]], Any]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALL = "/api/scheduled-jobs/dev"
SPEC: dict[str, Any] = {"dockerImage": "i", "command": ["true"], "flavor": "cpu-basic"}
BODY: dict[str, Any] = {"jobSpec": SPEC, "schedule": "@hourly"}
KEPT = {"S": "hidden"}


@dataclass
class Clock:
    """What time it is."""

    moment: datetime = NOON

    def __call__(self) -> datetime:
        return self.moment

    def go(self, **forward: float) -> None:
        self.moment += timedelta(**forward)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def timed(devhub_with: Serve, clock: Clock) -> AsyncIterator[Running]:
    """A devhub that goes by the test's clock."""
    async with devhub_with(clock=clock) as devhub:
        yield devhub


async def make(devhub: Running, **changes: Any) -> str:
    """Return the id of a new scheduled job."""
    answer = await devhub.http.post(ALL, json={**BODY, **changes})
    assert answer.status_code == 200, answer.text
    made: str = answer.json()["id"]
    return made


async def test_the_official_client_keeps_scheduled_jobs(timed: Running) -> None:
    def use() -> None:
        api = timed.api
        made = api.create_scheduled_job(
            image="python:3.12",
            command=["echo", "hello"],
            schedule="0 9 * * 1",
            env={"AB": "1"},
            secrets={"S": "hidden"},
            name="report",
            labels={"team": "ml"},
            timeout="2h",
            attempts=3,
            expose=[8000],
            concurrency=True,
            namespace="acme",
        )
        assert re.fullmatch("[0-9a-f]{24}", made.id)
        assert (made.schedule, made.suspend, made.concurrency) == ("0 9 * * 1", False, True)
        assert made.created_at == NOON
        assert (made.owner.name, made.owner.type) == ("acme", "org")
        assert made.status.last_job is None
        assert made.status.next_job_run_at == datetime(2026, 3, 9, 9, tzinfo=UTC)
        spec = made.job_spec
        assert (spec.docker_image, spec.command, spec.timeout) == (
            "python:3.12",
            ["echo", "hello"],
            7200,
        )
        assert (spec.retry, spec.expose, spec.expose_public) == (2, [8000], [])
        assert (list(spec.secrets or ()), spec.labels) == (["S"], {"team": "ml", "name": "report"})
        assert api.inspect_scheduled_job(scheduled_job_id=made.id, namespace="acme") == made
        assert api.list_scheduled_jobs(namespace="acme") == [made]
        assert api.list_scheduled_jobs(namespace="dev") == []

        ids = {"scheduled_job_id": made.id, "namespace": "acme"}
        api.suspend_scheduled_job(**ids)
        assert api.inspect_scheduled_job(**ids).suspend is True
        api.resume_scheduled_job(**ids)
        assert api.inspect_scheduled_job(**ids).suspend is False
        changed = api.update_scheduled_job_schedule(schedule="@daily", **ids)
        assert changed.schedule == "@daily"
        assert changed.status.next_job_run_at == datetime(2026, 3, 3, tzinfo=UTC)
        changed = api.update_scheduled_job_labels(labels={"env": "prod"}, **ids)
        assert changed.job_spec.labels == {"env": "prod"}
        assert api.list_scheduled_jobs(namespace="acme", labels={"env": "prod"}) == [changed]
        assert api.list_scheduled_jobs(namespace="acme", labels={"team": "ml"}) == []

        job = api.trigger_scheduled_job(**ids)
        assert job.initiator
        assert (job.initiator.type, job.initiator.id) == ("scheduled-job", made.id)
        assert (job.labels, list(job.secrets or ())) == ({"env": "prod"}, ["S"])
        last = api.inspect_scheduled_job(**ids).status.last_job
        assert last
        assert (last.id, last.at) == (job.id, job.created_at)

        api.delete_scheduled_job(**ids)
        assert api.list_scheduled_jobs(namespace="acme") == []
        with pytest.raises(JobNotFoundError):
            api.inspect_scheduled_job(**ids)
        assert api.inspect_job(job_id=job.id, namespace="acme").id == job.id

    await timed.call(use)


async def test_the_wire_form_holds_what_is_known_and_nothing_else(timed: Running) -> None:
    made = (await timed.http.post(ALL, json=BODY)).json()
    assert made == {
        "type": "scheduled-job",
        "id": made["id"],
        "createdAt": "2026-03-02T12:00:00.000Z",
        "schedule": "@hourly",
        "suspend": False,
        "concurrency": False,
        "jobSpec": {**SPEC, "arguments": [], "environment": {}, "timeout": 1800, "retry": 0},
        "owner": made["owner"],
        "initiator": made["owner"],
        "status": {"lastJob": None, "nextJobRunAt": "2026-03-02T13:00:00.000Z"},
    }


async def test_a_job_is_launched_when_it_is_due_and_not_before(
    timed: Running, clock: Clock, until: Until
) -> None:
    made = await make(timed, jobSpec={**SPEC, "command": ["sh", "-c", "echo $S"], "secrets": KEPT})
    probe = await make(timed, schedule="59 12 * * *")
    clock.go(minutes=59, seconds=59)
    (early,) = await launched(timed, until, 1)
    assert early["initiator"] == {"type": "scheduled-job", "id": probe}
    clock.go(seconds=1)
    _, job = await launched(timed, until, 2)
    assert job["initiator"] == {"type": "scheduled-job", "id": made}
    assert (job["createdBy"]["name"], job["secrets"]) == ("dev", ["S"])
    assert (await timed.log(job["id"]))[1:] == ["hidden"]
    assert (await one(timed, made))["status"] == {
        "lastJob": {"id": job["id"], "at": job["createdAt"]},
        "nextJobRunAt": "2026-03-02T14:00:00.000Z",
    }


async def test_times_that_were_missed_are_one_launch(
    timed: Running, clock: Clock, until: Until
) -> None:
    await make(timed, concurrency=True)
    clock.go(hours=5)
    await launched(timed, until, 1)
    clock.go(hours=1)
    assert len(await launched(timed, until, 2)) == 2


async def test_while_its_last_job_runs_there_is_no_other_unless_it_may(
    timed: Running, clock: Clock, until: Until
) -> None:
    sleeping = {**SPEC, "command": ["sleep", "60"]}
    alone = await make(timed, jobSpec=sleeping)
    many = await make(timed, jobSpec=sleeping, concurrency=True)
    clock.go(hours=1)
    first = await launched(timed, until, 2)
    clock.go(hours=1)
    second = await launched(timed, until, 3)
    by = [job["initiator"]["id"] for job in second]
    assert (by.count(alone), by.count(many)) == (1, 2)
    assert (await one(timed, alone))["status"]["nextJobRunAt"] == "2026-03-02T15:00:00.000Z"
    assert (await timed.http.post(f"{ALL}/{many}/run")).status_code == 200
    busy = await timed.http.post(f"{ALL}/{alone}/run")
    assert busy.status_code == 409
    assert "concurrency is off" in busy.json()["error"]
    for job in first:
        await timed.http.post(f"/api/jobs/dev/{job['id']}/cancel")
    assert (await timed.http.post(f"{ALL}/{alone}/run")).status_code == 200


async def test_what_is_suspended_launches_only_when_it_is_told_to(
    timed: Running, clock: Clock, until: Until
) -> None:
    made = await make(timed, suspend=True)
    probe = await make(timed)
    clock.go(hours=3)
    (job,) = await launched(timed, until, 1)
    assert job["initiator"]["id"] == probe
    by_hand = (await timed.http.post(f"{ALL}/{made}/run")).json()
    assert by_hand["initiator"]["id"] == made
    assert (await timed.http.post(f"{ALL}/{made}/resume")).json()["suspend"] is False
    assert (await one(timed, made))["status"]["nextJobRunAt"] == "2026-03-02T16:00:00.000Z"
    assert len(await launched(timed, until, 2)) == 2


async def test_what_is_deleted_launches_nothing(timed: Running, clock: Clock, until: Until) -> None:
    made = await make(timed)
    probe = await make(timed)
    assert (await timed.http.delete(f"{ALL}/{made}")).json() == {}
    clock.go(hours=1)
    (job,) = await launched(timed, until, 1)
    assert job["initiator"]["id"] == probe


async def test_they_are_there_again_and_what_was_due_meanwhile_is_missed(
    tmp_path: Path, devhub_with: Serve, clock: Clock, until: Until
) -> None:
    spec = {**SPEC, "command": ["sh", "-c", "echo $S"], "secrets": KEPT}
    async with devhub_with(data=tmp_path, clock=clock) as devhub:
        kept = await make(devhub, jobSpec=spec)
        paused = await make(devhub, suspend=True, concurrency=True)
        gone = await make(devhub)
        await devhub.http.delete(f"{ALL}/{gone}")
        last = (await devhub.http.post(f"{ALL}/{kept}/run")).json()
        await devhub.ended(last["id"])
    clock.go(hours=3, minutes=30)
    async with devhub_with(data=tmp_path, clock=clock) as later:
        again = (await later.http.get(ALL)).json()
        assert [found["id"] for found in again] == [paused, kept]
        assert (again[0]["suspend"], again[0]["concurrency"]) == (True, True)
        assert again[1]["status"] == {
            "lastJob": {"id": last["id"], "at": last["createdAt"]},
            "nextJobRunAt": "2026-03-02T16:00:00.000Z",
        }
        clock.go(minutes=30)
        _, job = await launched(later, until, 2)
        assert (await later.log(job["id"]))[1:] == ["hidden"]


async def test_a_disk_that_fails_once_does_not_end_all_schedules(
    tmp_path: Path,
    devhub_with: Serve,
    clock: Clock,
    until: Until,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "schedules"
    async with devhub_with(data=tmp_path, clock=clock) as devhub:
        made = await make(devhub)
        folder.rename(tmp_path / "elsewhere")
        folder.touch()
        clock.go(hours=1)
        await until(lambda: f"schedule.failed: {made}" in caplog.text)
        folder.unlink()
        clock.go(hours=1)
        (job,) = await launched(devhub, until, 1)
        assert job["initiator"]["id"] == made


async def one(devhub: Running, scheduled_id: str) -> dict[str, Any]:
    """Return a scheduled job of `dev`."""
    found: dict[str, Any] = (await devhub.http.get(f"{ALL}/{scheduled_id}")).json()
    return found


async def launched(devhub: Running, until: Until, count: int) -> list[dict[str, Any]]:
    """Return all jobs of `dev`, oldest first, once there are *count* of them."""

    async def enough() -> list[str] | None:
        ids = [job["id"] for job in await devhub.ledger()]
        return ids if len(ids) >= count else None

    return [await devhub.job(job_id) for job_id in await until(enough)]
