"""What the Hub says of the calls that are left (`RateLimit`, `RateLimit-Policy`, `Retry-After`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from jobhook.core.pacing import Quota

_BUCKET = '"api"'
_NUMBER = re.compile(r";\s*([rtqw])=(\d{1,9})(?![\d.])")
_RESET_SECONDS = re.compile(r";\s*t=(\d{1,6})")
_TOO_MANY_REQUESTS = 429
_WINDOW_MAX = 3600.0
_UNTOLD_SECONDS = 60.0


def read_quota(known: Quota, status: int, headers: Mapping[str, str]) -> Quota:
    """Return *known* with what an answer adds to it; what cannot be read adds nothing."""
    policy = _parameters(headers.get("ratelimit-policy", ""))
    limit, window = policy.get("q", 0) or known.limit, policy.get("w", 0) or known.window
    quota = replace(known, limit=limit, window=min(float(window), _WINDOW_MAX))
    told = _parameters(headers.get("ratelimit", ""))
    left, resets_in = told.get("r"), float(told.get("t", quota.window))
    if status == _TOO_MANY_REQUESTS:
        left, resets_in = 0, retry_after(headers) or _UNTOLD_SECONDS
    if left is None:
        return quota
    # Whatever is told, one look in a window finds out whether it is still so.
    return replace(quota, left=left, resets_in=min(resets_in, quota.window))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the Hub asks us to wait, or None."""
    plain = headers.get("retry-after", "")
    if plain.isascii() and plain.isdigit() and len(plain) <= 6:
        return float(plain)
    reset = _RESET_SECONDS.search(headers.get("ratelimit", ""))
    return float(reset[1]) if reset else None


def _parameters(header: str) -> dict[str, int]:
    """Return the numbers of the bucket that calls of the API are counted in."""
    for item in header.split(","):
        if _BUCKET in item:
            return {name: int(number) for name, number in _NUMBER.findall(item)}
    return {}
