"""Texts that strangers write: what no other program would take."""

from __future__ import annotations

import re

_HALVES = re.compile("[\ud800-\udfff]")


def holds_half_a_character(text: str) -> bool:
    """Whether *text* holds a surrogate by itself: JSON and YAML can write it, UTF-8 cannot."""
    return not text.isascii() and _HALVES.search(text) is not None
