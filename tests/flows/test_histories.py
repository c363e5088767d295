"""Whole histories with faults at random, each told by its seed: never two jobs for one launch."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from factories import LEASE_MS, PLENTY, make_launch, make_received, make_spec
from fakes import Bell, HandClock, ScriptedHub
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.core.errors import HubBusy, OutcomeUnknown
from jobhook.core.guards import Guard
from jobhook.core.jobs import JobSpec, JobStage
from jobhook.core.launches import LaunchState
from jobhook.flows.dispatch import Dispatcher
from jobhook.flows.identity import Identity
from jobhook.flows.prices import Prices
from jobhook.flows.resolving import Resolver, Visibility
from jobhook.hub.models import JobInfo

pytestmark = pytest.mark.anyio

LAUNCHES = 12


class UnreliableHub(ScriptedHub):
    """Loses requests and answers, is away at times, and lists jobs minutes late."""

    def __init__(self, chance: random.Random, clock: HandClock) -> None:
        super().__init__()
        self.chance = chance
        self.clock = clock
        self.listed_from: dict[str, int] = {}

    async def start_job(self, namespace: str, spec: JobSpec) -> JobInfo:
        fault = self.chance.choice(["none", "none", "away", "request lost", "answer lost"])
        if fault == "away":
            raise HubBusy("away")
        if fault == "request lost":
            raise OutcomeUnknown("lost")
        job = await super().start_job(namespace, spec)
        self.listed_from[job.id] = self.clock.now + self.chance.randrange(10 * 60_000)
        if fault == "answer lost":
            raise OutcomeUnknown("lost")
        return job

    async def list_jobs(
        self, *, namespace: str, labels: Mapping[str, str], stages: Sequence[JobStage] = ()
    ) -> list[JobInfo]:
        if self.chance.random() < 0.2:
            raise HubBusy("away")
        jobs = await super().list_jobs(namespace=namespace, labels=labels, stages=stages)
        return [job for job in jobs if self.listed_from[job.id] <= self.clock.now]


@pytest.mark.parametrize("seed", range(30))
async def test_every_launch_ends_with_one_job(seed: int, tmp_path: Path) -> None:
    chance, clock = random.Random(seed), HandClock()  # noqa: S311
    hub, bell, path = UnreliableHub(chance, clock), Bell(), tmp_path / "h.db"
    async with sqlite_store(path) as store:
        receipt = await store.record(make_received())
        delivery = await store.delivery(receipt.delivery)
        assert delivery is not None
        launches = [
            make_launch(
                id=f"l{number}",
                action=number,
                delivery=delivery.id,
                spec=make_spec(labels={"jobhook-launch": f"l{number}"}),
            )
            for number in range(LAUNCHES)
        ]
        await store.route(delivery, events=(), verdicts=(), launches=launches)
    for _ in range(12):  # processes, each of which dies in the middle of something
        async with sqlite_store(path) as store:
            await store.abandon_sending(clock.now, older_than_ms=-1)
            parts = {
                "identity": Identity(hub, "acme"),
                "visibility": Visibility(),
                "lease_ms": LEASE_MS,
            }
            prices = Prices(hub, clock)
            dispatcher = Dispatcher(
                store,
                hub,
                clock,
                monotonic=clock,
                secrets={},
                prices=prices,
                limits=PLENTY,
                max_age_ms=10**12,
                on_launched=bell,
                **parts,  # type: ignore[arg-type]
            )
            resolver = Resolver(store, hub, clock, prices=prices, **parts)  # type: ignore[arg-type]
            for _ in range(chance.randrange(5, 40)):
                await dispatcher.step()
                await dispatcher.finish()
                with contextlib.suppress(HubBusy):
                    await resolver.step()
                clock.now += chance.randrange(1000, 120_000)
            if chance.random() < 0.5:
                # Claimed, and then the process ends before anything is sent.
                await store.claim(clock.now, 2, Guard(PLENTY, {"cpu-basic": 0.01}, clock.now))
    async with sqlite_store(path) as store:
        ended = await store.launches(limit=0)
    started = [spec.labels["jobhook-launch"] for _, spec in hub.started]
    assert len(started) == len(set(started))
    for launch in ended:
        assert launch.state in {
            LaunchState.LAUNCHED,
            LaunchState.READY,
            LaunchState.SENDING,
            LaunchState.UNKNOWN,
            LaunchState.HELD,
        }
        assert (launch.state == LaunchState.LAUNCHED) <= (launch.id in started)
