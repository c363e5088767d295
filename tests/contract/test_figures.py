"""How things stand, as every store must tell it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factories import NOON, make_launch, make_received
from jobhook.adapters import figures as queries
from jobhook.core.figures import DELIVERIES_MAX, LAUNCHES_MAX, Figures, Group
from jobhook.core.guards import DAY_MS
from jobhook.core.launches import LaunchState
from jobhook.core.records import EVERYTHING, Pause
from jobhook.ports import Store

pytestmark = pytest.mark.anyio


async def test_of_an_empty_store_there_is_nothing_to_tell(store: Store) -> None:
    assert await store.figures(NOON) == Figures()


async def test_what_waits_to_be_decided_is_counted_from_the_oldest_on(store: Store) -> None:
    for webhook_id, at in (("w1", NOON - 5_000), ("w2", NOON)):
        await store.record(make_received(webhook_id, webhook_id.encode(), at))
    told = await store.figures(NOON)
    assert told.deliveries == (Group(state="stored", count=2, since=NOON - 5_000),)


async def test_launches_that_are_not_over_are_counted_by_state_and_kind_of_reason(
    store: Store,
) -> None:
    given: list[tuple[LaunchState, str]] = [
        (LaunchState.READY, ""),
        (LaunchState.HELD, "loop: launches of this rule"),
        (LaunchState.HELD, "loop, our own push"),
        (LaunchState.HELD, "mallory: hello"),
        (LaunchState.COMPLETED, ""),
    ]
    for at, (state, reason) in enumerate(given):
        new = make_launch(id=f"l{at}", action=at, state=state, reason=reason, created_at=NOON + at)
        await store.add(new)
    told = await store.figures(NOON)
    assert set(told.launches) == {
        Group(state="ready", reason="none", count=1, since=NOON),
        Group(state="held", reason="loop", count=2, since=NOON + 1),
        Group(state="held", reason="other", count=1, since=NOON + 3),
    }


async def test_an_unknown_launch_counts_from_when_it_became_so(store: Store) -> None:
    launch = make_launch(state=LaunchState.UNKNOWN, unknown_since=NOON + 7, created_at=NOON)
    await store.add(launch)
    (group,) = (await store.figures(NOON + 9)).launches
    assert (group.state, group.since) == ("unknown", NOON + 7)


async def test_dollars_are_those_of_the_last_day_and_parted_by_whether_the_job_has_ended(
    store: Store,
) -> None:
    ended = make_launch(claimed_at=NOON, micro_usd=3_000_000, state=LaunchState.FAILED)
    running = replace(ended, id="l2", action=1, micro_usd=500_000, state=LaunchState.RUNNING)
    long_ago = replace(ended, id="l3", action=2, claimed_at=NOON - DAY_MS)
    runs_since = replace(running, id="l4", action=3, claimed_at=NOON - DAY_MS)
    for launch in (ended, running, long_ago, runs_since):
        await store.add(launch)
    told = await store.figures(NOON)
    assert (told.spent, told.committed) == (3_000_000, 500_000)


async def test_pauses_are_counted(store: Store) -> None:
    await store.pause(Pause(scope=EVERYTHING, since=NOON, by="me"))
    await store.pause(Pause(scope="rule:a", since=NOON, by="me"))
    assert (await store.figures(NOON)).pauses == 2


def test_of_each_state_no_more_is_looked_at_than_is_said() -> None:
    assert queries.DELIVERIES.count(f" LIMIT {DELIVERIES_MAX})") == 3
    open_states = sum(not state.is_final for state in LaunchState)
    assert queries.LAUNCHES.count(f"ORDER BY seq LIMIT {LAUNCHES_MAX})") == open_states
