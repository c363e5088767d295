"""Server-sent events, as the API sends them: an id, a kind, and a line of JSON."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from jobhook.core.errors import HubBusy
from jobhook.hub.sse import LINE_MAX_BYTES

_FIELDS = (b"id", b"event", b"data")
_ID = re.compile(rb"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Event:
    """One event; *id* is what `Last-Event-ID` says to go on behind it."""

    kind: str
    data: bytes
    id: str | None


async def events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[Event], None]:
    """
    Yield the events that come together.

    Raises:
        HubBusy: One is too long.
    """
    held = b""
    async for chunk in chunks:
        whole, blank, rest = (held + chunk).rpartition(b"\n\n")
        held = rest
        if len(held) > LINE_MAX_BYTES:
            raise HubBusy(f"the service sent an event of over {LINE_MAX_BYTES:,} bytes")
        told = [event for text in whole.split(b"\n\n") if (event := _event(text))] if blank else []
        if told:
            yield told


def _event(text: bytes) -> Event | None:
    fields: dict[bytes, bytes] = {}
    for line in text.split(b"\n"):
        name, _, value = line.partition(b":")
        if name in _FIELDS:
            fields[name] = value.removeprefix(b" ")
    if b"data" not in fields:
        return None
    given = fields.get(b"id", b"")
    return Event(
        kind=fields.get(b"event", b"message").decode("utf-8", "replace"),
        data=fields[b"data"],
        # It goes back in a header.
        id=given.decode() if _ID.fullmatch(given) else None,
    )
