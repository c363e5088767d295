"""What can be found has a code, and a code says what to write instead."""

from __future__ import annotations

import re

import pytest

from factories import ROOT
from jobhook.core.codes import CODES, COST, ERROR, NOTE, WARNING, Code, described

PACKAGE = ROOT / "service" / "jobhook"


@pytest.mark.parametrize(("name", "code"), CODES.items(), ids=list(CODES))
def test_a_code_is_words_and_explained(name: str, code: Code) -> None:
    assert re.fullmatch("[a-z]+(-[a-z]+)*", name)
    assert code.severity in {ERROR, WARNING, NOTE}
    assert code.meaning.endswith(".")
    assert bool(code.wrong) or not code.right


@pytest.mark.parametrize("name", CODES)
def test_every_code_is_given_by_something(name: str) -> None:
    files = [path for path in PACKAGE.rglob("*.py") if path.name != "codes.py"]
    named = f'"{name}"' if name != COST else "COST"
    assert any(named in path.read_text(encoding="utf-8") for path in files)


def test_whatever_is_given_has_a_code() -> None:
    given = set()
    for path in PACKAGE.rglob("*.py"):
        given |= set(re.findall(r'code="([a-z-]+)"', path.read_text(encoding="utf-8")))
    assert given
    assert given <= set(CODES)


def test_a_code_is_described_with_its_examples() -> None:
    code = Code(ERROR, "It is wrong.", "a: 1", "a: 2")
    assert described("some-code", code) == (
        "## some-code\n\nError. It is wrong.\n\n"
        "Wrong:\n\n```yaml\na: 1\n```\n\nRight:\n\n```yaml\na: 2\n```\n"
    )


def test_a_code_without_examples_is_described_without() -> None:
    assert described("a", Code(WARNING, "It is odd.")) == "## a\n\nWarning. It is odd.\n"
