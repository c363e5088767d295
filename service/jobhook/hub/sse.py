"""
Server-sent events, as the Hub sends them: one line of JSON each, and comments to keep alive.

Lines end at a line feed and nowhere else: JSON may hold U+2028 and the like as they are.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from jobhook.core.errors import HubBusy

# A line of a log has no limit of its own.
LINE_MAX_BYTES = 5 * 1024 * 1024
_DATA = b"data: {"


async def events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[dict[str, Any]], None]:
    """
    Yield what comes together; an empty list where all that came was to keep the connection alive.

    Raises:
        HubBusy: A line is too long or cannot be read.
    """
    held: list[bytes] = []
    size = 0
    async for chunk in chunks:
        begun, feed, rest = chunk.rpartition(b"\n")
        if feed:
            lines = b"".join([*held, begun]).split(b"\n")
            held, size = [], 0
            told = [_event(line) for line in lines if line.startswith(_DATA)]
            # A part of a line is no sign that there is nothing to say.
            if told or any(line.startswith(b":") for line in lines):
                yield told
        held.append(rest)
        size += len(rest)
        if size > LINE_MAX_BYTES:
            raise HubBusy(f"the Hub sent a line of over {LINE_MAX_BYTES:,} bytes")
    last = b"".join(held)
    if last.startswith(_DATA):
        yield [_event(last)]


def _event(line: bytes) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(line[len(_DATA) - 1 :])
    except (ValueError, RecursionError) as exc:
        raise HubBusy("the Hub sent a line that cannot be read") from exc
    return told
