"""What an Idempotency-Key stands for."""

from __future__ import annotations

import pytest

from factories import NOON
from jobhook.core.access import Caller, Role
from jobhook.core.errors import UsageError
from jobhook.core.repeats import (
    KEPT_MS,
    LEASE_MS,
    Kept,
    Reply,
    Request,
    Standing,
    check_key,
    request_of,
    turn_of,
)

ANA = Caller("ana", Role.OPERATOR, "t1")
MADE = Reply(201, b"{}")


def asked(caller: Caller = ANA, key: str = "k", path: str = "/a", body: bytes = b"x") -> Request:
    return request_of(caller, key, method="POST", path=path, body=body)


@pytest.mark.parametrize(
    ("later", "reply", "standing"),
    [
        pytest.param(LEASE_MS - 1, None, Standing.RUNNING, id="somebody is at it"),
        pytest.param(1 - LEASE_MS, None, Standing.RUNNING, id="by a clock that is a little ahead"),
        pytest.param(LEASE_MS, None, Standing.FIRST, id="whoever was at it is gone"),
        pytest.param(-LEASE_MS, None, Standing.FIRST, id="the clock was set back"),
        pytest.param(KEPT_MS - 1, MADE, Standing.ANSWERED, id="answered"),
        pytest.param(KEPT_MS, MADE, Standing.FIRST, id="answered a day ago"),
        pytest.param(-KEPT_MS, MADE, Standing.FIRST, id="answered in a day"),
    ],
)
def test_what_is_known_of_a_key_says_how_its_call_stands(
    later: int, reply: Reply | None, standing: Standing
) -> None:
    kept = Kept(digest=asked().digest, began_at=NOON, reply=reply)
    turn = turn_of(asked(), kept, NOON + later)
    assert turn.standing == standing
    assert turn.reply == (reply if standing == Standing.ANSWERED else None)


def test_a_key_that_nobody_knows_is_the_first() -> None:
    assert turn_of(asked(), None, NOON).standing == Standing.FIRST


def test_another_call_with_a_key_is_another_one_answered_or_not() -> None:
    for reply in (None, MADE):
        kept = Kept(digest=asked(body=b"y").digest, began_at=NOON, reply=reply)
        assert turn_of(asked(), kept, NOON + LEASE_MS).standing == Standing.OTHER


def test_calls_are_told_apart_by_method_path_and_body() -> None:
    other = request_of(ANA, "k", method="PUT", path="/a", body=b"x")
    moved = request_of(ANA, "k", method="POST", path="/ax", body=b"")
    assert len({asked().digest, other.digest, moved.digest, asked(path="/b").digest}) == 4
    assert asked() == asked()


def test_the_keys_of_two_callers_with_one_name_are_two() -> None:
    again = Caller("ana", Role.OPERATOR, "t2")
    assert asked().caller != asked(again).caller
    assert asked(Caller("the admin token", Role.ADMIN)).caller == "the admin token"


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("", id="nothing"),
        pytest.param("k" * 256, id="too long"),
        pytest.param("a b", id="a space"),
        pytest.param("ü", id="no ASCII"),
        pytest.param("k\n", id="a line's end"),
    ],
)
def test_what_can_be_no_key_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="1 to 255 characters"):
        check_key(key)


def test_a_body_with_secrets_has_another_digest_for_each_key() -> None:
    told = [
        request_of(ANA, key, method="POST", path="/a", body=body, holds_secrets=True).digest
        for key, body in (("k1", b"x"), ("k2", b"x"), ("k1", b"y"))
    ]
    plain = request_of(ANA, "k1", method="POST", path="/a", body=b"x").digest
    assert len({*told, plain}) == 4
    again = request_of(ANA, "k1", method="POST", path="/a", body=b"x", holds_secrets=True)
    assert again.digest == told[0]
