"""The API's manners, on a small table of operations behind a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx2
import pytest
from pydantic import Field
from structlog.testing import capture_logs

from apis import ApiDoor, opened_api
from jobhook.core.access import Role
from jobhook.core.audits import AuditEntry
from jobhook.core.errors import (
    HubBusy,
    HubNotFound,
    HubRefused,
    JobHookError,
    KeyReused,
    LimitReached,
    OutcomeUnknown,
    Paused,
    Problem,
    RulesError,
    SettingsError,
    StillRunning,
    StoreUnavailable,
    UsageError,
)
from jobhook.web.api.faults import Fault
from jobhook.web.api.given import Flag, Given, Paged, When
from jobhook.web.api.operations import BYTES, EVENTS, Call, Event, Operation
from jobhook.web.api.reading import BODY_MAX_BYTES

pytestmark = pytest.mark.anyio


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """Something that tests make."""

    id: str
    size: int = 0
    made_at: datetime = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)


class ThingGiven(Given):
    """What a thing is made of."""

    size: Annotated[int, Field(ge=0, le=9)]
    words: dict[str, str] = Field(default_factory=dict)


class Wanted(Paged):
    """What of things is wanted."""

    big: Flag = False
    since: When | None = None
    label: tuple[str, ...] = ()


class Toys:
    """What the operations of these tests do, and what they were asked for."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.failure: Exception | None = None
        self.go = asyncio.Event()
        self.go.set()
        self.begun, self.broken_off = asyncio.Event(), asyncio.Event()

    async def __call__(self, call: Call) -> Any:
        self.calls.append(call)
        await self.go.wait()
        if self.failure:
            raise self.failure
        return Thing(id="t1", size=getattr(call.body, "size", 0))

    async def asks_hub(self, call: Call) -> Thing:
        self.begun.set()
        try:
            return Thing(id="t1") if self.go.is_set() else await self(call)
        except asyncio.CancelledError:
            self.broken_off.set()
            raise

    async def nothing(self, call: Call) -> None:
        await self(call)

    async def bytes(self, call: Call) -> bytes:
        await self(call)
        return b"\x00raw"

    async def events(self, call: Call) -> AsyncIterator[Event]:
        self.calls.append(call)
        return self._events(int(call.last_event_id or 0))

    async def _events(self, after: int) -> AsyncIterator[Event]:
        if self.failure and not self.go.is_set():
            raise self.failure
        for number in range(after + 1, 4):
            yield Event(data={"number": number}, id=str(number))
        await self.go.wait()
        if self.failure:
            raise self.failure

    async def more_events(self, call: Call) -> AsyncIterator[Event]:
        return self._more_events()

    async def _more_events(self) -> AsyncIterator[Event]:
        while True:
            yield Event(data={})
            await asyncio.sleep(0)

    def table(self) -> tuple[Operation, ...]:
        make: dict[str, Any] = {"answer": Thing, "status": 201, "body": ThingGiven}
        return (
            operation("things.list", "GET", "/things", self, answer=Thing, query=Wanted),
            operation("things.one", "GET", "/things/{rule_id}", self, answer=Thing),
            operation("things.raw", "GET", "/things/{rule_id}/raw", self.bytes, media=BYTES),
            operation(
                "things.there",
                "GET",
                "/things/there",
                self.asks_hub,
                answer=Thing,
                faults=(Fault.HUB_BUSY,),
            ),
            operation("things.make", "POST", "/things", self, takes_key=True, **make),
            operation("things.touch", "POST", "/things/{rule_id}/touch", self, answer=Thing),
            operation(
                "things.delete", "DELETE", "/things/{rule_id}", self.nothing, Role.ADMIN, status=204
            ),
            operation("things.feed", "GET", "/feed", self.events, answer=Thing, media=EVENTS),
            operation("things.flood", "GET", "/flood", self.more_events, media=EVENTS),
        )


