"""What must hold after every campaign (O1 to O4 of the fault model), read from the two ledgers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from campaign.databases import database
from jobhook.core.launches import Launch, LaunchState
from jobhook.stores import open_reads

_LOOK_AGAIN = 0.2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a campaign showed."""

    deliveries: int
    lost: int
    changed: int
    launches: int
    missing: int
    unfinished: tuple[str, ...]
    jobs: int
    twice: int

    @property
    def holds(self) -> bool:
        """Whether nothing was lost and nothing launched twice."""
        return not (self.lost or self.changed or self.missing or self.unfinished or self.twice)

    def __str__(self) -> str:
        numbers = {**asdict(self), "unfinished": len(self.unfinished)}
        told = ", ".join(f"{number:,} {name}" for name, number in numbers.items())
        return "; for instance ".join([told, *self.unfinished[:3]])


# With a fifth of the answers lost, one in some thousand launches loses five in a row.
_OFTEN_LOST = "ambiguous: the outcome of 5 requests was never known"
DONE = frozenset({LaunchState.COMPLETED})


def _is_left_to_a_person(launch: Launch) -> bool:
    return launch.state == LaunchState.HELD and launch.reason == _OFTEN_LOST


async def settled(
    url: str, *, deliveries: int, seconds: float, ends: Collection[LaunchState] = DONE
) -> None:
    """Wait until every launch is over, at most so many seconds; the verdict tells if not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        async with open_reads(database(url)) as reads:
            launches = await reads.launches(limit=0)
        over = [
            each
            for each in launches
            if each.state.is_final or each.state in ends or _is_left_to_a_person(each)
        ]
        if len(over) == len(launches) >= deliveries:
            return
        await asyncio.sleep(_LOOK_AGAIN)


async def judge(
    url: str,
    acknowledged: Mapping[str, bytes],
    ledger: Sequence[Mapping[str, Any]],
    *,
    copies: bool = False,
    ends: Collection[LaunchState] = DONE,
    owed: Collection[str] | None = None,
) -> Verdict:
    """
    Compare what was acknowledged with what is stored, and that with what the Hub did.

    A job that was cancelled counts all the same, unless the Hub was made to start *copies*. All
    that was acknowledged has to lead to a launch, or what is *owed*.
    """
    async with open_reads(database(url)) as reads:
        stored = {d.webhook_id: d.id for d, _ in await reads.deliveries(limit=0)}
        kept = {key: body for key, body in acknowledged.items() if key in stored}
        changed = 0
        for webhook_id, body in kept.items():
            changed += await reads.body(stored[webhook_id]) != body
        launches = await reads.launches(limit=0)
    owing = {stored[webhook_id] for webhook_id in (kept if owed is None else owed)}
    jobs = Counter(
        entry["launchId"] for entry in ledger if not (copies and entry["stage"] == "CANCELED")
    )
    return Verdict(
        deliveries=len(acknowledged),
        lost=len(acknowledged) - len(kept),
        changed=changed,
        launches=len(launches),
        missing=len(owing.difference(launch.delivery for launch in launches)),
        unfinished=tuple(
            f"{launch.id} {launch.state} {launch.reason} {launch.job_id}"
            for launch in launches
            if launch.state not in ends and not _is_left_to_a_person(launch)
        ),
        jobs=sum(jobs.values()),
        twice=sum(number > 1 for number in jobs.values()),
    )
