from __future__ import annotations

from typing import Any

import orjson
import pytest

from jobhook.core.errors import (
    HubBusy,
    HubForbidden,
    HubNotFound,
    HubRefused,
    HubUnauthorized,
    JobHookError,
    KeyReused,
    LimitReached,
    NameTaken,
    NotAllowed,
    NotLaunched,
    NotSignedIn,
    OutcomeUnknown,
    Paused,
    StillRunning,
    StoreUnavailable,
    UsageError,
)
from jobhook.remote.failures import failure, told_in
from jobhook.web.api.answering import refusal
from jobhook.web.api.faults import Fault, fault_of

HUB: dict[str, Any] = {"status": 418, "code": "Teapot", "request_id": "r1"}


def read_back(exc: JobHookError) -> JobHookError:
    """What a client raises for what a service has raised."""
    answered = fault_of(exc)
    assert answered is not None
    told = refusal(answered)
    understood = told_in(told.status, {}, told.body)
    assert understood is not None
    return failure(understood, changes=True)


@pytest.mark.parametrize(
    "exc",
    [
        UsageError("image is empty"),
        NotLaunched("it was called back", launch_id="l1"),
        Paused("everything is paused", scope="everything", launch_id="l1"),
        LimitReached("$20.00 a day", limit="usd_per_day"),
        StillRunning("not over", launch_id="l1"),
        KeyReused("another body"),
        NameTaken("another token is called ci"),
        StoreUnavailable("the disk is full"),
        HubRefused("the Hub answered 418: no", **HUB),
        HubForbidden("the Hub answered 403: no", **HUB),
        HubNotFound("the Hub answered 404: no", **HUB),
        HubUnauthorized("the Hub answered 401: no", **HUB),
        HubBusy("the Hub answered 500: no", **HUB),
        OutcomeUnknown("no answer").with_clue(namespace="dev", labels={"a": "b"}),
    ],
    ids=lambda exc: type(exc).__name__,
)
def test_what_a_service_raises_is_raised_here(exc: JobHookError) -> None:
    again = read_back(exc)
    assert (type(again), str(again)) == (type(exc), str(exc))


def test_what_to_look_for_and_what_the_hub_said_is_told_here_too() -> None:
    unknown = read_back(OutcomeUnknown("no answer").with_clue(labels={"a": "b"}))
    assert isinstance(unknown, OutcomeUnknown)
    assert unknown.look_for == {"labels": {"a": "b"}}
    refused = read_back(HubRefused("no", **HUB))
    assert isinstance(refused, HubRefused)
    assert (refused.status, refused.code, refused.request_id) == (418, "Teapot", "r1")


def told(status: int, code: str, **headers: str) -> JobHookError:
    body = {"error": {"code": code, "message": "a sentence", "details": None}}
    understood = told_in(status, headers, orjson.dumps(body))
    assert understood is not None
    return failure(understood, changes=headers.get("x") == "change")


KINDS = {
    Fault.UNAUTHORIZED: NotSignedIn,
    Fault.FORBIDDEN: NotAllowed,
    Fault.METHOD_NOT_ALLOWED: HubRefused,
    Fault.TOO_LATE: HubRefused,
    Fault.INTERNAL: HubBusy,
}


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.code)
def test_every_code_of_the_api_is_an_error_of_our_tree(fault: Fault) -> None:
    error = told(fault.status, fault.code)
    assert isinstance(error, KINDS.get(fault, JobHookError))


def test_of_a_fault_of_the_services_the_request_is_told_and_the_outcome_is_not_known() -> None:
    error = told(500, "internal", **{"x": "change", "x-request-id": "r7"})
    assert isinstance(error, OutcomeUnknown)
    assert str(error) == "a sentence (request r7)"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, NotAllowed), (422, UsageError), (418, HubRefused), (429, HubBusy), (599, HubBusy)],
)
def test_a_code_that_is_newer_than_we_are_is_known_by_its_status(
    status: int, kind: type[JobHookError]
) -> None:
    assert type(told(status, "something_new")) is kind


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>", id="no JSON"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"error": "no"}', id="the Hub's own shape"),
        pytest.param(b'{"error": {"code": "x"}}', id="no message"),
        pytest.param(b'{"error": {"code": 1, "message": "x"}}', id="a code that is no word"),
    ],
)
def test_what_is_no_error_of_ours_is_not_taken_for_one(body: bytes) -> None:
    assert told_in(400, {}, body) is None


def test_no_sentence_of_a_service_steers_a_terminal() -> None:
    body: dict[str, Any] = {"error": {"code": "invalid", "message": "a\x1b[2Jb" + "x" * 9999}}
    understood = told_in(422, {}, orjson.dumps(body))
    assert understood is not None
    assert "\x1b" not in understood.message
    assert len(understood.message) == 2000
