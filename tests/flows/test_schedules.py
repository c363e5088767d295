from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from asking import dispatched, make_requests, resolved
from factories import NOON, PLENTY, make_schedule, make_spec
from fakes import Bell, HandClock, ScriptedHub
from jobhook import failpoints
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.errors import (
    HubBusy,
    HubRefused,
    KeyReused,
    LimitReached,
    OutcomeUnknown,
    Paused,
    UsageError,
)
from jobhook.core.launches import Launch, LaunchState
from jobhook.core.records import EVERYTHING, Pause
from jobhook.flows.schedules import DirectSchedule, Schedules

pytestmark = pytest.mark.anyio

SPEC = make_spec(secrets={"TOKEN": "canary"}, labels={"name": "mine"})


@pytest.fixture
def schedules(store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell) -> Schedules:
    return Schedules(make_requests(store, hub, clock, bell))


async def create(schedules: Schedules, **given: Any) -> DirectSchedule:
    asked: dict[str, Any] = {"schedule": "@daily", "namespace": None, "asked_by": "ana"}
    return await schedules.create(given.pop("spec", SPEC), **asked | given)


async def only(store: SqliteStore) -> Launch:
    (launch,) = await store.launches(limit=0)
    return launch


async def test_a_schedule_is_made_as_it_was_asked_for_and_noted(
    schedules: Schedules, store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    made = await create(schedules, suspend=True)
    launch = await only(store)
    ((namespace, sent),) = hub.started
    labels = {
        "jobhook-launch": launch.id,
        "jobhook-instance": "test",
        "jobhook-rule": "api.schedule",
    }
    assert namespace == "acme"
    assert (sent.labels, sent.secrets) == ({"name": "mine", **labels}, {"TOKEN": "canary"})
    assert made == DirectSchedule(launch.id, hub.schedules["s1"])
    assert (made.schedule.schedule, made.schedule.suspend) == ("@daily", True)
    assert (launch.rule, launch.event, launch.asked_by, launch.state, launch.job_id) == (
        "api.schedule",
        "@daily, suspended",
        "ana",
        LaunchState.COMPLETED,
        "s1",
    )
    # What it starts is counted when it is seen; and no job is looked for that is none.
    assert (launch.micro_usd, launch.job_url, launch.spec.secrets) == (0, None, {"TOKEN": ""})
    assert await store.followed() == ()
    await dispatched(store, hub, clock, bell)
    assert len(hub.started) == 1


async def test_the_same_key_gives_the_same_schedule(schedules: Schedules, hub: ScriptedHub) -> None:
    first = await create(schedules, key="k")
    assert await create(schedules, key="k") == first
    with pytest.raises(KeyReused):
        await create(schedules, key="k", schedule="@hourly")
    assert len(hub.started) == 1


async def test_a_schedule_that_could_cost_more_than_a_day_has_is_refused_and_noted(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    limits = replace(PLENTY, usd_per_day=0.1)  # twenty half hours
    schedules = Schedules(make_requests(store, hub, clock, bell, limits=limits))
    with pytest.raises(LimitReached, match=r"24 runs .* can cost \$0.12, and \$0.10") as told:
        await create(schedules, schedule="@hourly", concurrency=True)
    launch = await only(store)
    assert (told.value.limit, told.value.retry_after) == ("schedule", None)
    assert (told.value.launch_id, launch.state, launch.reason) == (
        launch.id,
        LaunchState.SKIPPED,
        str(told.value),
    )
    assert hub.started == []


async def test_a_flavor_without_a_price_is_refused(schedules: Schedules, hub: ScriptedHub) -> None:
    with pytest.raises(LimitReached, match="no price"):
        await create(schedules, spec=make_spec(flavor="h100"))
    assert hub.started == []


@pytest.mark.parametrize("scope", [EVERYTHING, "rule:api.schedule"])
async def test_while_it_is_paused_no_schedule_is_made(
    schedules: Schedules, store: SqliteStore, hub: ScriptedHub, scope: str
) -> None:
    await store.pause(Pause(scope=scope, since=NOON, by="eve"))
    with pytest.raises(Paused):
        await create(schedules)
    assert hub.started == []


async def test_a_time_that_is_none_is_not_kept(schedules: Schedules, store: SqliteStore) -> None:
    with pytest.raises(UsageError):
        await create(schedules, schedule="now and then")
    assert await store.launches(limit=0) == ()


async def test_the_hubs_no_is_the_callers(
    schedules: Schedules, store: SqliteStore, hub: ScriptedHub
) -> None:
    hub.failures.append(HubRefused("no credit", status=402))
    with pytest.raises(HubRefused, match="no credit"):
        await create(schedules)
    assert (await only(store)).state == LaunchState.SKIPPED


async def lost(schedules: Schedules) -> None:
    def lose() -> None:
        raise OutcomeUnknown("lost")

    failpoints.arm("dispatch.answered", lose)
    with pytest.raises(OutcomeUnknown):
        await create(schedules)
    failpoints.disarm()


async def test_where_nobody_knows_the_schedule_is_found_by_its_label(
    schedules: Schedules, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    hub.schedules["other"] = make_schedule("other")
    await lost(schedules)
    await resolved(store, hub, clock, hours=1)
    launch = await only(store)
    assert (launch.state, launch.job_id, launch.namespace) == (LaunchState.COMPLETED, "s1", "acme")


async def test_a_schedule_that_is_not_found_is_not_made_later(
    schedules: Schedules, store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    hub.failures.append(OutcomeUnknown("lost"))
    with pytest.raises(OutcomeUnknown):
        await create(schedules)
    await resolved(store, hub, clock, hours=1)
    await dispatched(store, hub, clock, bell)
    assert (await only(store)).state == LaunchState.SKIPPED
    assert hub.started == []


@pytest.mark.parametrize("known", [True, False], ids=["there", "not there"])
async def test_a_young_database_looks_for_the_schedule_first(
    schedules: Schedules, store: SqliteStore, hub: ScriptedHub, clock: HandClock, known: bool
) -> None:
    made = await create(schedules, key="k")
    await store._writer.submit(lambda db: db.execute("DELETE FROM launch"))
    await store.begin_anew(clock.now)
    if not known:
        hub.schedules.clear()
    again = await create(schedules, key="k")
    assert (again.launch_id, len(hub.started)) == (made.launch_id, 1 if known else 2)


async def test_a_schedule_gets_other_times_if_the_day_has_the_dollars(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    limits = replace(PLENTY, usd_per_day=0.1)
    schedules = Schedules(make_requests(store, hub, clock, bell, limits=limits))
    hub.schedules["s1"] = make_schedule(schedule="@daily", concurrency=True)
    with pytest.raises(LimitReached, match="can cost") as told:
        await schedules.reschedule("s1", schedule="@hourly", namespace=None)
    assert told.value.limit == "schedule"
    with pytest.raises(UsageError):
        await schedules.reschedule("s1", schedule="now and then", namespace=None)
    assert hub.schedules["s1"].schedule == "@daily"
    changed = await schedules.reschedule("s1", schedule="0 */2 * * *", namespace=None)
    assert changed == hub.schedules["s1"]
    assert changed.schedule == "0 */2 * * *"


async def test_while_nobody_knows_where_schedules_are_none_is_made(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    with pytest.raises(HubBusy, match="whose token"):
        await create(Schedules(make_requests(store, hub, clock, bell, namespace=None)))


async def test_a_schedule_whose_runs_have_no_price_gets_no_other_times(
    schedules: Schedules, hub: ScriptedHub
) -> None:
    hub.schedules["s1"] = make_schedule(flavor="h100")
    with pytest.raises(LimitReached, match="the Hub names no price for h100") as told:
        await schedules.reschedule("s1", schedule="@daily", namespace=None)
    assert told.value.limit == "price"
    assert hub.schedules["s1"].schedule != "@daily"
