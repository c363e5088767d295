"""What all calls of a service share: answers read back into the values that it made them from."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from jobhook.core.errors import ListTooLong
from jobhook.remote.failures import unreadable
from jobhook.remote.transport import Query, ServiceTransport

# Of a list whose end never comes.
PAGES_MAX = 10_000

Item = TypeVar("Item")
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A part of a list, and where the next one begins."""

    items: list[Item]
    next_cursor: str | None = None


# Making one takes longer than reading an answer with it.
_READERS: dict[Any, TypeAdapter[Any]] = {}


def _reader(kind: Any) -> TypeAdapter[Any]:
    if kind not in _READERS:
        _READERS[kind] = TypeAdapter(kind)
    return _READERS[kind]


class RemoteCalls:
    """The service, and how its answers are read."""

    service: ServiceTransport

    async def _get(
        self, kind: type[Read], path: str, query: Query = (), *, seconds: float | None = None
    ) -> Read:
        body = await self.service.get(path, query, seconds=seconds)
        return self._read(kind, body, changed=False)

    async def _change(
        self, kind: type[Read], method: str, path: str, body: Any = None, *, query: Query = ()
    ) -> Read:
        answer = await self.service.change(method, path, body, query=query)
        return self._read(kind, answer, changed=True)

    async def _pages(
        self, kind: type[Item], path: str, query: Query = (), *, seconds: float | None = None
    ) -> AsyncGenerator[list[Item], None]:
        """Yield a list page by page; raises `ListTooLong` if it goes on for too long."""
        after: Query = ()
        for _ in range(PAGES_MAX):
            page: Page[Item] = await self._get(
                Page[kind],  # type: ignore[valid-type]
                path,
                [*query, *after],
                seconds=seconds,
            )
            yield page.items
            if page.next_cursor is None:
                return
            after = [("cursor", page.next_cursor)]
        raise ListTooLong(f"the list goes on after {PAGES_MAX:,} pages and was read no further")

    def _read(self, kind: type[Read], body: bytes, *, changed: bool) -> Read:
        try:
            told: Read = _reader(kind).validate_json(body, strict=True)
        except ValidationError:
            # What it holds is not told: nobody knows who sent it.
            raise unreadable(self.service.url, _name(kind), changed=changed) from None
        return told


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", "answer"))
