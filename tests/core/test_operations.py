from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from factories import NOON, make_token
from jobhook.core.errors import UsageError
from jobhook.core.operations import Deed, Order, order_from_json, order_to_json

TOKEN = asdict(make_token())


def told_of(token: object) -> bytes:
    """An order to make what is no token."""
    return json.dumps({"deed": "create-token", "by": "a", "ids": [], "token": token}).encode()


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(Order(deed=Deed.RETRY, by="ana", ids=("l1", "l2")), id="about launches"),
        pytest.param(
            Order(deed=Deed.PAUSE, by="ana", scope="rule:x", reason="ü\n\ud800"), id="odd text"
        ),
        pytest.param(
            Order(deed=Deed.CREATE_TOKEN, by="ana", token=make_token(expires_at=NOON)), id="a token"
        ),
        pytest.param(
            Order(deed=Deed.CREATE_TOKEN, by="ana", token=make_token()), id="a token for good"
        ),
    ],
)
def test_an_order_arrives_as_it_was_given_on_one_line(order: Order) -> None:
    line = order_to_json(order)
    assert b"\n" not in line
    assert order_from_json(line) == order


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\x00", id="no text"),
        pytest.param(b"[" * 100_000, id="nested too deep"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"by": "a", "ids": []}', id="no deed"),
        pytest.param(b'{"deed": "burn", "by": "a", "ids": []}', id="an unknown deed"),
        pytest.param(b'{"deed": [], "by": "a", "ids": []}', id="a deed that is no word"),
        pytest.param(b'{"deed": "retry", "ids": []}', id="nobody"),
        pytest.param(b'{"deed": "retry", "by": "a", "ids": null}', id="no ids"),
        pytest.param(b'{"deed": "retry", "by": "a", "ids": [1]}', id="an id that is no text"),
        pytest.param(b'{"deed": "pause", "by": {}, "ids": []}', id="a name that is no text"),
        pytest.param(b'{"deed": "retry", "by": "a", "ids": [], "new": 1}', id="a newer field"),
        pytest.param(told_of("jh_x"), id="a token that is a text"),
        pytest.param(told_of({**TOKEN, "role": "king"}), id="a token of no role"),
        pytest.param(told_of({**TOKEN, "name": 1}), id="a token whose name is a number"),
        pytest.param(told_of({**TOKEN, "expires_at": "2027"}), id="a token until a text"),
        pytest.param(told_of({**TOKEN, "created_at": None}), id="a token of no time"),
        pytest.param(told_of({**TOKEN, "last_used_at": ""}), id="a token used at no time"),
    ],
)
def test_anything_else_is_no_order(line: bytes) -> None:
    with pytest.raises(UsageError, match="that is no order"):
        order_from_json(line)
