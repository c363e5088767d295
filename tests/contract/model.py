"""
A store as simple as can be, and a machine that does the same things to it and to a real one.

The model keeps what the port promises in a few dictionaries; wherever the two differ, one of them
is wrong, and Hypothesis shrinks the history that shows it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Any, ParamSpec, TypeVar

from anyio.from_thread import start_blocking_portal
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from factories import NOON, PLENTY, make_launch, make_received
from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import LaunchMoved
from jobhook.core.guards import Guard
from jobhook.core.launches import MOVES, Launch, LaunchState, moved
from jobhook.core.records import EVERYTHING, Pause, StoredDelivery
from jobhook.ports import Store

P = ParamSpec("P")
T = TypeVar("T")
OpenStore = Callable[[], AbstractAsyncContextManager[Store]]

IDS = st.sampled_from(["w1", "w2", "w3", "w4"])
BODIES = st.sampled_from([b"{}", b"\x00\xff", b'{"a": 1}'])
# What a launch is moved to by whoever has claimed, follows or resolves it.
NEXT = st.sampled_from([state for state in LaunchState if state != LaunchState.SENDING])


class StoreMachine(RuleBasedStateMachine):
    """Deliveries come and lead to launches, people replay and pause, and the process restarts."""

    def __init__(self, open_store: OpenStore) -> None:
        super().__init__()
        self._open_store = open_store
        self._portal_context = start_blocking_portal()
        self._portal = self._portal_context.__enter__()
        self._store_context: Any = None
        self.store: Store
        self.now = NOON
        # The model.
        self.bodies: dict[str, bytes] = {}
        self.conflicts: set[tuple[str, bytes]] = set()
        self.forgotten_conflicts: set[tuple[str, bytes]] = set()
        self.deliveries: dict[str, DeliveryState] = {}
        self.generations: dict[str, int] = {}
        self.launches: dict[str, Launch] = {}
        self.forgotten: set[str] = set()
        self.paused = False

    def do(self, method: Callable[P, Awaitable[T]], *args: P.args, **named: P.kwargs) -> T:
        return self._portal.call(partial(method, *args, **named))

    @initialize()
    def open(self) -> None:
        self._store_context = self._portal.wrap_async_context_manager(self._open_store())
        self.store = self._store_context.__enter__()

    @rule()
    def restart(self) -> None:
        """What was promised outlives the process."""
        self._store_context.__exit__(None, None, None)
        self.open()

    @rule(webhook_id=IDS, body=BODIES)
    def record(self, webhook_id: str, body: bytes) -> None:
        received = make_received(webhook_id, body=body, at=self.now)
        receipt = self.do(self.store.record, received)
        known = webhook_id in self.bodies or webhook_id in self.forgotten
        assert receipt.duplicate == known
        if not known:
            self.bodies[webhook_id] = body
            self.deliveries[webhook_id] = DeliveryState.STORED
            self.generations[webhook_id] = 0
        elif self.bodies.get(webhook_id, body) != body:
            self.conflicts.add((webhook_id, body))
            self.conflicts -= self.forgotten_conflicts

    @rule(owed=st.integers(0, 2))
    def route(self, owed: int) -> None:
        for delivery, body, _ in self.do(self.store.begin_routing, 10):
            assert self.deliveries[delivery.key] == DeliveryState.STORED
            assert (self.bodies[delivery.key], self.generations[delivery.key]) == (
                body,
                delivery.generation,
            )
            self._route(delivery, owed)

    def _route(self, delivery: StoredDelivery, owed: int) -> None:
        launches = [
            make_launch(
                id=f"{delivery.key}-{action}-{delivery.generation}",
                delivery=delivery.id,
                rule=f"rule-{delivery.key}",
                action=action,
                generation=delivery.generation,
                created_at=self.now,
                updated_at=self.now,
            )
            for action in range(owed)
        ]
        state = DeliveryState.MATCHED if owed else DeliveryState.IGNORED
        routed = replace(delivery, state=state)
        self.do(self.store.route, routed, events=(), verdicts=(), launches=launches)
        self.deliveries[delivery.key] = state
        for launch in launches:
            self.launches.setdefault(launch.id, launch)

    @rule(limit=st.integers(0, 3))
    def claim(self, limit: int) -> None:
        guard = Guard(PLENTY, {"cpu-basic": 0.01}, self.now)
        claimed = self.do(self.store.claim, self.now, limit, guard)
        ready = {
            launch.id
            for launch in self.launches.values()
            if launch.state == LaunchState.READY and launch.due_at <= self.now
        }
        assert not (self.paused and claimed)
        assert len(claimed) <= limit
        for launch, body in claimed:
            assert launch.id in ready, "it was handed out before, or is not due"
            assert body == self.bodies[self._key_of(launch)]
            assert (launch.state, launch.attempts) == (
                LaunchState.SENDING,
                self.launches[launch.id].attempts + 1,
            )
        self._take_over(ready)

    def _take_over(self, ids: set[str]) -> None:
        """Believe what the store did with launches that were due: claimed or left as they were."""
        for launch_id in ids:
            kept = self.do(self.store.launch, launch_id)
            assert kept is not None
            before = self.launches[launch_id]
            assert kept.state in (before.state, *MOVES[before.state])
            self.launches[launch_id] = kept

    @precondition(lambda self: self.launches)
    @rule(data=st.data(), state=NEXT, late=st.booleans())
    def move(self, data: st.DataObject, state: LaunchState, late: bool) -> None:
        """Somebody keeps what came of a launch; whoever knew an older state changes nothing."""
        launch = self.launches[data.draw(st.sampled_from(sorted(self.launches)))]
        if state not in MOVES[launch.state]:
            return
        new = moved(launch, state, now=self.now, due_at=self.now)
        if late:
            stale = replace(launch, attempts=launch.attempts + 1)
            assert not self._replaced(stale, new)
        else:
            assert self._replaced(launch, new)
            self.launches[launch.id] = new

    def _replaced(self, old: Launch, new: Launch) -> bool:
        try:
            self.do(self.store.replace, old, new)
        except LaunchMoved:
            return False
        return True

    @rule()
    def abandon(self) -> None:
        """A sender is gone: nothing that may have left goes back to `ready`."""
        self.do(self.store.abandon_sending, self.now, older_than_ms=-1)
        for launch in self.launches.values():
            if launch.state == LaunchState.SENDING:
                kept = self.do(self.store.launch, launch.id)
                assert kept is not None
                assert kept.state == LaunchState.UNKNOWN
                self.launches[launch.id] = kept

    @rule()
    def pause(self) -> None:
        self.do(self.store.pause, Pause(scope=EVERYTHING, since=self.now, by="ana"))
        self.paused = True

    @rule()
    def resume(self) -> None:
        assert self.do(self.store.resume, self.now, EVERYTHING) == self.paused
        self.paused = False

    @precondition(lambda self: self.bodies)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.bodies)))
        identity = self._identity(key)
        mine = [launch for launch in self.launches.values() if self._key_of(launch) == key]
        may = self.deliveries[key] != DeliveryState.STORED and all(
            launch.state.is_final for launch in mine
        )
        assert self.do(self.store.replay, identity) == may
        if may:
            highest = max([self.generations[key], *(launch.generation for launch in mine)])
            self.generations[key] = highest + 1
            self.deliveries[key] = DeliveryState.STORED

    @rule()
    def forget(self) -> None:
        """What is open stays; what was forgotten is still known."""
        self.do(self.store.prune, received_before=self.now + 1, limit=100)
        for key in list(self.bodies):
            mine = [launch for launch in self.launches.values() if self._key_of(launch) == key]
            over = all(launch.state.is_final for launch in mine)
            if self.deliveries[key] != DeliveryState.STORED and over:
                self.forgotten.add(key)
                del self.bodies[key], self.deliveries[key], self.generations[key]
                for launch in mine:
                    del self.launches[launch.id]
        self.forgotten_conflicts |= self.conflicts
        self.conflicts.clear()

    @rule(seconds=st.integers(0, 3600))
    def wait(self, seconds: int) -> None:
        self.now += seconds * 1000

    @invariant()
    def nothing_is_lost_or_changed(self) -> None:
        if self._store_context is None:
            return
        listed = self.do(self.store.deliveries, limit=0)
        kept = {d.key: d for d, _ in listed if d.state != DeliveryState.CONFLICT}
        assert {key: d.state for key, d in kept.items()} == self.deliveries
        assert sum(d.state == DeliveryState.CONFLICT for d, _ in listed) == len(self.conflicts)
        for key, delivery in kept.items():
            body = self.do(self.store.body, delivery.id)
            assert body == self.bodies[key]

    @invariant()
    def every_launch_is_as_it_was_kept(self) -> None:
        if self._store_context is None:
            return
        kept = self.do(self.store.launches, limit=0)
        assert {launch.id: launch for launch in kept} == self.launches

    def teardown(self) -> None:
        if self._store_context is not None:
            self._store_context.__exit__(None, None, None)
        self._portal_context.__exit__(None, None, None)

    def _key_of(self, launch: Launch) -> str:
        return launch.rule.removeprefix("rule-")

    def _identity(self, key: str) -> str:
        listed = self.do(self.store.deliveries, limit=0)
        return next(d.id for d, _ in listed if d.key == key)
