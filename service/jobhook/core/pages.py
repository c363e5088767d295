"""Lists a page at a time, and the places between two of their items."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Generic, TypeVar

from jobhook.core.errors import UsageError

T = TypeVar("T")

# What the stores count with.
_LARGEST = 2**63 - 1
_PLACE = re.compile(r"(0|-?[1-9][0-9]{0,18})\.(0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """
    Where something stands in an order that never changes, first by *major*, then by *minor*.

    A program that is given the text of one gives it back as it is, to go on from there.
    """

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


FIRST_PLACE = Place(0, 0)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """
    Some of a list, in its order.

    Attributes:
        next: The cursor of the page after it; None if nothing is left.
    """

    items: tuple[T, ...]
    next: str | None


def cursor_of(list_name: str, place: Place) -> str:
    """Return the cursor of what comes after *place* in the list of that name."""
    return f"{list_name}-{place}"


def place_at(list_name: str, cursor: str) -> Place:
    """Return the place that a cursor of that list stands for; raises `UsageError` if it is none."""
    name, _, text = cursor.partition("-")
    place = place_in(text)
    if name != list_name or place is None:
        raise UsageError(
            f"the cursor {cursor[:100]!r} is none of this list: give the `next_cursor` of the page "
            "before, as it came, or none for the first page"
        )
    return place


def place_in(text: str) -> Place | None:
    """Return the place that *text* is of, or None if it is none."""
    found = _PLACE.fullmatch(text)
    if found is None:
        return None
    place = Place(*map(int, found.groups()))
    return place if abs(place.major) <= _LARGEST and place.minor <= _LARGEST else None
