"""What every store does about rows that are not as they were written."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from factories import BODY, NOON, PLENTY, make_launch, make_received
from jobhook.adapters.store_postgres import PostgresStore
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.deliveries import DeliveryState
from jobhook.core.guards import Guard
from jobhook.core.launches import DAMAGED, LaunchState, moved
from jobhook.core.records import StoredDelivery
from jobhook.ports import Store

pytestmark = pytest.mark.anyio

Harm = Callable[[str], Coroutine[Any, Any, None]]


@pytest.fixture
def harm(store: Store) -> Harm:
    """Change rows behind the store's back, in words that both databases know."""

    async def change(words: str) -> None:
        statement = f"UPDATE {words}"
        if isinstance(store, SqliteStore):
            await store._writer.submit(lambda connection: connection.execute(statement))
        else:
            assert isinstance(store, PostgresStore)
            await store._database.transact(lambda connection: connection.execute(statement))

    return change


async def delivery_of(store: Store, webhook_id: str = "w1") -> StoredDelivery:
    receipt = await store.record(make_received(webhook_id))
    delivery = await store.delivery(receipt.delivery)
    assert delivery is not None
    return delivery


async def launch_of(store: Store, identity: str = "l1") -> None:
    delivery = await delivery_of(store, identity)
    await store.route(
        replace(delivery, state=DeliveryState.MATCHED),
        events=(),
        verdicts=(),
        launches=[make_launch(id=identity, delivery=delivery.id, rule=identity)],
    )


async def claimed(store: Store) -> dict[str, bool]:
    prices = {"cpu-basic": 0.01, "cpu-basic2": 0.01}
    found = await store.claim(NOON, 10, Guard(PLENTY, prices, NOON))
    return {launch.id: launch.is_damaged for launch, _ in found}


@pytest.mark.parametrize(
    "change",
    [
        "body = '{}'",
        "key = 'w2'",
        "source = 'hib'",
        "webhook_id = NULL",
        "received_at = 1",
        "digest = 'f'",
        "events = '[', body = ''",
    ],
)
async def test_a_delivery_that_is_not_as_it_came_is_put_aside_and_the_rest_goes_on(
    store: Store, harm: Harm, change: str
) -> None:
    first, second = await delivery_of(store, "w1"), await delivery_of(store, "w3")
    await harm(f"delivery SET {change} WHERE id = '{first.id}'")
    assert [(each, body) for each, body, _ in await store.begin_routing(1)] == [(second, BODY)]
    kept = await store.delivery(first.id)
    assert kept is not None
    assert (kept.state, kept.is_damaged) == (DeliveryState.QUARANTINED, True)
    assert kept.reason.startswith("damaged: ")
    assert len(await store.deliveries(limit=0)) == 2


async def test_it_is_put_aside_again_when_it_is_replayed(store: Store, harm: Harm) -> None:
    delivery = await delivery_of(store)
    await harm("delivery SET body = '{}'")
    assert await store.begin_routing(10) == ()
    assert await store.replay(delivery.id)
    assert await store.begin_routing(10) == ()


@pytest.mark.parametrize(
    "change",
    [
        "spec = replace(spec, '3.12', '3.13')",
        "spec = replace(spec, '\"cpu-basic\"', '\"cpu-basic2\"')",
        "spec = 'x'",
        "spec = '[]'",
        "spec = '{}'",
        "rule = 'other'",
        "delivery = 'd0'",
        "generation = 1",
        "created_at = created_at - 1",
        "digest = 'f'",
    ],
)
async def test_a_launch_that_is_not_as_it_was_decided_is_held_and_the_rest_goes_on(
    store: Store, harm: Harm, change: str
) -> None:
    await launch_of(store, "l1")
    await launch_of(store, "l2")
    await harm(f"launch SET {change} WHERE id = 'l1'")
    assert await claimed(store) == {"l2": False}
    kept = await store.launch("l1")
    assert kept is not None
    assert (kept.state, kept.reason, kept.is_damaged) == (LaunchState.HELD, DAMAGED, True)
    assert len(await store.launches(limit=0)) == 2


