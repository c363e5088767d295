from __future__ import annotations

import pytest

from jobhook.core.pages import Page
from jobhook.flows import paging
from jobhook.flows.paging import gathered

pytestmark = pytest.mark.anyio


class Shelf:
    """A list of numbers whose every page is short, and some empty; it keeps what was asked."""

    def __init__(self, pages: list[list[int]]) -> None:
        self._pages = pages
        self.asked: list[tuple[int, str | None]] = []

    async def page(self, limit: int, after: str | None) -> Page[int]:
        self.asked.append((limit, after))
        at = int(after or 0)
        last = at + 1 == len(self._pages)
        return Page(tuple(self._pages[at][:limit]), None if last else str(at + 1))


async def test_all_is_read_to_the_last_page() -> None:
    shelf = Shelf([[1], [], [2, 3], []])
    assert await gathered(shelf.page, limit=0) == (1, 2, 3)
    assert shelf.asked == [(1000, None), (1000, "1"), (1000, "2"), (1000, "3")]


async def test_no_more_is_read_than_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE_MAX", 2)
    shelf = Shelf([[1, 2], [], [3, 4], [5]])
    assert await gathered(shelf.page, limit=3) == (1, 2, 3)
    assert shelf.asked == [(2, None), (1, "1"), (1, "2")]
