"""A receiver on a real socket, with a real store behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from doors import OLD_SECRET, SECRET, Door, QuickProtocol
from factories import NOON
from fakes import Bell
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.core.deliveries import AcceptedSecrets
from jobhook.flows.intake import Intake
from jobhook.web.app import create_app
from jobhook.web.receive import Receiver
from jobhook.web.serving import listen, serving


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with sqlite_store(tmp_path / "web.db") as store:
        intake = Intake(store, lambda: NOON, Bell())
        receiver = Receiver(intake, AcceptedSecrets([SECRET, OLD_SECRET]))
        app = create_app(receiver, is_ready=lambda: intake.is_open)
        with listen("127.0.0.1", 0) as listener:
            host, port = listener.getsockname()
            async with (
                serving(app, listener, protocol=QuickProtocol),
                httpx2.AsyncClient(base_url=f"http://{host}:{port}", verify=False) as client,
            ):
                yield Door(host, port, store, intake, client)
