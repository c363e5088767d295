from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from factories import LEASE_MS, NOON, PLENTY, make_job, make_launch, make_received, make_spec
from fakes import HandClock, ScriptedHub
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.errors import HubBusy, HubForbidden, ListTooLong
from jobhook.core.guards import Guard
from jobhook.core.launches import Launch, LaunchState, moved
from jobhook.flows import resolving
from jobhook.flows.identity import Identity
from jobhook.flows.prices import Prices
from jobhook.flows.resolving import Resolver, Visibility
from jobhook.hub.models import JobInfo

pytestmark = pytest.mark.anyio

MINUTE = 60_000
QUARANTINE = 15 * MINUTE


@pytest.fixture
def resolver(store: SqliteStore, hub: ScriptedHub, clock: HandClock) -> Resolver:
    return make_resolver(store, hub, clock, Visibility())


def make_resolver(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, visibility: Visibility
) -> Resolver:
    return Resolver(
        store,
        hub,
        clock,
        identity=Identity(hub, "acme"),
        prices=Prices(hub, clock),
        visibility=visibility,
        lease_ms=LEASE_MS,
    )


async def unknown(store: SqliteStore, **given: Any) -> Launch:
    """A launch whose request may have left at noon."""
    receipt = await store.record(make_received())
    delivery = await store.delivery(receipt.delivery)
    assert delivery is not None
    given = {"state": LaunchState.UNKNOWN, "unknown_since": NOON, "attempts": 1} | given
    launch = make_launch(delivery=delivery.id, **given)
    await store.route(delivery, events=(), verdicts=(), launches=[launch])
    return launch


async def kept(store: SqliteStore, launch: Launch) -> Launch:
    found = await store.launch(launch.id)
    assert found is not None
    return found


async def look_on(resolver: Resolver, clock: HandClock, until: int) -> None:
    """Let the clock go on, a second at a time, and the resolver look whenever it wants to."""
    while clock.now < until:
        clock.now += 1000
        await resolver.step()


def job_of(launch: Launch, job_id: str = "j1", stage: str = "RUNNING", **given: Any) -> Any:
    return make_job(job_id, stage, labels={"jobhook-launch": launch.id}, **given)


@pytest.mark.parametrize(
    ("stage", "state"),
    [
        ("SCHEDULING", LaunchState.LAUNCHED),
        ("RUNNING", LaunchState.LAUNCHED),
        ("COMPLETED", LaunchState.COMPLETED),
        ("ERROR", LaunchState.FAILED),
        ("DELETED", LaunchState.GONE),
    ],
)
async def test_a_job_that_is_found_is_adopted_in_whatever_stage(
    resolver: Resolver, store: SqliteStore, hub: ScriptedHub, stage: str, state: LaunchState
) -> None:
    launch = await unknown(store)
    hub.jobs["j1"] = job_of(launch, stage=stage)
    await resolver.step()
    found = await kept(store, launch)
    assert (found.state, found.job_id, found.namespace) == (state, "j1", "acme")


