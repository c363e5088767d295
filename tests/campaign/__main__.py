"""
`python -m campaign [NAME…]`: the campaigns at full length, on every store that is here.

Prints each as it is done, puts it into `results.md` in the place of what it showed before, and
exits with 1 if anything did not hold. The seeds are the same as ever, unless `--seed N` says
otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from campaign.contract import contract
from campaign.crashes import CRASHES, crash_everywhere
from campaign.damage import damage, unseen
from campaign.faults import FAULTS, strike_all
from campaign.fuzz import fuzz, fuzzed_service
from campaign.kills import kills
from campaign.power_cuts import FULL, NORMAL, power_cuts
from campaign.replicas import share
from campaign.results import RESULTS, Row, put_in, this_code
from campaign.wipes import wipe
from postgres import MISSING, Cluster, find_binaries, running_cluster

KILLS = 1000
CUTS = 1000
DAMAGES = 300
DELIVERIES = 20_000
REQUESTS, FUZZ_SECONDS = 1_000_000, 3600
EXAMPLES = 100

NewDatabase = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a campaign is run."""

    folder: Path
    new_database: NewDatabase
    cluster: Cluster | None
    seed: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a campaign showed, in words."""

    holds: bool
    told: str


async def run_crashes(setting: Setting) -> Result:
    broken = await crash_everywhere(setting.folder, setting.new_database)
    return Result(not broken, f"{2 * len(CRASHES)} crashes, {len(broken)} broken {broken or ''}")


async def run_faults(setting: Setting) -> Result:
    broken = await strike_all(setting.folder, setting.new_database)
    return Result(not broken, f"{len(FAULTS)} faults, {len(broken)} broken {broken or ''}")


async def run_kills(setting: Setting) -> Result:
    replicas = 3 if setting.cluster else 1
    url = setting.new_database("kills")
    verdict = await kills(
        setting.folder,
        url,
        count=KILLS,
        seed=setting.seed,
        replicas=replicas,
        per_kill=8,
        # The ends of the last jobs are looked up within the quota.
        settle_seconds=1500,
    )
    return Result(verdict.holds, f"{KILLS} kills of {replicas}: {verdict}")


async def run_wipes(setting: Setting) -> Result:
    verdict = await wipe(setting.folder, deliveries=1000, wipes=20, seed=setting.seed)
    return Result(verdict.holds, f"20 wipes: {verdict}")


async def run_power_cuts(setting: Setting) -> Result:
    full = await power_cuts(setting.folder, CUTS, setting.seed, synchronous=FULL)
    failing = await power_cuts(setting.folder, CUTS, setting.seed, synchronous=FULL, failing=True)
    normal = await power_cuts(setting.folder, CUTS, setting.seed, synchronous=NORMAL)
    # A test that NORMAL passes as well would prove nothing.
    holds = not full.lost and not failing.lost and normal.lost > 0
    return Result(holds, f"FULL {full}; with failing syncs {failing}; NORMAL {normal}")


async def run_damage(setting: Setting) -> Result:
    seen = await damage(setting.folder, DAMAGES, setting.seed)
    told = "; ".join(f"{name}: {dict(verdicts)}" for name, verdicts in seen.items())
    return Result(not unseen(seen), f"{DAMAGES} times each: {told}")


async def run_fuzz(setting: Setting) -> Result:
    async with fuzzed_service(setting.folder) as target:
        report = await fuzz(
            target,
            requests=REQUESTS,
            seed=setting.seed,
            seconds=FUZZ_SECONDS,
            tell=say,
        )
    return Result(report.holds, str(report))


async def run_contract(setting: Setting) -> Result:
    verdict = await contract(setting.folder, examples=EXAMPLES, seed=setting.seed)
    return Result(verdict.holds, str(verdict))


async def run_replicas(setting: Setting) -> Result:
    assert setting.cluster
    verdict = await share(
        setting.folder,
        setting.cluster,
        setting.new_database("replicas"),
        replicas=4,
        deliveries=DELIVERIES,
        restarts=5,
        per_second=200,
        seed=setting.seed,
    )
    return Result(verdict.holds, f"4 processes, 5 restarts: {verdict}")


Campaign = Callable[[Setting], Coroutine[None, None, Result]]
ON_BOTH: dict[str, Campaign] = {"crashes": run_crashes, "faults": run_faults, "kills": run_kills}
ON_SQLITE: dict[str, Campaign] = {
    "wipes": run_wipes,
    "power-cuts": run_power_cuts,
    "damage": run_damage,
    "fuzz": run_fuzz,
    "contract": run_contract,
}
ON_POSTGRES: dict[str, Campaign] = {"replicas": run_replicas}


@contextmanager
def stores() -> Iterator[dict[str, tuple[Cluster | None, dict[str, Campaign]]]]:
    """Give every store that is here, with its campaigns."""
    with ExitStack() as stack:
        found: dict[str, tuple[Cluster | None, dict[str, Campaign]]] = {
            "SQLite": (None, ON_BOTH | ON_SQLITE)
        }
        if binaries := find_binaries():
            cluster = stack.enter_context(running_cluster(binaries))
            found["PostgreSQL"] = cluster, ON_BOTH | ON_POSTGRES
        else:
            say(MISSING)
        yield found


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="campaign", description="Nothing lost, nothing twice.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these campaigns")
    parser.add_argument("--seed", type=int, default=11)
    asked = parser.parse_args()
    holds = True
    with stores() as found:
        for store, (cluster, campaigns) in found.items():
            for name, campaign in campaigns.items():
                if not asked.names or name in asked.names:
                    row = run(store, cluster, name, campaign, asked.seed)
                    put_in(RESULTS, row)
                    say(str(row))
                    holds &= row.holds
    return int(not holds)


def run(store: str, cluster: Cluster | None, name: str, campaign: Campaign, seed: int) -> Row:
    began = time.monotonic()
    code = this_code()
    with tempfile.TemporaryDirectory(prefix=f"jobhook-{name}-") as folder:

        def new_database(which: str) -> str:
            if cluster is None:
                return f"sqlite:///{folder}/{which}.db"
            return cluster.url(cluster.create())

        say(f"{name} on {store} …")
        result = asyncio.run(campaign(Setting(Path(folder), new_database, cluster, seed)))
    minutes = (time.monotonic() - began) / 60
    return Row(name, store, result.holds, code, seed, minutes, result.told)


if __name__ == "__main__":
    sys.exit(main())
