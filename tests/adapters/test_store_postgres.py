"""Several processes on one PostgreSQL, and what happens when it fails them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from factories import BODY, NOON, PLENTY, make_launch, make_received, make_stored
from jobhook.adapters.postgres import Connection, connected
from jobhook.adapters.postgres_claims import claim
from jobhook.adapters.postgres_retention import prune
from jobhook.adapters.store_postgres import PostgresStore, postgres_reads, postgres_store
from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import StoreError, StoreUnavailable
from jobhook.core.guards import Guard, Limits
from jobhook.core.launches import LaunchState, moved
from jobhook.core.records import EVERYTHING, Pause, Receipt, Received
from postgres import Cluster

pytestmark = pytest.mark.anyio

Stores = list[PostgresStore]


@asynccontextmanager
async def four(url: str) -> AsyncIterator[Stores]:
    """The stores of four processes."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(postgres_store(url)) for _ in range(4)]


@pytest.fixture
async def stores(postgres_url: str) -> AsyncIterator[Stores]:
    async with four(postgres_url) as opened:
        yield opened


def guard(limits: Limits = PLENTY) -> Guard:
    return Guard(limits, {"cpu-basic": 0.01}, NOON)


async def ready_launches(store: PostgresStore, count: int) -> None:
    receipt = await store.record(make_received())
    launches = [
        make_launch(id=f"l{n}", rule=f"r{n}", action=n, delivery=receipt.delivery)
        for n in range(count)
    ]
    delivery = make_stored(id=receipt.delivery, state=DeliveryState.MATCHED)
    await store.route(delivery, events=(), verdicts=(), launches=launches)


# -- several processes --


async def test_copies_that_reach_several_processes_are_stored_once(
    stores: Stores, postgres: Cluster, postgres_url: str
) -> None:
    ids = [f"w{number}" for number in range(200)]
    # In opposite orders, which is how locks are taken in opposite orders.
    sent = [
        store.record(make_received(webhook_id))
        for at, store in enumerate(stores)
        for webhook_id in (ids if at % 2 else reversed(ids))
    ]
    receipts = await asyncio.gather(*sent)
    assert sum(not receipt.duplicate for receipt in receipts) == len(ids)
    assert len(await stores[0].deliveries(limit=0)) == len(ids)
    name = postgres_url.rpartition("/")[2]
    clashes = f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{name}'"  # noqa: S608
    assert postgres.sql(clashes).strip() == "0"


async def test_copies_without_an_id_that_reach_several_processes_are_stored_once(
    stores: Stores,
) -> None:
    for number in range(10):
        # No two clocks tell the same.
        copies = [make_received(None, body=b"%d" % number, at=NOON + at) for at in range(12)]
        receipts = await asyncio.gather(
            *(store.record(copy) for store, copy in zip(stores * 3, copies, strict=True))
        )
        assert sorted(receipt.duplicate for receipt in receipts) == [False] + [True] * 11
        assert len({receipt.delivery for receipt in receipts}) == 1
    assert len(await stores[0].deliveries(limit=0)) == 10


async def test_conflicts_and_copies_are_told_apart_inside_one_group(stores: Stores) -> None:
    bodies = [b"one", b"two", b"one", b"two", b"three"]
    receipts = await asyncio.gather(
        *(stores[0].record(make_received(body=body)) for body in bodies)
    )
    assert [receipt.duplicate for receipt in receipts] == [False, True, True, True, True]
    kept = [await stores[1].body(each.id) for each, _ in await stores[1].deliveries(limit=0)]
    assert sorted(filter(None, kept)) == [b"one", b"three", b"two"]
    assert await stores[1].body(receipts[0].delivery) == b"one"


async def test_a_group_is_listed_in_the_order_in_which_it_came(stores: Stores) -> None:
    ids = [f"w{number}" for number in range(50)]
    await asyncio.gather(*(stores[0].record(make_received(each)) for each in ids))
    listed = [delivery.key for delivery, _ in await stores[0].deliveries(limit=0)]
    assert listed == ids[::-1]


