from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from structlog.testing import capture_logs

from factories import (
    NOON,
    PLENTY,
    make_job,
    make_launch,
    make_received,
    make_rule,
    make_spec,
    sample,
)
from fakes import Bell, HandClock, ScriptedHub
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import HubBusy, HubNotFound, StoreUnavailable
from jobhook.core.filters import DeliveryFilter
from jobhook.core.guards import Guard, Limits
from jobhook.core.launches import SOURCE_MISSING, Launch, LaunchState, launch_id, moved
from jobhook.core.operations import Deed, Order, Outcome
from jobhook.core.records import EVERYTHING, Pause
from jobhook.core.rules import RuleSet
from jobhook.flows.deciding import Decider
from jobhook.flows.identity import Identity
from jobhook.flows.operating import Operations
from jobhook.flows.routing import Router
from jobhook.flows.rulebook import Rulebook
from jobhook.hub.models import JobInfo

pytestmark = pytest.mark.anyio

OVER = [state for state in LaunchState if state.is_final]
OPEN = [state for state in LaunchState if not state.is_final]


@pytest.fixture
def operations(store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell) -> Operations:
    return Operations(store, hub, clock, instance="jobhook", on_change=bell)


async def kept(store: SqliteStore, webhook_id: str = "w1", **given: Any) -> Launch:
    """A launch of a delivery that was decided."""
    receipt = await store.record(make_received(webhook_id, sample("14")))
    delivery = await store.delivery(receipt.delivery)
    assert delivery is not None
    launch = make_launch(delivery=delivery.id, **given)
    await store.route(
        replace(delivery, state=DeliveryState.MATCHED), events=(), verdicts=(), launches=[launch]
    )
    return launch


async def now(store: SqliteStore, launch_id: str = "l1") -> Launch:
    found = await store.launch(launch_id)
    assert found is not None
    return found


async def carried_out(operations: Operations, deed: Deed, *ids: str) -> Outcome:
    (outcome,) = await operations.carry_out(Order(deed=deed, by="ana", ids=ids))
    return outcome


# -- release --


async def test_what_is_held_is_released_with_the_name_of_who_did_it(
    operations: Operations, store: SqliteStore, bell: Bell
) -> None:
    await kept(store, state=LaunchState.HELD, reason="loop: …")
    outcome = await carried_out(operations, Deed.RELEASE, "l1")
    assert outcome == Outcome("l1", done=True, told="released")
    released = await now(store)
    assert (released.state, released.reason, released.asked_by) == (
        LaunchState.READY,
        "released by ana",
        "ana",
    )
    assert bell.rung == 1


@pytest.mark.parametrize("limits", [Limits(chain_depth=0), Limits(root_fanout=0)], ids=repr)
async def test_what_is_released_goes_in_spite_of_what_held_it(
    operations: Operations, store: SqliteStore, limits: Limits
) -> None:
    await kept(store)
    guard = Guard(replace(PLENTY, chain_depth=limits.chain_depth), {"cpu-basic": 0.01}, NOON)
    guard = replace(guard, limits=replace(guard.limits, root_fanout=limits.root_fanout))
    assert await store.claim(NOON, 1, guard) == ()
    assert (await now(store)).state == LaunchState.HELD
    await carried_out(operations, Deed.RELEASE, "l1")
    ((launch, _),) = await store.claim(NOON, 1, guard)
    assert launch.id == "l1"


async def test_whoever_releases_a_launch_of_another_repo_trusts_that_repo_from_then_on(
    operations: Operations, store: SqliteStore
) -> None:
    receipt = await store.record(make_received("w1", sample("14")))
    await store.trust("dataset:acme/corpus", "before")
    launch = make_launch(
        delivery=receipt.delivery,
        repo="dataset:acme/corpus",
        state=LaunchState.HELD,
        reason="identity: …",
    )
    await store.add(launch)
    await carried_out(operations, Deed.RELEASE, launch.id)
    assert await store.trusted_id("dataset:acme/corpus") == "68713a0241e67caf11adcfc4"


