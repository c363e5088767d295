"""A PostgreSQL for the bench, as the tests start one; it shares the core of the load."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from bench.processes import ROOT

MISSING = "no PostgreSQL is installed (`apt-get install postgresql`)"


@contextlib.contextmanager
def database() -> Iterator[str | None]:
    """Yield the URL of a fresh database while the block runs, or None where there is no server."""
    sys.path.append(str(ROOT / "tests"))
    from postgres import find_binaries, running_cluster

    binaries = find_binaries()
    if binaries is None:
        yield None
        return
    with running_cluster(binaries) as cluster:
        yield cluster.url(cluster.create())
