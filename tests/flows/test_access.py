"""Who is let in, and with what; what it costs to find out."""

from __future__ import annotations

import asyncio

import pytest

from factories import NOON, make_token
from fakes import HandClock
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.access import (
    EXPIRES_MAX,
    USED_EVERY_MS,
    ApiToken,
    Caller,
    Role,
    digest_of,
    token_from,
)
from jobhook.core.errors import NameTaken, NotAllowed, NotSignedIn, StoreUnavailable, UsageError
from jobhook.flows import access as flow
from jobhook.flows.access import ADMIN_TOKEN, Access, check_role, drawn_token

pytestmark = pytest.mark.anyio

ADMIN = "an-admin-token-that-is-long-enough"
SECOND = 1000


class Counting:
    """A store that counts what is asked of it, and waits or fails when told to."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.reads = self.writes = 0
        self.is_broken = False
        self.has_read = asyncio.Event()
        # Where what was read is held up, for whoever reads while it stands there.
        self.gate: asyncio.Event | None = None

    async def tokens(self) -> tuple[ApiToken, ...]:
        self.reads += 1
        if self.is_broken:
            raise StoreUnavailable("the disk is gone")
        gate, found = self.gate, await self._store.tokens()
        self.has_read.set()
        if gate:
            await gate.wait()
        return found

    async def token_used(self, token_id: str, now: int) -> None:
        self.writes += 1
        if self.is_broken:
            raise StoreUnavailable("the disk is full")
        await self._store.token_used(token_id, now)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


@pytest.fixture
def counting(store: SqliteStore) -> Counting:
    return Counting(store)


@pytest.fixture
def access(counting: Counting, clock: HandClock) -> Access:
    return Access(counting, clock, admin_digest=digest_of(ADMIN))  # type: ignore[arg-type]


def bearer(value: str) -> str:
    return f"Bearer {value}"


async def made(access: Access, name: str = "ci", role: Role = Role.OPERATOR, **given: int) -> str:
    token, value = drawn_token(name, role, by="ana", now=NOON, **given)
    await access.add(token)
    return value


async def is_let_in(access: Access, value: str) -> bool:
    try:
        await access.caller_of(bearer(value))
    except NotSignedIn:
        return False
    return True


# -- who is let in --


async def test_whoever_shows_a_token_is_known_by_it(access: Access, store: SqliteStore) -> None:
    value = await made(access)
    (token,) = await store.tokens()
    assert await access.caller_of(bearer(value)) == Caller("ci", Role.OPERATOR, token.id)
    assert await access.caller_of(f"bEARER {value}") == Caller("ci", Role.OPERATOR, token.id)


async def test_the_admin_token_of_the_settings_lets_in_without_the_database(
    access: Access, counting: Counting
) -> None:
    counting.is_broken = True
    assert await access.caller_of(bearer(ADMIN)) == Caller(ADMIN_TOKEN, Role.ADMIN)
    assert counting.reads == 0


async def test_without_one_in_the_settings_nothing_is_the_admin_token(
    store: SqliteStore, clock: HandClock
) -> None:
    access = Access(store, clock)
    for value in (ADMIN, "", "None"):
        assert not await is_let_in(access, value)


WRONG = "jh_" + "a" * 43


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="nothing"),
        pytest.param("", id="empty"),
        pytest.param("Bearer", id="no token"),
        pytest.param("Bearer ", id="an empty token"),
        pytest.param(WRONG, id="no scheme"),
        pytest.param(f"Basic {ADMIN}", id="another scheme"),
        pytest.param(f"Bearer  {ADMIN}", id="two spaces"),
        pytest.param(f"Bearer {ADMIN} ", id="something behind it"),
        pytest.param(f"Bearer {ADMIN[:-1]}", id="a letter less"),
        pytest.param(f"Bearer {ADMIN}, Bearer {ADMIN}", id="two of them"),
        pytest.param(bearer(WRONG), id="unknown"),
        pytest.param("Bearer \ud800ü\0", id="odd characters"),
        pytest.param(f"Bearer {'a' * 100_000}", id="very long"),
        pytest.param(f"Bearer {digest_of(WRONG)}", id="a digest"),
    ],
)
async def test_everybody_else_hears_the_same(access: Access, header: str | None) -> None:
    with pytest.raises(NotSignedIn) as caught:
        await access.caller_of(header)
    assert str(caught.value) == "a valid API token is needed, as `Authorization: Bearer jh_…`"


async def test_with_what_the_database_holds_nobody_can_call(
    access: Access, store: SqliteStore
) -> None:
    value = await made(access)
    (token,) = await store.tokens()
    assert await is_let_in(access, value)
    assert not await is_let_in(access, token.digest)
    assert value not in repr(token)


async def test_a_token_opens_nothing_from_the_moment_it_expires(
    access: Access, clock: HandClock
) -> None:
    value = await made(access, expires_at=NOON + SECOND)
    clock.now = NOON + SECOND - 1
    assert await is_let_in(access, value)
    clock.now = NOON + SECOND
    assert not await is_let_in(access, value)


def test_a_role_that_is_not_enough_is_told() -> None:
    viewer = Caller("ci", Role.VIEWER)
    check_role(viewer, Role.VIEWER)
    with pytest.raises(NotAllowed, match="needs the role operator, and ci is viewer"):
        check_role(viewer, Role.OPERATOR)


# -- making and revoking --


def test_what_was_drawn_lets_in_for_as_long_as_was_said() -> None:
    token, value = drawn_token("ci", Role.ADMIN, by="ana", now=NOON, expires_at=NOON + 1)
    assert token == make_token(
        id=token.id, name="ci", role=Role.ADMIN, digest=digest_of(value), expires_at=NOON + 1
    )
    assert value != drawn_token("ci", Role.ADMIN, by="ana", now=NOON)[1]


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        pytest.param({"name": ""}, "no name for a token", id="no name"),
        pytest.param({"name": "a b"}, "no name for a token", id="a space"),
        pytest.param({"name": "x" * 65}, "no name for a token", id="a long name"),
        pytest.param({"name": ADMIN_TOKEN}, "no name for a token", id="the name of another"),
        pytest.param({"expires_at": NOON}, "expired already", id="expired"),
        pytest.param({"expires_at": EXPIRES_MAX + 1}, "the year 9999", id="no time to be shown"),
    ],
)
async def test_a_token_that_cannot_be_is_refused(
    access: Access, store: SqliteStore, given: dict[str, object], refusal: str
) -> None:
    with pytest.raises(UsageError, match=refusal):
        await access.add(make_token(**given))
    assert await store.tokens() == ()


async def test_two_tokens_cannot_have_one_name(access: Access) -> None:
    await made(access)
    with pytest.raises(NameTaken, match="revoke it first"):
        await made(access)


async def test_there_is_an_end_to_tokens(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "TOKENS_MAX", 1)
    await made(access)
    with pytest.raises(UsageError, match="revoke those that nobody needs"):
        await made(access, "another")


async def test_a_new_token_lets_in_and_a_revoked_one_does_not_at_once(
    access: Access, store: SqliteStore
) -> None:
    assert not await is_let_in(access, WRONG)
    value = await made(access)
    assert await is_let_in(access, value)
    (token,) = await store.tokens()
    before = await access.revoke(token.id)
    assert before is not None
    assert before.revoked_at is None
    assert not await is_let_in(access, value)
    assert await access.revoke("t0") is None


async def test_a_look_that_began_before_a_revocation_lets_nobody_in_after_it(
    access: Access, counting: Counting, store: SqliteStore
) -> None:
    value = await made(access)
    gate = counting.gate = asyncio.Event()
    early = asyncio.create_task(is_let_in(access, value))
    await counting.has_read.wait()
    (token,) = await store.tokens()
    await access.revoke(token.id)
    counting.gate = None
    assert not await is_let_in(access, value)
    gate.set()
    await early
    assert not await is_let_in(access, value)


async def test_what_another_process_revoked_opens_nothing_a_second_later(
    access: Access, store: SqliteStore, clock: HandClock
) -> None:
    value = await made(access)
    assert await is_let_in(access, value)
    (token,) = await store.tokens()
    await store.revoke_token(token.id, NOON)
    clock.now = NOON + SECOND
    assert not await is_let_in(access, value)


async def test_what_another_process_made_lets_in_a_second_later(
    access: Access, store: SqliteStore, clock: HandClock
) -> None:
    value = token_from(bytes(32))
    assert not await is_let_in(access, value)
    await store.add_token(make_token(digest=digest_of(value)), most=9)
    clock.now = NOON + SECOND
    assert await is_let_in(access, value)


async def test_a_clock_that_was_set_back_keeps_nothing_fresh(
    access: Access, store: SqliteStore, clock: HandClock
) -> None:
    value = await made(access)
    assert await is_let_in(access, value)
    (token,) = await store.tokens()
    await store.revoke_token(token.id, NOON)
    clock.now = NOON - SECOND
    assert not await is_let_in(access, value)


# -- what it costs --


async def test_a_flood_of_wrong_tokens_costs_one_look_at_the_database(
    access: Access, counting: Counting
) -> None:
    wrong = [token_from(n.to_bytes(32)) for n in range(500)]
    let_in = await asyncio.gather(*(is_let_in(access, value) for value in wrong))
    assert not any(let_in)
    assert (counting.reads, counting.writes) == (1, 0)


async def test_calls_with_a_token_cost_one_write_a_minute(
    access: Access, counting: Counting, store: SqliteStore, clock: HandClock
) -> None:
    value = await made(access)
    for now in (NOON, NOON + USED_EVERY_MS - 1, NOON + USED_EVERY_MS):
        clock.now = now
        await asyncio.gather(*(is_let_in(access, value) for _ in range(10)))
    assert counting.writes == 2
    assert [token.last_used_at for token in await store.tokens()] == [NOON + USED_EVERY_MS]


async def test_a_full_disk_keeps_nobody_out_whom_we_know(
    access: Access, counting: Counting
) -> None:
    value = await made(access)
    assert not await is_let_in(access, WRONG)
    counting.is_broken = True
    assert await is_let_in(access, value)


async def test_while_the_database_is_gone_all_who_wait_hear_of_it_at_once(
    access: Access, counting: Counting
) -> None:
    value = await made(access)
    counting.is_broken = True
    asked = (access.caller_of(bearer(value)) for _ in range(50))
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(each) for each in told} == {StoreUnavailable}
    assert counting.reads == 1
    counting.is_broken = False
    assert await is_let_in(access, value)
