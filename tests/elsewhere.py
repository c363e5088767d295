"""A service elsewhere, as its client meets it."""

from __future__ import annotations

TOKEN = "jh_canary-canary-canary-canary-canary-canary"


class Slept:
    """Remembers how long it was to sleep, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
