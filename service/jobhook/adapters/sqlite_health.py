"""Look at a SQLite database without changing it: is it whole, and is SQLite itself?"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

from jobhook.adapters.page_sums import damage_told, is_outdated, sums_of
from jobhook.adapters.sqlite_files import (
    open_reader,
    refuse_damage,
    refuse_remains,
    translated,
)
from jobhook.adapters.wal import has_wal_reset_defect


def is_there(path: Path) -> bool:
    """Return whether there is a database; raises `StoreError` for what is left of one."""
    with translated(path):
        refuse_remains(path)
        return path.exists()


def damage_in(path: Path, *, in_use: bool) -> str | None:
    """
    Return the first thing that is wrong with the database, or None; raises `StoreError`.

    It reads the whole file, beside a running service too. While it is not *in_use*, what a start
    would refuse is raised in the same words.
    """
    if not in_use:
        with translated(path):
            refuse_damage(path, all_of_it=True)
    # It is closed after the connection, whose locks would be lost with it.
    with translated(path), path.open("rb") as file, contextlib.closing(open_reader(path)) as reader:
        # What is being read cannot be copied to from the log, so that nothing changes meanwhile.
        reader.execute("BEGIN")
        (found,) = reader.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            return str(found)
        is_summed = sums_of(path).exists() and (in_use or not is_outdated(path))
        return damage_told(path, file) if is_summed else None


def free_bytes_beside(path: Path) -> int:
    """Return how much can still be written where *path* is, or would be."""
    folder = path.absolute().parent
    with translated(path):
        return shutil.disk_usage(folder).free


def sqlite_version() -> tuple[str, bool]:
    """Return SQLite's version, and whether it has the defect of resetting the log."""
    return sqlite3.sqlite_version, has_wal_reset_defect(sqlite3.sqlite_version_info)
