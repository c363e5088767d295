"""Launches that say much are read in turns, so that everybody else goes on in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from jobhook.adapters.rows import Row, launch_of, size_of
from jobhook.core.launches import Launch

# How much launches may say that are read in one go: 2 ms; a page of a hundred mostly says less.
_IN_ONE_GO = 64 * 1024


class Turns:
    """Reads launches for all who list them; used in one event loop."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def launches_of(self, rows: Iterable[Row]) -> tuple[Launch, ...]:
        """Return the launch of each row; however many ask, one that says much is read at a time."""
        launches: list[Launch] = []
        size = 0
        for row in rows:
            size += size_of(row["spec"])
            if size < _IN_ONE_GO:
                launches.append(launch_of(row))
                continue
            size = 0
            async with self._turn:
                launches.append(launch_of(row))
                await asyncio.sleep(0)
        return tuple(launches)
