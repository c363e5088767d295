"""What is ordered on the machine itself is carried out, and kept with who ordered it."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from factories import NOON, make_token
from fakes import Bell, HandClock, ScriptedHub
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.access import Role
from jobhook.core.audits import LOCAL, AuditEntry
from jobhook.core.errors import NotSignedIn, StoreUnavailable
from jobhook.core.operations import Deed, Order
from jobhook.core.records import EVERYTHING
from jobhook.flows import ordering
from jobhook.flows.access import Access, drawn_token
from jobhook.flows.operating import Operations
from jobhook.flows.ordering import Orders

pytestmark = pytest.mark.anyio


@pytest.fixture
def access(store: SqliteStore, clock: HandClock) -> Access:
    return Access(store, clock)


@pytest.fixture
def orders(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell, access: Access
) -> Orders:
    operations = Operations(store, hub, clock, instance="jobhook", on_change=bell)
    return Orders(operations, access, store, clock)


async def noted(store: SqliteStore) -> list[tuple[str, str, str]]:
    return [(each.did, each.about, each.outcome) for each in await store.audits(limit=0)]


@pytest.mark.parametrize(
    ("deed", "name", "about", "outcome"),
    [
        pytest.param(Deed.PAUSE, "pauses.pause", EVERYTHING, "done", id="pause"),
        pytest.param(
            Deed.RESUME, "pauses.resume", EVERYTHING, "refused: not_possible", id="resume"
        ),
        pytest.param(Deed.LOOK_FIRST, "launches.look_first", EVERYTHING, "done", id="look first"),
        pytest.param(Deed.RELEASE, "launches.release", "x1", "refused: not_possible", id="release"),
        pytest.param(Deed.RETRY, "launches.retry", "x1", "refused: not_possible", id="retry"),
        pytest.param(Deed.CANCEL, "launches.cancel", "x1", "refused: not_possible", id="cancel"),
        pytest.param(Deed.REPLAY, "deliveries.replay", "x1", "refused: not_possible", id="replay"),
        pytest.param(Deed.REVOKE_TOKEN, "tokens.revoke", "x1", "refused: not_possible", id="token"),
    ],
)
async def test_every_order_is_kept_with_what_came_of_it(
    orders: Orders, store: SqliteStore, deed: Deed, name: str, about: str, outcome: str
) -> None:
    await orders.carry_out(Order(deed=deed, by="ana", ids=("x1",)))
    (entry,) = await store.audits(limit=0)
    assert entry == AuditEntry(
        at=NOON,
        who="ana",
        role=Role.ADMIN,
        source=LOCAL,
        did=name,
        about=about,
        outcome=outcome,
        seq=entry.seq,
    )


def create(**given: object) -> Order:
    return Order(deed=Deed.CREATE_TOKEN, by="ana", token=make_token(**given))


async def test_a_token_is_made_and_revoked_once(orders: Orders, store: SqliteStore) -> None:
    revoke = Order(deed=Deed.REVOKE_TOKEN, by="ana", ids=("t1",))
    told = []
    for order in (create(), create(id="t2"), revoke, revoke):
        told += [(each.id, each.done, each.told) for each in await orders.carry_out(order)]
    assert told == [
        ("t1", True, "created"),
        ("t2", False, "there is a token named ci: revoke it first"),
        ("t1", True, "ci is revoked: it opens nothing any more"),
        ("t1", False, "it was revoked before"),
    ]
    assert await store.tokens() == (make_token(revoked_at=NOON),)
    assert await noted(store) == [
        ("tokens.revoke", "t1", "refused: not_possible"),
        ("tokens.revoke", "t1", "done"),
        ("tokens.create", "t2", "refused: not_possible"),
        ("tokens.create", "t1", "done"),
    ]


def test_every_deed_has_a_name_in_the_audit_log() -> None:
    assert set(ordering.NAMES) == set(Deed)


async def test_the_value_of_a_token_is_in_no_log_and_in_no_byte_of_the_database(
    orders: Orders, access: Access, tmp_path: Path
) -> None:
    token, canary = drawn_token("ci", Role.ADMIN, by="ana", now=NOON)
    with capture_logs() as logs:
        await orders.carry_out(Order(deed=Deed.CREATE_TOKEN, by="ana", token=token))
        caller = await access.caller_of(f"Bearer {canary}")
        await orders.carry_out(Order(deed=Deed.REVOKE_TOKEN, by="ana", ids=(token.id,)))
        with pytest.raises(NotSignedIn) as refused:
            await access.caller_of(f"Bearer {canary}")
    told = [str(logs), repr(caller), str(refused.value)]
    bytes_of_it = contents(tmp_path)
    assert token.id in told[0]
    assert token.id.encode() in bytes_of_it
    drawn = canary.removeprefix("jh_")
    assert not any(drawn in each for each in told)
    assert drawn.encode() not in bytes_of_it


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("flows.db*"))


async def test_an_order_to_make_no_token_makes_none(orders: Orders, store: SqliteStore) -> None:
    (outcome,) = await orders.carry_out(Order(deed=Deed.CREATE_TOKEN, by="ana"))
    assert not outcome.done
    assert await store.tokens() == ()


async def test_what_was_done_is_told_even_if_it_cannot_be_noted(
    orders: Orders, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: AuditEntry) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(store, "note", full)
    with capture_logs() as logs:
        (outcome,) = await orders.carry_out(Order(deed=Deed.PAUSE, by="ana"))
    assert outcome.done
    (line,) = [line for line in logs if line["event"] == "audit.not_kept"]
    assert (line["did"], line["about"]) == ("pauses.pause", EVERYTHING)
