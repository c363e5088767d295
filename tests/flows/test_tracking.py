from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from factories import NOON, make_job, make_launch, make_received
from fakes import HandClock, ScriptedHub
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.errors import HubBusy, HubForbidden
from jobhook.core.launches import Launch, LaunchState
from jobhook.core.pacing import Quota
from jobhook.flows.identity import Identity
from jobhook.flows.resolving import Visibility
from jobhook.flows.tracking import Tracker
from jobhook.hub.models import JobInfo

pytestmark = pytest.mark.anyio


class Strays:
    """Remembers the active jobs that the tracker does not know."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, list[str]]] = []

    def __call__(self, namespace: str, jobs: Sequence[JobInfo]) -> None:
        self.seen.append((namespace, [job.id for job in jobs]))


def make_tracker(
    store: SqliteStore,
    hub: ScriptedHub,
    clock: HandClock,
    strays: Strays | None = None,
    *,
    namespaces: Collection[str] = (),
) -> Tracker:
    return Tracker(
        store,
        hub,
        clock,
        monotonic=clock,
        identity=Identity(hub, "acme"),
        instance="test",
        visibility=Visibility(),
        on_strays=strays or Strays(),
        namespaces=lambda: frozenset(namespaces),
    )


@pytest.fixture
def tracker(store: SqliteStore, hub: ScriptedHub, clock: HandClock) -> Tracker:
    return make_tracker(store, hub, clock)


async def look_again(tracker: Tracker, clock: HandClock) -> None:
    """Let the tracker's pause go by, and its next step happen."""
    clock.now += math.ceil(tracker.idle * 1000)
    await tracker.step()


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
    tracker: Tracker, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    await launched(store, "j1", "j2", "j3")
    hub.jobs = {"j1": make_job("j1", "RUNNING"), "j2": make_job("j2", "RUNNING")}
    hub.jobs["j3"] = make_job("j3", "COMPLETED")
    await tracker.step()
    assert hub.calls == [("list", "acme", "jobhook-instance=test"), ("inspect", "acme", "j3")]
    hub.calls.clear()
    await look_again(tracker, clock)
    assert len(hub.calls) == 1


