"""Lists of the Hub's, page by page, while they change."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhook.core.errors import UsageError
from jobhook.web.api.hub_lists import CURSOR_MAX, OfTheHub, Pairs, Place, page_of, read_cursor

pytestmark = pytest.mark.anyio

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Thing:
    """Something in a list."""

    id: str
    created_at: datetime | None


def thing(number: int) -> Thing:
    return Thing(f"t{number}", BEGAN + timedelta(seconds=number))


class PagedHub:
    """A Hub that tells of things, the newest first, three at a time behind one that it names."""

    def __init__(self, *numbers: int) -> None:
        self.things = [thing(number) for number in sorted(numbers, reverse=True)]
        self.asked: list[Pairs] = []

    def add(self, *numbers: int) -> None:
        self.things = [*map(thing, sorted(numbers, reverse=True)), *self.things]

    def take(self, *numbers: int) -> None:
        ids = {f"t{number}" for number in numbers}
        self.things = [each for each in self.things if each.id not in ids]

    async def read(self, page: Pairs) -> tuple[list[Thing], Pairs | None]:
        self.asked.append(page)
        behind = BEGAN + timedelta(seconds=int(dict(page).get("cursor", "1000")))
        left = [each for each in self.things if each.created_at and each.created_at < behind]
        told = left[:3]
        return told, (("cursor", told[-1].id[1:]),) if len(left) > 3 else None

    async def page(self, limit: int, cursor: str | None = None) -> tuple[list[str], str | None]:
        asked = OfTheHub.model_validate({"limit": str(limit), "cursor": cursor})
        items, following = await page_of(self.read, asked)
        return [each.id for each in items], following

    async def rest(self, limit: int, cursor: str | None) -> list[str]:
        """All pages from *cursor* on."""
        told: list[str] = []
        while cursor:
            items, cursor = await self.page(limit, cursor)
            told += items
        return told


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
async def test_every_thing_is_told_once(limit: int) -> None:
    hub = PagedHub(*range(1, 9))
    first, cursor = await hub.page(limit)
    assert [*first, *await hub.rest(limit, cursor)] == [f"t{number}" for number in range(8, 0, -1)]


async def test_a_page_is_one_call_of_the_hub() -> None:
    hub = PagedHub(*range(1, 9))
    assert (await hub.page(100))[0] == ["t8", "t7", "t6"]
    assert hub.asked == [()]


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("more", [1, 2, 3, 5, 7], ids=lambda more: f"{more} more")
async def test_what_comes_meanwhile_moves_nothing(limit: int, more: int) -> None:
    hub = PagedHub(*range(1, 9))
    first, cursor = await hub.page(limit)
    hub.add(*range(10, 10 + more))
    told = [*first, *await hub.rest(limit, cursor)]
    assert told == [f"t{number}" for number in range(8, 0, -1)]


@pytest.mark.parametrize("gone", [(7,), (7, 6), (7, 6, 5, 4)], ids=str)
async def test_what_goes_meanwhile_is_all_that_is_missing(gone: tuple[int, ...]) -> None:
    hub = PagedHub(*range(1, 9))
    first, cursor = await hub.page(2)
    assert first == ["t8", "t7"]
    hub.take(*gone)
    left = [f"t{number}" for number in range(6, 0, -1) if number not in gone]
    assert await hub.rest(2, cursor) == left


async def test_a_thing_without_a_time_is_told() -> None:
    hub = PagedHub(*range(1, 4))
    _, cursor = await hub.page(1)
    hub.take(3)
    hub.things = [replace(each, created_at=None) for each in hub.things]
    assert read_cursor(cursor).of(hub.things) == hub.things


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(None, id="nothing"),
        pytest.param([[], "", 0, 0], id="too much"),
        pytest.param([[["a"]], "", 0], id="half a pair"),
        pytest.param([[["a", 1]], "", 0], id="a number"),
        pytest.param([[["cursor", "a\r\nb"]], "", 0], id="two lines"),
        pytest.param([[["cursor", "a" * 2049]], "", 0], id="too long"),
        pytest.param([[["a", "b"]] * 9, "", 0], id="too many"),
        pytest.param([[], "../x", 0], id="no id"),
        pytest.param([[], None, 0], id="null for an id"),
        pytest.param([[], "", "0"], id="no moment"),
        pytest.param([[], "", True], id="a flag for a moment"),
    ],
)
def test_a_cursor_of_somebody_elses_making_is_refused(told: object) -> None:
    text = base64.urlsafe_b64encode(json.dumps(told).encode()).decode()
    with pytest.raises(UsageError, match="none that a list has given"):
        read_cursor(text)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_cursor(text)


def test_the_longest_cursor_of_the_hubs_is_not_too_long() -> None:
    place = Place((("cursor", "a" * 2048),), "6b04c6af477a260049000002", 10**16)
    assert len(place.text()) <= CURSOR_MAX
    assert read_cursor(place.text()) == place
