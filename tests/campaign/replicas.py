"""Several processes on one PostgreSQL, which crashes meanwhile (F31, F42, F43)."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

from campaign.databases import make_old
from campaign.kills import QUICK
from campaign.machines import Deliveries, DevHubMachine, service
from campaign.oracle import Verdict, judge, settled
from postgres import Cluster

# Of so many deliveries one sets a rule off: jobs are real processes, and 20,000 would tell no more.
_FIRES = 20


async def share(
    folder: Path,
    cluster: Cluster,
    url: str,
    *,
    replicas: int,
    deliveries: int,
    restarts: int,
    per_second: float,
    seed: int,
) -> Verdict:
    """Send *deliveries*, many of them repeatedly, to *replicas* while the server crashes."""
    hub = DevHubMachine(folder)
    machines = [service(folder, hub, url, f"replica-{n}", **QUICK) for n in range(replicas)]
    chance = random.Random(seed)  # noqa: S311
    sender = Deliveries([machine.url for machine in machines], chance, fires=_FIRES)
    seconds = deliveries / per_second
    async with AsyncExitStack() as stack:
        for machine in (hub, *machines):
            stack.push_async_callback(machine.end)
        await make_old(url)
        await hub.start()
        await hub.ready("/")
        for machine in machines:
            await machine.start()
        for machine in machines:
            await machine.ready()
        async with asyncio.TaskGroup() as group:
            group.create_task(sender.send(deliveries, per_second=per_second))
            for _ in range(restarts):
                await asyncio.sleep(chance.random() * seconds / restarts)
                await asyncio.to_thread(cluster.restart)
        owed = sender.owed
        await settled(url, deliveries=len(owed), seconds=180)
        return await judge(url, sender.acknowledged, await hub.ledger(), owed=owed)
