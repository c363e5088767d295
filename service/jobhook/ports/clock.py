"""The time."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Tells the time, so that tests can."""

    def __call__(self) -> int:
        """Return milliseconds since 1970, UTC."""
