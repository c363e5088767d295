"""Random histories of processes that want to lead, compared with what they were promised."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import ParamSpec, TypeVar

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from contract.test_model import SHORTER
from jobhook.adapters.store_postgres import postgres_store
from postgres import Cluster

P = ParamSpec("P")
T = TypeVar("T")

LONG_MS = 600_000
HOLDERS = st.sampled_from(["a", "b", "c"])
VERSIONS = st.sampled_from(["v1", "v2", "v3"])


class LeadMachine(RuleBasedStateMachine):
    """Processes come with rules, reload them, lose the lead, stop and are killed."""

    def __init__(self, cluster: Cluster, url: str) -> None:
        super().__init__()
        self._cluster = cluster
        self._database = url.rpartition("/")[2]
        self._portal_context = start_blocking_portal()
        self._portal = self._portal_context.__enter__()
        self._store_context = self._portal.wrap_async_context_manager(postgres_store(url))
        self.store = self._store_context.__enter__()
        # The model.
        self.introduced: list[str] = []
        self.alive: dict[str, str] = {}
        self.told: dict[str, str] = {}
        self.leader: str | None = None

    def do(self, method: Callable[P, Awaitable[T]], *args: P.args, **named: P.kwargs) -> T:
        return self._portal.call(partial(method, *args, **named))

    @property
    def in_force(self) -> str | None:
        return max(self.alive.values(), key=self.introduced.index, default=None)

    @rule(holder=HOLDERS, version=VERSIONS, ttl_ms=st.sampled_from([LONG_MS, LONG_MS, 0]))
    def ask(self, holder: str, version: str, ttl_ms: int) -> None:
        """It may have reloaded, and is killed afterwards if nothing is left of its time."""
        replaces = self.told.get(holder)
        if self._is_news(version, replaces):
            self.introduced = [v for v in self.introduced if v != version] + [version]
        self.alive[holder] = self.told[holder] = version
        may = version == self.in_force and self.leader in (None, holder)
        leads = self.do(self.store.lead, holder, ttl_ms, version=version, replaces=replaces)
        assert leads == may
        if may:
            self.leader = holder if ttl_ms else None
        if not ttl_ms:
            del self.alive[holder], self.told[holder]

    def _is_news(self, version: str, replaces: str | None) -> bool:
        if version not in self.introduced:
            return True
        order = self.introduced.index
        return replaces is not None and order(version) < order(replaces)

    @rule(holder=HOLDERS, ends=st.booleans())
    def step_down(self, holder: str, ends: bool) -> None:
        self.do(self.store.step_down, holder)
        self.alive.pop(holder, None)
        if self.leader == holder:
            self.leader = None
        if ends:
            self.told.pop(holder, None)

    @invariant()
    def everybody_sees_the_same(self) -> None:
        assert self.do(self.store.leader) == self.leader
        assert self.do(self.store.rules_version) == self.in_force

    def teardown(self) -> None:
        self._store_context.__exit__(None, None, None)
        self._portal_context.__exit__(None, None, None)
        self._cluster.sql("TRUNCATE lead, candidate, ruleset", self._database)


@pytest.mark.parametrize("way", ["postgres", "pooled"])
def test_one_process_leads_by_the_rules_in_force(
    request: pytest.FixtureRequest, postgres: Cluster, way: str
) -> None:
    machine = partial(LeadMachine, postgres, request.getfixturevalue(f"{way}_url"))
    run_state_machine_as_test(machine, settings=SHORTER)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_of_processes_with_different_rules_that_ask_at_once_one_leads(
    postgres_url: str,
) -> None:
    async with postgres_store(postgres_url) as one, postgres_store(postgres_url) as two:
        leading: set[str] = set()
        for _ in range(5):
            asked = {
                f"h{at}": store.lead(f"h{at}", LONG_MS, version=f"v{at % 3}")
                for at, store in enumerate([one, two] * 3)
            }
            leads = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
            leading = {holder for holder, leads_now in leads.items() if leads_now}
            assert len(leading) <= 1
            for holder in asked.keys() - leading:
                # As a process does that is not to lead any more.
                if holder == await one.leader():
                    await one.step_down(holder)
        assert {await one.leader()} == leading
