"""
Random SIGKILLs under load, with a fifth of the Hub's answers lost or wrong.

Nothing that was acknowledged may be lost, and no launch may have two jobs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from campaign.databases import make_old
from campaign.machines import Deliveries, DevHubMachine, Machine, service
from campaign.oracle import Verdict, judge, settled

# Before and after it was carried out: a fifth of all starts; and lists that are late or fail.
FAULTS = (
    "jobs.create status=500 execute=yes rate=0.05",
    "jobs.create answer=drop execute=yes rate=0.05",
    "jobs.create status=503 execute=no rate=0.05",
    "jobs.create answer=drop execute=no rate=0.05",
    "jobs.create lag=1000 rate=0.3",
    "jobs.list status=500 rate=0.05",
    "jobs.inspect status=500 rate=0.05",
)
# Longer than the lag of the list and the deadline of a request, and short enough to wait for.
QUICK = {"JOBHOOK_QUARANTINE": "5s", "JOBHOOK_HUB_DEADLINE": "2s"}


async def kills(
    folder: Path,
    database: str,
    *,
    count: int,
    seed: int,
    replicas: int = 1,
    per_kill: int = 4,
    settle_seconds: float = 120.0,
) -> Verdict:
    """
    Kill one of *replicas* at a random moment, *count* times, while deliveries come in.

    *per_kill* new deliveries are sent for each kill. The same seed kills at the same moments and
    draws the same faults, as far as a machine under load repeats itself.
    """
    chance = random.Random(seed)  # noqa: S311
    hub = DevHubMachine(folder)
    machines = [service(folder, hub, database, f"service-{n}", **QUICK) for n in range(replicas)]
    async with AsyncExitStack() as stack:
        for machine in (hub, *machines):
            stack.push_async_callback(machine.end)
        await make_old(database)
        await hub.start()
        await hub.ready("/")
        await hub.faults(*FAULTS, seed=seed)
        for machine in machines:
            await machine.start()
            await machine.ready()
        deliveries = Deliveries([machine.url for machine in machines], chance)
        async with asyncio.TaskGroup() as group:
            group.create_task(deliveries.send(count * per_kill, per_second=per_kill * 2))
            group.create_task(_kill_at_random(machines, chance, count))
        await hub.no_faults()
        await settled(database, deliveries=deliveries.sent, seconds=settle_seconds)
        return await judge(database, deliveries.acknowledged, await hub.ledger())


async def _kill_at_random(machines: Sequence[Machine], chance: random.Random, count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(chance.random() * 0.8)
        victim = chance.choice(machines)
        await victim.end()
        await victim.start()
        if chance.random() < 0.8:
            # Else it is killed while it starts.
            await victim.ready()
    for machine in machines:
        await machine.ready()