async def test_with_nothing_to_follow_it_looks_for_strays_within_five_minutes(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    strays = Strays()
    tracker = make_tracker(store, hub, clock, strays)
    hub.jobs["j9"] = make_job("j9", "RUNNING")
    assert await tracker.step() is False
    until = clock.now + 5 * 60_000
    while clock.now < until:
        await look_again(tracker, clock)
    assert strays.seen == [("acme", ["j9"]), ("acme", ["j9"])]
    assert len(hub.calls) == 2


async def test_a_job_that_the_hub_does_not_know_of_yet_is_not_gone(
    tracker: Tracker, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    await launched(store, "j1")
    clock.now += 29_999
    await tracker.step()
    assert (await state_of(store, "j1")).state == LaunchState.LAUNCHED
    hub.jobs["j1"] = make_job("j1", "RUNNING")
    await look_again(tracker, clock)
    assert (await state_of(store, "j1")).state == LaunchState.RUNNING


async def test_a_job_that_is_not_there_any_more_is_gone(
    tracker: Tracker, store: SqliteStore, clock: HandClock
) -> None:
    await launched(store, "j1")
    clock.now += 30_000
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
    tracker = make_tracker(store, hub, clock)
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
            await make_tracker(store, quiet, clock).step()
            return [make_job("j1", "RUNNING")]

    quiet = ScriptedHub()
    quiet.jobs["j1"] = make_job("j1", "COMPLETED")
    racing = RacingHub()
    await launched(store, "j1")
    await make_tracker(store, racing, clock).step()
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


async def test_the_reaper_gets_what_no_followed_launch_knows(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    strays = Strays()
    await launched(store, "j1")
    hub.jobs = {name: make_job(name, "RUNNING") for name in ("j1", "j2")}
    await make_tracker(store, hub, clock, strays).step()
    assert strays.seen == [("acme", ["j2"])]


async def test_each_namespace_with_launches_has_a_list_of_its_own(
    tracker: Tracker, store: SqliteStore, hub: ScriptedHub
) -> None:
    await launched(store, "j1", namespace="other")
    hub.jobs["j1"] = make_job("j1", "COMPLETED")
    await tracker.step()
    assert hub.calls == [
        ("list", "acme", "jobhook-instance=test"),
        ("list", "other", "jobhook-instance=test"),
        ("inspect", "other", "j1"),
    ]


async def test_copies_are_looked_for_where_jobs_ran_in_the_last_48_hours(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    strays = Strays()
    tracker = make_tracker(store, hub, clock, strays)
    sent = {"state": LaunchState.COMPLETED, "namespace": "earlier", "claimed_at": NOON}
    await launched(store, "j1", **sent)
    hub.jobs["j9"] = make_job("j9", "RUNNING")
    await tracker.step()
    assert strays.seen == [("acme", ["j9"]), ("earlier", ["j9"])]
    clock.now = NOON + 48 * 3_600_000
    await tracker.step()
    assert strays.seen[2:] == [("acme", ["j9"])]


async def test_copies_are_looked_for_where_a_rule_has_its_jobs_run(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    strays = Strays()
    tracker = make_tracker(store, hub, clock, strays, namespaces={"lab", "acme"})
    hub.jobs["j9"] = make_job("j9", "RUNNING")
    await tracker.step()
    assert strays.seen == [("acme", ["j9"]), ("lab", ["j9"])]


async def test_where_nothing_is_followed_is_looked_at_every_four_minutes_only(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    strays = Strays()
    tracker = make_tracker(store, hub, clock, strays)
    sent = {"state": LaunchState.COMPLETED, "namespace": "earlier", "claimed_at": NOON}
    await launched(store, "j1", **sent)
    await launched(store, "j2")
    hub.jobs["j2"] = make_job("j2", "RUNNING")
    while clock.now < NOON + 180_000:
        await look_again(tracker, clock)
    seen = [namespace for namespace, _ in strays.seen]
    assert seen.count("earlier") == 1 < seen.count("acme")
    clock.now = NOON + 300_000
    await tracker.step()
    assert strays.seen[-1][0] == "earlier"


async def test_a_namespace_that_is_not_ours_any_more_disturbs_no_other(
    store: SqliteStore, clock: HandClock
) -> None:
    class Left(ScriptedHub):
        async def list_jobs(self, *, namespace: str, **asked: Any) -> list[JobInfo]:
            if namespace == "earlier":
                raise HubForbidden("not yours")
            return await super().list_jobs(namespace=namespace, **asked)

    hub, strays = Left(), Strays()
    tracker = make_tracker(store, hub, clock, strays)
    for number, namespace in enumerate(("earlier", "elsewhere")):
        sent = {"state": LaunchState.COMPLETED, "namespace": namespace, "claimed_at": NOON}
        await launched(store, f"j{number}", **sent)
    await tracker.step()
    assert [namespace for namespace, _ in strays.seen] == ["acme", "elsewhere"]


async def test_a_namespace_that_cannot_be_listed_does_not_hide_the_others(
    tracker: Tracker, store: SqliteStore, hub: ScriptedHub
) -> None:
    await launched(store, "j1", namespace="other")
    hub.jobs["j1"] = make_job("j1", "RUNNING")
    hub.list_failures = [HubForbidden("not yours")]
    with pytest.raises(HubForbidden):
        await tracker.step()
    assert (await state_of(store, "j1")).state == LaunchState.RUNNING


async def test_news_are_looked_at_sooner_but_not_at_once(
    tracker: Tracker, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    await launched(store, "j1")
    hub.jobs["j1"] = make_job("j1", "SCHEDULING")
    clock.now += 3600_000
    await tracker.step()
    slow = tracker.idle
    tracker.wake()
    await tracker.step()
    assert len(hub.calls) == 1
    assert tracker.idle == 2.0 < slow


async def test_what_is_left_of_the_quota_is_for_launches(
    tracker: Tracker, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    await launched(store, "j1")
    hub.quota = Quota(left=199, resets_in=55)
    await tracker.step()
    assert (hub.calls, tracker.idle) == ([], 56)
    hub.quota = Quota()
    await look_again(tracker, clock)
    assert len(hub.calls) == 2


async def test_a_hub_that_fails_is_left_alone_for_longer_each_time(
    tracker: Tracker, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    await launched(store, "j1")
    pauses = []
    for _ in range(9):
        hub.list_failures = [HubBusy("away")]
        with pytest.raises(HubBusy):
            await tracker.step()
        tracker.wake()
        await tracker.step()
        pauses.append(tracker.idle)
        clock.now += math.ceil(tracker.idle * 1000)
    assert pauses == [2, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_many_that_ended_are_looked_up_in_one_list(
    tracker: Tracker, store: SqliteStore, hub: ScriptedHub
) -> None:
    names = [f"j{number}" for number in range(6)]
    await launched(store, *names)
    hub.jobs = {name: make_job(name, "COMPLETED") for name in names}
    await tracker.step()
    assert [call[0] for call in hub.calls] == ["list", "list"]
    for name in names:
        assert (await state_of(store, name)).state == LaunchState.COMPLETED


async def test_many_that_no_list_shows_are_asked_for_in_turns(
    tracker: Tracker, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    names = [f"j{number:02}" for number in range(19)]
    await launched(store, *names)
    hub.jobs = {name: make_job(name, "DREAMING") for name in names}
    asked = []
    for _ in range(2):
        hub.calls.clear()
        await look_again(tracker, clock)
        asked += [call[2] for call in hub.calls if call[0] == "inspect"]
    assert asked == [*names, *names[:5]]
    hub.jobs = {name: make_job(name, "RUNNING") for name in names}
    hub.calls.clear()
    await look_again(tracker, clock)
    assert [call[0] for call in hub.calls] == ["list"]
    hub.jobs = {name: make_job(name, "COMPLETED") for name in names}
    hub.calls.clear()
    await look_again(tracker, clock)
    assert [call[0] for call in hub.calls] == ["list", "list"]
