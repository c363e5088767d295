from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from factories import NOON, make_launch, make_received
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.changes import Change, ChangeKind
from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import StoreUnavailable, TooManyCallers, UsageError
from jobhook.core.filters import DeliveryFilter, LaunchFilter
from jobhook.core.launches import LaunchState, moved
from jobhook.core.pages import Place
from jobhook.flows import feed as feed_module
from jobhook.flows.feed import EventKind, Feed, FeedReader

pytestmark = pytest.mark.anyio


class World:
    """A feed of a real store whose poller looks again when it is told to."""

    def __init__(self, store: SqliteStore, **given: Any) -> None:
        self.store = store
        self.looks = 0
        self.summarised: list[tuple[ChangeKind, list[str]]] = []
        self.failures: list[Exception] = []
        # Until it is set the poller does not know where to begin.
        self.may_begin = asyncio.Event()
        self.may_begin.set()
        self._turns = asyncio.Semaphore(0)
        self._rests = asyncio.Semaphore(0)
        self.feed = Feed(self, self.summaries, pause=self._pause, **given)

    async def look_again(self) -> None:
        """Let the poller look until it rests again."""
        self._turns.release()
        await self._rests.acquire()

    @asynccontextmanager
    async def following(self, after: str | None = None) -> AsyncIterator[FeedReader]:
        """Follow the feed as its only reader, with the poller at rest."""
        async with self.feed.follow(after) as reader:
            await self._rests.acquire()
            yield reader

    async def is_silent(self, reader: FeedReader) -> bool:
        """Return whether *reader* waits, now that the poller rests."""
        waiting = asyncio.ensure_future(anext(reader))
        await self.settle()
        is_waiting = not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return is_waiting

    async def settle(self) -> None:
        """Let a reader ask what it asks before it waits; the store answers one after the other."""
        for _ in range(3):
            await self.store.newest_change()

    async def launch(self, *names: str) -> None:
        for name in names:
            await self.store.add(make_launch(id=name, action=int(name[1:])))

    async def summaries(self, kind: ChangeKind, ids: Collection[str]) -> Mapping[str, Any]:
        self.summarised.append((kind, list(ids)))
        if kind == ChangeKind.DELIVERY:
            deliveries = await self.store.deliveries(DeliveryFilter(ids=ids), limit=0)
            return {each.id: {"id": each.id, "state": each.state} for each, _ in deliveries}
        launches = await self.store.launches(LaunchFilter(ids=ids), limit=0)
        return {each.id: {"id": each.id, "state": each.state} for each in launches}

    async def changes_after(self, place: Place, *, limit: int) -> tuple[Change, ...]:
        self.looks += 1
        if self.failures:
            raise self.failures.pop()
        return await self.store.changes_after(place, limit=limit)

    async def newest_change(self) -> Place:
        task = asyncio.current_task()
        if task is not None and task.get_name() == "feed":
            await self.may_begin.wait()
        return await self.store.newest_change()

    async def oldest_change(self) -> Place:
        return await self.store.oldest_change()

    async def _pause(self) -> None:
        self._rests.release()
        await self._turns.acquire()


async def ids(reader: FeedReader, count: int) -> list[str]:
    """Return what the next events are about; a gap is `gap`."""
    async with asyncio.timeout(20):
        events = [await anext(reader) for _ in range(count)]
    return [event.data["id"] if event.data else event.kind for event in events]


async def test_what_comes_and_changes_is_told_as_it_is_now(store: SqliteStore) -> None:
    world = World(store)
    await world.launch("l0")
    async with world.following() as reader:
        ours = (await store.record(make_received())).delivery
        await world.launch("l1")
        await world.look_again()
        delivery, launch = await anext(reader), await anext(reader)
        assert (delivery.kind, delivery.data) == ("delivery", {"id": ours, "state": "stored"})
        assert (launch.kind, launch.data) == ("launch", {"id": "l1", "state": "ready"})
        assert launch.id == str(await store.newest_change())
        assert await world.is_silent(reader)


