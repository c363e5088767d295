"""Roles, and tokens as they are kept."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import NOON, make_token
from jobhook.core.access import Role, TokenState, digest_of, is_token, token_from


@given(st.sampled_from(Role), st.sampled_from(Role), st.sampled_from(Role))
def test_roles_are_in_one_order(a: Role, b: Role, c: Role) -> None:
    assert a.may(a)
    assert a.may(b) or b.may(a)
    assert a == b or a.may(b) != b.may(a)
    assert a.may(c) or not (a.may(b) and b.may(c))


@pytest.mark.parametrize(
    ("role", "may"),
    [
        pytest.param(Role.VIEWER, {Role.VIEWER}, id="a viewer sees"),
        pytest.param(Role.OPERATOR, {Role.VIEWER, Role.OPERATOR}, id="an operator acts too"),
        pytest.param(Role.ADMIN, set(Role), id="an admin may everything"),
    ],
)
def test_each_role_may_what_those_before_it_may(role: Role, may: set[Role]) -> None:
    assert {needed for needed in Role if role.may(needed)} == may


@given(st.binary(min_size=32, max_size=32))
def test_a_token_holds_all_that_was_drawn_for_it(drawn: bytes) -> None:
    token = token_from(drawn)
    assert re.fullmatch(r"jh_[A-Za-z0-9_-]{43}", token)
    assert is_token(token)
    assert urlsafe_b64decode(token.removeprefix("jh_") + "=") == drawn


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_token_is_made_of_256_bits(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        token_from(bytes(length))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("jh_" + "a" * 42, id="too short"),
        pytest.param("jh_" + "a" * 44, id="too long"),
        pytest.param("hf_" + "a" * 43, id="the Hub's"),
        pytest.param("jh_" + "ä" * 43, id="letters of no base64"),
        pytest.param("jh_" + "a" * 43 + "\n", id="a line's end"),
    ],
)
def test_what_has_another_shape_is_no_token(text: str) -> None:
    assert not is_token(text)


def test_the_digest_of_anything_can_be_taken_and_tells_nothing_of_it() -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", digest_of("jh_\ud800"))
    assert digest_of("jh_a") != digest_of("jh_b")


@pytest.mark.parametrize(
    ("expires_at", "revoked_at", "state"),
    [
        pytest.param(None, None, TokenState.ACTIVE, id="for good"),
        pytest.param(NOON + 1, None, TokenState.ACTIVE, id="a moment longer"),
        pytest.param(NOON, None, TokenState.EXPIRED, id="not at the moment itself"),
        pytest.param(NOON + 1, NOON, TokenState.REVOKED, id="revoked"),
        pytest.param(NOON, NOON, TokenState.REVOKED, id="revoked and expired"),
    ],
)
def test_a_token_is_good_until_it_expires_or_is_revoked(
    expires_at: int | None, revoked_at: int | None, state: TokenState
) -> None:
    assert make_token(expires_at=expires_at, revoked_at=revoked_at).state(NOON) == state
