"""A server that answers every request with the bytes that a test gives it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from canned import CannedServer


@pytest.fixture
async def server() -> AsyncIterator[CannedServer]:
    async with CannedServer() as running:
        yield running
