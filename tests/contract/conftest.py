"""Every store in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from jobhook.adapters.store_postgres import postgres_store
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.ports import Changes, Store


class Recorded(Store, Changes, Protocol):
    """A store, and the journal of what changes in it."""


@pytest.fixture(params=["sqlite", "postgres", "pooled"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Recorded]:
    if request.param == "sqlite":
        async with sqlite_store(tmp_path / "jobhook.db") as opened:
            yield opened
    else:
        async with postgres_store(request.getfixturevalue(f"{request.param}_url")) as shared:
            yield shared
