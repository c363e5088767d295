"""
Damage a database at random places, and see whether anybody could act on what is not as it was.

Each way in which a database can be left is damaged by itself: closed in order, by a process that
was killed (its main file, or its log), and by one that was killed and without the sums of its
pages, as if it had been damaged while it was served. Verdicts: `refused` and left as it is;
`whole`, every row as it was written; `told`, each row that is not says so of itself, so that
nothing is launched from it; and `silently wrong`.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from disks import put
from factories import make_launch, make_received, make_spec
from jobhook.adapters.rows import WHOLE_DELIVERY, is_damaged, launch_of
from jobhook.adapters.sqlite_files import WriterLock, open_writer
from jobhook.adapters.store_sqlite import SqliteStore, sqlite_store
from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import StoreError
from jobhook.core.records import Pause, Verdict

Files = dict[str, bytes]
Rows = dict[str, list[tuple[object, ...]]]
_DELIVERIES = 60
# So that most is in the main file and something in the log.
_CHECKPOINT_PAGES = 60
BARE = "killed, without sums"


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


@dataclass(frozen=True, slots=True)
class Kind:
    """How a database was left, and which of its files is damaged."""

    files: Files
    victim: str


async def originals(within: Path, choose: Random) -> Mapping[str, Kind]:
    """The files of a closed database and of a killed process, each with the one to damage."""
    path = within / "original" / "jobhook.db"
    path.parent.mkdir()
    async with sqlite_store(path, checkpoint_pages=_CHECKPOINT_PAGES) as store:
        for number in range(_DELIVERIES):
            body = choose.randbytes(choose.choice((40, 1500, 9000)))
            receipt = await store.record(make_received(f"w{number}", body))
            await _route(store, receipt.delivery)
            if number == _DELIVERIES // 2:
                await store.pause(Pause(scope="rule:other", since=1, by="ana"))
        killed = files_of(path.parent)
    closed = files_of(path.parent)
    bare = {name: data for name, data in killed.items() if not name.endswith(".sums")}
    return {
        "closed": Kind(closed, "jobhook.db"),
        "log of a killed process": Kind(killed, "jobhook.db-wal"),
        "killed": Kind(killed, "jobhook.db"),
        BARE: Kind(bare, "jobhook.db"),
    }


async def _route(store: SqliteStore, delivery_id: str) -> None:
    delivery = await store.delivery(delivery_id)
    assert delivery is not None
    spec = make_spec(env={"WHICH": delivery.id})
    launch = make_launch(id=f"l{delivery.key}", delivery=delivery.id, rule=delivery.key, spec=spec)
    await store.route(
        replace(delivery, state=DeliveryState.MATCHED, reason="fired retrain"),
        events=(),
        verdicts=[Verdict("retrain", True, "commit.pushed on main")],
        launches=[launch],
    )


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
    """Start on damaged files and return the verdict."""
    put(folder, damaged)
    path = folder / "jobhook.db"
    try:
        with WriterLock(path), contextlib.closing(open_writer(path)) as connection:
            return told_of(connection, rows)
    except StoreError:
        left = files_of(folder)
        kept = all(left.get(name) == damaged[name] for name in damaged if name[-4:] != "-shm")
        return "refused" if kept else "changed although it was refused"
    finally:
        shutil.rmtree(folder)


def told_of(connection: sqlite3.Connection, rows: Rows) -> str:
    """Read a database that was started on, as the service would."""
    try:
        found = rows_of(connection)
        if found == rows:
            return "whole"
        if any(len(found.get(name, ())) != len(rows[name]) for name in rows):
            return "silently wrong"
        wrong = {
            name: [row for row, was in zip(found[name], rows[name], strict=True) if row != was]
            for name in rows
        }
        told = all(
            not some or (name in _TELLS and all(_TELLS[name](connection, row[0]) for row in some))
            for name, some in wrong.items()
        )
    except sqlite3.Error:
        # It fails where it is read, loudly.
        return "told"
    return "told" if told else "silently wrong"


def _delivery_tells(connection: sqlite3.Connection, seq: object) -> bool:
    row = connection.execute(
        f"SELECT {WHOLE_DELIVERY} FROM delivery d WHERE seq = ?",  # noqa: S608
        (seq,),
    ).fetchone()
    # What is not found under its own number would not be found by anybody.
    return row is not None and is_damaged(row)


def _launch_tells(connection: sqlite3.Connection, seq: object) -> bool:
    row = connection.execute("SELECT * FROM launch WHERE seq = ?", (seq,)).fetchone()
    return row is not None and launch_of(row).is_damaged


_TELLS: Mapping[str, Callable[[sqlite3.Connection, object], bool]] = {
    "delivery": _delivery_tells,
    "launch": _launch_tells,
}


async def damage(within: Path, count: int, seed: int) -> Mapping[str, Counter[str]]:
    """Damage the files *count* times for each kind, and return how often each verdict was seen."""
    choose = Random(seed)  # noqa: S311
    kinds = await originals(within, choose)
    put(within / "whole", kinds["closed"].files)
    with contextlib.closing(open_writer(within / "whole" / "jobhook.db")) as connection:
        rows = rows_of(connection)
    seen: dict[str, Counter[str]] = {name: Counter() for name in kinds}
    for number in range(count):
        for name, kind in kinds.items():
            harm = choose.choice(DAMAGES)
            changed = {**kind.files, kind.victim: harm(kind.files[kind.victim], choose)}
            seen[name][outcome(within / f"variant-{number}", changed, rows)] += 1
    return seen


def unseen(seen: Mapping[str, Counter[str]]) -> dict[str, int]:
    """
    Return how often damage went unseen that ought to be seen, by kind.

    Without sums only what is launched from has a digest, so that the rest may go unseen there.
    """
    sound = {"refused", "whole"}
    return {
        name: found
        for name, verdicts in seen.items()
        if name != BARE and (found := sum(n for each, n in verdicts.items() if each not in sound))
    }


def main() -> None:
    """Run the whole campaign."""
    with tempfile.TemporaryDirectory() as folder:
        count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
        seen = asyncio.run(damage(Path(folder), count, 5))
    for name, verdicts in seen.items():
        print(f"{name}: {dict(verdicts)}")  # noqa: T201
    if unseen(seen):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
