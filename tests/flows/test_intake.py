from __future__ import annotations

import pytest

from factories import BODY, NOON
from fakes import Bell, HandClock
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.errors import StoreUnavailable
from jobhook.flows.intake import Intake

pytestmark = pytest.mark.anyio


@pytest.fixture
def intake(store: SqliteStore, clock: HandClock, bell: Bell) -> Intake:
    return Intake(store, clock, bell)


async def test_a_delivery_is_stored_with_the_time_and_somebody_is_woken(
    intake: Intake, store: SqliteStore, bell: Bell
) -> None:
    receipt = await intake.accept(b"w1", BODY)
    stored = await store.delivery(receipt.delivery)
    assert stored is not None
    assert (stored.received_at, stored.webhook_id) == (NOON, "w1")
    assert bell.rung == 1


async def test_a_repeated_delivery_wakes_nobody(intake: Intake, bell: Bell) -> None:
    await intake.accept(b"w1", BODY)
    assert (await intake.accept(b"w1", BODY)).duplicate
    assert bell.rung == 1


async def test_a_closing_door_takes_nothing_in(intake: Intake, store: SqliteStore) -> None:
    assert intake.is_open
    intake.drain()
    assert not intake.is_open
    with pytest.raises(StoreUnavailable):
        await intake.accept(b"w1", BODY)
    assert await store.deliveries(limit=0) == ()