async def test_where_the_delivery_is_gone_nobody_new_is_trusted(
    operations: Operations, store: SqliteStore
) -> None:
    held = {"state": LaunchState.HELD, "reason": "identity: …"}
    launch = make_launch(delivery="d-forgotten", repo="model:acme/owl", **held)
    await store.add(launch)
    await store.trust(launch.repo, "before")
    await carried_out(operations, Deed.RELEASE, launch.id)
    assert await store.trusted_id(launch.repo) == "before"


@pytest.mark.parametrize("state", [each for each in LaunchState if each != LaunchState.HELD])
async def test_only_what_is_held_is_released(
    operations: Operations, store: SqliteStore, state: LaunchState
) -> None:
    launch = await kept(store, state=state)
    outcome = await carried_out(operations, Deed.RELEASE, "l1")
    assert outcome == Outcome(
        "l1", done=False, told=f"it is {state}: only what is held can be released"
    )
    assert await now(store) == launch


# -- retry --


@pytest.mark.parametrize("state", OVER)
async def test_what_is_over_is_launched_once_more_as_another_launch(
    operations: Operations, store: SqliteStore, clock: HandClock, state: LaunchState
) -> None:
    old = await kept(store, state=state, job_id="j0")
    clock.now += 5
    outcome = await carried_out(operations, Deed.RETRY, "l1")
    new, same = await store.launches(limit=0)
    assert outcome == Outcome("l1", done=True, told=f"launched again as {new.id}")
    assert same == old
    assert (new.state, new.generation, new.asked_by, new.job_id, new.created_at) == (
        LaunchState.READY,
        1,
        "ana",
        None,
        NOON + 5,
    )
    assert new.spec.labels["jobhook-launch"] == new.id
    ((claimed, body),) = await store.claim(
        clock.now, 5, Guard(PLENTY, {"cpu-basic": 0.01}, clock.now)
    )
    assert (claimed.id, body) == (new.id, sample("14"))


@pytest.mark.parametrize("state", OPEN)
async def test_what_is_not_over_is_not_launched_again(
    operations: Operations, store: SqliteStore, state: LaunchState
) -> None:
    await kept(store, state=state)
    outcome = await carried_out(operations, Deed.RETRY, "l1")
    assert (outcome.done, "only what is over" in outcome.told) == (False, True)
    assert len(await store.launches(limit=0)) == 1


async def test_what_is_damaged_is_not_launched_again(
    operations: Operations, store: SqliteStore
) -> None:
    await kept(store, state=LaunchState.FAILED)
    await store._writer.submit(lambda db: db.execute("UPDATE launch SET event = 'x'"))
    outcome = await carried_out(operations, Deed.RETRY, "l1")
    assert (outcome.done, "replay its delivery" in outcome.told) == (False, True)
    assert len(await store.launches(limit=0)) == 1


async def test_what_nobody_knows_how_to_run_is_not_let_go(
    operations: Operations, store: SqliteStore
) -> None:
    await kept(store, state=LaunchState.HELD, reason=f"{SOURCE_MISSING}job j1 could not be read")
    outcome = await carried_out(operations, Deed.RELEASE, "l1")
    assert (outcome.done, "replay its delivery" in outcome.told) == (False, True)
    assert (await now(store)).state == LaunchState.HELD


@pytest.mark.parametrize("came_of_it", [LaunchState.READY, LaunchState.COMPLETED])
async def test_what_was_launched_again_is_not_launched_a_third_time(
    operations: Operations, store: SqliteStore, came_of_it: LaunchState
) -> None:
    await kept(store, state=LaunchState.FAILED)
    await carried_out(operations, Deed.RETRY, "l1")
    again = (await store.launches(limit=1))[0]
    await store.replace(again, replace(again, state=came_of_it))
    outcome = await carried_out(operations, Deed.RETRY, "l1")
    told = f"it is failed: it was launched again already, as {again.id}"
    assert outcome == Outcome("l1", done=False, told=told)
    assert len(await store.launches(limit=0)) == 2


