"""The machine that the numbers are of, and how much of it others took."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
from pathlib import Path


def facts() -> list[str]:
    """Return what the machine is, a line each."""
    named = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    model = named[0].split(": ", 1)[1] if named else platform.machine()
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("uvicorn", "uvloop", "httptools")
    )
    return [
        f"{os.cpu_count()} cores, {model}; {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}",
    ]


class Ticks:
    """Counts the processor time of the whole machine from the moment that it is made."""

    def __init__(self) -> None:
        self._begun = self._now()

    def said(self) -> str:
        """Say how much was stolen, how much stood idle, and how many processes waited."""
        spent = [now - then for now, then in zip(self._now(), self._begun, strict=True)]
        whole = sum(spent) or 1
        return (
            f"Meanwhile the hypervisor stole {100 * spent[7] / whole:.1f} % of the processors, "
            f"{100 * spent[3] / whole:.0f} % stood idle; load average {os.getloadavg()[0]:.1f}"
        )

    @staticmethod
    def _now() -> list[int]:
        return [int(field) for field in _lines("/proc/stat")[0].split()[1:9]]


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
