"""How long to wait before a call that is harmless to repeat is repeated."""

from __future__ import annotations

import random

from jobhook.core.errors import HubBusy, HubError

RETRIES = 4
_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 8.0


def pause_before(turn: int, failed: HubError) -> float:
    """
    Return the seconds to wait after the failure of *turn* (from 0).

    What the Hub asks for (`Retry-After`, `RateLimit`) is kept to; a little is added, so that many
    who were told the same do not come back at the same moment.
    """
    told = failed.retry_after if isinstance(failed, HubBusy) else None
    base = min(_FIRST_SECONDS * 2**turn, _LONGEST_SECONDS) / 2
    jitter = random.uniform(0, base)  # noqa: S311 - only spreads what comes at once
    return base + jitter if told is None else told + jitter
