"""A job or a schedule's once more, by the Hub's own hand: nothing of ours is on the job."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from asking import dispatched, make_runs, order, resolved
from factories import NOON, PLENTY, make_job, make_schedule
from fakes import Bell, HandClock, ScriptedHub
from jobhook import failpoints
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.errors import (
    HubBusy,
    HubNotFound,
    HubRefused,
    KeyReused,
    LimitReached,
    OutcomeUnknown,
    Paused,
)
from jobhook.core.launches import Launch, LaunchState
from jobhook.core.operations import Deed
from jobhook.core.records import Pause
from jobhook.flows.direct import DirectRun, DirectRuns
from jobhook.hub.models import JobInitiator

pytestmark = pytest.mark.anyio

WAYS = ["job", "schedule"]
KINDS = {"job": "duplicated-job", "schedule": "scheduled-job"}


@pytest.fixture
def hub() -> ScriptedHub:
    """One with a job and a schedule."""
    hub = ScriptedHub()
    told: dict[str, Any] = {
        "docker_image": "python:3.12",
        "command": ["python", "-V"],
        "flavor": "cpu-basic",
        "timeout": 3600,
        "environment": {"AB": "c", "WEBHOOK_PAYLOAD": "long"},
        "secrets": ["TOKEN"],
        "labels": {"name": "mine"},
        "retry": 1,
    }
    hub.jobs["src"] = make_job("src", "COMPLETED", **told)
    hub.schedules["src"] = make_schedule("src", schedule="@daily", **told)
    return hub


@pytest.fixture
def runs(store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell) -> DirectRuns:
    return make_runs(store, hub, clock, bell)


async def again(runs: DirectRuns, way: str, source: str = "src", **given: Any) -> DirectRun:
    asked = {"namespace": None, "asked_by": "ana"} | given
    if way == "job":
        return await runs.rerun(source, **asked)
    return await runs.trigger(source, **asked)


async def lost(runs: DirectRuns, way: str, **given: Any) -> None:
    """Have it done once more, and do not hear what the Hub says."""

    def lose() -> None:
        raise OutcomeUnknown("lost")

    failpoints.arm("dispatch.answered", lose)
    with pytest.raises(OutcomeUnknown):
        await again(runs, way, **given)
    failpoints.disarm()


async def only(store: SqliteStore) -> Launch:
    (launch,) = await store.launches(limit=0)
    return launch


@pytest.mark.parametrize(("way", "rule"), [("job", "api.rerun"), ("schedule", "api.trigger")])
async def test_the_hub_does_it_once_more_and_the_ledger_knows_of_it(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, bell: Bell, way: str, rule: str
) -> None:
    run = await again(runs, way)
    launch = await only(store)
    assert (run.launch_id, run.job.id, hub.repeated) == (launch.id, "r1", [("acme", "src")])
    assert (launch.rule, launch.repo, launch.asked_by, launch.state, launch.job_id) == (
        rule,
        f"{way}:src",
        "ana",
        LaunchState.LAUNCHED,
        "r1",
    )
    # An hour of cpu-basic, twice.
    assert launch.micro_usd == 20_000
    assert (dict(launch.spec.env), dict(launch.spec.secrets)) == ({"AB": "c"}, {"TOKEN": ""})
    assert hub.started == []
    assert bell.rung == 1


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_not_there_is_not_done_once_more(
    runs: DirectRuns, store: SqliteStore, way: str
) -> None:
    with pytest.raises(HubNotFound):
        await again(runs, way, "other")
    assert await store.launches(limit=0) == ()


@pytest.mark.parametrize("way", WAYS)
async def test_what_cannot_be_read_is_not_done_once_more(
    runs: DirectRuns, hub: ScriptedHub, way: str
) -> None:
    hub.jobs["src"] = replace(hub.jobs["src"], command=[])
    spec = replace(hub.schedules["src"].job_spec, command=[])
    hub.schedules["src"] = replace(hub.schedules["src"], job_spec=spec)
    with pytest.raises(HubRefused, match="cannot be repeated"):
        await again(runs, way)
    assert hub.repeated == []


@pytest.mark.parametrize("way", WAYS)
async def test_while_nobody_knows_where_jobs_run_nothing_is_asked(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell, way: str
) -> None:
    with pytest.raises(HubBusy, match="whose token"):
        await again(make_runs(store, hub, clock, bell, namespace=None), way)


@pytest.mark.parametrize("way", WAYS)
async def test_the_dollars_of_the_day_hold(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell, way: str
) -> None:
    runs = make_runs(store, hub, clock, bell, limits=replace(PLENTY, usd_per_day=0.03))
    await again(runs, way)
    with pytest.raises(LimitReached, match="budget"):
        await again(runs, way)
    assert len(hub.repeated) == 1


@pytest.mark.parametrize(
    ("way", "scope"), [("job", "rule:api.rerun"), ("schedule", "rule:api.trigger")]
)
async def test_each_kind_of_request_can_be_paused(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, way: str, scope: str
) -> None:
    await store.pause(Pause(scope=scope, since=NOON, by="eve"))
    with pytest.raises(Paused):
        await again(runs, way)
    assert hub.repeated == []


async def test_the_same_key_repeats_once_and_nothing_else(
    runs: DirectRuns, hub: ScriptedHub
) -> None:
    first = await again(runs, "job", key="k")
    # What the source is by now is not what was asked for.
    hub.jobs["src"] = replace(hub.jobs["src"], labels={"name": "another"})
    assert (await again(runs, "job", key="k")).launch_id == first.launch_id
    with pytest.raises(KeyReused):
        await again(runs, "job", key="k", namespace="lab")
    hub.jobs["other"] = replace(hub.jobs["src"], id="other")
    with pytest.raises(KeyReused):
        await again(runs, "job", "other", key="k")
    assert len(hub.repeated) == 1


@pytest.mark.parametrize("way", WAYS)
async def test_where_nobody_knows_it_is_found_by_what_set_it_off(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, clock: HandClock, way: str
) -> None:
    await lost(runs, way)
    hub.jobs["other"] = make_job(
        "other", initiator=JobInitiator(type=KINDS[way], id="x"), created_at=hub.created_at
    )
    await resolved(store, hub, clock, hours=1)
    launch = await only(store)
    assert (launch.state, launch.job_id) == (LaunchState.LAUNCHED, "r1")
    assert len(hub.repeated) == 1


@pytest.mark.parametrize("way", WAYS)
async def test_what_was_done_before_or_for_others_is_not_taken_for_it(
    runs: DirectRuns,
    store: SqliteStore,
    hub: ScriptedHub,
    clock: HandClock,
    bell: Bell,
    way: str,
) -> None:
    await again(runs, way)
    early = datetime.fromtimestamp(NOON / 1000, UTC) - timedelta(minutes=2)
    initiator = JobInitiator(type=KINDS[way], id="src")
    hub.jobs["early"] = make_job("early", initiator=initiator, created_at=early)
    hub.jobs["undated"] = make_job("undated", initiator=initiator)
    hub.failures.append(OutcomeUnknown("lost"))
    with pytest.raises(OutcomeUnknown):
        await again(runs, way)
    await resolved(store, hub, clock, hours=1)
    newest, _ = await store.launches(limit=0)
    assert (newest.state, newest.job_id, newest.micro_usd) == (LaunchState.SKIPPED, None, 0)
    await dispatched(store, hub, clock, bell)
    assert (len(hub.repeated), hub.started) == (1, [])


@pytest.mark.parametrize("way", WAYS)
async def test_two_that_repeat_the_same_do_not_share_a_job(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, clock: HandClock, way: str
) -> None:
    for key in ("k1", "k2"):
        await lost(runs, way, key=key)
    await resolved(store, hub, clock, hours=1)
    launches = await store.launches(limit=0)
    assert {launch.job_id for launch in launches} == {"r1", "r2"}


@pytest.mark.parametrize("deed", [Deed.RETRY, Deed.RELEASE])
async def test_only_whoever_asks_for_it_anew_has_it_done_once_more(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, clock: HandClock, deed: Deed
) -> None:
    await again(runs, "job")
    launch = await only(store)
    state = LaunchState.HELD if deed == Deed.RELEASE else LaunchState.FAILED
    await store.replace(launch, replace(launch, state=state))
    done, told = await order(store, hub, clock, deed, launch.id)
    assert not done
    assert told.endswith("ask for it anew")


async def test_a_young_database_does_not_look_for_what_could_not_be_told(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    await store.begin_anew(clock.now)
    await again(runs, "job")
    assert [call for call in hub.calls if call[0] == "list"] == []
