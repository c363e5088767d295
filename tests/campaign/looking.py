"""What can be seen of a service from outside: its database, its sockets and its memory."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from campaign.machines import Machine

_PAGE = 4096


def ask(database: Path, query: str) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as reading:
        return reading.execute(query).fetchall()


def connections_of(machine: Machine) -> int:
    """Count the sockets of its process, but for those that it opened to its Hub."""
    process = Path(f"/proc/{machine.pid}")
    port = f":{int(machine.url.rpartition(':')[2]):04X}"
    lines = [line.split() for line in (process / "net" / "tcp").read_text().splitlines()[1:]]
    to_others = {f"socket:[{line[9]}]" for line in lines if not line[1].endswith(port)}
    return sum(
        name.startswith("socket:") and name not in to_others
        for name in map(_where_it_leads, (process / "fd").iterdir())
    )


def _where_it_leads(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""  # closed meanwhile


def memory_of(machine: Machine) -> float:
    """Return how many MiB its process holds; 0 if it has ended."""
    try:
        told = Path(f"/proc/{machine.pid}/statm").read_text()
    except OSError:
        return 0.0
    return int(told.split()[1]) * _PAGE / 2**20