async def test_the_last_of_several_tries_can_be_launched_again(
    operations: Operations, store: SqliteStore
) -> None:
    await kept(store, state=LaunchState.FAILED)
    for generation in (1, 2):
        last = (await store.launches(limit=1))[0]
        await store.replace(last, replace(last, state=LaunchState.REJECTED))
        assert (await carried_out(operations, Deed.RETRY, last.id)).done
        assert (await store.launches(limit=1))[0].generation == generation


async def test_other_jobs_of_the_same_delivery_do_not_matter(
    operations: Operations, store: SqliteStore
) -> None:
    old = await kept(store, state=LaunchState.FAILED)
    await store.add(replace(old, id="l2", action=1, state=LaunchState.READY, generation=3))
    await store.add(replace(old, id="l3", rule="other", state=LaunchState.READY, generation=3))
    assert (await carried_out(operations, Deed.RETRY, "l1")).done


async def test_what_a_job_says_of_itself_is_enough_where_the_delivery_is_not_known(
    operations: Operations, store: SqliteStore
) -> None:
    orphan = make_launch(state=LaunchState.FAILED, spec=make_spec(env={"WEBHOOK_ID": "w1"}))
    await store.add(orphan)
    outcome = await carried_out(operations, Deed.RETRY, "l1")
    again = launch_id("jobhook", "hub", "w1", "retrain", 0, 1)
    assert outcome.told == f"launched again as {again}"


# -- cancel --


@pytest.mark.parametrize("state", [LaunchState.MATCHED, LaunchState.READY, LaunchState.HELD])
async def test_what_waits_is_cancelled_before_it_goes(
    operations: Operations, store: SqliteStore, hub: ScriptedHub, state: LaunchState
) -> None:
    await kept(store, state=state)
    assert (await carried_out(operations, Deed.CANCEL, "l1")).told == "cancelled before it was sent"
    cancelled = await now(store)
    assert (cancelled.state, cancelled.reason) == (LaunchState.CANCELLED, "cancelled by ana")
    assert hub.calls == []


@pytest.mark.parametrize("state", [LaunchState.LAUNCHED, LaunchState.RUNNING])
async def test_the_job_of_what_runs_is_cancelled_and_the_launch_follows_it(
    operations: Operations, store: SqliteStore, hub: ScriptedHub, state: LaunchState
) -> None:
    launch = await kept(store, state=state, namespace="acme", job_id="j1")
    hub.jobs["j1"] = make_job("j1")
    outcome = await carried_out(operations, Deed.CANCEL, "l1")
    assert outcome == Outcome("l1", done=True, told="its job j1 is being cancelled")
    assert hub.calls == [("cancel", "acme", "j1")]
    assert await now(store) == replace(launch, reason="cancelled by ana")


@pytest.mark.parametrize(
    ("deed", "state"),
    [
        (Deed.CANCEL, LaunchState.UNKNOWN),
        *product((Deed.RETRY, Deed.RELEASE), (LaunchState.SENDING, LaunchState.UNKNOWN)),
    ],
)
async def test_no_order_touches_what_may_be_on_its_way(
    operations: Operations, store: SqliteStore, deed: Deed, state: LaunchState
) -> None:
    launch = await kept(store, state=state)
    outcome = await carried_out(operations, deed, "l1")
    assert not outcome.done
    assert await store.launches(limit=0) == (launch,)


async def test_who_cancels_what_may_be_on_its_way_leaves_word_for_its_sender(
    operations: Operations, store: SqliteStore
) -> None:
    launch = await kept(store, state=LaunchState.SENDING)
    outcome = await carried_out(operations, Deed.CANCEL, "l1")
    told = "it is sending: it is not sent if it has not been sent yet; look again"
    assert outcome == Outcome("l1", done=False, told=told)
    assert await now(store) == replace(launch, reason="cancelled by ana")


@pytest.mark.parametrize("state", OVER)
async def test_what_is_over_cannot_be_cancelled(
    operations: Operations, store: SqliteStore, state: LaunchState
) -> None:
    await kept(store, state=state)
    assert (await carried_out(operations, Deed.CANCEL, "l1")).told == (
        f"it is {state}: there is nothing left to cancel"
    )


