"""Every store in turn, for the short versions of the campaigns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from postgres import Cluster


@pytest.fixture(params=["sqlite", "postgres"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Gives the URL of a new database, by a name."""
    if request.param == "sqlite":
        return lambda name: f"sqlite:///{tmp_path / name}.db"
    cluster: Cluster = request.getfixturevalue("postgres")
    return lambda _: cluster.url(cluster.create())