def operation(
    name: str,
    method: str,
    path: str,
    handle: Callable[[Call], Awaitable[Any]],
    role: Role | None = None,
    **more: Any,
) -> Operation:
    least = role or (Role.VIEWER if method == "GET" else Role.OPERATOR)
    return Operation(
        name=name, method=method, path=path, summary=name, role=least, handle=handle, **more
    )


@pytest.fixture
def toys() -> Toys:
    return Toys()


@pytest.fixture
async def door(toys: Toys, tmp_path: Any) -> AsyncIterator[ApiDoor]:
    async with opened_api(tmp_path, toys.table(), origins=("https://ops.test",)) as door:
        yield door


def code_of(answer: httpx2.Response) -> str:
    told = answer.json()["error"]
    assert set(told) == {"code", "message", "details"}
    assert answer.status_code == Fault[told["code"].upper()].status
    return str(told["code"])


# -- who calls --


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no token"),
        pytest.param({"authorization": ""}, id="empty"),
        pytest.param({"authorization": "Bearer"}, id="no value"),
        pytest.param({"authorization": "Basic YTpi"}, id="another scheme"),
        pytest.param({"authorization": "Bearer jh_" + "A" * 43}, id="unknown"),
        pytest.param({"authorization": "Bearer " + "A" * 900}, id="long"),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/things", "/api/v1/nothing", "/api/", "/api/v2/things"])
async def test_a_stranger_learns_not_even_what_exists(
    door: ApiDoor, headers: dict[str, str], path: str
) -> None:
    answer = await door.stranger.request("PATCH", path, headers=headers)
    assert code_of(answer) == "unauthorized"
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_two_tokens_are_none(door: ApiDoor) -> None:
    token = door.viewer.headers["authorization"]
    headers = [("authorization", token), ("authorization", token)]
    answer = await door.stranger.get("/api/v1/things", headers=headers)
    assert code_of(answer) == "malformed"


async def test_the_body_of_a_stranger_is_not_read(door: ApiDoor) -> None:
    head = b"POST /api/v1/things HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n"
    answer = await door.raw(head)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nconnection: close\r\n" in answer


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        pytest.param("viewer", "GET", "/things", 200, id="a viewer sees"),
        pytest.param("viewer", "POST", "/things/a/touch", 403, id="a viewer changes nothing"),
        pytest.param("operator", "POST", "/things/a/touch", 200, id="an operator changes"),
        pytest.param("operator", "DELETE", "/things/a", 403, id="but not everything"),
        pytest.param("admin", "DELETE", "/things/a", 204, id="an admin does all"),
        pytest.param("admin", "GET", "/things", 200, id="and sees all"),
    ],
)
async def test_a_role_may_what_it_may(
    door: ApiDoor, toys: Toys, role: str, method: str, path: str, status: int
) -> None:
    answer = await door.clients[Role(role)].request(method, f"/api/v1{path}")
    assert answer.status_code == status
    assert len(toys.calls) == (status < 300)


# -- what is asked for --


@pytest.mark.parametrize(
    ("path", "method", "code"),
    [
        pytest.param("/api/v1/nothing", "GET", "not_found", id="no such path"),
        pytest.param("/api/v1/things/", "GET", "not_found", id="an empty name"),
        pytest.param("/api/v1/things/a/b/c", "GET", "not_found", id="too long"),
        pytest.param("/api/v1/things/A%20b", "GET", "not_found", id="no such name"),
        pytest.param("/api/v1/things/..%2f", "GET", "not_found", id="a slash in a name"),
        pytest.param("/api/v1", "GET", "not_found", id="nothing"),
        pytest.param("/api/v1/things/a/touch", "GET", "method_not_allowed", id="another method"),
        pytest.param("/api/v1/things", "PATCH", "method_not_allowed", id="no such method"),
        pytest.param("/api/v1/feed", "HEAD", "method_not_allowed", id="no head of a stream"),
    ],
)
async def test_there_is_what_there_is(door: ApiDoor, path: str, method: str, code: str) -> None:
    answer = await door.admin.request(method, path)
    if method == "HEAD":
        assert answer.status_code == Fault[code.upper()].status
    else:
        assert code_of(answer) == code
    assert ("allow" in answer.headers) is (code == "method_not_allowed")


