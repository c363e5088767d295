"""What people ask for, on a whole service beside a devhub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from factories import make_spec
from jobhook.core import pacing
from jobhook.core.errors import HubBusy, OutcomeUnknown, Paused
from jobhook.core.filters import LaunchFilter
from jobhook.core.jobs import JobStage
from jobhook.core.launches import Launch, LaunchState
from jobhook.flows import tracking
from jobhook.flows.direct import DirectRuns
from jobhook.flows.schedules import Schedules
from jobhook.hub.client import AsyncHub
from jobhook.ports import Store
from town import Town, running_town, until

pytestmark = pytest.mark.anyio

CANARY = "canary-of-a-secret"
LONG = make_spec(command=("sleep", "60"), labels={"name": "long"})
QUICK = make_spec(command=("sh", "-c", 'echo "$TOKEN"'), secrets={"TOKEN": CANARY})


@dataclass(frozen=True, slots=True)
class Door:
    """What people may ask of a running service."""

    store: Store
    hub: AsyncHub
    runs: DirectRuns
    schedules: Schedules

    async def launch(self, launch_id: str, state: LaunchState) -> Launch:
        """The launch, once it is in *state*."""

        async def look() -> Launch | None:
            launch = await self.store.launch(launch_id)
            return launch if launch and launch.state == state else None

        return await until(look)

    async def one(self, rule: str, state: LaunchState) -> Launch:
        """The only launch of *rule*, once it is in *state*."""

        async def look() -> Launch | None:
            found = await self.store.launches(LaunchFilter(rule=rule, states=[state]), limit=0)
            return found[0] if found else None

        return await until(look)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service look at the Hub as often as it can."""
    monkeypatch.setattr(pacing, "_SHARE", 10.0)
    for module in (pacing, tracking):
        monkeypatch.setattr(module, "QUICK", 0.1)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with running_town(tmp_path) as town:
        # Without a rule no webhook is registered, and none of it is ready.
        town.rule("any", "watch: [user:dev]\non: [commit.pushed]\nrun: {image: i, command: [c]}\n")
        yield town


@asynccontextmanager
async def door(town: Town, **environ: str) -> AsyncIterator[Door]:
    async with town.service(**environ) as service, town.hub() as hub:
        assert service.behind is not None
        direct = service.behind.direct
        yield Door(service.store, hub, direct.runs, direct.schedules)


async def test_a_job_that_was_asked_for_is_followed_to_its_end_and_its_secret_stays_out(
    town: Town,
) -> None:
    async with door(town) as opened:
        run = await opened.runs.run(QUICK, namespace=None, asked_by="ana", key="k")
        launch = await opened.launch(run.launch_id, LaunchState.COMPLETED)
        log = [line async for line in opened.hub.fetch_job_logs(job_id=run.job.id)]
        again = await opened.runs.run(QUICK, namespace=None, asked_by="ana", key="k")
    assert (log, again.job.id, launch.job_id) == ([CANARY], run.job.id, run.job.id)
    # One minute of thirty.
    assert launch.micro_usd < 1000
    for file in town.folder.glob("town.db*"):
        assert CANARY.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    "done", [pytest.param("execute=yes", id="done"), pytest.param("execute=no", id="not done")]
)
async def test_a_lost_answer_is_found_out_and_nothing_is_started_twice(
    town: Town, done: str
) -> None:
    town.devhub.chaos.add(f"jobs.create answer=drop {done} count=1")
    async with door(town) as opened:
        with pytest.raises(OutcomeUnknown) as told:
            await opened.runs.run(LONG, namespace=None, asked_by="ana")
        launch_id = told.value.look_for["launch"]
        jobs = await opened.hub.list_jobs()
        if done == "execute=yes":
            found = await opened.launch(launch_id, LaunchState.RUNNING)
            assert [job.id for job in jobs] == [found.job_id]
        else:
            kept = await opened.store.launch(launch_id)
            assert kept is not None
            assert (kept.state, jobs) == (LaunchState.UNKNOWN, [])


async def test_a_job_that_somebody_has_the_hub_run_once_more_is_no_copy(town: Town) -> None:
    async with door(town) as opened:
        run = await opened.runs.run(LONG, namespace=None, asked_by="ana")
        await opened.launch(run.launch_id, LaunchState.RUNNING)
        other = await opened.hub.rerun_job(run.job.id)
        await opened.hub.cancel_job(run.job.id)
        # The look that sees this end has seen the other one.
        await opened.launch(run.launch_id, LaunchState.CANCELLED)
        third = await opened.runs.run(QUICK, namespace=None, asked_by="ana")
        await opened.launch(third.launch_id, LaunchState.COMPLETED)
        job = await opened.hub.inspect_job(other.id)
    assert job.status.stage == JobStage.RUNNING


async def test_a_job_once_more_whose_answer_is_lost_is_found_by_what_set_it_off(
    town: Town,
) -> None:
    async with door(town) as opened:
        first = await opened.runs.run(LONG, namespace=None, asked_by="ana")
        town.devhub.chaos.add("jobs.duplicate answer=drop execute=yes count=1")
        with pytest.raises(OutcomeUnknown) as told:
            await opened.runs.rerun(first.job.id, namespace=None, asked_by="ana")
        launch = await opened.launch(told.value.look_for["launch"], LaunchState.RUNNING)
        ids = {job.id for job in await opened.hub.list_jobs()}
    assert ids == {first.job.id, launch.job_id}


async def test_what_a_schedule_of_ours_starts_is_seen_and_followed(town: Town) -> None:
    async with door(town) as opened:
        made = await opened.schedules.create(
            LONG, schedule="@yearly", concurrency=True, namespace=None, asked_by="ana"
        )
        # As if it were due; what is asked for through us is known already.
        job = await opened.hub.trigger_scheduled_job(made.schedule.id)
        asked = await opened.runs.trigger(made.schedule.id, namespace=None, asked_by="bob")
        run = await opened.one("api.scheduled", LaunchState.RUNNING)
        await opened.launch(asked.launch_id, LaunchState.RUNNING)
        runs = await opened.store.launches(LaunchFilter(rule="api.scheduled"), limit=0)
    assert (run.job_id, run.asked_by, run.micro_usd > 0, len(runs)) == (job.id, "ana", True, 1)


async def test_a_setting_that_pauses_the_service_keeps_people_back_too(town: Town) -> None:
    async with door(town, JOBHOOK_PAUSE="on") as opened:
        with pytest.raises(Paused, match="paused: JOBHOOK_PAUSE"):
            await opened.runs.run(QUICK, namespace=None, asked_by="ana")


async def test_a_service_that_has_stopped_takes_nothing_more(town: Town) -> None:
    async with door(town) as opened:
        pass
    with pytest.raises(HubBusy, match="the service is stopping"):
        await opened.runs.run(QUICK, namespace=None, asked_by="ana")
    async with town.hub() as hub:
        assert await hub.list_jobs() == []
