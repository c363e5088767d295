"""Random histories of a store, compared with a model of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from contract.model import StoreMachine
from jobhook.adapters.store_postgres import postgres_store
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.ports import Store
from postgres import Cluster


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


class PostgresMachine(StoreMachine):
    """The machine on PostgreSQL, with a database that is emptied after every history."""

    def __init__(self, cluster: Cluster, url: str) -> None:
        super().__init__(lambda: postgres_store(url))
        self._cluster = cluster
        self._database = url.rpartition("/")[2]

    def teardown(self) -> None:
        super().teardown()
        tables = "delivery, verdict, launch, tombstone, pause, lead, candidate, ruleset"
        self._cluster.sql(f"TRUNCATE {tables}", self._database)


SHORT = settings(
    max_examples=60,
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
# Every step is a transaction on a server.
SHORTER = settings(SHORT, max_examples=30, stateful_step_count=30)


def test_sqlite_does_what_the_model_does() -> None:
    run_state_machine_as_test(SqliteMachine, settings=SHORT)


def test_postgres_does_what_the_model_does(postgres: Cluster, postgres_url: str) -> None:
    machine = partial(PostgresMachine, postgres, postgres_url)
    run_state_machine_as_test(machine, settings=SHORTER)  # type: ignore[arg-type]
