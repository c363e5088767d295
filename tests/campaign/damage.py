"""
Damage a database at random places: it is refused and left alone, or every row is as it was written.

Both a database that was closed in order and the log of one whose process was killed are damaged.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from disks import put
from factories import make_received
from jobhook.adapters.sqlite_files import WriterLock, open_writer
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.core.errors import StoreError

Files = dict[str, bytes]
Rows = dict[str, list[tuple[object, ...]]]
_DELIVERIES = 60


def flipped(data: bytes, choose: Random) -> bytes:
    """One bit is another."""
    at = choose.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << choose.randrange(8)]) + data[at + 1 :]


def cut_off(data: bytes, choose: Random) -> bytes:
    """The end is gone."""
    return data[: choose.randrange(len(data))]


def zeroed(data: bytes, choose: Random) -> bytes:
    """A block is zeros, as after a lost write; now and then it is the whole file."""
    size = choose.choice((512, 4096, 65536, len(data)))
    at = choose.randrange(0, len(data), 512) if size < len(data) else 0
    return data[:at] + bytes(len(data[at : at + size])) + data[at + size :]


DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (flipped, cut_off, zeroed)


async def originals(within: Path, choose: Random) -> tuple[tuple[Files, str], tuple[Files, str]]:
    """The files of a closed database and of a killed process, each with the one to damage."""
    path = within / "original" / "jobhook.db"
    path.parent.mkdir()
    async with sqlite_store(path) as store:
        for number in range(_DELIVERIES):
            body = choose.randbytes(choose.choice((40, 1500, 9000)))
            await store.record(make_received(f"w{number}", body))
            if number == _DELIVERIES // 2:
                store._writer._connection.execute("PRAGMA wal_checkpoint")  # type: ignore[union-attr]
        killed = files_of(path.parent)
    return (files_of(path.parent), "jobhook.db"), (killed, "jobhook.db-wal")


def files_of(folder: Path) -> Files:
    """Everything in *folder* but the lock."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix != ".lock"}


def rows_of(connection: sqlite3.Connection) -> Rows:
    """Everything in the database."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {
        name: [tuple(row) for row in connection.execute(f"SELECT * FROM {name}")]  # noqa: S608
        for (name,) in tables
    }


def outcome(folder: Path, damaged: Files, rows: Rows) -> str:
    """Start on damaged files: `refused`, `whole`, or what went wrong."""
    put(folder, damaged)
    path = folder / "jobhook.db"
    try:
        with WriterLock(path), contextlib.closing(open_writer(path)) as connection:
            return "whole" if rows_of(connection) == rows else "wrong"
    except StoreError:
        left = files_of(folder)
        kept = all(left.get(name) == damaged[name] for name in damaged if name[-4:] != "-shm")
        return "refused" if kept else "changed although it was refused"
    except sqlite3.Error:
        return "unnoticed until it was read"
    finally:
        shutil.rmtree(folder)


async def damage(within: Path, count: int, seed: int) -> Counter[str]:
    """Damage the files *count* times and return how often each outcome was seen."""
    choose, seen = Random(seed), Counter[str]()  # noqa: S311
    kinds = await originals(within, choose)
    put(within / "whole", kinds[0][0])
    with contextlib.closing(open_writer(within / "whole" / "jobhook.db")) as connection:
        rows = rows_of(connection)
    for number in range(count):
        files, victim = kinds[number % len(kinds)]
        harm = choose.choice(DAMAGES)
        changed = {**files, victim: harm(files[victim], choose)}
        seen[outcome(within / f"variant-{number}", changed, rows)] += 1
    return seen


def main() -> None:
    """Run the whole campaign."""
    with tempfile.TemporaryDirectory() as folder:
        count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
        seen = asyncio.run(damage(Path(folder), count, 5))
    print(dict(seen))  # noqa: T201
    if set(seen) - {"refused", "whole"}:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
