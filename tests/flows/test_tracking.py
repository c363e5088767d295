from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from factories import NOON, make_job, make_launch, make_received
from fakes import HandClock, ScriptedHub
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.errors import HubForbidden
from jobhook.core.launches import Launch, LaunchState
from jobhook.flows.identity import Identity
from jobhook.flows.resolving import Visibility
from jobhook.flows.tracking import Tracker

pytestmark = pytest.mark.anyio


@pytest.fixture
def tracker(store: SqliteStore, hub: ScriptedHub, clock: HandClock) -> Tracker:
    return Tracker(
        store, hub, clock, identity=Identity(hub, "acme"), instance="test", visibility=Visibility()
    )


async def launched(store: SqliteStore, *jobs: str, **given: Any) -> None:
    receipt = await store.record(make_received())
    delivery = await store.delivery(receipt.delivery)
    assert delivery is not None
    given = {"state": LaunchState.LAUNCHED, "namespace": "acme"} | given
    launches = [
        make_launch(id=f"l-{job}", rule=f"r-{job}", delivery=delivery.id, job_id=job, **given)
        for job in jobs
    ]
    await store.route(delivery, events=(), verdicts=(), launches=launches)


async def state_of(store: SqliteStore, job: str) -> Launch:
    found = await store.launch(f"l-{job}")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("stage", "state"),
    [
        pytest.param("SCHEDULING", LaunchState.LAUNCHED, id="waits"),
        pytest.param("RUNNING", LaunchState.RUNNING, id="runs"),
        pytest.param("COMPLETED", LaunchState.COMPLETED, id="done"),
        pytest.param("ERROR", LaunchState.FAILED, id="failed"),
        pytest.param("CANCELED", LaunchState.CANCELLED, id="cancelled"),
        pytest.param("DELETED", LaunchState.GONE, id="deleted"),
        pytest.param("DREAMING", LaunchState.LAUNCHED, id="a stage we do not know"),
    ],
)
async def test_a_launch_follows_its_job(
    tracker: Tracker, store: SqliteStore, hub: ScriptedHub, stage: str, state: LaunchState
) -> None:
    await launched(store, "j1")
    hub.jobs["j1"] = make_job("j1", stage, "why")
    await tracker.step()
    found = await state_of(store, "j1")
    assert found.state == state
    assert found.reason == ("why" if state != LaunchState.LAUNCHED else "")


async def test_active_jobs_cost_one_call_and_ended_ones_one_more_each(
    tracker: Tracker, store: SqliteStore, hub: ScriptedHub
) -> None:
    await launched(store, "j1", "j2", "j3")
    hub.jobs = {"j1": make_job("j1", "RUNNING"), "j2": make_job("j2", "RUNNING")}
    hub.jobs["j3"] = make_job("j3", "COMPLETED")
    await tracker.step()
    assert hub.calls == [("list", "acme", "jobhook-instance=test"), ("inspect", "acme", "j3")]
    hub.calls.clear()
    await tracker.step()
    assert len(hub.calls) == 1


async def test_nothing_to_follow_costs_no_call(tracker: Tracker, hub: ScriptedHub) -> None:
    assert await tracker.step() is False
    assert hub.calls == []


async def test_a_job_that_is_not_there_any_more_is_gone(
    tracker: Tracker, store: SqliteStore
) -> None:
    await launched(store, "j1")
    await tracker.step()
    found = await state_of(store, "j1")
    assert (found.state, found.job_id) == (LaunchState.GONE, "j1")


async def test_one_job_that_cannot_be_looked_at_does_not_hide_the_others(
    store: SqliteStore, clock: HandClock
) -> None:
    class Choosy(ScriptedHub):
        async def inspect_job(self, job_id: str, *, namespace: str) -> Any:
            if job_id == "j1":
                raise HubForbidden("not yours")
            return await super().inspect_job(job_id, namespace=namespace)

    hub = Choosy()
    hub.jobs["j2"] = make_job("j2", "COMPLETED")
    await launched(store, "j1", "j2")
    tracker = Tracker(
        store, hub, clock, identity=Identity(hub, "a"), instance="t", visibility=Visibility()
    )
    with pytest.raises(HubForbidden):
        await tracker.step()
    assert (await state_of(store, "j2")).state == LaunchState.COMPLETED


async def test_a_job_that_waits_once_more_is_followed_on(
    tracker: Tracker, store: SqliteStore, hub: ScriptedHub
) -> None:
    await launched(store, "j1", state=LaunchState.RUNNING)
    hub.jobs["j1"] = make_job("j1", "SCHEDULING")
    await tracker.step()
    assert (await state_of(store, "j1")).state == LaunchState.LAUNCHED


async def test_somebody_else_may_have_moved_it_meanwhile(
    store: SqliteStore, clock: HandClock
) -> None:
    class RacingHub(ScriptedHub):
        async def list_jobs(self, **asked: Any) -> list[Any]:
            other = Tracker(
                store,
                quiet,
                clock,
                identity=Identity(quiet, "a"),
                instance="t",
                visibility=Visibility(),
            )
            await other.step()
            return [make_job("j1", "RUNNING")]

    quiet = ScriptedHub()
    quiet.jobs["j1"] = make_job("j1", "COMPLETED")
    racing = RacingHub()
    await launched(store, "j1")
    await Tracker(
        store, racing, clock, identity=Identity(racing, "a"), instance="t", visibility=Visibility()
    ).step()
    assert (await state_of(store, "j1")).state == LaunchState.COMPLETED


@pytest.mark.parametrize(
    ("minutes", "cost"),
    [
        pytest.param(0.5, 100, id="a minute begun"),
        pytest.param(10, 1000, id="ten minutes"),
        pytest.param(29.5, 3000, id="all of it"),
        pytest.param(100, 3000, id="never more than was reserved"),
    ],
)
async def test_what_a_job_cost_takes_the_place_of_what_it_reserved(
    tracker: Tracker, store: SqliteStore, hub: ScriptedHub, minutes: float, cost: int
) -> None:
    await launched(store, "j1", micro_usd=3000, claimed_at=NOON)
    begun = datetime(2027, 1, 15, 8, tzinfo=UTC)
    hub.jobs["j1"] = make_job(
        "j1", "COMPLETED", created_at=begun, finished_at=begun + timedelta(minutes=minutes)
    )
    await tracker.step()
    found = await state_of(store, "j1")
    assert (found.micro_usd, found.claimed_at) == (cost, NOON)


async def test_a_job_that_tells_no_times_keeps_what_it_reserved(
    tracker: Tracker, store: SqliteStore, hub: ScriptedHub
) -> None:
    await launched(store, "j1", micro_usd=3000, claimed_at=NOON)
    hub.jobs["j1"] = make_job("j1", "ERROR")
    await tracker.step()
    assert (await state_of(store, "j1")).micro_usd == 3000
