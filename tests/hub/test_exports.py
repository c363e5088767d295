"""What `jobhook` gives, and that it costs nothing until it is asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jobhook


def typed_names() -> set[str]:
    """The names that type checkers see."""
    tree = ast.parse(Path(jobhook.__file__).read_text(encoding="utf-8"))
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    return {
        str(alias.asname)
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_every_name_is_there_for_readers_and_for_type_checkers() -> None:
    assert typed_names() == set(jobhook._HOMES)
    for name in typed_names():
        assert getattr(jobhook, name) is not None
        assert name in dir(jobhook)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'run_jobs'"):
        _ = jobhook.run_jobs


def test_importing_it_loads_nothing_else() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import jobhook, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name for name in told.stdout.split() if name.startswith("jobhook")}
    assert loaded == {"jobhook"}
    assert "asyncio" not in told.stdout.split()