@pytest.mark.parametrize(
    ("query", "where"),
    [
        pytest.param("nothing=1", "query.nothing", id="unknown"),
        pytest.param("limit=0", "query.limit", id="too few"),
        pytest.param("limit=1001", "query.limit", id="too many"),
        pytest.param("limit=1_0", "query.limit", id="no digits"),
        pytest.param("limit=1&limit=2", "query.limit", id="twice"),
        pytest.param("big=yes", "query.big", id="no flag"),
        pytest.param("since=12345", "query.since", id="no time"),
        pytest.param("since=2026-01-01T00:00:00", "query.since", id="no zone"),
        pytest.param("since=0001-01-01T00:00:00%2B10:00", "query.since", id="before all time"),
        pytest.param("since=2026-13-01T00:00:00Z", "query.since", id="no such month"),
        pytest.param("label=%ff", "the query", id="no UTF-8"),
        pytest.param("&".join("label=a" for _ in range(65)), "the query", id="too much"),
    ],
)
async def test_a_parameter_that_cannot_be_is_told(
    door: ApiDoor, toys: Toys, query: str, where: str
) -> None:
    answer = await door.viewer.get(f"/api/v1/things?{query}")
    assert code_of(answer) == "invalid"
    assert answer.json()["error"]["message"].startswith(where)
    assert not toys.calls


async def test_parameters_arrive_as_what_they_are(door: ApiDoor, toys: Toys) -> None:
    query = "limit=7&big=true&label=a%3D1&label=b&since=2026-01-01T01:00:00%2B01:00&cursor=x"
    assert (await door.viewer.get(f"/api/v1/things?{query}")).status_code == 200
    assert toys.calls[0].query == Wanted.model_construct(
        limit=7, big=True, label=("a=1", "b"), since=datetime(2026, 1, 1, tzinfo=UTC), cursor="x"
    )


@pytest.mark.parametrize(
    ("body", "media", "code"),
    [
        pytest.param(b"", "application/json", "malformed", id="nothing"),
        pytest.param(b"{", "application/json", "malformed", id="half"),
        pytest.param(b'{"size": NaN}', "application/json", "malformed", id="no number"),
        pytest.param(b'{"size": "\xff"}', "application/json", "malformed", id="no UTF-8"),
        pytest.param(b'{"size": "\\ud800"}', "application/json", "malformed", id="half a letter"),
        pytest.param(b"[" * 100_000, "application/json", "malformed", id="deep"),
        pytest.param(b"[]", "application/json", "invalid", id="a list"),
        pytest.param(b'{"size": "1"}', "application/json", "invalid", id="a text"),
        pytest.param(b'{"size": true}', "application/json", "invalid", id="a flag"),
        pytest.param(b'{"size": 1.0}', "application/json", "invalid", id="a fraction"),
        pytest.param(b'{"size": 1e400}', "application/json", "malformed", id="endless"),
        pytest.param(b'{"size": 10}', "application/json", "invalid", id="too big"),
        pytest.param(b'{"size": 1, "sise": 1}', "application/json", "invalid", id="unknown"),
        pytest.param(b'{"size": 1}', "text/plain", "not_json", id="another type"),
        pytest.param(b'{"size": 1}', "application/json; charset=latin-1", "not_json", id="charset"),
        pytest.param(b" " * (BODY_MAX_BYTES + 1), "application/json", "too_large", id="large"),
    ],
)  # fmt: skip
async def test_a_body_that_cannot_be_changes_nothing(
    door: ApiDoor, toys: Toys, body: bytes, media: str, code: str
) -> None:
    headers = {"content-type": media}
    answer = await door.operator.post("/api/v1/things", content=body, headers=headers)
    assert code_of(answer) == code
    assert not toys.calls


