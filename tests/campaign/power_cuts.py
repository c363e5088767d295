"""
Cut the power at random moments while deliveries are recorded: what was acknowledged is there after.

Each life of the service begins with what the cut left of the one before.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from disks import Disk, broken, put
from factories import make_received
from jobhook.adapters.store_sqlite import SqliteStore, sqlite_store
from jobhook.core.errors import StoreError, StoreUnavailable

FULL = "PRAGMA synchronous=FULL"
NORMAL = "PRAGMA synchronous=NORMAL"
_SENDERS = 4
_EACH = 4
# Some cuts come while the database is made or opened, some after the last write.
_OPERATIONS = 250
# A database is begun anew now and then, so that beginnings are cut as well.
_LIVES = 20


@dataclass(slots=True)
class Tally:
    """What a campaign saw."""

    cuts: int = 0
    acknowledged: int = 0
    lost: int = 0
    refused: int = 0
    faults: int = 0


@dataclass(slots=True)
class _Life:
    """One life: deliveries are recorded, at some operation a sync fails, at another it all ends."""

    folder: Path
    known: dict[str, bytes]
    disk: Disk
    choose: Random
    ends_at: int
    fails_at: int
    checkpoint_pages: int
    operations: int = 0
    faults: int = 0
    left: tuple[dict[str, bytes], dict[str, bytes]] | None = None
    recorded: dict[str, bytes] = field(default_factory=dict)

    def strike(self, operation: str, kind: str) -> None:
        if operation == "open":
            return
        self.operations += 1
        if self.operations == self.ends_at:
            self.cut()
        if operation == "sync" and 0 < self.fails_at <= self.operations:
            self.fails_at = 0
            self.faults += 1
            broken(operation, kind)

    def cut(self) -> None:
        # The acknowledgements first: one that comes in between may be lost or not.
        acknowledged = dict(self.recorded)
        self.left = self.disk.after_a_power_cut(self.folder, self.choose), acknowledged

    async def live(self) -> int:
        """Return how many of the known deliveries are lost."""
        async with sqlite_store(
            self.folder / "jobhook.db",
            connect=self.disk.connect,
            checkpoint_pages=self.checkpoint_pages,
        ) as store:
            rows = await store._reader.fetch("SELECT id, body FROM delivery")
            found: dict[str, bytes] = {row["id"]: row["body"] for row in rows}
            lost = sum(found.get(name) != body for name, body in self.known.items())
            await asyncio.gather(*(self._send(store) for _ in range(_SENDERS)))
            if self.left is None:
                self.cut()
        return lost

    async def _send(self, store: SqliteStore) -> None:
        for _ in range(_EACH):
            body = self.choose.randbytes(self.choose.choice((50, 3000, 20_000)))
            webhook_id = self.choose.randbytes(8).hex()
            try:
                receipt = await store.record(make_received(webhook_id, body))
            except StoreUnavailable:
                continue
            self.recorded[receipt.delivery] = body


async def power_cuts(
    within: Path, count: int, seed: int, *, synchronous: str = FULL, failing: bool = False
) -> Tally:
    """Cut the power *count* times; *failing* lets syncs fail too, once a life in every second."""
    choose, tally = Random(seed), Tally()  # noqa: S311
    files: dict[str, bytes] = {}
    known: dict[str, bytes] = {}
    for number in range(count):
        if number % _LIVES == 0:
            files, known = {}, {}
        folder = within / f"life-{number}"
        put(folder, files)
        life = _Life(
            folder,
            known,
            Disk(),
            choose,
            ends_at=choose.randrange(1, _OPERATIONS),
            fails_at=choose.randrange(1, _OPERATIONS) if failing and number % 2 else 0,
            checkpoint_pages=choose.choice((1, 10, 1000)),
        )
        life.disk.strike = life.strike
        life.disk.instead = {FULL: synchronous}
        tally.cuts += 1
        try:
            tally.lost += await life.live()
        except StoreUnavailable:
            # The sync that failed was one of opening it; the cut may have come before or not.
            life.cut()
        except StoreError:
            tally.refused += 1
            files, known = {}, {}
            continue
        finally:
            shutil.rmtree(folder)
        tally.faults += life.faults
        assert life.left is not None
        files, acknowledged = life.left
        known = known | acknowledged
        tally.acknowledged += len(acknowledged)
    return tally


def main() -> None:
    """Run the whole campaign."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for synchronous, failing in ((FULL, False), (FULL, True), (NORMAL, False)):
        with tempfile.TemporaryDirectory() as folder:
            cutting = power_cuts(Path(folder), count, 3, synchronous=synchronous, failing=failing)
            tally = asyncio.run(cutting)
        print(f"{synchronous.removeprefix('PRAGMA ')} failing={failing}: {tally}")  # noqa: T201
        if synchronous == FULL and (tally.lost or tally.refused):
            raise SystemExit(1)


if __name__ == "__main__":
    main()
