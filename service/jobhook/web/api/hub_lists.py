"""
Lists of what the Hub has, page by page.

A cursor names a page of the Hub's and the last thing of it that was told. What comes meanwhile is
ahead of it, so that nothing is told twice and nothing is left out. A caller can make one up: it
only ever chooses among the pages of one list.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import Field

from jobhook.core.errors import UsageError
from jobhook.core.names import is_id
from jobhook.web.api.given import Paged

# A cursor of the Hub's has up to 2,048 characters.
CURSOR_MAX = 4000
_PAIRS_MAX, _PART_MAX = 8, 2048

Pairs = Sequence[tuple[str, str]]


class OfTheHub(Paged):
    """A page of a list of the Hub's, which has about a hundred items at most."""

    cursor: Annotated[
        str | None,
        Field(
            max_length=CURSOR_MAX,
            description="`next_cursor` of the page before; the first without.",
        ),
    ] = None


class Item(Protocol):
    """What the Hub tells of in lists, the newest first."""

    @property
    def id(self) -> str:
        """What it is known by."""

    @property
    def created_at(self) -> datetime | None:
        """When it was made."""


Listed = TypeVar("Listed", bound=Item)
Read = Callable[[Pairs], Awaitable[tuple[list[Listed], Pairs | None]]]


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a page begins.

    Attributes:
        page: What the Hub is asked for its page with; nothing for the first.
        behind: The id of what was told last, and *since* when it was made, in microseconds;
            empty if the page begins with the Hub's.
    """

    page: Pairs = ()
    behind: str = ""
    since: int = 0

    def text(self) -> str:
        """Return it as a cursor."""
        told = json.dumps([[*map(list, self.page)], self.behind, self.since], separators=(",", ":"))
        return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")

    def of(self, items: Sequence[Listed]) -> list[Listed]:
        """Return which of *items*, on this page of the Hub's, come behind it."""
        ids = [each.id for each in items]
        if self.behind in ids:
            return [*items[ids.index(self.behind) + 1 :]]
        # It is on a later page by now, or in no list of this kind any more.
        return [each for each in items if not self.behind or _since(each) <= self.since]


def read_cursor(text: str | None) -> Place:
    """Return the place that a cursor names; raises `UsageError` if it is none of ours."""
    if text is None:
        return Place()
    try:
        told = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        page, behind, since = told
        return Place(_pairs(page), _an_id(behind), _a_moment(since))
    except (ValueError, TypeError, binascii.Error, RecursionError) as exc:
        raise UsageError("cursor: this is none that a list has given") from exc


def _pairs(page: Any) -> Pairs:
    pairs = tuple((name, value) for name, value in page)
    for text in (each for pair in pairs for each in pair):
        if not isinstance(text, str) or not text.isprintable() or len(text) > _PART_MAX:
            raise ValueError(text)
    if len(pairs) > _PAIRS_MAX:
        raise ValueError(pairs)
    return pairs


def _an_id(text: Any) -> str:
    if not isinstance(text, str) or (text and not is_id(text)):
        raise ValueError(text)
    return text


def _a_moment(number: Any) -> int:
    if type(number) is not int:
        raise ValueError(number)
    return number


def _since(item: Item) -> int:
    # What has no time is told rather than left out.
    return int(item.created_at.timestamp() * 1_000_000) if item.created_at else 0


async def page_of(read: Read[Listed], paged: OfTheHub) -> tuple[list[Listed], str | None]:
    """
    Return the page that *paged* asks for, and the cursor of the next one.

    *read* asks the Hub for one of its pages, and returns what the next one is asked for with.
    """
    place = read_cursor(paged.cursor)
    items, following = await read(place.page)
    left = place.of(items)
    told = left[: paged.limit]
    if len(told) < len(left):
        return told, Place(place.page, told[-1].id, _since(told[-1])).text()
    if following is None:
        return told, None
    # Where all on the page was newer, what is behind that place is still to come.
    rest = Place(following) if told else replace(place, page=following)
    return told, rest.text()
