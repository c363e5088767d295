"""Lengths of time as the official command line reads and writes them."""

from __future__ import annotations

import re

from jobhook.core.errors import UsageError

_LENGTH = re.compile(r"(\d{1,9})([a-z]*)", re.IGNORECASE | re.ASCII)
_DAY = 86_400
_SECONDS = {
    "": 1,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": _DAY,
    "w": 7 * _DAY,
    "mo": 30 * _DAY,
    "y": 365 * _DAY,
}


def parse_wait(text: str) -> int:
    """
    Return the seconds that *text* means: `90`, `90s`, `15m`, `2h`, `1d`, `1w`, `1mo`, `1y`.

    Raises:
        UsageError: It is no whole number of these.
    """
    found = _LENGTH.fullmatch(text.strip())
    if not found or found[2].lower() not in _SECONDS:
        raise UsageError(
            f"timeout {text[:40]!r} is no length of time: write seconds, or a whole number with s, "
            "m, h, d, w, mo or y"
        )
    return int(found[1]) * _SECONDS[found[2].lower()]


def format_length(seconds: float | None) -> str:
    """Return *seconds* as a person reads them in a table, such as `1m 32s`; `--` if not known."""
    if seconds is None:
        return "--"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"
