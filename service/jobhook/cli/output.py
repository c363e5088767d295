"""What people and programs read: tables, and JSON on stdout with nothing beside it."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

# Control characters, and those that turn the direction of text: strangers choose titles and names.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

# What a job's log may hold on a terminal: white space, and colours.
_LOG_SAFE = re.compile("[\t\r]|\x1b\\[[0-9;]*m")

_PIPE_WIDTH = 400
# From here on there is room for what a person can also look up.
_ROOMY_WIDTH = 150
# A sentence in fewer columns than that is a tower of words.
_SENTENCE_WIDTH = 40
_GAP = 2

# What a state means to somebody who looks over many.
_COLOURS = {
    "ok": "green",
    "warn": "yellow",
    "fail": "red",
    "matched": "green",
    "completed": "green",
    "running": "cyan",
    "launched": "cyan",
    "failed": "red",
    "rejected": "red",
    "quarantined": "red",
    "conflict": "red",
    "unknown": "yellow",
    "held": "yellow",
    "unparsed": "yellow",
}


def plain(text: object) -> str:
    """Return *text* with everything that could steer a terminal shown as an escape."""
    return _UNSAFE.sub(lambda match: f"\\x{ord(match[0]):02x}", str(text))


def _safe_log(line: str) -> str:
    end, parts = 0, []
    for kept in _LOG_SAFE.finditer(line):
        parts += [plain(line[end : kept.start()]), kept[0]]
        end = kept.end()
    return "".join([*parts, plain(line[end:])])


def prepare_streams() -> None:
    """Let no text be too odd to be printed."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """Print one line for a person or a pipe, at once."""
    sys.stdout.write(plain(line) + "\n")
    sys.stdout.flush()


def say_log(line: str, *, aside: bool = False) -> None:
    """Print a line of a job's log, to stderr if *aside*: as it is to a pipe, safely to a person."""
    stream = sys.stderr if aside else sys.stdout
    stream.write((_safe_log(line) if stream.isatty() else line) + "\n")
    stream.flush()


def warn(line: str) -> None:
    """Print one line on stderr."""
    sys.stderr.write(plain(line) + "\n")


def print_json(value: Any) -> None:
    """Print *value* as JSON; what could steer a terminal is escaped as JSON escapes it."""
    for line in json.dumps(value, indent=2, ensure_ascii=False).split("\n"):
        escaped = _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", line)
        sys.stdout.write(escaped + "\n")


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    empty: str,
    roomy: Collection[str] = (),
) -> None:
    """
    Print *rows* under *columns*, or the sentence *empty*; the *roomy* ones if there is room.

    The last column is a sentence: where the others leave it too little room it has a line of its
    own, below them.
    """
    console = _console()
    left_out = roomy if console.width < _ROOMY_WIDTH else ()
    shown = [at for at, column in enumerate(columns) if column not in left_out]
    cells = [[_cell(row[at]) for at in shown] for row in rows]
    if not cells:
        say(empty)
        return
    heads = [Text(columns[at], style="bold") for at in shown]
    widths = [max(cell.cell_len for cell in column) for column in zip(heads, *cells, strict=True)]
    room = console.width - sum(width + _GAP for width in widths[:-1])
    if room < min(widths[-1], _SENTENCE_WIDTH):
        _print_with_lines_below(console, [heads, *cells], widths)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for at in shown:
        # Ids and times must stay in one piece; only the last column is a sentence.
        table.add_column(columns[at], overflow="fold", no_wrap=at < len(columns) - 1)
    for row_cells in cells:
        table.add_row(*row_cells)
    console.print(table)


def _print_with_lines_below(
    console: Console, rows: Iterable[Sequence[Text]], widths: Sequence[int]
) -> None:
    for *cells, sentence in rows:
        line = Text(" " * _GAP).join(
            cell + Text(" " * (width - cell.cell_len))
            for cell, width in zip(cells, widths, strict=False)
        )
        line.rstrip()
        console.print(line, overflow="fold")
        if sentence.plain:
            console.print(Padding(sentence, (0, 0, 0, _GAP), expand=False), overflow="fold")


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values below one another, leaving out what is empty."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts:
        if value not in (None, "", ()):
            table.add_row(name, _cell(value))
    _console().print(table)


def _console() -> Console:
    # A pipe has no width: whatever reads it wants whole lines.
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def _cell(value: object) -> Text:
    text = plain("" if value is None else value)
    return Text(text, style=_COLOURS.get(text, ""))