async def test_it_is_held_again_when_it_is_released(store: Store, harm: Harm) -> None:
    await launch_of(store)
    await harm("launch SET spec = replace(spec, '3.12', '3.13')")
    assert await claimed(store) == {}
    held = await store.launch("l1")
    assert held is not None
    await store.replace(held, replace(moved(held, LaunchState.READY, now=NOON), asked_by="ana"))
    assert await claimed(store) == {}


async def test_a_claim_tells_of_a_body_that_is_not_as_it_came(store: Store, harm: Harm) -> None:
    await launch_of(store, "l1")
    await launch_of(store, "l2")
    await harm("delivery SET body = '{}' WHERE webhook_id = 'l1'")
    assert await claimed(store) == {"l1": True, "l2": False}


async def test_what_changes_in_a_life_is_no_damage(store: Store) -> None:
    await launch_of(store)
    assert await claimed(store) == {"l1": False}
    sent = await store.launch("l1")
    assert sent is not None
    await store.replace(sent, replace(moved(sent, LaunchState.LAUNCHED, now=NOON), job_id="j1"))
    assert [each.is_damaged for each in await store.launches(limit=0)] == [False]


async def test_words_that_no_text_holds_are_no_damage(store: Store) -> None:
    if isinstance(store, SqliteStore):
        await store.add(make_launch(repo="model:a\0b"))
    else:
        await store.add(make_launch(repo="model:a\0b", event="\ud800"))
    assert [each.is_damaged for each in await store.launches(limit=0)] == [False]


async def test_rows_that_are_older_than_digests_count_as_whole(store: Store, harm: Harm) -> None:
    await launch_of(store)
    await delivery_of(store, "w2")
    await harm("delivery SET digest = ''")
    await harm("launch SET digest = ''")
    assert await claimed(store) == {"l1": False}
    assert len(await store.begin_routing(10)) == 1


@pytest.mark.parametrize("change", ["state = 'qqq'", "events = '[x'", "events = '3'"])
async def test_a_list_is_not_broken_by_a_row_that_cannot_be_read(
    store: Store, harm: Harm, change: str
) -> None:
    await delivery_of(store)
    await harm(f"delivery SET {change}")
    ((found, _),) = await store.deliveries(limit=0)
    assert found.state == DeliveryState.QUARANTINED


async def test_a_damaged_delivery_that_is_sent_again_is_as_it_came_and_decided(
    store: Store, harm: Harm
) -> None:
    first, second = await delivery_of(store, "w1"), await delivery_of(store, "w2")
    await harm("delivery SET body = '{}'")
    assert await store.begin_routing(10) == ()
    again = await store.record(make_received("w1", at=NOON + 5))
    assert (again.delivery, again.duplicate) == (first.id, True)
    ((delivery, body, tries),) = await store.begin_routing(10)
    assert (delivery.id, body, tries) == (first.id, BODY, 0)
    assert len(await store.deliveries(limit=0)) == 2
    kept = await store.delivery(second.id)
    assert kept is not None
    assert kept.is_damaged


async def test_a_damaged_delivery_that_was_decided_is_not_decided_again_when_it_is_mended(
    store: Store, harm: Harm
) -> None:
    await launch_of(store)
    await harm("delivery SET body = '{}'")
    await store.record(make_received("l1", at=NOON + 5))
    assert await store.begin_routing(10) == ()
    assert await claimed(store) == {"l1": False}


async def test_another_body_does_not_mend_a_damaged_delivery(store: Store, harm: Harm) -> None:
    await delivery_of(store)
    await harm("delivery SET body = '{}'")
    await store.record(make_received("w1", b"another", at=NOON + 5))
    assert await store.begin_routing(10) == ()
    states = [delivery.state for delivery, _ in await store.deliveries(limit=0)]
    assert sorted(states) == [DeliveryState.CONFLICT, DeliveryState.QUARANTINED]
