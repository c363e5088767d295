"""
What the Hub and the network do to a launch (F01 to F20), and what signals and pauses do (F38, F40).

Each row has a devhub, a service and a database of its own.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from campaign.databases import make_old
from campaign.doomed import STOP
from campaign.kills import QUICK
from campaign.machines import LONG_JOBS, QUICK_JOBS, Deliveries, DevHubMachine, Machine, service
from campaign.oracle import Verdict, judge, settled
from jobhook.core.launches import LaunchState

# Longer than a lease (four deadlines of two seconds).
_LONG_PAUSE = 9.0
_LAUNCHES = 3
# By then launches are being sent.
_ON_THEIR_WAY = 0.3


@dataclass(frozen=True, slots=True)
class Fault:
    """
    Something that goes wrong, and how launches end all the same.

    Attributes:
        row: The row of the fault model that this is.
        faults: In devhub's words.
        end: How every launch of the row ends.
        copies: Whether the Hub starts a job twice; the copy has to be cancelled, long as it runs.
        meanwhile: What happens to the machines while launches are sent.
        doomed: Where the service is stopped in the middle of its work.
    """

    row: str
    faults: tuple[str, ...] = ()
    end: LaunchState = LaunchState.COMPLETED
    copies: bool = False
    meanwhile: Callable[[DevHubMachine, Machine], Awaitable[None]] | None = None
    doomed: str | None = None


async def _hub_away(hub: DevHubMachine, _: Machine) -> None:
    await hub.end()
    await asyncio.sleep(2)
    await hub.start()


async def _told_to_stop(_: DevHubMachine, machine: Machine) -> None:
    await asyncio.sleep(_ON_THEIR_WAY)
    await machine.tell(signal.SIGTERM)
    await machine.gone()
    await machine.start()


async def _killed_while_it_stops(_: DevHubMachine, machine: Machine) -> None:
    await asyncio.sleep(_ON_THEIR_WAY)
    await machine.tell(signal.SIGTERM)
    await machine.end()
    await machine.start()


async def _paused_for_long(_: DevHubMachine, machine: Machine) -> None:
    await asyncio.sleep(_LONG_PAUSE)
    await machine.tell(signal.SIGCONT)


def _create(what: str) -> tuple[str, ...]:
    return (f"jobs.create {what}",)


_REJECTED, _HELD, _GONE = LaunchState.REJECTED, LaunchState.HELD, LaunchState.GONE
FAULTS = (
    Fault("F01 F21", meanwhile=_hub_away),
    Fault("F02", _create("status=429 retry_after=1 count=2")),
    Fault("F02", _create('status=429 ratelimit="api";r=0;t=1 count=2')),
    *(Fault("F03", _create(f"status={status}"), end=_REJECTED) for status in (400, 404, 409, 422)),
    Fault("F05", _create("status=402"), end=_HELD),
    *(
        Fault("F06", _create(f"status={status} execute={execute} count=2"))
        for status, execute in ((500, "yes"), (500, "no"), (503, "yes"), (408, "no"))
    ),
    Fault("F07", _create("answer=reset execute=yes count=2")),
    Fault("F07", _create("answer=drop execute=no count=2")),
    *(
        Fault("F08", _create(f"answer={answer} execute=yes count=2"))
        for answer in ("html", "truncated", "no-id", "empty")
    ),
    Fault("F09", _create("answer=slow pause=500 execute=yes count=2")),
    Fault("F09", _create("answer=huge execute=yes count=2")),
    Fault("F10", _create("redirect=http://127.0.0.1:9/ execute=yes count=2")),
    Fault("F11", ("* /api/* hangup=1",)),
    Fault("F12", _create("answer=drop late=1500 count=2")),
    Fault("F13", _create("answer=drop late=14000 count=2"), copies=True),
    Fault("F14", _create("execute=twice count=2"), copies=True),
    Fault("F15", (*_create("answer=drop execute=yes count=2"), *_create("lag=3000"))),
    Fault("F16", (*_create("status=500 execute=yes count=2"), "jobs.list filter=ignore page=1")),
    Fault("F16", (*_create("status=500 execute=yes count=2"), "jobs.list status=500 rate=0.5")),
    Fault("F17", (*_create("status=500 execute=yes count=2"), *_create("wiped=0"))),
    Fault("F18", _create("status=500 execute=twice count=2"), copies=True),
    Fault("F20", _create("gone=1000"), end=_GONE),
    Fault("F38", _create("hold=1000"), meanwhile=_told_to_stop),
    Fault("F39", _create("hold=1000"), meanwhile=_killed_while_it_stops),
    Fault("F40", meanwhile=_paused_for_long, doomed="dispatch.sending"),
)


async def strike(folder: Path, database: str, fault: Fault) -> Verdict:
    """Let it happen, and return what the oracle says of it."""
    hub = DevHubMachine(folder)
    machine = service(folder, hub, database, **QUICK)
    if fault.doomed:
        machine = machine.doomed(fault.doomed, STOP)
    name = LONG_JOBS if fault.copies or fault.end == _GONE else QUICK_JOBS
    deliveries = Deliveries([machine.url], random.Random(1), name=name)  # noqa: S311
    async with AsyncExitStack() as stack:
        for each in (hub, machine):
            stack.push_async_callback(each.end)
        await make_old(database)
        await hub.start()
        await hub.ready("/")
        await hub.faults(*fault.faults, seed=1)
        await machine.start()
        await machine.ready()
        async with asyncio.TaskGroup() as group:
            group.create_task(deliveries.send(_LAUNCHES, per_second=20))
            if fault.meanwhile:
                await fault.meanwhile(hub, machine)
        ends = {fault.end}
        await settled(database, deliveries=_LAUNCHES, ends=ends, seconds=90)
        ledger = await hub.ledger()
        return await judge(
            database, deliveries.acknowledged, ledger, copies=fault.copies, ends=ends
        )


async def strike_all(
    folder: Path,
    new_database: Callable[[str], str],
    faults: Sequence[Fault] = FAULTS,
    *,
    at_once: int = 4,
) -> dict[str, Verdict]:
    """Let all *faults* happen; return the verdicts that do not hold, by row and fault."""
    room = asyncio.Semaphore(at_once)
    broken: dict[str, Verdict] = {}

    async def strike_in_turn(fault: Fault, name: str) -> None:
        (folder / name).mkdir()
        async with room:
            verdict = await strike(folder / name, new_database(name), fault)
        if not verdict.holds:
            broken[f"{fault.row} {' '.join(fault.faults)}"] = verdict

    async with asyncio.TaskGroup() as group:
        # Those that take long stand last, and are begun first: the others run beside them.
        for number, fault in reversed([*enumerate(faults)]):
            group.create_task(strike_in_turn(fault, f"fault-{number}"))
    return broken
