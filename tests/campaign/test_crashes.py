"""`crashes` in short, in a file of its own: the suite shares files out among its processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from campaign.crashes import crash_everywhere

pytestmark = pytest.mark.anyio


async def test_no_crash_point_loses_or_doubles_anything(
    new_database: Callable[[str], str], tmp_path: Path
) -> None:
    assert await crash_everywhere(tmp_path, new_database) == {}
