"""Launches that say much are read in turns."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from factories import make_launch, make_spec
from jobhook.adapters.rows import LAUNCH_COLUMNS, launch_row, size_of
from jobhook.adapters.turns import Turns

pytestmark = pytest.mark.anyio


def row_that_says(length: int) -> dict[str, Any]:
    launch = make_launch(spec=make_spec(command=("c" * length,)))
    return dict(zip(LAUNCH_COLUMNS, launch_row(launch), strict=True))


@pytest.mark.parametrize(
    ("lengths", "go_on"),
    [([10] * 100, False), ([300_000], True), ([30_000] * 3, True)],
    ids=["little", "one that says much", "several that say much together"],
)
async def test_others_go_on_while_launches_that_say_much_are_read(
    lengths: list[int], go_on: bool
) -> None:
    others = asyncio.Event()
    asyncio.get_running_loop().call_soon(others.set)
    launches = await Turns().launches_of(map(row_that_says, lengths))
    assert others.is_set() is go_on
    assert [len(launch.spec.command[0]) for launch in launches] == lengths


async def test_however_many_ask_one_launch_that_says_much_is_read_before_others_go_on() -> None:
    read: list[int] = []
    read_when_others_go_on: list[int] = []

    def rows() -> Any:
        for _ in range(3):
            yield row_that_says(100_000)
            read.append(1)

    async def go_on() -> None:
        while True:
            read_when_others_go_on.append(len(read))
            await asyncio.sleep(0)

    others = asyncio.create_task(go_on())
    turns = Turns()
    await asyncio.gather(*(turns.launches_of(rows()) for _ in range(5)))
    others.cancel()
    assert set(range(15)) <= set(read_when_others_go_on)


@pytest.mark.parametrize(
    ("value", "size"), [("text", 4), (b"bytes", 5), (17, 0), (1.5, 0), (None, 0)], ids=repr
)
def test_whatever_damage_makes_of_a_text_has_a_size(value: object, size: int) -> None:
    assert size_of(value) == size
