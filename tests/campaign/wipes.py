"""
The database is wiped in the middle of the work, and everything is delivered again (F37).

Launch ids are derived and jobs carry them: nothing is launched a second time.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from campaign.kills import QUICK
from campaign.machines import Deliveries, DevHubMachine, service
from campaign.oracle import Verdict, judge, settled


def _remove(database: Path) -> None:
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()


async def wipe(folder: Path, *, deliveries: int, wipes: int, seed: int) -> Verdict:
    """Wipe a SQLite database *wipes* times while *deliveries* come in, each time at random."""
    chance = random.Random(seed)  # noqa: S311
    hub = DevHubMachine(folder)
    database = folder / "wiped.db"
    machine = service(folder, hub, f"sqlite:///{database}", **QUICK)
    sender = Deliveries([machine.url], chance)
    async with AsyncExitStack() as stack:
        for each in (hub, machine):
            stack.push_async_callback(each.end)
        await hub.start()
        await hub.ready("/")
        await hub.faults("jobs.create lag=500 rate=0.3", seed=seed)
        await machine.start()
        await machine.ready()
        for _ in range(wipes):
            async with asyncio.TaskGroup() as group:
                group.create_task(sender.send(deliveries // wipes, per_second=50))
                await asyncio.sleep(chance.random())
                await machine.end()
                _remove(database)
                await machine.start()
            await sender.send_all_again()
        url = f"sqlite:///{database}"
        await settled(url, deliveries=sender.sent, seconds=90)
        verdict = await judge(url, sender.acknowledged, await hub.ledger())
    # What was lost with the database before it was acknowledged again is not this test's matter.
    return replace(verdict, deliveries=sender.sent)
