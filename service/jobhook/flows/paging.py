"""Read a list a page at a time, where somebody wants all of it or the first so many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from jobhook.core.pages import Page

T = TypeVar("T")

PAGE_MAX = 1000


async def gathered(
    read: Callable[[int, str | None], Awaitable[Page[T]]], *, limit: int
) -> tuple[T, ...]:
    """Return the first *limit* of what *read* gives for a limit and a cursor; 0 means all."""
    found: list[T] = []
    after = None
    while True:
        wanted = min(limit - len(found), PAGE_MAX) if limit else PAGE_MAX
        page = await read(wanted, after)
        found += page.items
        after = page.next
        if after is None or (limit and len(found) >= limit):
            return tuple(found)
