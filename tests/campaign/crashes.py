"""
Every crash point of the fault model: the process dies or fails there, and nothing shows of it.

Each row starts a service that is doomed at one place, sends deliveries as the Hub would, starts a
sound service in its place where it died, and asks the oracle.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from campaign.databases import make_old
from campaign.doomed import KILL, RAISE
from campaign.kills import QUICK
from campaign.machines import LONG_JOBS, QUICK_JOBS, Deliveries, DevHubMachine, service
from campaign.oracle import Verdict, judge, settled
from jobhook.failpoints import NAMES


@dataclass(frozen=True, slots=True)
class Crash:
    """
    A place, and what has to be for the code to pass it.

    Attributes:
        rows: The rows of the fault model that this is.
        faults: What goes wrong on the Hub meanwhile.
        copies: Whether the Hub is made to start a job twice, which then is cancelled.
    """

    place: str
    rows: str
    faults: tuple[str, ...] = ()
    copies: bool = False


CRASHES = (
    Crash("receive.secret_checked", "C1"),
    Crash("receive.body_begun", "C2"),
    Crash("store.inserted", "C3"),
    Crash("store.committed", "C5"),
    Crash("receive.answered", "C6"),
    Crash("routing.begun", "C6"),
    Crash("store.routing", "C7"),
    Crash("routing.decided", "C8"),
    Crash("enriching.begun", "C8"),
    Crash("enriching.found", "C8"),
    Crash("enriching.decided", "C8"),
    Crash("dispatch.claimed", "C9"),
    Crash("dispatch.sending", "C9"),
    Crash("dispatch.sending", "C10", ("jobs.create cut=100 count=1",)),
    Crash("dispatch.answered", "C11 C12"),
    Crash("dispatch.answered", "C11", ("jobs.create answer=drop execute=yes count=1",)),
    Crash("dispatch.recorded", "C13"),
    Crash("tracking.listed", "C14"),
    Crash("reaping.cancelled", "C15", ("jobs.create execute=twice count=1",), copies=True),
)
# Proved by themselves, in other tests: they are passed at other times.
ELSEWHERE = {"store.migrating": "C16", "store.pruning": "C17", "direct.begun": "C9"}
assert {crash.place for crash in CRASHES} | set(ELSEWHERE) == NAMES


async def crash_once(
    folder: Path, database: str, crash: Crash, action: str, *, nth: int = 1
) -> Verdict:
    """Crash at one place and return what the oracle says of it."""
    hub = DevHubMachine(folder)
    sound = service(folder, hub, database, **QUICK)
    doomed = sound.doomed(crash.place, action, nth)
    name = LONG_JOBS if crash.copies else QUICK_JOBS
    deliveries = Deliveries([sound.url], random.Random(nth), name=name)  # noqa: S311
    async with AsyncExitStack() as stack:
        for machine in (hub, sound, doomed):
            stack.push_async_callback(machine.end)
        await make_old(database)
        await hub.start()
        await hub.ready("/")
        await hub.faults(*crash.faults, seed=nth)
        await doomed.start()
        await doomed.ready()
        async with asyncio.TaskGroup() as group:
            group.create_task(deliveries.send(3, per_second=20))
            if action == KILL:
                await doomed.gone()
                await sound.start()
        await settled(database, deliveries=deliveries.sent, seconds=90)
        ledger = await hub.ledger()
        return await judge(database, deliveries.acknowledged, ledger, copies=crash.copies)


async def crash_everywhere(
    folder: Path,
    new_database: Callable[[str], str],
    *,
    actions: Sequence[str] = (KILL, RAISE),
    at_once: int = 4,
) -> dict[str, Verdict]:
    """Crash at every place in every way; return the verdicts that do not hold, by their rows."""
    room = asyncio.Semaphore(at_once)
    broken: dict[str, Verdict] = {}

    async def crash_in_turn(crash: Crash, action: str, number: int) -> None:
        name = f"{action}-{number}"
        (folder / name).mkdir()
        async with room:
            verdict = await crash_once(folder / name, new_database(name), crash, action)
        if not verdict.holds:
            broken[f"{crash.rows} {action} at {crash.place}"] = verdict

    async with asyncio.TaskGroup() as group:
        for action in actions:
            # Those that take long stand last, and are begun first: the others run beside them.
            for number, crash in reversed([*enumerate(CRASHES)]):
                group.create_task(crash_in_turn(crash, action, number))
    return broken