async def test_an_encoded_body_is_refused(door: ApiDoor) -> None:
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    answer = await door.operator.post("/api/v1/things", content=b"{}", headers=headers)
    assert code_of(answer) == "not_json"


async def test_a_value_that_is_refused_is_not_said_back(door: ApiDoor) -> None:
    answer = await door.operator.post("/api/v1/things", json={"size": "hunter2", "words": 1})
    assert "hunter2" not in answer.text
    assert [each["where"] for each in answer.json()["error"]["details"]] == [
        "body.size",
        "body.words",
    ]


async def test_what_takes_no_body_is_given_none(door: ApiDoor) -> None:
    answer = await door.operator.post("/api/v1/things/a/touch", json={"size": 1})
    assert code_of(answer) == "invalid"


# -- what is answered --


async def test_times_are_utc_with_milliseconds(door: ApiDoor) -> None:
    answer = await door.operator.post("/api/v1/things", json={"size": 3})
    assert answer.status_code == 201
    assert answer.json() == {"id": "t1", "size": 3, "made_at": "2026-01-02T03:04:05.678Z"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


async def test_what_has_not_changed_is_not_sent_again(door: ApiDoor) -> None:
    first = await door.viewer.get("/api/v1/things/a")
    tag = first.headers["etag"]
    again = await door.viewer.get("/api/v1/things/a", headers={"if-none-match": f'"x", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = await door.viewer.get("/api/v1/things/a", headers={"if-none-match": '"x"'})
    assert other.status_code == 200


async def test_a_head_is_what_a_get_would_be(door: ApiDoor) -> None:
    got = await door.viewer.get("/api/v1/things/a")
    head = await door.viewer.head("/api/v1/things/a")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == got.headers["etag"]
    assert head.headers["content-length"] == got.headers["content-length"]


async def test_bytes_are_answered_as_they_are(door: ApiDoor) -> None:
    answer = await door.viewer.get("/api/v1/things/a/raw")
    assert answer.content == b"\x00raw"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param("my-id.7", True, id="a word"),
        pytest.param("two words", False, id="two words"),
        pytest.param("a" * 65, False, id="long"),
        pytest.param("", False, id="empty"),
    ],
)
async def test_an_answer_carries_the_id_of_its_request(
    door: ApiDoor, toys: Toys, given: str, kept: bool
) -> None:
    answer = await door.viewer.get("/api/v1/things", headers={"x-request-id": given})
    told = answer.headers["x-request-id"]
    assert (told == given) is kept
    assert toys.calls[0].request_id == told


@pytest.mark.parametrize(
    ("failure", "code", "retry_after"),
    [
        pytest.param(UsageError("x"), "invalid", None, id="the caller's"),
        pytest.param(HubNotFound("x", status=404), "not_found", None, id="nothing there"),
        pytest.param(HubRefused("x", status=402), "hub_refused", None, id="the Hub says no"),
        pytest.param(HubBusy("x", retry_after=7.2), "hub_busy", "8", id="the Hub is busy"),
        pytest.param(HubBusy("x"), "hub_busy", "30", id="nobody knows how long"),
        pytest.param(OutcomeUnknown("x"), "outcome_unknown", None, id="nobody knows"),
        pytest.param(LimitReached("x", limit="price"), "limit_reached", "30", id="dollars"),
        pytest.param(Paused("x", scope="everything"), "paused", None, id="paused"),
        pytest.param(StillRunning("x"), "still_running", "30", id="not over"),
        pytest.param(KeyReused("x"), "key_reused", None, id="another key"),
        pytest.param(StoreUnavailable("x"), "unavailable", "30", id="the database"),
        pytest.param(SettingsError("x"), "unavailable", "30", id="no token of the Hub"),
        pytest.param(JobHookError("x"), "internal", None, id="a fault of ours"),
        pytest.param(RuntimeError("hunter2"), "internal", None, id="a bug"),
    ],
)
async def test_what_goes_wrong_has_a_code(
    door: ApiDoor, toys: Toys, failure: Exception, code: str, retry_after: str | None
) -> None:
    toys.failure = failure
    answer = await door.operator.post("/api/v1/things", json={"size": 1})
    assert code_of(answer) == code
    assert answer.headers.get("retry-after") == retry_after
    assert "hunter2" not in answer.text


async def test_every_problem_of_rules_is_told(door: ApiDoor, toys: Toys) -> None:
    toys.failure = RulesError((Problem("a.yaml", 3, 1, "is wrong", "x"),))
    answer = await door.viewer.get("/api/v1/things")
    assert answer.json()["error"]["details"][0]["line"] == 3


# -- asked once --


async def test_the_same_key_gets_the_same_answer_and_nothing_is_done_again(
    door: ApiDoor, toys: Toys
) -> None:
    headers = {"idempotency-key": "k1"}
    first = await door.operator.post("/api/v1/things", json={"size": 1}, headers=headers)
    again = await door.operator.post("/api/v1/things", json={"size": 1}, headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(toys.calls) == 1


async def test_a_key_is_its_callers_own(door: ApiDoor, toys: Toys) -> None:
    headers = {"idempotency-key": "k1"}
    await door.operator.post("/api/v1/things", json={"size": 1}, headers=headers)
    await door.admin.post("/api/v1/things", json={"size": 2}, headers=headers)
    assert len(toys.calls) == 2


async def test_a_key_is_not_for_something_else(door: ApiDoor, toys: Toys) -> None:
    headers = {"idempotency-key": "k1"}
    await door.operator.post("/api/v1/things", json={"size": 1}, headers=headers)
    answer = await door.operator.post("/api/v1/things", json={"size": 2}, headers=headers)
    assert code_of(answer) == "key_reused"
    assert len(toys.calls) == 1


async def test_a_call_that_is_not_over_is_not_made_again(door: ApiDoor, toys: Toys) -> None:
    toys.go.clear()
    headers = {"idempotency-key": "k1"}
    post = door.operator.post("/api/v1/things", json={"size": 1}, headers=headers)
    first = asyncio.create_task(post)
    while not toys.calls:  # noqa: ASYNC110 - the other side of a socket tells nothing
        await asyncio.sleep(0.001)
    again = await door.operator.post("/api/v1/things", json={"size": 1}, headers=headers)
    assert code_of(again) == "still_running"
    toys.go.set()
    assert (await first).status_code == 201
    assert len(toys.calls) == 1


async def test_what_failed_may_be_asked_again_with_the_same_key(door: ApiDoor, toys: Toys) -> None:
    headers, toys.failure = {"idempotency-key": "k1"}, HubBusy("x")
    await door.operator.post("/api/v1/things", json={"size": 1}, headers=headers)
    toys.failure = None
    answer = await door.operator.post("/api/v1/things", json={"size": 1}, headers=headers)
    assert answer.status_code == 201


@pytest.mark.parametrize("key", [b"", b"two words", b"a" * 256, b"\xfc"])
async def test_a_key_is_a_word(door: ApiDoor, toys: Toys, key: bytes) -> None:
    headers = [(b"idempotency-key", key)]
    answer = await door.operator.post("/api/v1/things", json={"size": 1}, headers=headers)
    assert code_of(answer) == "invalid"
    assert not toys.calls


# -- who did what --


async def test_every_change_is_noted_with_who_and_what_and_from_where(
    door: ApiDoor, toys: Toys
) -> None:
    await door.operator.post("/api/v1/things/a/touch", headers={"x-request-id": "r1"})
    (entry,) = await door.audits()
    assert (entry.who, entry.role, entry.did, entry.about, entry.outcome, entry.request_id) == (
        "operator",
        Role.OPERATOR,
        "things.touch",
        "a",
        "done",
        "r1",
    )
    assert entry.source == "127.0.0.1"


async def test_what_was_made_is_noted_by_its_id(door: ApiDoor) -> None:
    await door.operator.post("/api/v1/things", json={"size": 1})
    assert [entry.about for entry in await door.audits()] == ["t1"]


async def test_whom_a_proxy_calls_for_is_noted_beside_it(door: ApiDoor) -> None:
    headers = {"x-forwarded-for": "192.0.2.7"}
    await door.operator.post("/api/v1/things/a/touch", headers=headers)
    assert [entry.source for entry in await door.audits()] == ["127.0.0.1 for 192.0.2.7"]


async def test_a_change_that_was_refused_is_noted_as_such(door: ApiDoor, toys: Toys) -> None:
    toys.failure = Paused("x", scope="everything")
    await door.operator.post("/api/v1/things/a/touch")
    assert [entry.outcome for entry in await door.audits()] == ["refused: paused"]


async def test_a_change_that_cannot_be_noted_is_told_in_the_log(
    door: ApiDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(entry: AuditEntry) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(door.store, "note", fails)
    with capture_logs() as lines:
        answer = await door.operator.post("/api/v1/things/a/touch")
    assert answer.status_code == 200
    told = {key: lines[-1][key] for key in ("event", "who", "role", "source", "about", "outcome")}
    assert told == {
        "event": "audit.not_noted",
        "who": "operator",
        "role": "operator",
        "source": "127.0.0.1",
        "about": "a",
        "outcome": "done",
    }


async def test_what_was_only_seen_is_not_noted(door: ApiDoor) -> None:
    await door.viewer.get("/api/v1/things")
    assert not await door.audits()


# -- pages of other origins --


async def test_a_page_of_a_known_origin_may_call(door: ApiDoor) -> None:
    headers = {"origin": "https://ops.test"}
    asked = await door.stranger.options("/api/v1/things", headers=headers)
    assert asked.status_code == 204
    assert "Authorization" in asked.headers["access-control-allow-headers"]
    answer = await door.viewer.get("/api/v1/things", headers=headers)
    assert answer.headers["access-control-allow-origin"] == "https://ops.test"


@pytest.mark.parametrize("origin", ["https://ops.test.evil.test", "null", "http://ops.test"])
async def test_a_page_of_another_origin_may_not(door: ApiDoor, origin: str) -> None:
    asked = await door.stranger.options("/api/v1/things", headers={"origin": origin})
    assert asked.status_code == 401
    answer = await door.viewer.get("/api/v1/things", headers={"origin": origin})
    assert "access-control-allow-origin" not in answer.headers


# -- what the Hub is asked --


async def test_what_the_hub_tells_is_answered(door: ApiDoor) -> None:
    assert (await door.viewer.get("/api/v1/things/there")).json()["id"] == "t1"


async def test_nobody_goes_on_asking_the_hub_for_a_caller_who_has_gone(
    door: ApiDoor, toys: Toys
) -> None:
    toys.go.clear()
    call = asyncio.create_task(door.viewer.get("/api/v1/things/there"))
    await asyncio.wait_for(toys.begun.wait(), 10)
    call.cancel()
    await asyncio.wait_for(toys.broken_off.wait(), 10)


async def test_a_service_that_ends_waits_for_no_answer_of_the_hub(
    door: ApiDoor, toys: Toys
) -> None:
    toys.go.clear()
    call = asyncio.create_task(door.viewer.get("/api/v1/things/there"))
    await asyncio.wait_for(toys.begun.wait(), 10)
    door.streams.ending.set()
    answer = await call
    assert code_of(answer) == "unavailable"
    assert answer.headers["retry-after"] == "5"
    assert toys.broken_off.is_set()


# -- streams --


async def until_closed(door: ApiDoor) -> None:
    while door.streams.open:  # noqa: ASYNC110 - the other side of a socket tells nothing
        await asyncio.sleep(0.001)


class Lines:
    """The lines of a stream; it stays open until its block ends."""

    def __init__(self, answer: httpx2.Response) -> None:
        self._lines = answer.aiter_lines()

    async def read(self, count: int) -> list[str]:
        return [await anext(self._lines) for _ in range(count)]

    async def rest(self) -> list[str]:
        return [each async for each in self._lines]


async def test_a_stream_tells_ids_and_its_end(door: ApiDoor) -> None:
    answer = await door.viewer.get("/api/v1/feed")
    assert answer.headers["content-type"] == "text/event-stream"
    events = answer.text.split("\n\n")
    assert events[0] == 'id: 1\ndata: {"number":1}'
    assert events[3] == "event: end\ndata: {}"


async def test_a_stream_goes_on_behind_what_was_read(door: ApiDoor) -> None:
    answer = await door.viewer.get("/api/v1/feed", headers={"last-event-id": "2"})
    assert answer.text.startswith("id: 3\n")


async def test_a_stream_that_cannot_begin_has_a_status(door: ApiDoor, toys: Toys) -> None:
    toys.failure = HubNotFound("there is no such job", status=404)
    toys.go.clear()
    assert code_of(await door.viewer.get("/api/v1/feed")) == "not_found"


async def test_a_stream_that_breaks_says_why(door: ApiDoor, toys: Toys) -> None:
    toys.failure = HubBusy("the Hub went away")
    answer = await door.viewer.get("/api/v1/feed")
    kind, data = answer.text.split("\n\n")[3].split("\n")
    assert kind == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["code"] == "hub_busy"


async def test_a_quiet_stream_shows_that_it_lives(door: ApiDoor, toys: Toys) -> None:
    toys.go.clear()
    async with door.viewer.stream("GET", "/api/v1/feed") as answer:
        lines = await Lines(answer).read(10)
    assert lines[9] == ": still here"


async def test_a_caller_who_goes_away_ends_the_stream(door: ApiDoor, toys: Toys) -> None:
    toys.go.clear()
    async with door.viewer.stream("GET", "/api/v1/feed") as answer:
        lines = Lines(answer)
        await lines.read(1)
        assert door.streams.open == 1
    await until_closed(door)


@pytest.mark.parametrize("path", ["feed", "flood"])
async def test_a_stream_ends_when_its_token_does(door: ApiDoor, toys: Toys, path: str) -> None:
    toys.go.clear()
    async with door.viewer.stream("GET", f"/api/v1/{path}") as answer:
        lines = Lines(answer)
        await lines.read(1)
        await door.revoke(Role.VIEWER)
        told = await lines.rest()
    assert told[-3] == "event: error"
    assert json.loads(told[-2].removeprefix("data: "))["error"]["code"] == "unauthorized"
    await until_closed(door)


async def test_a_stream_goes_on_while_tokens_cannot_be_read(
    door: ApiDoor, toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails() -> None:
        raise StoreUnavailable("the disk is gone")

    toys.go.clear()
    async with door.viewer.stream("GET", "/api/v1/feed") as answer:
        lines = Lines(answer)
        await lines.read(9)
        # What is known of tokens is read anew after this.
        await door.revoke(Role.ADMIN)
        monkeypatch.setattr(door.store, "tokens", fails)
        assert await lines.read(4) == [": still here", "", ": still here", ""]


async def test_so_many_streams_are_open_and_no_more(door: ApiDoor, toys: Toys) -> None:
    toys.go.clear()
    async with door.viewer.stream("GET", "/api/v1/feed") as one:
        first = Lines(one)
        await first.read(1)
        async with door.viewer.stream("GET", "/api/v1/feed") as two:
            second = Lines(two)
            await second.read(1)
            assert code_of(await door.viewer.get("/api/v1/feed")) == "unavailable"


async def test_streams_end_when_the_service_does(door: ApiDoor, toys: Toys) -> None:
    toys.go.clear()
    async with door.viewer.stream("GET", "/api/v1/feed") as answer:
        lines = Lines(answer)
        await lines.read(1)
        door.streams.ending.set()
        with pytest.raises(StopAsyncIteration):
            await lines.read(100)
    await until_closed(door)
