"""The table: what was measured beside what is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_HEAD = ("what", "goal", "measured", "", "jobhook", "the other side")


@dataclass(frozen=True, slots=True)
class Row:
    """
    One line of the table.

    Attributes:
        reached: None where nothing is compared.
        detail: jobhook's side and the other one, in absolute numbers.
    """

    what: str
    goal: str
    measured: str
    reached: bool | None = None
    detail: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Scale:
    """How long each part takes: a real run, or one that only shows that all of it works."""

    rounds: int
    seconds: float
    connections: int
    rules: int
    burst: int
    launches: int
    idle_deliveries: int
    starts: int
    stored: int
    matched: int
    calls: int
    streams: int
    feeds: int


FULL = Scale(
    rounds=7,
    seconds=2.0,
    connections=64,
    rules=1000,
    burst=10_000,
    launches=1500,
    idle_deliveries=100,
    starts=5,
    stored=1_000_000,
    matched=2000,
    calls=2000,
    streams=200,
    feeds=500,
)
QUICK = Scale(
    rounds=1,
    seconds=0.1,
    connections=8,
    rules=20,
    burst=100,
    launches=20,
    idle_deliveries=5,
    starts=1,
    stored=1000,
    matched=10,
    calls=20,
    streams=5,
    feeds=5,
)


def left_out(what: str, goal: str, why: str) -> Row:
    """Return the row of something that could not be measured here."""
    return Row(what, goal, f"left out: {why}")


def markdown(rows: Sequence[Row], notes: Sequence[str]) -> str:
    """Return the table, with *notes* above it."""
    lines = [*(f"- {note}" for note in notes), ""]
    lines += [_line(_HEAD), _line(["---"] * len(_HEAD))]
    for row in rows:
        mark = {True: "reached", False: "**not reached**", None: ""}[row.reached]
        lines.append(_line((row.what, row.goal, row.measured, mark, *row.detail)))
    return "\n".join([*lines, ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
