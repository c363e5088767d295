"""Which store the settings mean."""

from __future__ import annotations

import sys

import pytest

from jobhook.core.errors import SettingsError
from jobhook.settings import Settings
from jobhook.stores import Bells, open_reads, open_store

pytestmark = pytest.mark.anyio


async def test_postgres_without_its_driver_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if "jobhook.adapters.postgres" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "jobhook.adapters.store_postgres", raising=False)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    database = Settings.from_env({"JOBHOOK_DATABASE": "postgresql://127.0.0.1/x"}).database
    for opening in (open_store(database, Bells()), open_reads(database)):
        with pytest.raises(SettingsError, match=r"install `jobhook\[postgres\]`"):
            await opening.__aenter__()
