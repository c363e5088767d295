"""Short versions of the campaigns; `make campaign` runs them at full length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from campaign.kills import kills
from campaign.replicas import share
from campaign.results import Row, put_in
from campaign.wipes import wipe
from postgres import Cluster

pytestmark = pytest.mark.anyio


async def test_random_kills_lose_nothing_and_launch_nothing_twice(
    new_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = new_database("kills")
    replicas = 1 if url.startswith("sqlite") else 3
    verdict = await kills(tmp_path, url, count=12, seed=7, replicas=replicas)
    assert verdict.holds, verdict
    assert verdict.deliveries == 48


async def test_a_wiped_database_launches_nothing_again(tmp_path: Path) -> None:
    verdict = await wipe(tmp_path, deliveries=60, wipes=3, seed=3)
    assert verdict.holds, verdict
    assert verdict.jobs == 60


async def test_replicas_lose_nothing_while_their_server_crashes(
    mortal_postgres: Cluster, tmp_path: Path
) -> None:
    verdict = await share(
        tmp_path,
        mortal_postgres,
        mortal_postgres.url(mortal_postgres.create()),
        replicas=4,
        deliveries=800,
        restarts=2,
        per_second=100,
        seed=5,
    )
    assert verdict.holds, verdict
    assert (verdict.deliveries, verdict.launches) == (800, 40)


def test_a_result_takes_the_place_of_what_the_campaign_showed_before(tmp_path: Path) -> None:
    results = tmp_path / "results.md"
    for minutes, store in ((1.0, "SQLite"), (2.0, "PostgreSQL"), (3.0, "SQLite")):
        put_in(results, Row("kills", store, True, "a1b2c3d", 11, minutes, "9 kills"))
    assert results.read_text().splitlines()[4:] == [
        "| campaign | store | | commit | seed | minutes | what was seen |",
        "|---|---|---|---|---|---|---|",
        "| kills | PostgreSQL | holds | a1b2c3d | 11 | 2.0 | 9 kills |",
        "| kills | SQLite | holds | a1b2c3d | 11 | 3.0 | 9 kills |",
    ]
