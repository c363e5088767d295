from __future__ import annotations

import re

import pytest

from factories import ROOT
from jobhook import failpoints


def test_an_armed_place_acts_and_the_others_do_not() -> None:
    passed: list[str] = []
    failpoints.arm("store.committed", lambda: passed.append("committed"))
    failpoints.failpoint("store.committed")
    failpoints.failpoint("store.inserted")
    assert passed == ["committed"]


def test_a_disarmed_place_does_nothing() -> None:
    failpoints.arm("store.committed", lambda: pytest.fail("it acted"))
    failpoints.disarm()
    failpoints.failpoint("store.committed")


def test_an_unknown_place_cannot_be_armed() -> None:
    with pytest.raises(KeyError):
        failpoints.arm("store.comitted", lambda: None)


def test_every_place_is_in_the_code_and_no_other_is() -> None:
    found: set[str] = set()
    for path in (ROOT / "service").rglob("*.py"):
        found |= set(re.findall(r'failpoint\("([a-z_.]+)"\)', path.read_text(encoding="utf-8")))
    assert found == failpoints.NAMES
