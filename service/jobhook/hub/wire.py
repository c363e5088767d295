"""Taking JSON of the Hub apart: what must be there raises `TypeError` if it is not."""

from __future__ import annotations

from typing import Any

from jobhook.core.texts import holds_half_a_character


def text(value: Any) -> str:
    """Return *value*, which must be a text with something in it."""
    if not isinstance(value, str) or not value or holds_half_a_character(value):
        raise TypeError(f"{type(value).__name__} where a text must be")
    return value


def items(value: Any) -> list[Any]:
    """Return *value*, which must be a list: any other thing might pass for a list of its keys."""
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__} where a list must be")
    return value


def text_or_empty(value: Any) -> str:
    """Return *value* if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def items_or_empty(value: Any) -> list[Any]:
    """Return *value* if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def object_or_empty(value: Any) -> dict[str, Any]:
    """Return *value* if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
