"""
jobhook's own door and store, without the workers behind it: PORT DATABASE [single].

The database is a path, or the URL of a PostgreSQL. `single` commits each
delivery by itself; everything else is the same.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import uvloop

from bench.payload import SECRET
from jobhook.adapters import sqlite
from jobhook.adapters.clocks import now_ms
from jobhook.adapters.logs import configure_logs
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.core.deliveries import AcceptedSecrets
from jobhook.flows.intake import Intake
from jobhook.ports import Store
from jobhook.web.app import create_app
from jobhook.web.limits import BoundedProtocol
from jobhook.web.receive import Receiver
from jobhook.web.serving import listen, serving


def _store(database: str) -> AbstractAsyncContextManager[Store]:
    if "://" not in database:
        return sqlite_store(Path(database))
    # Without PostgreSQL its driver need not be here.
    from jobhook.adapters.store_postgres import postgres_store

    return postgres_store(database)


async def main(port: int, database: str) -> None:
    """Serve until the process is ended."""
    configure_logs(secrets=[SECRET])
    async with _store(database) as store:
        intake = Intake(store, now_ms, lambda: None)
        receiver = Receiver(intake, AcceptedSecrets([SECRET]))
        app = create_app(receiver, is_ready=lambda: intake.is_open)
        with listen("127.0.0.1", port) as listener:
            async with serving(app, listener, protocol=BoundedProtocol):
                await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[3:] == ["single"]:
        sqlite._GROUP_MAX = 1
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))
