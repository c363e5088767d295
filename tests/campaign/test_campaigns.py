"""Short versions of the campaigns; `make campaign` runs them at full length."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaign.crashes import crash_everywhere
from campaign.faults import strike_all
from campaign.kills import kills
from campaign.wipes import wipe

pytestmark = pytest.mark.anyio


async def test_random_kills_lose_nothing_and_launch_nothing_twice(tmp_path: Path) -> None:
    verdict = await kills(tmp_path, f"sqlite:///{tmp_path / 'k.db'}", count=15, seed=7)
    assert verdict.holds, verdict
    assert verdict.deliveries == 60


async def test_no_crash_point_loses_or_doubles_anything(tmp_path: Path) -> None:
    broken = await crash_everywhere(tmp_path, lambda name: f"sqlite:///{tmp_path / name}.db")
    assert broken == {}


async def test_nothing_that_the_hub_does_makes_two_jobs_of_one_launch(tmp_path: Path) -> None:
    broken = await strike_all(tmp_path, lambda name: f"sqlite:///{tmp_path / name}.db")
    assert broken == {}


async def test_a_wiped_database_launches_nothing_again(tmp_path: Path) -> None:
    verdict = await wipe(tmp_path, deliveries=60, wipes=3, seed=3)
    assert verdict.holds, verdict
    assert verdict.jobs == 60
