"""What comes bit by bit: lists that have pages, and what a job says while it runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


class Listing(Generic[Item]):
    """A list of the Hub's: awaited it is whole, and iterated over it comes page by page."""

    def __init__(self, pages: AsyncGenerator[list[Item], None]) -> None:
        self._pages = pages
        self._all: list[Item] | None = None

    def __await__(self) -> Generator[None, None, list[Item]]:
        return self._whole().__await__()

    async def __aiter__(self) -> AsyncIterator[Item]:
        async for page in self._pages:
            for item in page:
                yield item

    async def _whole(self) -> list[Item]:
        if self._all is None:
            self._all = [item async for item in self]
        return self._all


class Stream(Generic[Item]):
    """What comes one after the other for as long as it comes; `aclose` gives it up."""

    def __init__(self, batches: AsyncGenerator[list[Item], None]) -> None:
        self._batches = batches
        self._here: list[Item] = []

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        if not self._here:
            self._here = (await self.batch())[::-1]
            if not self._here:
                raise StopAsyncIteration
        return self._here.pop()

    async def batch(self) -> list[Item]:
        """Return what has come together, in its order; nothing at the end."""
        return await anext(self._batches, [])

    async def aclose(self) -> None:
        """Close the connection that it comes from."""
        await self._batches.aclose()
