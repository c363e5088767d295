"""What every store must do about tokens, the audit log, and calls with a key."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from factories import NOON, make_entry, make_token
from jobhook.core.access import USED_EVERY_MS, ApiToken, Role
from jobhook.core.audits import AuditFilter, fitted
from jobhook.core.errors import NameTaken
from jobhook.core.repeats import (
    ANSWER_MAX_BYTES,
    KEPT_MS,
    LEASE_MS,
    Reply,
    Request,
    Standing,
    Turn,
)
from jobhook.ports import Store

pytestmark = pytest.mark.anyio

FIRST = Turn(Standing.FIRST)
RUNNING = Turn(Standing.RUNNING)
ASKED = Request("t1", "k1", "d1")
MADE = Reply(201, b'{"id": "s1"}')


def numbered(n: int, **given: object) -> ApiToken:
    return make_token(**{"id": f"t{n}", "name": f"ci-{n}", "digest": f"{n:064}", **given})


async def begun(store: Store, request: Request = ASKED, now: int = NOON, by: str = "p1") -> Turn:
    return await store.begin_request(request, now, by, most=100)


# -- tokens --


async def test_a_token_is_kept_as_it_is_and_the_newest_comes_first(store: Store) -> None:
    first = numbered(1, role=Role.ADMIN, expires_at=NOON + 1)
    second = numbered(2, created_by="Zoë\ud800")
    assert await store.add_token(first, most=9)
    assert await store.add_token(second, most=9)
    newest, oldest = await store.tokens()
    assert oldest == first
    assert replace(newest, created_by="") == replace(second, created_by="")
    assert newest.created_by.startswith("Zoë")


async def test_two_tokens_that_are_not_revoked_have_two_names(store: Store) -> None:
    first = numbered(1, name="ci", expires_at=NOON)
    await store.add_token(first, most=9)
    with pytest.raises(NameTaken, match="a token named ci"):
        await store.add_token(numbered(2, name="ci"), most=9)
    await store.revoke_token("t1", NOON)
    assert await store.add_token(numbered(2, name="ci"), most=9)


async def test_of_two_tokens_with_one_name_at_once_one_is_kept(store: Store) -> None:
    both = (store.add_token(numbered(n, name="ci"), most=9) for n in range(2))
    added = await asyncio.gather(*both, return_exceptions=True)
    assert {type(each) for each in added} == {bool, NameTaken}
    assert len(await store.tokens()) == 1


async def test_only_those_that_are_good_for_nothing_make_room(store: Store) -> None:
    await store.add_token(numbered(1), most=3)
    await store.add_token(numbered(2, expires_at=NOON), most=3)
    await store.add_token(numbered(3), most=3)
    await store.revoke_token("t3", NOON)
    assert await store.add_token(numbered(4), most=3)
    assert [token.id for token in await store.tokens()] == ["t4", "t3", "t1"]
    assert await store.add_token(numbered(5), most=3)
    assert not await store.add_token(numbered(6), most=3)
    assert [token.id for token in await store.tokens()] == ["t5", "t4", "t1"]


async def test_a_token_is_revoked_once(store: Store) -> None:
    await store.add_token(numbered(1), most=9)
    assert await store.revoke_token("t1", NOON + 1) == numbered(1)
    assert await store.revoke_token("t1", NOON + 2) == numbered(1, revoked_at=NOON + 1)
    assert await store.tokens() == (numbered(1, revoked_at=NOON + 1),)


async def test_a_token_that_is_not_there_cannot_be_revoked(store: Store) -> None:
    assert await store.revoke_token("t1", NOON) is None


async def test_it_is_known_to_the_minute_when_a_token_was_used(store: Store) -> None:
    await store.add_token(numbered(1), most=9)
    within, later, set_back = NOON + USED_EVERY_MS - 1, NOON + USED_EVERY_MS, NOON
    known = []
    for now in (NOON, within, later, set_back):
        await store.token_used("t1", now)
        known += [token.last_used_at for token in await store.tokens()]
    assert known == [NOON, NOON, later, set_back]


# -- the audit log --


async def test_an_entry_is_kept_fitted_and_numbered(store: Store) -> None:
    entry = make_entry(who="a\0b\ud800", about="x" * 1000, role=Role.VIEWER)
    await store.note(entry)
    await store.note(entry)
    newer, older = await store.audits(limit=0)
    assert newer == replace(fitted(entry), seq=newer.seq)
    assert newer.seq > older.seq > 0


async def test_pages_of_the_audit_log_stand_still_while_it_grows(store: Store) -> None:
    for n in range(5):
        await store.note(make_entry(about=f"l{n}"))
    page = await store.audits(limit=2)
    seen = list(page)
    while page:
        await store.note(make_entry(about="meanwhile"))
        page = await store.audits(limit=2, before=page[-1].seq)
        seen += page
    assert [entry.about for entry in seen] == ["l4", "l3", "l2", "l1", "l0"]


async def test_the_audit_log_is_searched(store: Store) -> None:
    await store.note(make_entry(about="l1", who="ana", at=NOON))
    await store.note(make_entry(about="l2", who="ana", at=NOON + 1, did="jobs.run"))
    await store.note(make_entry(about="l3", who="bob", at=NOON + 2))
    searches = {
        AuditFilter(): ["l3", "l2", "l1"],
        AuditFilter(who="ana"): ["l2", "l1"],
        AuditFilter(did="jobs.run"): ["l2"],
        AuditFilter(about="l3"): ["l3"],
        AuditFilter(since=NOON + 1): ["l3", "l2"],
        AuditFilter(until=NOON + 1): ["l1"],
        AuditFilter(who="ana", since=NOON + 1): ["l2"],
        # What no text of PostgreSQL can hold is in none.
        AuditFilter(who="a\0\ud800"): [],
    }
    for wanted, found in searches.items():
        assert [entry.about for entry in await store.audits(wanted, limit=0)] == found


# -- calls with a key --


async def test_a_call_is_begun_once_and_its_answer_given_again(store: Store) -> None:
    assert [await begun(store), await begun(store)] == [FIRST, RUNNING]
    await store.answer_request(ASKED, "p1", MADE)
    assert await begun(store, now=NOON + LEASE_MS) == Turn(Standing.ANSWERED, MADE)


async def test_of_many_calls_at_once_one_is_the_first(store: Store) -> None:
    turns = await asyncio.gather(*(begun(store, by=f"p{n}") for n in range(20)))
    assert sorted(turns, key=str) == [FIRST, *[RUNNING] * 19]


async def test_a_key_stands_for_one_call_of_one_caller(store: Store) -> None:
    await begun(store)
    assert await begun(store, Request("t1", "k1", "d2")) == Turn(Standing.OTHER)
    assert await begun(store, Request("t2", "k1", "d2")) == FIRST
    assert await begun(store, Request("t1", "k2", "d2")) == FIRST


async def test_whoever_died_in_the_middle_keeps_nobody_out_for_ever(store: Store) -> None:
    await begun(store, by="dead")
    assert await begun(store, now=NOON + LEASE_MS) == FIRST
    await store.answer_request(ASKED, "dead", Reply(500, b""))
    await store.forget_request(ASKED, "dead")
    assert await begun(store, now=NOON + LEASE_MS) == RUNNING
    await store.answer_request(ASKED, "p1", MADE)
    assert await begun(store, now=NOON + LEASE_MS) == Turn(Standing.ANSWERED, MADE)


async def test_what_was_not_done_may_be_asked_for_again(store: Store) -> None:
    await begun(store)
    await store.forget_request(ASKED, "p1")
    assert await begun(store, Request("t1", "k1", "d2")) == FIRST


async def test_after_a_day_a_key_stands_for_nothing(store: Store) -> None:
    await begun(store)
    await store.answer_request(ASKED, "p1", MADE)
    later = Request("t1", "k1", "d2")
    assert await begun(store, later, now=NOON + KEPT_MS) == FIRST
    assert await begun(store, later, now=NOON + KEPT_MS) == RUNNING


async def test_of_an_answer_that_is_too_long_only_the_status_is_kept(store: Store) -> None:
    await begun(store)
    await store.answer_request(ASKED, "p1", Reply(201, b"x" * (ANSWER_MAX_BYTES + 1)))
    assert await begun(store) == Turn(Standing.ANSWERED, Reply(201, b""))


async def test_the_oldest_keys_of_a_caller_make_room(store: Store) -> None:
    for n in range(4):
        await store.begin_request(Request("t1", f"k{n}", "d"), NOON + n, "p", most=3)
    await store.begin_request(Request("t2", "k", "d"), NOON + 4, "p", most=3)
    turns = [await begun(store, Request("t1", f"k{n}", "d"), NOON + 5) for n in (3, 2, 1, 0)]
    assert turns == [RUNNING, RUNNING, RUNNING, FIRST]


# -- pruning --


async def test_what_is_old_of_it_is_forgotten_a_little_at_a_time(store: Store) -> None:
    for n in range(4):
        await store.note(make_entry(about=f"l{n}", at=NOON + n))
        await begun(store, Request("t1", f"k{n}", "d"), NOON + n)

    async def prune(limit: int, most: int = 100) -> int:
        return await store.prune_access(
            audits_before=NOON + 3, audits_most=most, requests_before=NOON + 3, limit=limit
        )

    assert [await prune(2), await prune(2), await prune(2)] == [4, 2, 0]
    assert [entry.about for entry in await store.audits(limit=0)] == ["l3"]
    assert await begun(store, Request("t1", "k3", "d"), NOON + 4) == RUNNING
    assert await begun(store, Request("t1", "k2", "d"), NOON + 4) == FIRST


async def test_of_the_audit_log_the_newest_are_kept(store: Store) -> None:
    for n in range(4):
        await store.note(make_entry(about=f"l{n}"))
    await store.prune_access(audits_before=0, audits_most=2, requests_before=0, limit=100)
    assert [entry.about for entry in await store.audits(limit=0)] == ["l3", "l2"]
