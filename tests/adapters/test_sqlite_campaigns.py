"""The short versions of the campaigns against SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaign.damage import damage
from campaign.power_cuts import NORMAL, power_cuts

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
    seen = await damage(tmp_path, 60, seed=1)
    assert set(seen) <= {"refused", "whole"}
    assert seen["refused"] > seen["whole"]
