"""
What the campaigns showed when they last ran, each with the code that it ran on.

They take hours together, so each one replaces only its own row.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results.md"
_HEAD = """\
# What the campaigns showed

Each row is the last run of that campaign at full length, with the commit that it ran on.

| campaign | store | | commit | seed | minutes | what was seen |
|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One campaign on one store."""

    name: str
    store: str
    holds: bool
    commit: str
    seed: int
    minutes: float
    told: str

    def __str__(self) -> str:
        word = "holds" if self.holds else "**BROKEN**"
        return (
            f"| {self.name} | {self.store} | {word} | {self.commit} | {self.seed}"
            f" | {self.minutes:.1f} | {self.told} |"
        )


def put_in(results: Path, row: Row) -> None:
    """Put *row* in the place of what this campaign showed on this store before."""
    begins = f"| {row.name} | {row.store} |"
    lines = results.read_text().splitlines() if results.exists() else []
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| campaign")]
    others = [line for line in rows if not line.startswith(begins)]
    results.write_text(_HEAD + "\n".join(sorted([*others, str(row)])) + "\n")


def this_code() -> str:
    """Return the commit that is checked out, with a + if the service was changed since."""
    commit = _git("rev-parse", "--short", "HEAD")
    return commit + "+" if _git("status", "--porcelain", ":/service") else commit


def _git(*arguments: str) -> str:
    git = shutil.which("git") or "git"
    command = [git, *arguments]
    return subprocess.check_output(command, cwd=RESULTS.parent, text=True).strip()
