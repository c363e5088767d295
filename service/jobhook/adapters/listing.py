"""
Lists in SQL, whatever the database: newest first, all at once or a page of bounded work at a time.

A filter gives conditions, and some of these are how an index begins that goes on with the date and
the seq. The entries of each such index are in the order of the list, so that a page may walk any of
them; it takes the one whose next `SCANNED` entries reach furthest back. Of the rows that it
finds it reads none after those that hold `PAGE_BYTES`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jobhook.adapters.conditions import Condition, Dialect, Table, Wanted
from jobhook.core.pages import Place, cursor_of, place_at

# Something with names for its columns.
Row = Any
# How many entries of an index are looked at for one page: 10 ms if the row of each has to be read,
# and 60 ms if a slow disk has to be asked for it.
SCANNED = 1000
# After how much of the heavy column a page ends: a thousand launches say a third of it, and it
# takes 25 ms to read and check.
PAGE_BYTES = 1024 * 1024
_NEWEST = Place(2**63 - 1, 2**63 - 1)
_OLDEST = Place(-(2**63), 0)


@dataclass(frozen=True, slots=True)
class Chosen:
    """
    Rows that a page may hold.

    Attributes:
        keys: The query for their `seq`, newest first.
        values: Its parameters `$1`, `$2`, …
        columns: What is read of each.
        size: No row is read after those that hold so many bytes of what is heavy.
    """

    table: Table
    keys: str
    values: Sequence[Any]
    columns: str
    size: int


# Gives the rows of a query with the parameters `$1`, `$2`, …
Fetch = Callable[[str, Sequence[Any]], Awaitable[Sequence[Row]]]
# Gives the first of what is chosen, one at least if there is any, and whether that is all.
FetchChosen = Callable[[Chosen], Awaitable[tuple[Sequence[Row], bool]]]


class Listing:
    """Lists of one database."""

    def __init__(self, dialect: Dialect, fetch: Fetch, fetch_chosen: FetchChosen) -> None:
        self._dialect = dialect
        self._fetch = fetch
        self._fetch_chosen = fetch_chosen

    async def all_of(
        self, wanted: Wanted, columns: str, *, limit: int, oldest_first: bool = False
    ) -> Sequence[Row]:
        """Return the first *limit* rows, newest first unless said; 0 means all."""
        table, values = wanted.table, _Values()
        where = [values.put_into(each) for each in wanted.conditions]
        if wanted.since is not None:
            where.append(f"{table.at} >= {values.put(wanted.since)}")
        if wanted.until is not None:
            where.append(f"{table.at} < {values.put(wanted.until)}")
        order = order_of(table, "ASC" if oldest_first else "DESC")
        query = f"SELECT {columns} FROM {table.name} {table.alias}"  # noqa: S608
        query += f" WHERE {_all(where)} ORDER BY {order}" + (f" LIMIT {limit:d}" if limit else "")
        return await self._fetch(query, values)

    async def page(
        self, wanted: Wanted, columns: str, *, limit: int, after: str | None
    ) -> tuple[Sequence[Row], str | None]:
        """
        Return the rows of the page after the cursor *after*, and the cursor of the next one.

        *columns* must hold the date and what is heavy.
        """
        table = wanted.table
        begin = _NEWEST if after is None else place_at(table.name, after)
        rows, end = await self._rows(wanted, columns, limit, begin)
        return rows, None if end is None else cursor_of(table.name, end)

    async def _rows(
        self, wanted: Wanted, columns: str, limit: int, after: Place
    ) -> tuple[Sequence[Row], Place | None]:
        """Return what the page after *after* holds, and what the next page comes after."""
        since = _OLDEST if wanted.since is None else Place(wanted.since, 0)
        until = _NEWEST if wanted.until is None else Place(wanted.until, 0)
        span = _Span(since, min(until, after))
        walk, reached = await self._walk(wanted, span)
        if reached is not None:
            span = _Span(reached, span.before)
        chosen = self._chosen(wanted, walk, span, columns, limit + 1)
        found, are_all = await self._fetch_chosen(chosen)
        rows = found[:limit]
        if are_all and len(rows) == len(found):
            return rows, reached
        return rows, Place(rows[-1][wanted.table.at], rows[-1]["seq"])

    async def _walk(self, wanted: Wanted, span: _Span) -> tuple[_Walk, Place | None]:
        """Return the walk to take through *span*, and how far; None is all the way."""
        walks = list(_walks(wanted))
        if walks[0].is_short:
            return walks[0], None
        values = _Values()
        looks = [
            self._far_entry(wanted.table, number, walk, lane, span, values)
            for number, walk in enumerate(walks)
            for lane in walk.lanes
        ]
        rows = await self._fetch(" UNION ALL ".join(looks), values)
        # What is not among them comes to its end sooner.
        reached: dict[int, Place] = {}
        for row in rows:
            place = Place(row["at"], row["seq"])
            reached[row["walk"]] = max(place, reached.get(row["walk"], place))
        best = min(range(len(walks)), key=lambda number: reached.get(number, _OLDEST))
        return walks[best], reached.get(best)

    def _far_entry(
        self, table: Table, number: int, walk: _Walk, lane: Condition, span: _Span, values: _Values
    ) -> str:
        """Return the query for the last entry that a walk may look at in a lane."""
        where = _all([values.put_into(lane), span.where(table, values)])
        entries = max(1, SCANNED // len(walk.lanes))
        return (
            f"SELECT * FROM (SELECT {number:d} AS walk, {table.at} AS at, seq"  # noqa: S608
            f" FROM {table.name} {self._hint(walk)} WHERE {where} ORDER BY {order_of(table)}"
            f" LIMIT 1 OFFSET {entries - 1:d}) AS far"
        )

    def _chosen(self, wanted: Wanted, walk: _Walk, span: _Span, columns: str, limit: int) -> Chosen:
        table, values, order = wanted.table, _Values(), order_of(wanted.table)
        lanes = []
        for lane in walk.lanes:
            where = _all([values.put_into(lane), span.where(table, values)])
            entries = f"SELECT {table.compared} FROM {table.name} {self._hint(walk)} WHERE {where}"  # noqa: S608
            lanes.append(self._dialect.fence.format(entries, order))
        rest = _all([values.put_into(each) for each in walk.rest])
        keys = (
            f"SELECT seq FROM ({' UNION ALL '.join(lanes)}) AS entry"  # noqa: S608
            f" WHERE {rest} ORDER BY {order} LIMIT {limit:d}"
        )
        return Chosen(table, keys, values, columns, PAGE_BYTES)

    def _hint(self, walk: _Walk) -> str:
        return self._dialect.hint.format(walk.index) if walk.index else ""


@dataclass(frozen=True, slots=True)
class _Walk:
    """A way through an index: the entries of its *lanes*, of which *rest* must hold as well."""

    index: str | None
    lanes: tuple[Condition, ...]
    rest: tuple[Condition, ...]
    is_short: bool


def _walks(wanted: Wanted) -> Iterator[_Walk]:
    """Yield the ways to find what is wanted; the first is the only one if it is short."""
    for condition in wanted.conditions:
        rest = tuple(each for each in wanted.conditions if each is not condition)
        if condition.is_narrow:
            yield _Walk(None, (condition,), rest, is_short=True)
            return
    for condition in wanted.conditions:
        if condition.index is not None:
            rest = tuple(each for each in wanted.conditions if each is not condition)
            # Each entry is one of the page, so that it ends by itself.
            is_short = not rest and len(condition.lanes) == 1
            yield _Walk(condition.index, condition.lanes, rest, is_short)
    by_date = wanted.table.by_date
    yield _Walk(by_date, (_ANY,), wanted.conditions, is_short=not wanted.conditions)


@dataclass(frozen=True, slots=True)
class _Span:
    """The places from *since* on, and before *before*."""

    since: Place
    before: Place

    def where(self, table: Table, values: _Values) -> str:
        first, last = values.put(self.since.major), values.put(self.before.major)
        # The date alone as well: SQLite takes a pair for no range of an index.
        return (
            f"{table.at} >= {first} AND {table.at} <= {last}"
            f" AND ({table.at}, seq) >= ({first}, {values.put(self.since.minor)})"
            f" AND ({table.at}, seq) < ({last}, {values.put(self.before.minor)})"
        )


class _Values(list[Any]):
    """The parameters of a query, in their order."""

    def put(self, value: object) -> str:
        """Add a value, and return what stands for it."""
        self.append(value)
        return f"${len(self)}"

    def put_into(self, condition: Condition) -> str:
        """Add the values of *condition*, and return its text with what stands for them."""
        return condition.text.format(*map(self.put, condition.values))


_ANY = Condition("true", ())


def order_of(table: Table, direction: str = "DESC") -> str:
    return f"{table.at} {direction}, seq {direction}"


def _all(conditions: Sequence[str]) -> str:
    return " AND ".join(conditions) or "true"