async def test_of_several_changes_at_once_the_last_is_told(store: SqliteStore) -> None:
    world = World(store)
    async with world.following() as reader:
        await world.launch("l1", "l2")
        launch = make_launch(id="l1", action=1)
        await store.replace(launch, moved(launch, LaunchState.HELD, now=1))
        await world.look_again()
        second, first = await anext(reader), await anext(reader)
        assert (second.data["id"], first.data) == ("l2", {"id": "l1", "state": "held"})
        assert second.place < first.place
        assert await world.is_silent(reader)


async def test_what_many_follow_is_looked_up_once(store: SqliteStore) -> None:
    world = World(store)
    async with world.following() as first, world.feed.follow() as second:
        await world.launch("l1")
        await world.look_again()
        assert await anext(first) == await anext(second)
        assert world.summarised == [(ChangeKind.LAUNCH, ["l1"])]


async def test_all_that_is_here_is_given_together(store: SqliteStore) -> None:
    world = World(store)
    async with world.following() as reader:
        await world.launch("l1", "l2", "l3")
        await world.look_again()
        assert (await anext(reader)).data["id"] == "l1"
        assert [event.data["id"] for event in await reader.batch()] == ["l2", "l3"]
        assert await world.is_silent(reader)


async def test_a_reader_goes_on_after_the_event_that_it_names(store: SqliteStore) -> None:
    world = World(store)
    async with world.following() as reader:
        await world.launch("l1", "l2")
        await world.look_again()
        seen = await anext(reader)
    await world.launch("l3")
    async with world.following(seen.id) as reader:
        assert await ids(reader, 2) == ["l2", "l3"]
        await world.launch("l4")
        await world.look_again()
        assert await ids(reader, 1) == ["l4"]


async def test_what_came_before_the_poller_had_begun_is_told(store: SqliteStore) -> None:
    world = World(store)
    world.may_begin.clear()
    async with world.feed.follow() as reader:
        waiting = asyncio.ensure_future(ids(reader, 1))
        await world.settle()
        await world.launch("l1")
        world.may_begin.set()
        assert await waiting == ["l1"]


async def test_of_what_nobody_knows_any_more_a_gap_is_told_first(store: SqliteStore) -> None:
    world = World(store)
    begun = await store.newest_change()
    await world.launch("l1", "l2", "l3")
    await store.prune_changes(keep=1, limit=100)
    async with world.following(str(begun)) as reader:
        gap = await anext(reader)
        assert (gap.kind, gap.data) == (EventKind.GAP, None)
        await world.launch("l4")
        await world.look_again()
        assert await ids(reader, 1) == ["l4"]
    # After the gap nothing is missing.
    async with world.following(gap.id) as reader:
        assert await ids(reader, 1) == ["l4"]


async def test_of_an_event_that_is_not_there_yet_a_gap_is_told(store: SqliteStore) -> None:
    world = World(store)
    # A backup was put back.
    async with world.following("0.1000") as reader:
        await world.launch("l1")
        await world.look_again()
        assert await ids(reader, 2) == ["gap", "l1"]


@pytest.mark.parametrize("after", ["", "1", "x.y", "1.1.1", "0.99999999999999999999"])
async def test_what_is_no_id_of_an_event_is_refused(store: SqliteStore, after: str) -> None:
    world = World(store)
    with pytest.raises(UsageError, match="is no id of an event"):
        async with world.feed.follow(after):
            pass
    assert world.looks == 0


async def test_only_so_many_may_follow_until_one_leaves(store: SqliteStore) -> None:
    world = World(store, readers_max=2)
    async with world.feed.follow():
        async with world.feed.follow():
            with pytest.raises(TooManyCallers, match="2 feeds are open already"):
                async with world.feed.follow():
                    pass
        async with world.feed.follow():
            pass


