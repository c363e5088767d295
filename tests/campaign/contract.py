"""Schemathesis over the whole document at full length, in every phase, by every kind of caller."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from conforming import ADMIN, Tally, conform, quiet_service, viewer_token, with_things
from jobhook.web.api.openapi import document
from jobhook.web.api.table import OPERATIONS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an admin, a viewer and a stranger saw."""

    admin: Tally
    viewer: Tally
    stranger: Tally

    @property
    def holds(self) -> bool:
        refused = {status for each in self.stranger.answers.values() for status in each}
        # Of a stranger who asks with too long a header even that is not read.
        return not any(map(_broken, self._tallies)) and refused <= {401, 431}

    @property
    def _tallies(self) -> tuple[Tally, ...]:
        return self.admin, self.viewer, self.stranger

    def __str__(self) -> str:
        cases = sum(tally.cases for tally in self._tallies)
        errors = sum(tally.server_errors for tally in self._tallies)
        broken = [line for tally in self._tallies for line in _broken(tally)]
        excused = sum((tally.excused for tally in self._tallies), Counter[str]())
        told = "; ".join(f"{why}: {count}" for why, count in sorted(excused.items()))
        return (
            f"{cases:,} calls of {len(OPERATIONS)} operations, {errors} server errors, "
            f"{len(broken)} broken {broken[:5] or ''}; what no schema says: {told}"
        )


def _broken(tally: Tally) -> list[str]:
    return [f"{name}: {line}" for name, lines in tally.broken.items() for line in lines]


async def contract(folder: Path, *, examples: int, seed: int) -> Verdict:
    """Call every operation with this many examples, or a tenth of them for who may do less."""
    return await asyncio.to_thread(_contract, folder, examples, seed)


def _contract(folder: Path, examples: int, seed: int) -> Verdict:
    with quiet_service(folder) as url:
        told = with_things(document(OPERATIONS), url)
        few = max(1, examples // 10)
        stranger = conform(url, told, None, examples=few, seed=seed)
        viewer = conform(url, told, viewer_token(url), examples=few, seed=seed)
        return Verdict(conform(url, told, ADMIN, examples=examples, seed=seed), viewer, stranger)
