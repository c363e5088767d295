from __future__ import annotations

from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from factories import DELIVERIES, make_received, make_rule, make_stored, sample
from fakes import Bell, HandClock, ScriptedHub
from jobhook import failpoints
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.deliveries import DeliveryState, read_delivery
from jobhook.core.errors import StoreUnavailable
from jobhook.core.indexing import RuleIndex
from jobhook.core.launches import LaunchState
from jobhook.core.rules import Rule, RuleSet
from jobhook.flows import deciding, routing
from jobhook.flows.deciding import Decider, route
from jobhook.flows.identity import Identity
from jobhook.flows.routing import Router
from jobhook.flows.rulebook import Rulebook

pytestmark = pytest.mark.anyio


class RoutingTable:
    """Routes bodies with the given rules and tells what became of them."""

    def __init__(self, store: SqliteStore, clock: HandClock, bell: Bell) -> None:
        self.store = store
        self.clock = clock
        self.bell = bell

    async def route(self, *bodies: bytes, rules: Sequence[Rule] = (make_rule(),)) -> list[str]:
        for body in bodies:
            await self.store.record(make_received(f"w{hash(body)}", body))
        await self.router(rules).step()
        return [delivery.state for delivery, _ in reversed(await self.store.deliveries(limit=0))]

    def router(self, rules: Sequence[Rule]) -> Router:
        identity = Identity(ScriptedHub(), None)
        identity.me = "acme"
        decider = Decider(
            self.store,
            self.clock,
            rulebook=Rulebook(RuleSet(tuple(rules))),
            identity=identity,
            instance="test",
            on_launches=self.bell,
        )
        return Router(self.store, decider, on_open=self.bell)


@pytest.fixture
def table(store: SqliteStore, clock: HandClock, bell: Bell) -> RoutingTable:
    return RoutingTable(store, clock, bell)


def push(owner: str = "acme") -> bytes:
    return sample("14").replace(b"tinylab", owner.encode())


async def test_a_delivery_that_a_rule_wants_becomes_a_launch(table: RoutingTable) -> None:
    assert await table.route(push()) == ["matched"]
    (launch,) = await table.store.launches(limit=0)
    assert (launch.rule, launch.state, launch.event) == (
        "retrain",
        LaunchState.READY,
        "commit.pushed",
    )
    assert table.bell.rung == 1


async def test_a_delivery_that_no_rule_wants_is_ignored_with_reasons(table: RoutingTable) -> None:
    assert await table.route(push("other")) == ["ignored"]
    ((delivery, launches),) = await table.store.deliveries(limit=0)
    assert (delivery.reason, launches) == ("none of 1 rules fired", ())
    (verdict,) = await table.store.verdicts(delivery.id)
    assert not verdict.fired
    assert "not in what the rule watches" in verdict.reason
    assert table.bell.rung == 0


async def test_every_action_of_every_rule_that_fires_is_a_launch(table: RoutingTable) -> None:
    two = [{"image": "a", "command": ["x"]}, {"image": "b", "command": ["y"]}]
    await table.route(push(), rules=[make_rule(id="one"), make_rule(id="two", run=two)])
    launches = await table.store.launches(limit=0)
    assert {(launch.rule, launch.action) for launch in launches} == {
        ("one", 0),
        ("two", 0),
        ("two", 1),
    }
    ((delivery, _),) = await table.store.deliveries(limit=0)
    assert delivery.reason == "fired one, two"


@pytest.mark.parametrize("path", sorted(DELIVERIES.glob("*.json")), ids=lambda path: path.stem)
async def test_every_recorded_delivery_is_decided(table: RoutingTable, path: object) -> None:
    name = str(path).rpartition("/")[2]
    (state,) = await table.route(sample(name.partition("_")[0]))
    assert state == ("unparsed" if name.startswith("91") else "ignored")


async def test_a_body_that_is_no_payload_is_unparsed_and_launches_nothing(
    table: RoutingTable,
) -> None:
    assert await table.route(b"{", b"[]", b"\xff", b'{"event":"move"}') == ["unparsed"] * 4
    assert all(delivery.reason for delivery, _ in await table.store.deliveries(limit=0))
    assert await table.store.launches(limit=0) == ()


