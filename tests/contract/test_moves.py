"""Whatever moves a launch is counted, once it is on disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from factories import NOON, make_direct, make_launch, make_received, make_spec, make_stored
from jobhook.adapters.counts import Counts
from jobhook.adapters.store_postgres import postgres_store
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import LaunchMoved, StoreError
from jobhook.core.guards import Guard, Limits
from jobhook.core.launches import LaunchState, moved
from jobhook.ports import Store

pytestmark = pytest.mark.anyio
GUARD = Guard(Limits(), {"cpu-basic": 0.01}, NOON, "acme")


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture(params=["sqlite", "postgres"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, counts: Counts
) -> AsyncIterator[Store]:
    if request.param == "sqlite":
        async with sqlite_store(tmp_path / "jobhook.db", meter=counts) as opened:
            yield opened
    else:
        url = request.getfixturevalue("postgres_url")
        async with postgres_store(url, meter=counts) as shared:
            yield shared


async def test_what_a_delivery_leads_to_is_counted_if_it_is_kept(
    store: Store, counts: Counts
) -> None:
    receipt = await store.record(make_received())
    decided = make_stored(id=receipt.delivery, state=DeliveryState.MATCHED)
    for _ in range(2):
        await store.route(
            decided,
            events=(),
            verdicts=(),
            launches=(make_launch(delivery=receipt.delivery),),
        )
    assert counts.launches == {("ready", "none"): 1}


async def test_a_claim_counts_what_it_sends_and_what_it_holds_and_not_what_waits(
    store: Store, counts: Counts
) -> None:
    for at, flavor in enumerate(("cpu-basic", "unpriced")):
        spec = make_spec(flavor=flavor)
        await store.add(make_launch(id=f"l{at}", action=at, rule=f"r{at}", spec=spec))
    counts.launches.clear()
    await store.claim(NOON, 5, GUARD)
    assert counts.launches == {("sending", "none"): 1, ("held", "price"): 1}


async def test_a_launch_that_waits_for_a_limit_has_not_moved(store: Store, counts: Counts) -> None:
    await store.add(make_launch())
    counts.launches.clear()
    await store.claim(NOON, 5, Guard(Limits(usd_per_day=0.0), {"cpu-basic": 0.01}, NOON, "acme"))
    assert not counts.launches


async def test_what_a_person_asks_for_is_counted_once_however_often_it_is_asked_for(
    store: Store, counts: Counts
) -> None:
    for _ in range(2):
        await store.begin_direct(make_direct(), GUARD)
    assert counts.launches == {("sending", "none"): 1}


async def test_what_a_person_may_not_have_is_counted_as_skipped(
    store: Store, counts: Counts
) -> None:
    broke = Guard(Limits(usd_per_day=0.0), {"cpu-basic": 0.01}, NOON, "acme")
    await store.begin_direct(make_direct(), broke)
    assert counts.launches == {("skipped", "budget"): 1}


async def test_a_move_is_counted_and_one_that_came_too_late_is_not(
    store: Store, counts: Counts
) -> None:
    old = make_launch(state=LaunchState.LAUNCHED)
    await store.add(old)
    counts.launches.clear()
    await store.replace(old, moved(old, LaunchState.RUNNING, now=NOON))
    with pytest.raises(LaunchMoved):
        await store.replace(old, moved(old, LaunchState.FAILED, now=NOON))
    assert counts.launches == {("running", "none"): 1}


async def test_launches_that_are_moved_together_are_counted_together(
    store: Store, counts: Counts
) -> None:
    for at in range(2):
        await store.add(
            make_launch(id=f"h{at}", action=at, state=LaunchState.HELD, reason="auth: no")
        )
    await store.add(make_launch(id="s", action=2, state=LaunchState.SENDING))
    counts.launches.clear()
    await store.release(NOON, reason_prefix="auth: ")
    await store.expire(NOON, created_before=NOON + 1)
    await store.abandon_sending(NOON + 60_000, older_than_ms=-1)
    assert counts.launches == {
        ("ready", "none"): 2,
        ("expired", "none"): 2,
        ("unknown", "none"): 1,
    }


async def test_a_group_that_cannot_be_written_is_counted_as_failed(
    postgres_url: str, counts: Counts
) -> None:
    async with postgres_store(postgres_url, meter=counts) as store:
        impossible = replace(make_received(), source="a\0b")
        with pytest.raises(StoreError):
            await store.record(impossible)
    assert counts.failed_commits == 1
    assert list(counts.commits.buckets())[-1][1] == 0


async def test_commits_are_counted_with_their_size(store: Store, counts: Counts) -> None:
    await store.record(make_received())
    assert list(counts.commits.buckets())[-1][1] == 1
    assert counts.groups.sum == 1
