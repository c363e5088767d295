"""`faults` in short, in a file of its own as well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from campaign.faults import strike_all

pytestmark = pytest.mark.anyio


async def test_nothing_that_the_hub_does_makes_two_jobs_of_one_launch(
    new_database: Callable[[str], str], tmp_path: Path
) -> None:
    assert await strike_all(tmp_path, new_database) == {}
