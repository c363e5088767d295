"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_NOT_THE_TESTS_OWN = ("JOBHOOK_", "HF_", "HUGGING_FACE_", "WEBHOOK_", "SPACE_", "OAUTH_")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep whoever runs the tests, with their token and settings, out of them."""
    for name in list(os.environ):
        if name.startswith(_NOT_THE_TESTS_OWN):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("HF_HUB_DISABLE_UPDATE_CHECK", "1")
