from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from factories import NOON, make_entry, make_received
from fakes import HandClock
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.audits import AUDITS_KEPT_MS
from jobhook.core.deliveries import DeliveryState
from jobhook.core.repeats import KEPT_MS, Reply, Request, Standing
from jobhook.flows import pruning
from jobhook.flows.pruning import Pruner

pytestmark = pytest.mark.anyio


async def old_deliveries(store: SqliteStore, count: int) -> None:
    for n in range(count):
        await store.record(make_received(f"w{n}"))
    for delivery, _, _ in await store.begin_routing(count):
        await store.route(
            replace(delivery, state=DeliveryState.IGNORED), events=(), verdicts=(), launches=()
        )


async def test_what_was_kept_long_enough_is_forgotten(store: SqliteStore, clock: HandClock) -> None:
    pruner = Pruner(store, clock, retention_ms=1000)
    await old_deliveries(store, 2)
    clock.now = NOON + 1000
    assert not await pruner.step()
    assert len(await store.deliveries(limit=0)) == 2
    clock.now += 1
    with capture_logs() as logs:
        assert not await pruner.step()
    assert await store.deliveries(limit=0) == ()
    assert [(line["event"], line["count"]) for line in logs] == [("deliveries.forgotten", 2)]


async def test_what_is_noted_of_people_and_their_calls_has_an_end_too(
    store: SqliteStore, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "_AT_ONCE", 2)
    pruner = Pruner(store, clock, retention_ms=1000)
    call = Request("t1", "k", "d")
    for n in range(3):
        await store.note(make_entry(about=f"l{n}"))
    await store.begin_request(call, NOON, "p", most=9)
    await store.answer_request(call, "p", Reply(201, b""))
    clock.now = NOON + KEPT_MS
    assert not await pruner.step()
    clock.now += 1
    assert not await pruner.step()
    assert len(await store.audits(limit=0)) == 3
    turn = await store.begin_request(call, NOON + 1, "p", most=9)
    assert turn.standing == Standing.FIRST
    clock.now = NOON + AUDITS_KEPT_MS + 1
    assert [await pruner.step(), await pruner.step()] == [True, False]
    assert await store.audits(limit=0) == ()


async def test_it_goes_on_at_once_while_there_may_be_more(
    store: SqliteStore, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "_AT_ONCE", 2)
    pruner = Pruner(store, clock, retention_ms=0)
    await old_deliveries(store, 3)
    clock.now += 1
    assert [await pruner.step(), await pruner.step()] == [True, False]
    assert await store.deliveries(limit=0) == ()
