"""The clocks of this machine."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Return milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Return milliseconds by a clock that nobody can set."""
    return time.monotonic_ns() // 1_000_000
