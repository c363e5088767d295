"""Every store in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.ports import Store


@pytest.fixture(params=["sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with sqlite_store(tmp_path / f"{request.param}.db") as opened:
        yield opened
