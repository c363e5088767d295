"""Run the bench: `python -m bench [--quick] [--output FILE]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from bench import machine
from bench.accepting import accepting
from bench.calling import calling
from bench.directing import directing
from bench.feeding import feeding
from bench.launching import launching
from bench.listing import listing
from bench.matching import matching
from bench.processes import LOAD_CORE, ROOT, pin
from bench.table import FULL, QUICK, Row, Scale, markdown

_PARTS: dict[str, Callable[[Path, Scale], Iterable[Row]]] = {
    "accepting": accepting,
    "calling": calling,
    "directing": directing,
    "feeding": feeding,
    "launching": launching,
    "listing": listing,
    "matching": matching,
}


def main() -> int:
    """Measure, print the table and write it; return what the process is to end with."""
    given = _arguments()
    scale = QUICK if given.quick else FULL
    pin(0, LOAD_CORE)
    ticks = machine.Ticks()
    rows: list[Row] = []
    for name in given.only or _PARTS:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            rows += _PARTS[name](Path(folder), scale)
    how = (
        f"{scale.rounds} rounds of {scale.seconds:g} s in shuffled order, {scale.connections} "
        "connections, 2,085 bytes; server on one core, load on the other"
    )
    table = markdown(rows, [*machine.facts(), ticks.said(), how])
    sys.stdout.write(table)
    given.output.write_text(f"# What `make bench` measured\n\n{table}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    parser.add_argument("--only", nargs="+", choices=_PARTS, help="some parts of the table")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results.md")
    parser.add_argument("--folder", type=Path, help="where databases go: the disk that is measured")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