async def test_a_wholly_unknown_scope_is_ignored_and_said(table: RoutingTable) -> None:
    body = push().replace(b"repo.content", b"planet.moved")
    assert await table.route(body) == ["ignored"]
    ((delivery, _),) = await table.store.deliveries(limit=0)
    assert delivery.reason == "the scope 'planet.moved' is not known"
    assert delivery.events == ()


async def test_a_delivery_that_breaks_us_is_put_aside_and_the_others_go_on(
    table: RoutingTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(body: bytes) -> object:
        if b"poison" in body:
            raise ZeroDivisionError
        return read_delivery(body)

    monkeypatch.setattr(deciding, "read_delivery", poisoned)
    assert await table.route(b"poison", push()) == ["quarantined", "matched"]


async def test_of_very_many_rules_only_those_nearby_are_asked(table: RoutingTable) -> None:
    rules = [make_rule(id=f"of-{n}", repos=[f"*:acme/only-{n}"]) for n in range(150)]
    near = make_rule(id="near", refs=["dev"])
    assert await table.route(push(), rules=[*rules, near]) == ["ignored"]
    ((delivery, _),) = await table.store.deliveries(limit=0)
    assert delivery.reason == "none of 151 rules fired; 1 of them are about this event and repo"
    assert [verdict.rule for verdict in await table.store.verdicts(delivery.id)] == ["near"]


async def test_expressions_that_fail_are_counted(table: RoutingTable) -> None:
    rule = make_rule(**{"if": "1 / discussion.num == 1"})
    with capture_logs() as logs:
        assert await table.route(push(), push() + b" ", rules=[rule]) == ["ignored", "ignored"]
    failed = [line for line in logs if line["event"] == "rule.failed"]
    assert [(line["rule"], line["failures"]) for line in failed] == [("retrain", 1), ("retrain", 2)]
    assert failed[0]["reason"] == "`if: 1 / discussion.num == 1`: it fails: divide by zero"


async def test_routing_the_same_delivery_again_gives_the_same_launch(table: RoutingTable) -> None:
    stored = make_stored(state=DeliveryState.STORED)
    first, second = (
        route(stored, push(), RuleIndex([make_rule()]), me=None, instance="i", now=now)
        for now in (1, 2)
    )
    assert [launch.id for launch in first.launches] == [launch.id for launch in second.launches]


async def test_a_long_queue_is_taken_in_parts(
    table: RoutingTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "_AT_ONCE", 2)
    for number in range(3):
        await table.store.record(make_received(f"w{number}"))
    router = table.router([])
    assert [await router.step() for _ in range(3)] == [True, True, False]


async def test_a_delivery_that_ends_the_process_again_and_again_is_put_aside(
    table: RoutingTable,
) -> None:
    await table.store.record(make_received("poison", push()))
    await table.store.record(make_received("good", push("acme2")))
    for _ in range(3):
        # Each time the process ends before anything could be kept.
        await table.store.begin_routing(10)
    router = table.router([make_rule(watch=[])])
    while await router.step():
        pass
    states = {each.key: each.state for each, _ in await table.store.deliveries(limit=0)}
    assert states == {"poison": "quarantined", "good": "matched"}
    (launch,) = await table.store.launches(limit=0)
    assert launch.spec.env["WEBHOOK_REPO_ID"].startswith("acme2/")


async def test_a_store_that_fails_makes_no_delivery_suspicious(table: RoutingTable) -> None:
    def full() -> None:
        raise StoreUnavailable("the disk is full")

    await table.store.record(make_received("w1", push()))
    await table.store.record(make_received("w2", push("acme2")))
    router = table.router([make_rule(watch=[])])
    failpoints.arm("store.routing", full)
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            await router.step()
    failpoints.disarm()
    while await router.step():
        pass
    states = {each.key: each.state for each, _ in await table.store.deliveries(limit=0)}
    assert states == {"w1": "matched", "w2": "matched"}


async def test_a_router_that_was_overtaken_launches_nothing(
    table: RoutingTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    await table.store.record(make_received("w1", push()))
    begun = await table.store.begin_routing(10)
    await table.router([]).step()

    async def begun_long_ago(_: int) -> object:
        return begun

    monkeypatch.setattr(table.store, "begin_routing", begun_long_ago)
    await table.router([make_rule()]).step()
    assert await table.store.launches(limit=0) == ()
    assert table.bell.rung == 0
