"""What filters of deliveries and launches mean in SQL, and which index is for which of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from jobhook.adapters.rows import storable
from jobhook.core.filters import DeliveryFilter, LaunchFilter


@dataclass(frozen=True, slots=True)
class Table:
    """
    What is listed.

    Attributes:
        at: The column with the date.
        by_date: The index on it.
        compared: The columns that conditions are about.
        heavy: The column that may hold much.
    """

    name: str
    alias: str
    at: str
    by_date: str
    compared: str
    heavy: str


@dataclass(frozen=True, slots=True)
class Dialect:
    """
    How a database is told what is the same to all, and what it would not choose by itself.

    Attributes:
        hint: Stands behind a table so that the index {0} is used.
        fence: Holds the subquery {0}, in the order {1}, so that it is done as it stands.
        any_of: The column {0} is any of the values that {1} stands for.
        packed: Makes one parameter of many values.
    """

    hint: str
    fence: str
    any_of: str
    packed: Callable[[Collection[str]], Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """
    What rows must meet.

    Attributes:
        text: With `{}` for each of *values*.
        index: The index that begins with the column that must be one of *lanes*, if there is one.
        is_narrow: Whether only a handful of rows meet it, and are found at once.
    """

    text: str
    values: tuple[Any, ...]
    index: str | None = None
    lanes: tuple[Condition, ...] = ()
    is_narrow: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for: all that meets *conditions*, from *since* to before *until*."""

    table: Table
    conditions: tuple[Condition, ...]
    since: int | None
    until: int | None


DELIVERIES = Table(
    name="delivery",
    alias="d",
    at="received_at",
    by_date="delivery_received",
    compared="seq, received_at, id, state, repo_name, repo_type, scope, events",
    heavy="events",
)
LAUNCHES = Table(
    name="launch",
    alias="l",
    at="created_at",
    by_date="launch_created",
    compared="seq, created_at, id, delivery, rule, repo, state, reason",
    heavy="spec",
)


def wanted_deliveries(dialect: Dialect, wanted: DeliveryFilter) -> Wanted:
    """Return what *wanted* means in the table of deliveries."""
    conditions = (
        *_any_of(dialect, "id", wanted.ids, is_narrow=True),
        *_begins("id", wanted.begins),
        *_any_of(dialect, "repo_name", _only(wanted.repo), index="delivery_repo"),
        *_any_of(dialect, "state", _only(wanted.state), index="delivery_state"),
        *_any_of(dialect, "repo_type", _only(wanted.repo_type)),
        *_about(wanted.event),
    )
    return Wanted(DELIVERIES, conditions, wanted.since, wanted.until)


def wanted_launches(dialect: Dialect, wanted: LaunchFilter) -> Wanted:
    """Return what *wanted* means in the table of launches."""
    conditions = (
        *_any_of(dialect, "id", wanted.ids, is_narrow=True),
        *_begins("id", wanted.begins),
        *_any_of(dialect, "delivery", _only(wanted.delivery), is_narrow=True),
        *_any_of(dialect, "repo", wanted.repos, index="launch_of_repo"),
        *_any_of(dialect, "rule", _only(wanted.rule), index="launch_of_rule"),
        *_any_of(dialect, "state", wanted.states, index="launch_in_state"),
        *_begins("reason", wanted.reason),
    )
    return Wanted(LAUNCHES, conditions, wanted.since, wanted.until)


def _any_of(
    dialect: Dialect,
    column: str,
    wanted: Collection[str] | None,
    *,
    index: str | None = None,
    is_narrow: bool = False,
) -> Iterator[Condition]:
    if wanted is None:
        return
    lanes = tuple(Condition(f"{column} = {{}}", (value,)) for value in dict.fromkeys(wanted))
    if len(lanes) == 1:
        yield Condition(lanes[0].text, lanes[0].values, index, lanes, is_narrow)
        return
    text = dialect.any_of.format(column, "{}")
    # Nothing at all is found at once.
    is_narrow = is_narrow or not lanes
    yield Condition(text, (dialect.packed(wanted),), index, lanes, is_narrow)


def _about(event: str | None) -> Iterator[Condition]:
    if event is not None:
        text = "(scope = {} OR replace(events, {}, '') != events)"
        yield Condition(text, (event, f'"{event}"'))


def _begins(column: str, beginning: str | None) -> Iterator[Condition]:
    if beginning is not None:
        yield Condition(f"substr({column}, 1, {len(beginning)}) = {{}}", (storable(beginning),))


def _only(value: str | None) -> tuple[str, ...] | None:
    return None if value is None else (value,)
