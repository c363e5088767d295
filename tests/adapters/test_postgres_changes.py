"""The journal of changes while several transactions write to it at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from factories import make_launch
from jobhook.adapters.postgres import Connection
from jobhook.adapters.postgres_launches import insert_launches
from jobhook.adapters.store_postgres import PostgresStore, postgres_store
from jobhook.core.pages import FIRST_PLACE, Place

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresStore]:
    async with postgres_store(postgres_url) as opened:
        yield opened


@asynccontextmanager
async def another(url: str) -> AsyncIterator[Connection]:
    """A connection of another process."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def news(store: PostgresStore, after: Place) -> list[str]:
    return [change.id for change in await store.changes_after(after, limit=100)]


async def test_what_is_committed_late_is_not_passed_over(
    store: PostgresStore, postgres_url: str
) -> None:
    begun = await store.newest_change()
    async with another(postgres_url) as slow:
        transaction = slow.transaction()
        await transaction.start()
        await insert_launches(slow, [make_launch(id="first", action=1)])
        await store.add(make_launch(id="second", action=2))
        # Whoever was told of the second now would go on after it, and never hear of the first.
        assert await news(store, begun) == []
        assert await store.newest_change() == begun
        await transaction.commit()
    assert await news(store, begun) == ["first", "second"]


async def test_what_is_numbered_late_by_a_transaction_that_began_early_is_not_passed_over(
    store: PostgresStore, postgres_url: str
) -> None:
    begun = await store.newest_change()
    async with another(postgres_url) as slow:
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute("SELECT pg_current_xact_id()")
        await store.add(make_launch(id="quick", action=1))
        await insert_launches(slow, [make_launch(id="slow", action=2)])
        assert await news(store, begun) == []
        await transaction.commit()
    changes = await store.changes_after(begun, limit=100)
    assert sorted(change.id for change in changes) == ["quick", "slow"]
    assert [change.place for change in changes] == sorted(change.place for change in changes)
    assert await store.changes_after(changes[-1].place, limit=100) == ()


async def test_what_is_undone_holds_nothing_up(store: PostgresStore, postgres_url: str) -> None:
    begun = await store.newest_change()
    async with another(postgres_url) as slow:
        transaction = slow.transaction()
        await transaction.start()
        await insert_launches(slow, [make_launch(id="undone", action=1)])
        await store.add(make_launch(id="kept", action=2))
        await transaction.rollback()
    assert await news(store, begun) == ["kept"]


async def test_what_another_server_numbered_is_not_told_and_then_forgotten(
    store: PostgresStore, postgres_url: str
) -> None:
    async with another(postgres_url) as restoring:
        # What a copy of a database holds that comes from a server with more transactions.
        await restoring.execute("UPDATE change SET xid = xid + 1000000000")
    assert await store.newest_change() == FIRST_PLACE == await store.oldest_change()
    await store.add(make_launch(id="new"))
    assert await news(store, FIRST_PLACE) == ["new"]
    assert await store.prune_changes(keep=100, limit=100) == 1
    assert await news(store, FIRST_PLACE) == ["new"]