class SlowToCancel(ScriptedHub):
    """A Hub that cancels nothing before it was asked for as much as may be asked at once."""

    def __init__(self, at_once: int) -> None:
        super().__init__()
        self.all_here = asyncio.Barrier(at_once)

    async def cancel_job(self, job_id: str, *, namespace: str) -> JobInfo:
        async with self.all_here:
            if job_id == "j3":
                raise HubNotFound("there is no such job")
            return make_job(job_id)


async def test_several_jobs_are_cancelled_at_once_and_one_refusal_stops_no_other(
    store: SqliteStore, clock: HandClock, bell: Bell
) -> None:
    operations = Operations(store, SlowToCancel(8), clock, instance="jobhook", on_change=bell)
    first = await kept(store, state=LaunchState.RUNNING, id="l0", job_id="j0")
    for n in range(1, 16):
        await store.add(replace(first, id=f"l{n}", rule=f"r{n}", job_id=f"j{n}"))
    ids = tuple(f"l{n}" for n in range(16))
    async with asyncio.timeout(10):
        outcomes = await operations.carry_out(Order(deed=Deed.CANCEL, by="ana", ids=ids))
    assert tuple(outcome.id for outcome in outcomes) == ids
    assert [outcome for outcome in outcomes if not outcome.done] == [
        Outcome("l3", done=False, told="there is no such job")
    ]


@pytest.mark.parametrize(
    ("deed", "state"), [(Deed.RELEASE, LaunchState.HELD), (Deed.RETRY, LaunchState.FAILED)]
)
async def test_what_has_no_price_is_not_let_go_and_the_order_says_so(
    operations: Operations, store: SqliteStore, deed: Deed, state: LaunchState
) -> None:
    launch = await kept(store, state=state, spec=make_spec(flavor="new"))
    told = f"it is {state}: the Hub names no price for new, and without one nothing is launched"
    assert await carried_out(operations, deed, "l1") == Outcome("l1", done=False, told=told)
    assert await store.launches(limit=0) == (launch,)


async def test_a_launch_without_a_price_can_be_cancelled(
    operations: Operations, store: SqliteStore
) -> None:
    await kept(store, state=LaunchState.HELD, spec=make_spec(flavor="new"))
    assert (await carried_out(operations, Deed.CANCEL, "l1")).done


