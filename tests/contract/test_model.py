"""Random histories of a store, compared with a model of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from contract.model import StoreMachine
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.ports import Store


class SqliteMachine(StoreMachine):
    """The machine on SQLite, with a file of its own for every history."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jobhook-model-"))

        @asynccontextmanager
        async def open_store() -> AsyncIterator[Store]:
            async with sqlite_store(self.folder / "model.db") as store:
                yield store

        super().__init__(open_store)

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.folder)


def test_sqlite_does_what_the_model_does() -> None:
    run_state_machine_as_test(SqliteMachine, settings=SHORT)


SHORT = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
