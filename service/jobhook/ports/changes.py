"""The journal of changes of deliveries and launches, which the live feed reads."""

from __future__ import annotations

from typing import Protocol

from jobhook.core.changes import Change
from jobhook.core.pages import Place


class Changes(Protocol):
    """
    What changed, in an order that is the same for all who read it.

    It is written in the transaction of the change itself, so that it forgets none. It goes back
    only so far: see `oldest_change`. Every method raises `StoreError` if the database cannot be
    read now.
    """

    async def changes_after(self, place: Place, *, limit: int) -> tuple[Change, ...]:
        """
        Return the first *limit* changes after *place*, oldest first.

        Nothing that comes before one of them is told later. On PostgreSQL a change is told once no
        transaction is open that began to write before it, in whatever database of the server.
        """

    async def newest_change(self) -> Place:
        """Return the place of the newest that is told."""

    async def oldest_change(self) -> Place:
        """Return the oldest place from which on nothing was forgotten."""
