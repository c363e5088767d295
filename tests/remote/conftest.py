"""A server that says what it is told to, and a service's client that asks it."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from canned import CannedServer
from elsewhere import TOKEN, Slept
from jobhook.remote.hub import RemoteHub
from jobhook.remote.transport import ServiceTransport


@pytest.fixture
async def server() -> AsyncIterator[CannedServer]:
    async with CannedServer() as running:
        yield running


@pytest.fixture
def slept() -> Slept:
    return Slept()


@pytest.fixture
async def service(server: CannedServer, slept: Slept) -> AsyncIterator[ServiceTransport]:
    async with ServiceTransport(server.url, TOKEN, sleep=slept) as opened:
        yield opened


@pytest.fixture
def hub(service: ServiceTransport) -> RemoteHub:
    return RemoteHub(service)


@pytest.fixture
def nobody_there(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody sits at a terminal."""
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        yield
