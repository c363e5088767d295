"""Texts that strangers write: what no other program would take."""

from __future__ import annotations

import re

_HALVES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LINE_MAX = 1000
ONE_LINE = f"may hold no control characters, and {_LINE_MAX:,} characters at most"
# Python does not write down numbers of over 4,300 digits; nobody means one of 17.
_NUMBER_MAX = 10**16


def holds_half_a_character(text: str) -> bool:
    """Whether *text* holds a surrogate by itself: JSON and YAML can write it, UTF-8 cannot."""
    return not text.isascii() and _HALVES.search(text) is not None


def is_one_line(text: str) -> bool:
    """Whether *text* can be a name or an address: no control characters, 1,000 characters."""
    return len(text) <= _LINE_MAX and not _CONTROLS.search(text)


def without_controls(text: str) -> str:
    """Return *text* with `�` for what would move a terminal's cursor or is half a character."""
    return _CONTROLS.sub("�", text)


def shown(value: object, most: int = 40) -> str:
    """
    Return *value* as a message shows it: in quotes and cut.

    What is no text, number or None is shown by its type, and so is a number with more digits than
    Python writes down.
    """
    if isinstance(value, str):
        return repr(value[:most])
    is_short = isinstance(value, int | float) and abs(value) < _NUMBER_MAX
    if value is None or is_short or isinstance(value, float):
        return repr(str(value))
    return f"<{type(value).__name__}>"
