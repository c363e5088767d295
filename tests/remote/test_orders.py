from __future__ import annotations

import json
from typing import Any

import pytest

from canned import CannedServer, answer, raw
from factories import NOON, make_token
from jobhook.core.access import Role
from jobhook.core.errors import NotAllowed, OutcomeUnknown
from jobhook.core.operations import NO_DELIVERY, NO_LAUNCH, NO_TOKEN, Deed, Order, Outcome
from jobhook.core.viewing import token_view
from jobhook.remote.orders import RemoteOrders, StoppedJob, StopReport
from jobhook.remote.transport import ServiceTransport
from jobhook.web.api.answering import dumped

pytestmark = pytest.mark.anyio


@pytest.fixture
def orders(service: ServiceTransport) -> RemoteOrders:
    return RemoteOrders(service)


def done(about: str, told: str = "is done") -> bytes:
    return answer(200, {"id": about, "done": True, "told": told})


def fault(status: int, code: str, message: str) -> bytes:
    return answer(status, {"error": {"code": code, "message": message, "details": None}})


@pytest.mark.parametrize(
    ("deed", "path"),
    [
        (Deed.RETRY, "/launches/l%2F1/retry"),
        (Deed.RELEASE, "/launches/l%2F1/release"),
        (Deed.CANCEL, "/launches/l%2F1/cancel"),
        (Deed.REPLAY, "/deliveries/l%2F1/replay"),
    ],
)
async def test_an_order_about_ids_is_given_for_each(
    server: CannedServer, orders: RemoteOrders, deed: Deed, path: str
) -> None:
    server.answers = [done("l/1")]
    (outcome,) = await orders.carry_out(Order(deed=deed, by="ana", ids=("l/1",)))
    assert outcome == Outcome("l/1", done=True, told="is done")
    (asked,) = server.asked
    assert (asked.method, asked.target, asked.body) == ("POST", f"/api/v1{path}", b"")


async def test_what_cannot_be_done_is_told_and_the_next_one_is_done(
    server: CannedServer, orders: RemoteOrders
) -> None:
    server.answers = [
        fault(409, "not_possible", "only what is held can be released"),
        fault(404, "not_found", "there is no launch l2"),
        done("l3"),
    ]
    outcomes = await orders.carry_out(Order(deed=Deed.RELEASE, by="ana", ids=("l1", "l2", "l3")))
    assert outcomes == (
        Outcome("l1", done=False, told="only what is held can be released"),
        Outcome("l2", done=False, told=NO_LAUNCH),
        Outcome("l3", done=True, told="is done"),
    )


async def test_a_delivery_that_is_not_there_is_told_of_as_here(
    server: CannedServer, orders: RemoteOrders
) -> None:
    server.answers = [fault(404, "not_found", "there is no delivery d1")]
    assert await orders.carry_out(Order(deed=Deed.REPLAY, by="ana", ids=("d1",))) == (
        Outcome("d1", done=False, told=NO_DELIVERY),
    )


async def test_whoever_may_not_is_told_so(server: CannedServer, orders: RemoteOrders) -> None:
    server.answers = [fault(403, "forbidden", "this needs the role operator")]
    with pytest.raises(NotAllowed, match="this needs the role operator"):
        await orders.carry_out(Order(deed=Deed.RETRY, by="ana", ids=("l1", "l2")))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("deed", "scope", "path", "body"),
    [
        (Deed.PAUSE, "everything", "/pause", {"reason": "why"}),
        (Deed.PAUSE, "rule:retrain", "/pause", {"rule": "retrain", "reason": "why"}),
        (
            Deed.PAUSE,
            "repo:dataset:acme/corpus",
            "/pause",
            {"repo": "dataset:acme/corpus", "reason": "why"},
        ),
        (Deed.RESUME, "rule:retrain", "/resume", {"rule": "retrain"}),
        (Deed.LOOK_FIRST, "everything", "/look-first", None),
    ],
)
async def test_an_order_about_a_scope_names_it(
    server: CannedServer, orders: RemoteOrders, deed: Deed, scope: str, path: str, body: Any
) -> None:
    server.answers = [done(scope)]
    reason = "why" if deed == Deed.PAUSE else ""
    order = Order(deed=deed, by="ana", scope=scope, reason=reason)
    assert await orders.carry_out(order) == (Outcome(scope, done=True, told="is done"),)
    (asked,) = server.asked
    assert asked.target == f"/api/v1{path}"
    assert (json.loads(asked.body) if asked.body else None) == body


async def test_stopping_everything_says_what_was_stopped(
    server: CannedServer, orders: RemoteOrders
) -> None:
    told = {"not_paused": None, "jobs": [{"job_id": "j1", "error": None}], "unread": ["acme"]}
    server.answers = [answer(200, told)]
    assert await orders.stop_all() == StopReport(None, (StoppedJob("j1", None),), ("acme",))
    assert server.asked[0].target == "/api/v1/stop-all"


async def test_a_token_is_made_there_and_its_value_told_here(
    server: CannedServer, orders: RemoteOrders
) -> None:
    view = token_view(make_token(expires_at=NOON), NOON)
    server.answers = [raw(dumped(view)[:-1] + b',"token":"jh_x"}', "201 Made")]
    made = await orders.create_token("ci", Role.OPERATOR, expires_at=NOON)
    assert made == (view, "jh_x")
    (asked,) = server.asked
    assert asked.target == "/api/v1/tokens"
    assert json.loads(asked.body) == {
        "name": "ci",
        "role": "operator",
        "expires_at": "2027-01-15T08:00:00.000Z",
    }


async def test_a_token_whose_making_was_not_answered_is_not_made_again(
    server: CannedServer, orders: RemoteOrders
) -> None:
    with pytest.raises(OutcomeUnknown):
        await orders.create_token("ci", Role.VIEWER, expires_at=None)
    assert len(server.asked) == 1


async def test_a_token_that_is_not_there_is_told_of_as_here(
    server: CannedServer, orders: RemoteOrders
) -> None:
    server.answers = [
        raw(dumped(token_view(make_token(revoked_at=NOON), NOON))),
        fault(404, "not_found", "no"),
        fault(409, "not_possible", "it was revoked before"),
    ]
    order = Order(deed=Deed.REVOKE_TOKEN, by="ana", ids=("t1", "t2", "t3"))
    assert await orders.carry_out(order) == (
        Outcome("t1", done=True, told="ci is revoked: it opens nothing any more"),
        Outcome("t2", done=False, told=NO_TOKEN),
        Outcome("t3", done=False, told="it was revoked before"),
    )
    assert server.asked[0].target == "/api/v1/tokens/t1/revoke"