async def test_where_no_prices_can_be_had_the_claim_decides(
    operations: Operations, store: SqliteStore, hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def down() -> None:
        nonlocal asked
        asked += 1
        raise HubBusy("down")

    monkeypatch.setattr(hub, "list_jobs_hardware", down)
    first = await kept(store, state=LaunchState.HELD)
    await store.add(replace(first, id="l2", rule="other"))
    outcomes = await operations.carry_out(Order(deed=Deed.RELEASE, by="ana", ids=("l1", "l2")))
    assert [outcome.done for outcome in outcomes] == [True, True]
    assert asked == 1


# -- races --


class Overtaken(SqliteStore):
    """A store in which a worker is faster than whoever has just looked."""

    def __init__(self, behind: SqliteStore, move: Callable[[Launch], Launch]) -> None:
        super().__init__(behind._reader, behind._writer)
        self._move = move

    async def launch(self, launch_id: str) -> Launch | None:
        found = await super().launch(launch_id)
        if found:
            await self.replace(found, self._move(found))
        return found


def sent(launch: Launch) -> Launch:
    return moved(launch, LaunchState.SENDING, now=NOON)


def let_go(launch: Launch) -> Launch:
    return moved(launch, LaunchState.READY, now=NOON)


@pytest.mark.parametrize(
    ("deed", "state", "move"),
    [
        pytest.param(Deed.CANCEL, LaunchState.READY, sent, id="cancelled while it is claimed"),
        pytest.param(Deed.CANCEL, LaunchState.HELD, let_go, id="cancelled while it is let go"),
        pytest.param(Deed.RELEASE, LaunchState.HELD, let_go, id="released while it is let go"),
    ],
)
async def test_an_order_that_comes_too_late_changes_nothing(
    store: SqliteStore,
    hub: ScriptedHub,
    clock: HandClock,
    bell: Bell,
    deed: Deed,
    state: LaunchState,
    move: Callable[[Launch], Launch],
) -> None:
    launch = await kept(store, state=state)
    overtaken = Overtaken(store, move)
    operations = Operations(overtaken, hub, clock, instance="jobhook", on_change=bell)
    outcome = await carried_out(operations, deed, "l1")
    assert outcome == Outcome(
        "l1", done=False, told="it has just changed: see `jobhook launches show l1`, and try again"
    )
    assert await now(store) == move(launch)


async def test_two_who_ask_for_the_same_at_the_same_moment_get_one_launch(
    operations: Operations, store: SqliteStore
) -> None:
    await kept(store, state=LaunchState.FAILED)
    order = Order(deed=Deed.RETRY, by="ana", ids=("l1",))
    outcomes = await asyncio.gather(*(operations.carry_out(order) for _ in range(5)))
    assert sorted(outcome.done for (outcome,) in outcomes) == [False] * 4 + [True]
    assert len(await store.launches(limit=0)) == 2


@pytest.mark.parametrize("deed", [Deed.RELEASE, Deed.RETRY, Deed.CANCEL])
async def test_a_launch_that_is_not_there_is_said_to_be_missing(
    operations: Operations, deed: Deed
) -> None:
    outcome = await carried_out(operations, deed, "l?")
    assert outcome == Outcome(
        "l?", done=False, told="there is no launch with this id: `jobhook launches ls` lists them"
    )


async def test_what_was_done_before_a_failure_stands_and_is_told_to_the_workers(
    operations: Operations, store: SqliteStore, bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept(store, state=LaunchState.HELD)
    real = store.launch

    async def full_for_the_second(launch_id: str) -> Launch | None:
        if launch_id == "l2":
            raise StoreUnavailable("full")
        return await real(launch_id)

    monkeypatch.setattr(store, "launch", full_for_the_second)
    order = Order(deed=Deed.RELEASE, by="ana", ids=("l1", "l2"))
    with capture_logs() as logs, pytest.raises(StoreUnavailable):
        await operations.carry_out(order)
    assert (await now(store)).state == LaunchState.READY
    assert bell.rung == 1
    assert [(line["event"], line["by"], line["id"]) for line in logs] == [
        ("order.carried_out", "ana", "l1")
    ]


# -- replay --


async def test_a_replay_launches_anew_what_fires_now(
    operations: Operations, store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    decider = Decider(
        store,
        clock,
        rulebook=Rulebook(RuleSet((make_rule(watch=[]),))),
        identity=Identity(hub, "acme"),
        instance="jobhook",
        on_launches=bell,
    )
    router = Router(store, decider, on_open=bell)
    receipt = await store.record(make_received("w1", sample("14")))
    await router.step()
    (first,) = await store.launches(limit=0)
    await store.replace(first, moved(first, LaunchState.CANCELLED, now=NOON))
    outcome = await carried_out(operations, Deed.REPLAY, receipt.delivery)
    assert outcome == Outcome(receipt.delivery, done=True, told="is decided again")
    await router.step()
    again, _ = await store.launches(limit=0)
    assert (again.generation, again.state) == (1, LaunchState.READY)


@pytest.mark.parametrize("state", OPEN)
async def test_a_delivery_whose_launch_is_open_is_not_replayed(
    operations: Operations, store: SqliteStore, state: LaunchState
) -> None:
    launch = await kept(store, state=state)
    outcome = await carried_out(operations, Deed.REPLAY, launch.delivery)
    told = f"its launch l1 is {state}: cancel it first, or let it end"
    assert outcome == Outcome(launch.delivery, done=False, told=told)
    assert await store.begin_routing(5) == ()


async def test_what_waits_to_be_decided_is_not_replayed(
    operations: Operations, store: SqliteStore
) -> None:
    receipt = await store.record(make_received())
    assert (await carried_out(operations, Deed.REPLAY, receipt.delivery)).told == (
        "it waits to be decided anyway"
    )


async def test_a_conflict_is_not_decided_again(operations: Operations, store: SqliteStore) -> None:
    await store.record(make_received("w1", b"one"))
    await store.record(make_received("w1", b"two"))
    conflicts = DeliveryFilter(state=DeliveryState.CONFLICT)
    ((conflict, _),) = await store.deliveries(conflicts, limit=0)
    outcome = await carried_out(operations, Deed.REPLAY, conflict.id)
    assert (outcome.done, "only the first delivery" in outcome.told) == (False, True)


async def test_a_delivery_that_is_not_there_is_said_to_be_missing(operations: Operations) -> None:
    outcome = await carried_out(operations, Deed.REPLAY, "d?")
    assert outcome == Outcome(
        "d?",
        done=False,
        told="there is no delivery with this id: `jobhook deliveries ls` lists them",
    )


# -- pause and resume --


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        (EVERYTHING, "nothing is launched until `jobhook resume"),
        ("rule:retrain", "nothing of it is launched until `jobhook resume --rule retrain"),
        (
            "repo:dataset:acme/corpus",
            "nothing of it is launched until `jobhook resume --repo dataset:acme/corpus",
        ),
    ],
)
async def test_a_pause_lasts_until_it_is_ended(
    operations: Operations, store: SqliteStore, scope: str, told: str
) -> None:
    await kept(store, repo="dataset:acme/corpus")
    guard = Guard(PLENTY, {"cpu-basic": 0.01}, NOON)
    order = Order(deed=Deed.PAUSE, by="ana", scope=scope, reason="costs")
    (paused,) = await operations.carry_out(order)
    assert paused == Outcome(scope, done=True, told=f"paused: {told}`")
    assert await store.pauses() == (Pause(scope=scope, since=NOON, by="ana", reason="costs"),)
    assert await store.claim(NOON, 1, guard) == ()
    order = Order(deed=Deed.RESUME, by="ana", scope=scope)
    (resumed,) = await operations.carry_out(order)
    assert resumed == Outcome(scope, done=True, told="goes on, within the limits")
    assert len(await store.claim(NOON, 1, guard)) == 1
    assert await operations.carry_out(order) == (Outcome(scope, done=False, told="was not paused"),)


async def test_after_a_restored_backup_the_hub_knows_better_for_48_hours(
    operations: Operations, store: SqliteStore
) -> None:
    (outcome,) = await operations.carry_out(Order(deed=Deed.LOOK_FIRST, by="ana"))
    told = "for 48 hours each launch is looked for on the Hub before it is sent"
    assert outcome == Outcome(EVERYTHING, done=True, told=told)
    assert await store.began_at() == NOON


async def test_a_pause_leaves_alone_what_is_on_its_way(
    operations: Operations, store: SqliteStore, hub: ScriptedHub
) -> None:
    await kept(store)
    ((launch, _),) = await store.claim(NOON, 1, Guard(PLENTY, {"cpu-basic": 0.01}, NOON))
    await operations.carry_out(Order(deed=Deed.PAUSE, by="ana"))
    launched = replace(moved(launch, LaunchState.LAUNCHED, now=NOON), job_id="j1")
    await store.replace(launch, launched)
    assert await store.followed() == (launched,)


async def test_a_hub_that_does_not_answer_is_told_in_its_words(
    store: SqliteStore, clock: HandClock, bell: Bell
) -> None:
    class Busy(ScriptedHub):
        async def cancel_job(self, job_id: str, *, namespace: str) -> JobInfo:
            raise HubBusy("down")

    operations = Operations(store, Busy(), clock, instance="jobhook", on_change=bell)
    await kept(store, state=LaunchState.RUNNING, job_id="j1")
    assert await carried_out(operations, Deed.CANCEL, "l1") == Outcome("l1", False, "down")