async def test_a_delivery_that_cannot_be_stored_does_not_spoil_its_group(stores: Stores) -> None:
    results = await asyncio.gather(
        *(stores[0].record(make_received(each)) for each in ("a", "b\0", "c")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [Receipt, StoreError, Receipt]


async def test_claims_of_several_processes_share_no_launch(stores: Stores) -> None:
    await ready_launches(stores[0], 60)
    claims = await asyncio.gather(*(store.claim(NOON, 4, guard()) for store in stores * 5))
    claimed = [launch.id for claim in claims for launch, _ in claim]
    assert sorted(claimed) == sorted(f"l{number}" for number in range(60))


async def test_claims_of_several_processes_do_not_overspend(stores: Stores) -> None:
    await ready_launches(stores[0], 120)
    tight = guard(replace(PLENTY, usd_per_day=0.05))  # ten launches of half a cent
    claims = await asyncio.gather(*(store.claim(NOON, 1, tight) for store in stores * 50))
    assert sum(map(len, claims)) == 10


async def test_limits_hold_inside_one_claim(stores: Stores) -> None:
    receipt = await stores[0].record(make_received())
    launches = [
        make_launch(
            id=f"l{n}", rule=f"r{n % 2}", action=n, delivery=receipt.delivery, repo="model:a/b"
        )
        for n in range(120)
    ]
    delivery = make_stored(id=receipt.delivery, state=DeliveryState.MATCHED)
    await stores[0].route(delivery, events=(), verdicts=(), launches=launches)
    tight = guard(replace(PLENTY, rule_repo_per_hour=30, rule_usd_per_day=0.1))
    assert len(await stores[1].claim(NOON, 120, tight)) == 40
    waiting = [each for each in await stores[0].launches(limit=0) if each.reason]
    assert {launch.state for launch in waiting} == {LaunchState.READY}
    assert len(waiting) == 80


async def test_a_delivery_is_routed_by_one_process_at_a_time(stores: Stores) -> None:
    for number in range(6):
        await stores[0].record(make_received(f"w{number}"))
    begun = [await store.begin_routing(2) for store in stores]
    assert [[each.key for each, _, _ in group] for group in begun] == [
        ["w0", "w1"],
        ["w2", "w3"],
        ["w4", "w5"],
        [],
    ]


async def test_what_a_dead_process_began_to_route_is_taken_over(
    stores: Stores, postgres_url: str
) -> None:
    await stores[0].record(make_received())
    ((_, _, tries),) = await stores[0].begin_routing(1)
    assert tries == 0
    assert await stores[1].begin_routing(1) == ()
    async with connected(postgres_url) as database:
        # As if its time were over.
        await database.fetch("UPDATE delivery SET routed_until = 1 RETURNING id")
    ((_, _, tries),) = await stores[1].begin_routing(1)
    assert tries == 1


async def test_one_process_leads_until_its_time_is_over_or_it_steps_down(stores: Stores) -> None:
    first, second, *_ = stores
    assert await first.lead("a", 60_000, version="v")
    assert not await second.lead("b", 60_000, version="v")
    assert await first.lead("a", -1, version="v")
    assert await second.lead("b", 60_000, version="v")
    assert not await first.lead("a", 60_000, version="v")
    await first.step_down("a")
    assert not await first.lead("a", 60_000, version="v")
    await second.step_down("b")
    assert await first.lead("a", 60_000, version="v")


async def test_of_those_that_want_to_lead_at_once_one_does(stores: Stores) -> None:
    taken = await asyncio.gather(
        *(store.lead(f"h{at}", 60_000, version="v") for at, store in enumerate(stores))
    )
    assert sorted(taken) == [False, False, False, True]


async def test_only_whoever_has_the_rules_that_were_introduced_last_leads(stores: Stores) -> None:
    old, new, *_ = stores
    assert await old.lead("a", 60_000, version="v1")
    # The old one is still at work: nobody leads beside it.
    assert not await new.lead("b", 60_000, version="v2")
    assert await old.rules_version() == "v2"
    assert not await old.lead("a", 60_000, version="v1", replaces="v1")
    await old.step_down("a")
    assert await new.lead("b", 60_000, version="v2", replaces="v2")
    # However late it comes, and whoever comes with it as well.
    assert not await old.lead("a", 60_000, version="v1")
    assert await new.lead("b", 60_000, version="v2", replaces="v2")


@pytest.mark.parametrize("ttl_ms", [-1, 60_000])
async def test_older_rules_are_in_force_again_when_nobody_has_newer_ones(
    stores: Stores, ttl_ms: int
) -> None:
    old, new, *_ = stores
    assert await old.lead("a", 60_000, version="v1")
    await old.step_down("a")
    assert await new.lead("b", ttl_ms, version="v2")
    if ttl_ms > 0:
        assert not await old.lead("a", 60_000, version="v1")
        await new.step_down("b")
    assert await old.lead("a", 60_000, version="v1")
    assert await new.rules_version() == "v1"


async def test_going_back_to_older_rules_while_it_runs_puts_them_in_force(stores: Stores) -> None:
    one, two, *_ = stores
    assert await one.lead("a", 60_000, version="v1")
    assert await one.lead("a", 60_000, version="v2", replaces="v1")
    # Another one sees the same change of the folder later, and it is no news.
    assert not await two.lead("b", 60_000, version="v1")
    assert not await two.lead("b", 60_000, version="v2", replaces="v1")
    assert await one.lead("a", 60_000, version="v1", replaces="v2")
    assert not await two.lead("b", 60_000, version="v2", replaces="v2")
    assert not await two.lead("b", 60_000, version="v1", replaces="v2")
    assert await one.lead("a", 60_000, version="v1", replaces="v1")
    assert await one.rules_version() == "v1"


async def test_a_lease_is_measured_by_the_server_and_not_by_the_clocks_of_the_processes(
    stores: Stores,
) -> None:
    await ready_launches(stores[0], 1)
    await stores[0].claim(NOON, 1, guard())
    # This process is a day ahead of the one that claimed.
    day = 24 * 3_600_000
    assert await stores[1].abandon_sending(NOON + day, older_than_ms=60_000) == 0
    assert await stores[1].abandon_sending(NOON - day, older_than_ms=-1) == 1


async def test_a_server_whose_clock_was_set_back_hides_no_sender_that_is_gone(
    stores: Stores, postgres: Cluster, postgres_url: str
) -> None:
    await ready_launches(stores[0], 1)
    await stores[0].claim(NOON, 1, guard())
    hour = "UPDATE launch SET leased_at = leased_at + 3600000"
    postgres.sql(hour, postgres_url.rpartition("/")[2])
    assert await stores[1].abandon_sending(NOON, older_than_ms=60_000) == 1


async def test_whatever_the_hub_said_is_kept(stores: Stores) -> None:
    await ready_launches(stores[0], 1)
    ((claimed, _),) = await stores[0].claim(NOON, 1, guard())
    refused = moved(claimed, LaunchState.REJECTED, now=NOON, reason="odd \0 and \ud800")
    await stores[0].replace(claimed, refused)
    kept = await stores[1].launch(claimed.id)
    assert kept is not None
    assert (kept.state, kept.reason) == (LaunchState.REJECTED, "odd \ufffd and ?")


async def test_a_delivery_that_comes_again_while_it_is_forgotten_is_still_known(
    stores: Stores, postgres_url: str
) -> None:
    receipt = await stores[0].record(make_received())
    ignored = make_stored(id=receipt.delivery, state=DeliveryState.IGNORED)
    await stores[0].route(ignored, events=(), verdicts=(), launches=())
    again: list[asyncio.Task[Receipt]] = []

    async def forget(connection: Connection) -> None:
        assert await prune(connection, NOON + 1, 10) == 1
        again.append(asyncio.create_task(stores[1].record(make_received())))
        await until(connection, "SELECT 1 FROM pg_locks WHERE NOT granted")

    async with connected(postgres_url) as database:
        await database.transact(forget)
    assert (await again[0]).duplicate
    assert await stores[0].deliveries(limit=0) == ()


async def test_whoever_pauses_is_told_so_when_no_claim_can_come_any_more(
    stores: Stores, postgres_url: str
) -> None:
    await ready_launches(stores[0], 1)
    pausing: list[asyncio.Task[None]] = []

    async def claim_meanwhile(connection: Connection) -> None:
        assert len(await claim(connection, NOON, 1, guard())) == 1
        pause = Pause(scope=EVERYTHING, since=NOON, by="ana")
        pausing.append(asyncio.create_task(stores[1].pause(pause)))
        await until(connection, "SELECT 1 FROM pg_locks WHERE NOT granted")

    async with connected(postgres_url) as database:
        await database.transact(claim_meanwhile)
    await pausing[0]
    assert len(await stores[0].pauses()) == 1


async def until(connection: Connection, query: str) -> None:
    """Return once *query* finds something."""
    async with asyncio.timeout(4):
        while not await connection.fetch(query):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)


async def test_a_reader_sees_what_a_store_keeps(stores: Stores, postgres_url: str) -> None:
    receipt = await stores[0].record(make_received())
    async with postgres_reads(postgres_url) as reads:
        assert await reads.body(receipt.delivery) == BODY


# -- a database that fails --


async def insist(store: PostgresStore, received: Received) -> Receipt:
    """Deliver like the Hub: again and again until it is acknowledged."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(StoreUnavailable):
                return await store.record(received)
            await asyncio.sleep(0.02)


async def under_load(stores: Stores, disturb: asyncio.Task[None]) -> int:
    """Deliver until *disturb* is over, and return how many were acknowledged."""
    acknowledged: list[str] = []

    async def deliver(number: int) -> None:
        count = 0
        while not disturb.done():
            webhook_id = f"w{number}-{count}"
            receipt = await insist(stores[number % len(stores)], make_received(webhook_id))
            acknowledged.append(receipt.delivery)
            count += 1

    await asyncio.gather(*(deliver(number) for number in range(12)))
    await disturb
    kept = {delivery.id for delivery, _ in await stores[0].deliveries(limit=0)}
    assert kept.issuperset(acknowledged)
    assert len(set(acknowledged)) == len(acknowledged)
    return len(acknowledged)


async def test_nothing_acknowledged_is_lost_when_the_server_crashes(
    mortal_postgres: Cluster,
) -> None:
    async with four(mortal_postgres.url(mortal_postgres.create())) as stores:
        disturb = asyncio.create_task(asyncio.to_thread(mortal_postgres.restart))
        assert await under_load(stores, disturb) > 0
        await ready_after(stores)


@pytest.mark.parametrize("way", ["postgres", "pooled"])
async def test_nothing_acknowledged_is_lost_when_connections_are_killed(
    request: pytest.FixtureRequest, postgres: Cluster, postgres_url: str, way: str
) -> None:
    url = request.getfixturevalue(f"{way}_url")

    async def kill() -> None:
        for _ in range(10):
            await asyncio.to_thread(postgres.terminate, postgres_url)

    async with postgres_store(url) as first, postgres_store(url) as second:
        disturb = asyncio.create_task(kill())
        assert await under_load([first, second], disturb) > 0
        await ready_after([first, second])


async def ready_after(stores: Stores) -> None:
    """Every store works again, by itself."""
    for at, store in enumerate(stores):
        await insist(store, make_received(f"after-{at}"))


class Cut:
    """A way to the server that is cut right after a COMMIT was sent along it."""

    def __init__(self, port: int) -> None:
        self.armed = False
        self._port = port

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]
            server.close()

    async def _connected(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, out = await asyncio.open_connection("127.0.0.1", self._port)
        tasks = [
            asyncio.create_task(self._there(near, out, back)),
            asyncio.create_task(self._pass_on(far, back)),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for writer in (out, back):
            writer.close()

    async def _there(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            cut = self.armed and b"COMMIT\0" in data
            if cut:
                back.transport.abort()
            writer.write(data)
            await writer.drain()
            if cut:
                return

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)


@pytest.fixture
def cut(postgres: Cluster) -> Cut:
    return Cut(postgres.port)


@asynccontextmanager
async def behind(cut: Cut, postgres: Cluster, url: str) -> AsyncIterator[PostgresStore]:
    async with (
        cut.open() as port,
        postgres_store(postgres.url(url.rpartition("/")[2], port)) as store,
    ):
        yield store


async def test_a_delivery_whose_commit_nobody_heard_of_is_not_acknowledged_and_then_known(
    cut: Cut, postgres: Cluster, postgres_url: str
) -> None:
    async with behind(cut, postgres, postgres_url) as store:
        cut.armed = True
        with pytest.raises(StoreUnavailable):
            await store.record(make_received())
        cut.armed = False
        assert (await insist(store, make_received())).duplicate


async def test_a_claim_whose_commit_nobody_heard_of_is_never_claimed_again(
    cut: Cut, postgres: Cluster, postgres_url: str
) -> None:
    async with behind(cut, postgres, postgres_url) as store:
        await ready_launches(store, 1)
        cut.armed = True
        with pytest.raises(StoreUnavailable):
            await store.claim(NOON, 1, guard())
        cut.armed = False
    async with postgres_store(postgres_url) as store, connected(postgres_url) as database:
        sending = "SELECT 1 FROM launch WHERE state = 'sending'"
        await database.transact(partial(until, query=sending))
        assert await store.claim(NOON, 1, guard()) == ()
        assert await store.abandon_sending(NOON, older_than_ms=-1) == 1
