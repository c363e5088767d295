"""One recording Hub for all comparisons, and both clients before it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from agreement.answers import reset
from agreement.environment import official
from agreement.recorder import Recorder
from agreement.sides import SAVED, SIDES, Official, Side


@pytest.fixture(scope="session")
def only_recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def recorder(only_recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setenv("HF_TOKEN", SAVED)
    # Where the official client forgets the endpoint it was given, it asks this one.
    monkeypatch.setattr(official.api, "endpoint", only_recorder.url)
    # It rests for seconds between looks.
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: None)
    monkeypatch.setattr(official, "time", clock)
    reset(only_recorder)
    return only_recorder


@pytest.fixture
def theirs(recorder: Recorder) -> Official:
    return Official(recorder.url)


@pytest.fixture(params=SIDES)
def ours(recorder: Recorder, request: pytest.FixtureRequest) -> Iterator[Side]:
    side = SIDES[request.param](recorder.url)
    yield side
    side.close()
