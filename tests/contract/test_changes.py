"""What the journal of changes promises, on every store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.conftest import Recorded
from factories import NOON, PLENTY, make_launch, make_received
from jobhook.core.deliveries import DeliveryState
from jobhook.core.guards import Guard
from jobhook.core.launches import LaunchState, moved
from jobhook.core.pages import FIRST_PLACE

pytestmark = pytest.mark.anyio

GUARD = Guard(PLENTY, {"cpu-basic": 0.01}, NOON)


class Journal:
    """
    What a test sees of the journal.

    On PostgreSQL something is told once all that began to be written before it has ended, also
    what tells other processes that there are news. So a mark is written, and waited for.
    """

    def __init__(self, store: Recorded) -> None:
        self._store = store
        self._marks = 0
        self.place = FIRST_PLACE

    async def begin(self) -> None:
        """Let what was done so far be no news."""
        await self.news()

    async def news(self) -> list[tuple[str, str]]:
        """Return what was done since the last time, without its place."""
        self._marks += 1
        mark = make_launch(id=f"mark{self._marks}", rule="mark", action=self._marks)
        assert await self._store.add(replace(mark, state=LaunchState.COMPLETED))
        after = max(self.place, await self._store.oldest_change())
        for _ in range(1000):
            changes = await self._store.changes_after(after, limit=1000)
            if changes and changes[-1].id == mark.id:
                self.place = changes[-1].place
                return [(each.kind, each.id) for each in changes[:-1]]
        raise AssertionError("what was done is not told")


async def test_at_first_there_is_nothing_new(store: Recorded) -> None:
    assert await store.oldest_change() == await store.newest_change()
    assert await Journal(store).news() == []


async def test_each_change_that_is_shown_is_told_in_the_order_in_which_it_was_done(
    store: Recorded,
) -> None:
    journal = Journal(store)
    ours = (await store.record(make_received())).delivery
    assert await journal.news() == [("delivery", ours)]
    ((delivery, _, _),) = await store.begin_routing(10)
    # That somebody has begun to look at it is shown to nobody.
    assert await journal.news() == []
    launch = make_launch(delivery=ours, id="l1")
    matched = replace(delivery, state=DeliveryState.MATCHED)
    await store.route(matched, events=(), verdicts=(), launches=[launch])
    assert await journal.news() == [("delivery", ours), ("launch", "l1")]
    ((claimed, _),) = await store.claim(NOON, 10, GUARD)
    assert await journal.news() == [("launch", "l1")]
    await store.replace(claimed, replace(claimed, looks=claimed.looks + 1, due_at=NOON + 1))
    assert await journal.news() == []
    await store.replace(claimed, moved(claimed, LaunchState.UNKNOWN, now=NOON))
    assert await journal.news() == [("launch", "l1")]


async def test_what_is_changed_for_many_at_once_is_told_of_each(store: Recorded) -> None:
    for n in range(3):
        launch = make_launch(id=f"l{n}", action=n, state=LaunchState.HELD, reason="limit: x")
        assert await store.add(launch)
    journal = Journal(store)
    await journal.begin()
    await store.release(NOON, reason_prefix="limit")
    assert sorted(await journal.news()) == [("launch", f"l{n}") for n in range(3)]
    await store.expire(NOON, created_before=NOON + 1)
    assert len(await journal.news()) == 3


async def test_a_delivery_that_is_to_be_decided_again_is_told(store: Recorded) -> None:
    ours = (await store.record(make_received())).delivery
    ((delivery, _, _),) = await store.begin_routing(10)
    ignored = replace(delivery, state=DeliveryState.IGNORED)
    await store.route(ignored, events=(), verdicts=(), launches=())
    journal = Journal(store)
    await journal.begin()
    assert await store.replay(ours)
    assert await journal.news() == [("delivery", ours)]


async def test_a_copy_and_a_launch_that_is_known_change_nothing(store: Recorded) -> None:
    await store.record(make_received())
    await store.add(make_launch(id="l1"))
    journal = Journal(store)
    await journal.begin()
    assert (await store.record(make_received())).duplicate
    assert not await store.add(make_launch(id="l1"))
    assert await journal.news() == []


async def test_a_reader_goes_on_where_it_was(store: Recorded) -> None:
    place = await store.oldest_change()
    for n in range(5):
        await store.add(make_launch(id=f"l{n}", action=n))
    journal = Journal(store)
    await journal.begin()
    ids: list[str] = []
    while changes := await store.changes_after(place, limit=2):
        assert len(changes) <= 2
        ids += [change.id for change in changes]
        place = changes[-1].place
    assert ids == ["l0", "l1", "l2", "l3", "l4", "mark1"]
    assert place == journal.place == await store.newest_change()


async def test_only_the_newest_are_kept_and_from_where_on_is_told(store: Recorded) -> None:
    for n in range(6):
        await store.add(make_launch(id=f"l{n}", action=n))
    journal = Journal(store)
    await journal.begin()
    # With the mark, and with where it all began, there are eight.
    assert await store.prune_changes(keep=2, limit=4) == 4
    assert await store.prune_changes(keep=2, limit=4) == 2
    assert await store.prune_changes(keep=2, limit=4) == 0
    # The oldest that is kept is where whoever missed nothing has been.
    oldest = await store.oldest_change()
    assert [each.id for each in await store.changes_after(oldest, limit=10)] == ["mark1"]
    assert await store.prune_changes(keep=0, limit=4) == 1
    assert await store.oldest_change() == await store.newest_change() == journal.place
    await store.add(make_launch(id="l6", action=6))
    assert await journal.news() == [("launch", "l6")]
