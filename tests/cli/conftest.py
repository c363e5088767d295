"""Where orders are given: no terminal and no Hub, or a devhub with jobs on it."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from factories import make_spec
from jobhook.devhub import TOKEN, DevHub
from jobhook.hub.client import AsyncHub
from jobhook.web.serving import listen, url_of
from jobhook.wiring import running_devhub


@pytest.fixture(scope="module")
def devhub_url() -> Iterator[str]:
    """A devhub for the tests of one module, in a thread of its own."""
    with start_blocking_portal() as portal, listen("127.0.0.1", 0) as listener:
        running = running_devhub(DevHub(url_of(listener)), listener)
        with portal.wrap_async_context_manager(running):
            yield url_of(listener)


@pytest.fixture
def at_devhub(devhub_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The Hub is that devhub, and the token that of its user `dev`."""
    monkeypatch.setenv("HF_ENDPOINT", devhub_url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return devhub_url


@pytest.fixture
def nobody_there(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The Hub cannot be reached, and nobody sits at a terminal."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        yield


@pytest.fixture
async def town(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncHub]:
    """A devhub with two jobs of ours and one of somebody else."""
    monkeypatch.setattr("jobhook.flows.stopping._LOOK_AGAIN_SECONDS", 0)
    with listen("127.0.0.1", 0) as listener:
        url = url_of(listener)
        monkeypatch.setenv("HF_ENDPOINT", url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        async with running_devhub(DevHub(url), listener), AsyncHub(url, TOKEN) as hub:
            for instance in ("jobhook", "jobhook", "theirs"):
                spec = make_spec(command=("sleep", "60"), labels={"jobhook-instance": instance})
                await hub.start_job("dev", spec)
            yield hub
