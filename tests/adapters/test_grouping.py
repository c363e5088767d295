from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from jobhook.adapters.grouping import Bounds, Grouping
from jobhook.core.errors import StoreError, StoreUnavailable

pytestmark = pytest.mark.anyio


class Slow:
    """Answers a group when it is let go, and remembers the groups."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun = asyncio.Event()
        self.free = asyncio.Event()

    async def __call__(self, group: Sequence[int]) -> list[int]:
        self.groups.append(list(group))
        self.begun.set()
        await self.free.wait()
        return [item * 10 for item in group]


async def begun(slow: Slow, grouping: Grouping[int, int]) -> asyncio.Task[int]:
    """Let a first group be on its way, which holds up the others."""
    first = asyncio.create_task(grouping.submit(0, 1))
    await slow.begun.wait()
    return first


async def test_what_waits_goes_together_and_each_gets_its_own_answer() -> None:
    slow = Slow()
    grouping = Grouping(slow, Bounds())
    first = await begun(slow, grouping)
    others = [asyncio.create_task(grouping.submit(n, 1)) for n in range(1, 6)]
    await asyncio.sleep(0)
    slow.free.set()
    assert await asyncio.gather(first, *others) == [0, 10, 20, 30, 40, 50]
    assert slow.groups == [[0], [1, 2, 3, 4, 5]]


@pytest.mark.parametrize(
    ("bounds", "groups"),
    [
        pytest.param(Bounds(group=2), [[0], [1, 2], [3]], id="number"),
        pytest.param(Bounds(group_bytes=12), [[0], [1], [2, 3]], id="bytes"),
        pytest.param(Bounds(group_bytes=2), [[0], [1], [2], [3]], id="one is too large"),
    ],
)
async def test_a_group_is_bounded(bounds: Bounds, groups: list[list[int]]) -> None:
    slow = Slow()
    grouping = Grouping(slow, bounds)
    first = await begun(slow, grouping)
    others = [asyncio.create_task(grouping.submit(n, size)) for n, size in ((1, 9), (2, 6), (3, 6))]
    await asyncio.sleep(0)
    slow.free.set()
    await asyncio.gather(first, *others)
    assert slow.groups == groups


@pytest.mark.parametrize(
    "bounds",
    [
        pytest.param(Bounds(waiting=2), id="number"),
        pytest.param(Bounds(waiting_bytes=9), id="bytes"),
    ],
)
async def test_what_is_too_much_is_refused_at_once(bounds: Bounds) -> None:
    slow = Slow()
    grouping = Grouping(slow, bounds)
    first = await begun(slow, grouping)
    others = [asyncio.create_task(grouping.submit(n, 4)) for n in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="too slow"):
        await grouping.submit(3, 4)
    slow.free.set()
    await asyncio.gather(first, *others)
    assert await grouping.submit(4, 4) == 40


async def test_whoever_waits_too_long_is_told_and_left_out() -> None:
    slow = Slow()
    grouping = Grouping(slow, Bounds(seconds=0.01))
    first = await begun(slow, grouping)
    for waiting in (grouping.submit(1, 1), first):
        with pytest.raises(StoreUnavailable, match="nothing within"):
            await waiting
    slow.free.set()
    assert await grouping.submit(2, 1) == 20
    assert slow.groups == [[0], [2]]


async def test_a_failure_is_told_to_everybody_and_the_next_group_is_tried() -> None:
    failures = [StoreUnavailable("gone"), RuntimeError("a fault of ours")]

    async def work(group: Sequence[int]) -> Sequence[int]:
        if failures:
            raise failures.pop()
        return group

    grouping = Grouping(work, Bounds())
    for error in (RuntimeError, StoreUnavailable):
        results = await asyncio.gather(
            *(grouping.submit(n, 1) for n in range(3)), return_exceptions=True
        )
        assert [type(result) for result in results] == [error] * 3
    assert await grouping.submit(7, 1) == 7


async def test_one_that_cannot_be_stored_does_not_spoil_its_group() -> None:
    async def work(group: Sequence[int]) -> Sequence[int]:
        if 2 in group:
            raise StoreError("no such text")
        return group

    grouping = Grouping(work, Bounds())
    results = await asyncio.gather(
        *(grouping.submit(n, 1) for n in (1, 2, 3)), return_exceptions=True
    )
    assert results[::2] == [1, 3]
    assert type(results[1]) is StoreError


async def test_a_caller_that_gave_up_disturbs_nobody() -> None:
    slow = Slow()
    grouping = Grouping(slow, Bounds())
    first = await begun(slow, grouping)
    given_up = [first, asyncio.create_task(grouping.submit(1, 1))]
    await asyncio.sleep(0)
    for task in given_up:
        task.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)
    slow.free.set()
    assert await grouping.submit(2, 1) == 20
    await grouping.aclose()
