"""How `uv run` is asked for: one way for what rules run and for what callers do."""

from __future__ import annotations

from collections.abc import Iterable

UV_IMAGE = "ghcr.io/astral-sh/uv:python3.12-bookworm"


def uv_run(dependencies: Iterable[str], python: str | None) -> tuple[str, ...]:
    """Return the words before the script, in the official client's order."""
    options = [word for each in dependencies for word in ("--with", each)]
    options += ["--python", python] if python else []
    return ("uv", "run", *options)