async def test_while_nobody_follows_nobody_looks(store: SqliteStore) -> None:
    world = World(store)
    async with world.following(), world.feed.follow():
        await world.look_again()
    looks = world.looks
    for task in asyncio.all_tasks():
        assert task.get_name() != "feed"
    await world.launch("l1")
    assert world.looks == looks


async def test_a_reader_that_is_slow_misses_nothing_and_stops_nobody(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "RECENT", 3)
    monkeypatch.setattr(feed_module, "_AT_ONCE", 2)
    world = World(store)
    names = [f"l{n}" for n in range(9)]
    async with world.following() as slow, world.feed.follow() as fast:
        for name in names:
            await world.launch(name)
            await world.look_again()
            assert await ids(fast, 1) == [name]
        assert await ids(slow, 9) == names
        assert await world.is_silent(slow)
        await world.launch("l9")
        await world.look_again()
        assert [await ids(slow, 1), await ids(fast, 1)] == [["l9"], ["l9"]]


async def test_a_burst_is_read_in_one_turn(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "_AT_ONCE", 2)
    world = World(store)
    names = [f"l{n}" for n in range(5)]
    async with world.following() as reader:
        await world.launch(*names)
        await world.look_again()
        assert await ids(reader, 5) == names


async def test_a_reader_that_is_slower_than_the_journal_is_told_of_the_gap(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "RECENT", 1)
    world = World(store)
    async with world.following() as reader:
        await world.launch("l1", "l2", "l3")
        await world.look_again()
        await store.prune_changes(keep=1, limit=100)
        assert await ids(reader, 1) == ["gap"]
        await world.launch("l4")
        await world.look_again()
        assert await ids(reader, 1) == ["l4"]


async def test_what_was_forgotten_since_is_told_no_more(store: SqliteStore) -> None:
    world = World(store)
    async with world.following() as reader:
        await store.record(make_received())
        ((delivery, _, _),) = await store.begin_routing(1)
        ignored = replace(delivery, state=DeliveryState.IGNORED)
        assert await store.route(ignored, events=(), verdicts=(), launches=())
        assert await store.prune(received_before=NOON + 1, limit=1) == 1
        await world.look_again()
        assert await world.is_silent(reader)
        await world.launch("l1")
        await world.look_again()
        assert await ids(reader, 1) == ["l1"]


async def test_a_database_that_fails_is_looked_at_again(store: SqliteStore) -> None:
    world = World(store)
    async with world.following() as reader:
        await world.launch("l1")
        world.failures = [StoreUnavailable("the database is busy")]
        with capture_logs() as logs:
            await world.look_again()
        assert [(line["event"], line["error"]) for line in logs] == [
            ("feed.failed", "the database is busy")
        ]
        assert await world.is_silent(reader)
        await world.look_again()
        assert await ids(reader, 1) == ["l1"]


async def test_a_fault_of_ours_is_logged_and_ends_no_feed(store: SqliteStore) -> None:
    world = World(store)
    async with world.following() as reader:
        await world.launch("l1")
        world.failures = [KeyError("a fault")]
        with capture_logs() as logs:
            await world.look_again()
        assert [line["event"] for line in logs] == ["feed.broken"]
        await world.look_again()
        assert await ids(reader, 1) == ["l1"]


async def test_whoever_gave_up_waiting_misses_nothing_of_what_comes(store: SqliteStore) -> None:
    world = World(store)
    async with world.following() as reader:
        assert await world.is_silent(reader)
        await world.launch("l1", "l2")
        await world.look_again()
        assert await ids(reader, 1) == ["l1"]
        assert [event async for event in _until(reader, "l2")] == ["l2"]


async def _until(reader: FeedReader, last: str) -> AsyncIterator[str]:
    async for event in reader:
        yield event.data["id"]
        if event.data["id"] == last:
            return
