"""Deliveries, launches and pauses, read from a real database as they are shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from factories import BODY, NOON, make_launch, make_received, make_rule
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.core.changes import ChangeKind
from jobhook.core.errors import NoSuchRecord
from jobhook.core.filters import DeliveryFilter, LaunchFilter
from jobhook.core.indexing import RuleIndex
from jobhook.core.jsonable import moment_of
from jobhook.core.launches import LaunchState
from jobhook.core.records import EVERYTHING, Pause
from jobhook.flows.deciding import route
from jobhook.flows.records import Records
from jobhook.ports import Store
from jobhook.ports.records import RecordsReader

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A push that launched a job, and a delivery that nobody can read."""
    async with sqlite_store(tmp_path / "records.db") as store:
        await store.record(make_received("w-odd", b"{", at=NOON))
        await store.record(make_received("w-push", BODY, at=NOON + 1))
        index = RuleIndex([make_rule()])
        for stored, body, _ in await store.begin_routing(10):
            routed = route(stored, body, index, me=None, instance="i", now=NOON + 2)
            await store.route(
                routed.delivery,
                events=routed.events,
                verdicts=routed.verdicts,
                launches=routed.launches,
            )
        yield store


@pytest.fixture
def records(store: Store) -> RecordsReader:
    return Records(store, lambda: NOON)


async def test_a_delivery_is_told_with_its_verdicts_its_launches_and_its_payload(
    records: RecordsReader,
) -> None:
    push, odd = await records.deliveries(limit=0)
    (launch,) = await records.launches(limit=0)
    told = await records.delivery(push.id)
    assert (push.webhook_id, push.received_at, push.launches) == (
        "w-push",
        moment_of(NOON + 1),
        (launch.id,),
    )
    assert (told.launches, told.damaged, told.body_bytes) == ((launch.id,), False, len(BODY))
    assert [(each.rule, each.fired) for each in told.verdicts] == [("retrain", True)]
    assert told.payload["repo"]["name"] == "acme/corpus"
    assert ((await records.delivery(odd.id)).payload, odd.repo) == (None, None)
    assert await records.body(odd.id) == b"{"


async def test_lists_are_filtered_and_no_longer_than_asked(records: RecordsReader) -> None:
    (newest,) = await records.deliveries(limit=1)
    of_repo = DeliveryFilter(repo="acme/corpus")
    assert await records.deliveries(of_repo, limit=0) == (newest,)
    assert await records.launches(LaunchFilter(rule="another"), limit=0) == ()
    assert await records.rules_version() is None


async def test_a_launch_is_told_with_its_life_and_what_to_do(store: Store) -> None:
    delivery = (await store.deliveries(limit=1))[0][0].id
    held = make_launch(
        id="l1",
        rule="dear",
        delivery=delivery,
        state=LaunchState.HELD,
        reason="fan-out: 25",
        created_at=NOON + 5,
        updated_at=NOON + 5,
    )
    await store.add(held)
    told = await Records(store, lambda: NOON).launch("l1")
    assert told.timeline[0].what == "its delivery came in"
    assert told.next_step
    assert "`jobhook launches release l1`" in told.next_step


async def test_a_launch_outlives_what_is_known_of_its_delivery(store: Store) -> None:
    await store.add(make_launch(id="l1", delivery="dgone"))
    told = await Records(store, lambda: NOON).launch("l1")
    assert told.timeline[0].what.startswith("planned")


async def test_what_is_paused_is_told_of_launches_too(store: Store) -> None:
    await store.pause(Pause(scope="rule:retrain", since=NOON, by="ada", reason="why"))
    records = Records(store, lambda: NOON)
    assert [(each.scope, each.by) for each in await records.pauses()] == [("rule:retrain", "ada")]
    (launch,) = await records.launches(limit=0)
    assert launch.reason == (await records.launch(launch.id)).reason == "paused: rule:retrain"


async def test_the_setting_pauses_everything(store: Store) -> None:
    records = Records(store, lambda: NOON, is_paused=True)
    (pause,) = await records.pauses()
    assert (pause.scope, pause.since, pause.by) == (EVERYTHING, None, "JOBHOOK_PAUSE")
    (launch,) = await records.launches(limit=0)
    assert launch.reason == "paused: JOBHOOK_PAUSE"


async def test_what_is_not_there_is_told_with_what_is(records: RecordsReader) -> None:
    (launch,) = await records.launches(limit=1)
    (push,) = await records.deliveries(limit=1)
    with pytest.raises(NoSuchRecord, match=f"give the whole id, such as {launch.id}"):
        await records.launch(launch.id[:9])
    with pytest.raises(NoSuchRecord, match=f"but a delivery: see .* show {push.id}"):
        await records.launch(push.id)
    for ask in (records.delivery, records.body):
        with pytest.raises(NoSuchRecord, match="there is no delivery x1: `jobhook deliveries ls`"):
            await ask("x1")


async def test_lists_come_a_page_at_a_time_as_well(store: Store) -> None:
    records = Records(store, lambda: NOON)
    first = await records.delivery_page(limit=1)
    assert first.next is not None
    second = await records.delivery_page(limit=1, after=first.next)
    assert second.next is None
    assert first.items + second.items == await records.deliveries(limit=0)
    launches = await records.launch_page(limit=1)
    assert (launches.items, launches.next) == (await records.launches(limit=0), None)


async def test_what_the_feed_tells_is_what_lists_show(store: Store) -> None:
    records = Records(store, lambda: NOON)
    push, odd = await records.deliveries(limit=0)
    (launch,) = await records.launches(limit=0)
    told = await records.summaries(ChangeKind.DELIVERY, [push.id, odd.id, "d-none"])
    assert told == {push.id: push, odd.id: odd}
    assert await records.summaries(ChangeKind.LAUNCH, [launch.id]) == {launch.id: launch}
