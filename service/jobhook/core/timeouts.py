"""How long is `1.5h`."""

from __future__ import annotations

import math
import re

from jobhook.core.errors import UsageError
from jobhook.core.texts import shown

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_timeout(value: str | float) -> int:
    """
    Return the seconds that *value* means: `90`, `"90"`, `"90s"`, `"1.5h"`, `"2d"`.

    Raises:
        UsageError: If it is no positive number of seconds, minutes, hours or days.
    """
    # A number with more than 15 digits is no timeout; str() and float() of very long ones fail.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    can_be = isinstance(value, str) or (is_number and abs(value) < 10**16)
    text = str(value).strip() if can_be else ""
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _SECONDS[match[2]] if match and len(text) <= 16 else math.nan
    if not seconds >= 1:
        raise UsageError(
            f"timeout {shown(value)} is no length of time: "
            "write seconds, or a number with s, m, h or d"
        )
    return int(seconds)
