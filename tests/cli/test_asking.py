from __future__ import annotations

import os

import pytest

from jobhook.cli.asking import who


def test_a_user_without_a_name_is_known_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert who() == "user 54321"
