"""The short versions of the campaigns against SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaign.damage import BARE, damage, unseen
from campaign.power_cuts import NORMAL, power_cuts
from jobhook.adapters import sqlite_files

pytestmark = pytest.mark.anyio


async def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    tally = await power_cuts(tmp_path, 100, seed=1)
    assert (tally.lost, tally.refused) == (0, 0)
    assert tally.acknowledged > tally.cuts


async def test_nor_does_one_after_a_sync_that_failed(tmp_path: Path) -> None:
    tally = await power_cuts(tmp_path, 100, seed=2, failing=True)
    assert (tally.lost, tally.refused) == (0, 0)
    assert tally.faults > 0


async def test_the_cuts_would_find_a_commit_that_is_not_synced(tmp_path: Path) -> None:
    tally = await power_cuts(tmp_path, 30, seed=1, synchronous=NORMAL)
    assert tally.lost > 0


async def test_a_damaged_database_is_refused_or_as_it_was(tmp_path: Path) -> None:
    seen = await damage(tmp_path, 25, seed=1)
    assert unseen(seen) == {}
    assert all(seen[name]["refused"] > 5 for name in seen)


async def test_rows_of_a_damaged_database_without_sums_tell_of_it(tmp_path: Path) -> None:
    (rows,) = (seen for name, seen in (await damage(tmp_path, 30, seed=2)).items() if name == BARE)
    assert rows["told"] > 0
    assert rows["silently wrong"] < 2


async def test_the_damages_would_find_a_database_without_sums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "damage_told", lambda *_, **__: None)
    assert unseen(await damage(tmp_path, 40, seed=1))["killed"] > 0