async def test_a_list_that_ignores_the_label_adopts_nobody_elses_job(
    resolver: Resolver, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = await unknown(store)
    hub.ignores_labels = True
    hub.jobs["j1"] = make_job("j1", labels={"jobhook-launch": "another"})
    await resolver.step()
    assert (await kept(store, launch)).state == LaunchState.UNKNOWN


async def test_a_job_whose_labels_were_replaced_is_known_by_its_environment(
    resolver: Resolver, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    launch = await unknown(store)
    hub.jobs["j1"] = make_job("j1", "RUNNING", environment={"JOBHOOK_LAUNCH_ID": launch.id})
    await look_on(resolver, clock, NOON + QUARANTINE + 2 * MINUTE)
    assert (await kept(store, launch)).job_id == "j1"


async def test_copies_are_cancelled_and_the_first_one_counts(
    resolver: Resolver, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = await unknown(store)
    early, late = (datetime(2027, 1, 15, 8, minute, tzinfo=UTC) for minute in (0, 1))
    hub.jobs = {
        "j2": job_of(launch, "j2", created_at=early),
        "j1": job_of(launch, "j1", created_at=late),
        "j3": job_of(launch, "j3", "COMPLETED", created_at=late),
    }
    await resolver.step()
    assert (await kept(store, launch)).job_id == "j2"
    assert [call for call in hub.calls if call[0] == "cancel"] == [("cancel", "acme", "j1")]


async def test_finding_nothing_proves_nothing_before_the_quarantine_is_over(
    resolver: Resolver, store: SqliteStore, clock: HandClock
) -> None:
    launch = await unknown(store)
    await look_on(resolver, clock, NOON + QUARANTINE - 1000)
    found = await kept(store, launch)
    assert found.state == LaunchState.UNKNOWN
    assert found.looks > 3


async def test_a_clock_that_is_set_forward_does_not_end_the_quarantine(
    resolver: Resolver, store: SqliteStore, clock: HandClock
) -> None:
    launch = await unknown(store)
    await look_on(resolver, clock, NOON + MINUTE)
    clock.now += 60 * MINUTE
    await look_on(resolver, clock, clock.now + 5 * MINUTE)
    assert (await kept(store, launch)).state == LaunchState.UNKNOWN
    await look_on(resolver, clock, clock.now + 10 * MINUTE)
    assert (await kept(store, launch)).state == LaunchState.READY


async def test_after_the_quarantine_a_cheap_launch_is_tried_again(
    resolver: Resolver, store: SqliteStore, clock: HandClock
) -> None:
    launch = await unknown(store)
    await look_on(resolver, clock, NOON + QUARANTINE + 2 * MINUTE)
    found = await kept(store, launch)
    assert (found.state, found.attempts) == (LaunchState.READY, 1)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param({"spec": make_spec(flavor="a100-large")}, "$2.50 an hour", id="dear"),
        pytest.param({"spec": make_spec(flavor="new")}, "a price nobody knows", id="no price"),
        pytest.param({"attempts": 5}, "of 5 requests was never known", id="too often"),
    ],
)
async def test_what_a_person_has_to_decide_is_held(
    resolver: Resolver,
    store: SqliteStore,
    clock: HandClock,
    given: dict[str, Any],
    reason: str,
) -> None:
    launch = await unknown(store, **given)
    await look_on(resolver, clock, NOON + QUARANTINE + 2 * MINUTE)
    found = await kept(store, launch)
    assert found.state == LaunchState.HELD
    assert found.reason.startswith("ambiguous: ")
    assert reason in found.reason


async def test_the_looks_become_rarer(
    resolver: Resolver, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    await unknown(store)
    asked = []
    for _ in range(8 * 60):
        clock.now += 1000
        hub.calls.clear()
        await resolver.step()
        if hub.calls:
            asked.append((clock.now - NOON) // 1000)
    assert asked == [1, 6, 21, 51, 111, 231, 291, 351, 411, 471]


async def test_a_list_that_fails_is_not_taken_for_an_empty_one(
    resolver: Resolver, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = await unknown(store)
    hub.list_failures.append(HubBusy("down"))
    with pytest.raises(HubBusy):
        await resolver.step()
    assert await kept(store, launch) == launch


async def test_a_look_that_began_before_the_last_request_could_leave_does_not_count(
    resolver: Resolver, store: SqliteStore
) -> None:
    launch = await unknown(store, unknown_since=NOON + 1)
    await resolver.step()
    assert (await kept(store, launch)).looks == 0


async def test_what_is_being_sent_for_longer_than_its_lease_becomes_unknown(
    resolver: Resolver, store: SqliteStore, clock: HandClock
) -> None:
    launch = await unknown(store, state=LaunchState.SENDING)
    clock.now = NOON + LEASE_MS
    await resolver.step()
    assert (await kept(store, launch)).state == LaunchState.SENDING
    clock.now += 1
    await resolver.step()
    found = await kept(store, launch)
    assert (found.state, found.unknown_since) == (LaunchState.UNKNOWN, clock.now)


async def test_somebody_else_may_have_resolved_it_meanwhile(
    resolver: Resolver, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = await unknown(store)
    hub.jobs["j1"] = job_of(launch)
    stale = launch
    await resolver.step()
    await resolver._resolve(stale, many=False)
    assert (await kept(store, launch)).state == LaunchState.LAUNCHED


def test_the_quarantine_grows_with_the_lag_that_was_seen() -> None:
    visibility = Visibility()
    assert visibility.quarantine_ms == QUARANTINE
    visibility.started("a", NOON)
    visibility.listed("a", NOON + 1000)
    visibility.listed("a", NOON + 10**9)
    visibility.listed("never started here", NOON + 10**9)
    assert visibility.quarantine_ms == QUARANTINE
    visibility.started("b", NOON)
    visibility.listed("b", NOON + 5 * MINUTE)
    assert visibility.quarantine_ms == 50 * MINUTE


def test_what_is_remembered_of_the_lag_is_bounded() -> None:
    visibility = Visibility()
    for number in range(10_001):
        visibility.started(str(number), NOON)
    visibility.listed("0", NOON + 10**9)
    assert visibility.quarantine_ms == QUARANTINE


async def test_prices_are_asked_for_once_a_day(hub: ScriptedHub, clock: HandClock) -> None:
    prices = Prices(hub, clock)
    assert (await prices.usd_per_hour())["cpu-basic"] == 0.01
    assert "new" not in await prices.usd_per_hour()
    assert hub.calls == [("hardware",)]
    clock.now += 24 * 60 * MINUTE
    await prices.usd_per_hour()
    assert len(hub.calls) == 2


async def test_the_worst_lag_outlives_the_process_that_saw_it(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    seen = Visibility()
    first = make_resolver(store, hub, clock, seen)
    await first.step()
    seen.started("l1", NOON)
    seen.listed("l1", NOON + 3_600_000)
    await first.step()
    later = Visibility()
    await make_resolver(store, hub, clock, later).step()
    assert later.quarantine_ms == 36_000_000


async def test_a_list_that_is_too_long_to_be_read_never_says_that_a_job_is_not_there(
    resolver: Resolver, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    launch = await unknown(store)
    hub.cut, hub.ignores_labels = ListTooLong("the list goes on"), True
    await look_on(resolver, clock, NOON + QUARANTINE - MINUTE)
    waiting = await kept(store, launch)
    assert (waiting.state, waiting.looks) == (LaunchState.UNKNOWN, 0)
    assert waiting.due_at - clock.now <= MINUTE
    calls = len(hub.calls)
    assert calls <= QUARANTINE // MINUTE
    await look_on(resolver, clock, NOON + QUARANTINE + 3 * MINUTE)
    found = await kept(store, launch)
    assert (found.state, found.reason) == (LaunchState.HELD, "ambiguous: the list goes on")


async def test_what_stands_on_a_list_that_is_too_long_is_found(
    resolver: Resolver, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = await unknown(store)
    hub.cut, hub.ignores_labels = ListTooLong("the list goes on"), True
    hub.jobs["j1"] = job_of(launch)
    await resolver.step()
    assert (await kept(store, launch)).job_id == "j1"


class AnsweredMeanwhile(ScriptedHub):
    """While a copy is being cancelled, the sender of the launch hears its answer at last."""

    store: SqliteStore

    async def cancel_job(self, job_id: str, *, namespace: str) -> Any:
        await self.hear("j2")
        return await super().cancel_job(job_id, namespace=namespace)

    async def hear(self, job_id: str) -> None:
        (launch,) = await self.store.launches(limit=0)
        if launch.job_id is None:
            heard = moved(launch, LaunchState.LAUNCHED, now=NOON)
            await self.store.replace(launch, replace(heard, job_id=job_id))


async def test_a_job_that_its_sender_hears_of_meanwhile_is_not_cancelled_as_a_copy(
    store: SqliteStore, clock: HandClock
) -> None:
    hub = AnsweredMeanwhile()
    hub.store = store
    launch = await unknown(store)
    hub.jobs = {job_id: job_of(launch, job_id) for job_id in ("j1", "j2")}
    await make_resolver(store, hub, clock, Visibility()).step()
    cancelled = [call[2] for call in hub.calls if call[0] == "cancel"]
    assert (await kept(store, launch)).job_id not in cancelled


class AnsweredBefore(AnsweredMeanwhile):
    """The sender hears its answer while the list of jobs is on its way."""

    async def list_jobs(self, **named: Any) -> list[JobInfo]:
        jobs = await super().list_jobs(**named)
        await self.hear("j2")
        return jobs


async def test_who_finds_a_launch_launched_already_cancels_nothing(
    store: SqliteStore, clock: HandClock
) -> None:
    hub = AnsweredBefore()
    hub.store = store
    launch = await unknown(store)
    hub.jobs = {job_id: job_of(launch, job_id) for job_id in ("j1", "j2")}
    await make_resolver(store, hub, clock, Visibility()).step()
    assert [call for call in hub.calls if call[0] == "cancel"] == []
    assert (await kept(store, launch)).job_id == "j2"


async def test_a_job_is_looked_for_where_it_was_sent_to_and_not_where_jobs_run_now(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    launch = await unknown(store, state=LaunchState.READY)
    guard = Guard(PLENTY, {"cpu-basic": 0.01}, NOON, "earlier")
    ((claimed, _),) = await store.claim(NOON, 1, guard)
    await store.replace(claimed, moved(claimed, LaunchState.UNKNOWN, now=NOON))
    hub.jobs["j1"] = job_of(launch)
    await make_resolver(store, hub, clock, Visibility()).step()
    assert hub.calls == [("list", "earlier", f"jobhook-launch={launch.id}")]
    assert (await kept(store, launch)).namespace == "earlier"


async def test_a_namespace_that_cannot_be_looked_into_hides_no_other(
    resolver: Resolver, store: SqliteStore, hub: ScriptedHub
) -> None:
    await unknown(store, namespace="earlier", rule="other")
    launch = await unknown(store, id="l2")
    hub.jobs["j1"] = job_of(launch)
    hub.list_failures.append(HubForbidden("not yours", status=403))
    with pytest.raises(HubForbidden):
        await resolver.step()
    assert (await kept(store, launch)).job_id == "j1"


async def test_a_namespace_that_refuses_leaves_the_first_places_to_others(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "_AT_ONCE", 1)
    resolver = make_resolver(store, hub, clock, Visibility())
    refused = await unknown(store, namespace="earlier", rule="other")
    launch = await unknown(store, id="l2")
    hub.jobs["j1"] = job_of(launch)
    hub.list_failures.append(HubForbidden("not yours", status=403))
    with pytest.raises(HubForbidden):
        await resolver.step()
    assert await resolver.step()
    assert (await kept(store, launch)).job_id == "j1"
    assert (await kept(store, refused)).waited_ms == 0


class Distant(ScriptedHub):
    """Answers only when others had their turn, as everybody does who is on a network."""

    async def list_jobs(self, **named: Any) -> list[JobInfo]:
        await asyncio.sleep(0)
        return await super().list_jobs(**named)


async def test_many_are_looked_for_in_one_list(store: SqliteStore, clock: HandClock) -> None:
    hub = Distant()
    resolver = make_resolver(store, hub, clock, Visibility())
    launches = [await unknown(store, id=f"l{number}", rule=f"r{number}") for number in range(50)]
    hub.jobs = {launch.id: job_of(launch, launch.id) for launch in launches[1:]}
    await resolver.step()
    states = [(await kept(store, launch)).state for launch in launches]
    assert states == [LaunchState.UNKNOWN] + [LaunchState.LAUNCHED] * 49
    # One that the first began at once, and one for all who asked meanwhile.
    assert [call for call in hub.calls if call[0] == "list"] == [("list", "acme")] * 2


async def test_many_are_looked_for_one_by_one_where_the_list_has_no_end(
    resolver: Resolver, store: SqliteStore, hub: ScriptedHub
) -> None:
    launches = [await unknown(store, id=f"l{number}", rule=f"r{number}") for number in range(50)]
    hub.jobs = {launches[7].id: job_of(launches[7])}
    hub.cut = ListTooLong("the list goes on")
    await resolver.step()
    assert (await kept(store, launches[7])).state == LaunchState.LAUNCHED
    assert (await kept(store, launches[8])).looks == 0


class QuickAgain(ScriptedHub):
    """While a list is on its way, somebody else sees that lists do not lag any more."""

    def __init__(self, visibility: Visibility) -> None:
        super().__init__()
        self.visibility = visibility

    async def list_jobs(self, **named: Any) -> list[JobInfo]:
        self.visibility.seen_before(0)
        return await super().list_jobs(**named)


async def test_nothing_is_given_up_after_a_look_by_label_alone(
    store: SqliteStore, clock: HandClock
) -> None:
    visibility = Visibility()
    for lag in [QUARANTINE] + [0] * 998:
        visibility.seen_before(lag)
    hub = QuickAgain(visibility)
    launch = await unknown(store, looks=3, waited_ms=QUARANTINE, due_at=NOON)
    clock.now += 1000
    # Its label was replaced.
    hub.jobs["j1"] = make_job("j1", "RUNNING", environment={"JOBHOOK_LAUNCH_ID": launch.id})
    await make_resolver(store, hub, clock, visibility).step()
    assert (await kept(store, launch)).state == LaunchState.UNKNOWN
