"""Faults that strike, seen from outside; the ledger tells what was carried out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
import pytest

from factories import make_spec
from jobhook.core.errors import (
    HubBusy,
    HubError,
    HubForbidden,
    HubNotFound,
    HubRefused,
    HubUnauthorized,
    OutcomeUnknown,
)
from jobhook.devhub import OTHER_TOKEN, TOKEN, DevHub, Limits
from jobhook.hub.client import AsyncHub
from jobhook.hub.transport import HubTransport

if TYPE_CHECKING:
    from starlette.types import Message

    from devhub.conftest import Running

pytestmark = pytest.mark.anyio

Until = Callable[[Callable[[], Any]], Any]
LABELS = {"jobhook-launch": "l1"}
SPEC = make_spec(command=("true",), labels=LABELS, env={"JOBHOOK_LAUNCH_ID": "l1"})


@contextlib.asynccontextmanager
async def client(devhub: Running, deadline: float = 10.0) -> AsyncIterator[AsyncHub]:
    async with (
        AsyncHub(devhub.url, TOKEN, retries=0) as hub,
        HubTransport(devhub.url, TOKEN, deadline=deadline, retries=0) as transport,
    ):
        hub.transport = transport
        yield hub


async def ledger(devhub: Running) -> list[dict[str, Any]]:
    return [job for job in await devhub.ledger() if job["launchId"] == "l1"]


@pytest.mark.parametrize(
    ("fault", "error", "made"),
    [
        pytest.param("status=500", OutcomeUnknown, 0, id="F06-500"),
        pytest.param("status=500 execute=yes", OutcomeUnknown, 1, id="F06-500-executed"),
        pytest.param("status=502 answer=html", OutcomeUnknown, 0, id="F06-502-page"),
        pytest.param("status=408 execute=yes", OutcomeUnknown, 1, id="F06-408"),
        pytest.param("status=429 retry_after=7", HubBusy, 0, id="F02-429"),
        pytest.param("status=409", HubRefused, 0, id="F03-409"),
        pytest.param("status=404", HubNotFound, 0, id="F03-404"),
        pytest.param("status=401", HubUnauthorized, 0, id="F04-F22-401"),
        pytest.param("status=403", HubForbidden, 0, id="F04-403"),
        pytest.param("status=402", HubRefused, 0, id="F05-402"),
        pytest.param("status=204 execute=yes", OutcomeUnknown, 1, id="F08-204"),
        pytest.param("status=599", OutcomeUnknown, 0, id="F06-unnamed"),
        pytest.param("answer=drop", OutcomeUnknown, 0, id="F07-drop-before"),
        pytest.param("answer=drop execute=yes", OutcomeUnknown, 1, id="C11-F07-drop-after"),
        pytest.param("answer=reset", OutcomeUnknown, 0, id="F07-reset-before"),
        pytest.param("answer=reset execute=yes", OutcomeUnknown, 1, id="F07-reset-after"),
        pytest.param("cut=20", OutcomeUnknown, 0, id="C10-half-read"),
        pytest.param("answer=html", OutcomeUnknown, 1, id="F08-html"),
        pytest.param("answer=text", OutcomeUnknown, 1, id="F08-not-json"),
        pytest.param("answer=empty", OutcomeUnknown, 1, id="F08-empty"),
        pytest.param("answer=no-id", OutcomeUnknown, 1, id="F08-no-id"),
        pytest.param("answer=truncated", OutcomeUnknown, 1, id="F08-truncated"),
        pytest.param("answer=truncated bytes=0", OutcomeUnknown, 1, id="F08-headers-only"),
        pytest.param("answer=huge", OutcomeUnknown, 1, id="F09-huge"),
        pytest.param("redirect=http://127.0.0.1:9/", OutcomeUnknown, 0, id="F10-307"),
        pytest.param(
            "redirect=http://127.0.0.1:9/ status=308 execute=yes", OutcomeUnknown, 1, id="F10-308"
        ),
        pytest.param("late=0 status=500", OutcomeUnknown, 1, id="F12-late"),
    ],
)
async def test_a_launch_fails_and_the_ledger_knows_what_was_done(
    devhub: Running, until: Until, fault: str, error: type[HubError], made: int
) -> None:
    devhub.hub.chaos.add(f"jobs.create {fault}")
    async with client(devhub) as hub:
        with pytest.raises(HubError) as failed:
            await hub.start_job("dev", SPEC)
    assert type(failed.value) is error
    if "late" in fault:
        await until(lambda: ledger(devhub))
    assert len(await ledger(devhub)) == made


async def test_a_request_is_carried_out_twice_with_the_same_labels(devhub: Running) -> None:
    devhub.hub.chaos.add("jobs.create execute=twice count=1")
    async with client(devhub) as hub:
        job = await hub.start_job("dev", SPEC)
        found = await hub.list_jobs(namespace="dev", labels=LABELS)
    made = await ledger(devhub)
    assert [entry["labels"] for entry in made] == [LABELS, LABELS]
    assert {found.id for found in found} == {entry["id"] for entry in made}
    assert job.id == made[1]["id"]


async def test_a_late_request_outlives_its_client(devhub: Running, until: Until) -> None:
    devhub.hub.chaos.add("jobs.create late=150 answer=drop count=1")
    async with client(devhub) as hub:
        with pytest.raises(OutcomeUnknown):
            await hub.start_job("dev", SPEC)
    assert await ledger(devhub) == []
    (job,) = await until(lambda: ledger(devhub))
    assert job["labels"] == LABELS


async def test_late_requests_are_bounded_and_end_with_the_devhub(
    devhub_with: Callable[..., contextlib.AbstractAsyncContextManager[Running]],
) -> None:
    fault = "jobs.create late=86400000 status=500"
    async with devhub_with(limits=Limits(late_requests=1), faults=[fault]) as devhub:
        async with client(devhub) as hub:
            for status in (500, 503):
                with pytest.raises(OutcomeUnknown) as failed:
                    await hub.start_job("dev", SPEC)
                assert failed.value.status == status
        assert await ledger(devhub) == []
        assert "late request" in {task.get_name() for task in asyncio.all_tasks()}
    assert "late request" not in {task.get_name() for task in asyncio.all_tasks()}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("hold=1000", id="F07-silence"),
        pytest.param("delay=1000", id="F07-carried-out-after-the-client-went"),
        pytest.param("answer=slow pause=1000", id="F09-a-byte-at-a-time"),
    ],
)
async def test_an_answer_comes_too_late_for_the_deadline(
    devhub: Running, until: Until, fault: str
) -> None:
    devhub.hub.chaos.add(f"jobs.create {fault} count=1")
    async with client(devhub, deadline=0.6) as hub:
        with pytest.raises(OutcomeUnknown):
            await hub.start_job("dev", SPEC)
    assert len(await until(lambda: ledger(devhub))) == 1


async def test_a_slow_answer_is_complete_in_the_end(devhub: Running) -> None:
    expected = (await devhub.http.get("/api/whoami-v2")).json()
    devhub.hub.chaos.add("whoami answer=slow pause=0")
    async with devhub.http.stream("GET", "/api/whoami-v2") as answer:
        raw = [part async for part in answer.aiter_raw()]
    assert httpx2.Response(200, content=b"".join(raw)).json() == expected


async def test_the_log_of_a_job_is_whole_before_it_is_damaged(devhub: Running) -> None:
    job = await devhub.run("echo", "said")
    devhub.hub.chaos.add("jobs.logs hold=1")
    assert (await devhub.log(job["id"]))[-1] == "said"


async def test_a_huge_answer_is_as_long_as_it_was_asked_for(devhub: Running) -> None:
    devhub.hub.chaos.add("whoami answer=huge bytes=7000001")
    answer = await devhub.http.get("/api/whoami-v2")
    assert len(answer.content) == 7_000_001
    assert answer.json()["name"] == "dev"


async def test_a_refusal_carries_the_headers_that_were_asked_for(devhub: Running) -> None:
    ratelimit = '"api";r=0;t=55'
    devhub.hub.chaos.add(f"hardware status=429 retry_after=12 ratelimit='{ratelimit}'")
    answer = await devhub.http.get("/api/jobs/hardware")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "12")
    assert answer.headers["ratelimit"] == ratelimit
    assert "x-request-id" in answer.headers
    assert answer.json()["error"].startswith("Too Many Requests")


async def test_a_redirect_leads_where_it_says(devhub: Running) -> None:
    devhub.hub.chaos.add("whoami redirect=http://127.0.0.1:9/x status=308")
    answer = await devhub.http.get("/api/whoami-v2")
    assert (answer.status_code, answer.headers["location"]) == (308, "http://127.0.0.1:9/x")


async def raw(devhub: Running, request: bytes, seconds: float = 10) -> bytes:
    """Send *request* and return what comes until the other side closes."""
    where = urlsplit(devhub.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), seconds)
    finally:
        writer.close()


HEAD = f"POST /api/jobs/dev HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
HALF = HEAD + b"Content-Length: 1000\r\n\r\n" + b" " * 100


async def test_the_connection_is_dropped_while_the_body_is_half_read(devhub: Running) -> None:
    devhub.hub.chaos.add("jobs.create cut=50")
    assert await raw(devhub, HALF) == b""


async def test_a_reset_is_one(devhub: Running) -> None:
    devhub.hub.chaos.add("page answer=reset")
    with pytest.raises(ConnectionResetError):
        await raw(devhub, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    devhub.hub.chaos.add("page answer=drop", seed=1)
    assert await raw(devhub, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n") == b""


async def test_an_idle_connection_is_hung_up_unannounced(devhub: Running) -> None:
    devhub.hub.chaos.add("page hangup=0")
    # The server itself hangs up after five seconds.
    answer = await raw(devhub, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", seconds=3)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"not a sandbox" in answer
    assert b"connection: close" not in answer.lower()


async def test_a_client_that_leaves_amid_its_request_is_nothing(devhub: Running) -> None:
    devhub.hub.chaos.add("jobs.create status=500")
    scope = {"type": "http", "method": "POST", "path": "/api/jobs/dev", "headers": []}
    answered: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answered.append(message)

    await devhub.hub.app(scope, receive, send)
    assert answered == []


async def test_a_body_over_the_limit_is_refused_before_the_fault(devhub: Running) -> None:
    devhub.hub.chaos.add("jobs.create status=500")
    answer = await devhub.http.post("/api/jobs/dev", content=b" " * 1_000_001)
    assert answer.status_code == 413


async def test_a_server_that_cannot_drop_connections_says_so() -> None:
    hub = DevHub("http://h", faults=["page answer=drop"])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=hub.app)) as http:
        with pytest.raises(RuntimeError, match="break off a connection"):
            await http.get("http://h/")


@pytest.mark.parametrize(
    ("fault", "listed", "alone"),
    [
        pytest.param("lag=86400000", False, 200, id="F15-lag"),
        pytest.param("unlisted=0", False, 200, id="F20-not-in-the-list"),
        pytest.param("gone=0", False, 404, id="F20-gone"),
        pytest.param("deleted=0", True, 200, id="F19-deleted"),
    ],
)
async def test_a_job_is_not_where_it_should_be(
    devhub: Running, fault: str, listed: bool, alone: int
) -> None:
    devhub.hub.chaos.add(f"jobs.create {fault} count=1")
    struck = (await devhub.run("true", labels=LABELS))["id"]
    spared = (await devhub.run("true", labels=LABELS))["id"]
    jobs = (await devhub.http.get("/api/jobs/dev?label=jobhook-launch=l1")).json()
    assert [job["id"] for job in jobs] == ([spared, struck] if listed else [spared])
    one = await devhub.http.get(f"/api/jobs/dev/{struck}")
    assert one.status_code == alone
    if "deleted" in fault:
        assert one.json()["status"]["stage"] == "DELETED"
        canceled = await devhub.http.post(f"/api/jobs/dev/{struck}/cancel")
        assert canceled.json()["status"]["stage"] == "DELETED"
    assert [job["id"] for job in await devhub.ledger()] == [struck, spared]


@pytest.mark.parametrize(
    ("fault", "query", "labels"),
    [
        pytest.param("jobs.create wiped=0", "", {}, id="F17-wiped"),
        pytest.param("jobs.create labels=lower", "", {"a": "bc"}, id="F16-told-in-lower-case"),
        pytest.param("jobs.create labels=lower", "label=a=Bc", None, id="F16-not-found-any-more"),
        pytest.param("jobs.list filter=ignore", "label=no=no", {"a": "Bc"}, id="F16-ignored"),
        pytest.param("jobs.list filter=fold", "label=A=bC", {"a": "Bc"}, id="F16-folded"),
    ],
)
async def test_labels_and_their_filter_are_not_what_they_should_be(
    devhub: Running, fault: str, query: str, labels: dict[str, str] | None
) -> None:
    devhub.hub.chaos.add(fault)
    await devhub.run("true", labels={"a": "Bc"})
    jobs = (await devhub.http.get(f"/api/jobs/dev?{query}")).json()
    assert [job.get("labels", {}) for job in jobs] == ([] if labels is None else [labels])
    assert [job["labels"] for job in await devhub.ledger()] == [{"a": "Bc"}]


async def test_a_list_comes_in_pages_of_one(devhub: Running) -> None:
    devhub.hub.chaos.add("jobs.list page=1")
    ids = [(await devhub.run("true"))["id"] for _ in range(3)]
    answer = await devhub.http.get("/api/jobs/dev")
    assert [job["id"] for job in answer.json()] == ids[:1:-1]
    async with client(devhub) as hub:
        assert [job.id for job in await hub.list_jobs(namespace="dev")] == ids[::-1]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param("status=500", HubBusy, id="500"),
        pytest.param("answer=truncated", HubBusy, id="truncated"),
        pytest.param("answer=no-id", HubBusy, id="no-ids"),
        pytest.param("answer=drop", HubBusy, id="dropped"),
    ],
)
async def test_a_list_that_fails_is_no_empty_list(
    devhub: Running, fault: str, error: type[HubError]
) -> None:
    await devhub.run("true")
    devhub.hub.chaos.add(f"jobs.list {fault}")
    async with client(devhub) as hub:
        with pytest.raises(error):
            await hub.list_jobs(namespace="dev")


async def test_the_second_page_of_a_list_fails(devhub: Running) -> None:
    for _ in range(2):
        await devhub.run("true")
    devhub.hub.chaos.add("jobs.list page=1", "jobs.list status=500 skip=1 count=1")
    async with client(devhub) as hub:
        with pytest.raises(HubBusy):
            await hub.list_jobs(namespace="dev")
        assert len(await hub.list_jobs(namespace="dev")) == 2


async def test_no_id_leaves_alone_what_has_none(devhub: Running) -> None:
    devhub.hub.chaos.add("page answer=no-id", "jobs.list answer=no-id status=500")
    assert "not a sandbox" in (await devhub.http.get("/")).text
    assert "error" in (await devhub.http.get("/api/jobs/dev")).json()


async def test_faults_are_set_told_and_taken_away_while_it_runs(devhub: Running) -> None:
    url = "/_devhub/chaos"
    spec = "whoami status=503 count=2"
    set_ = await devhub.http.post(url, json={"faults": [spec], "seed": 7})
    rule = {"number": 1, "fault": spec, "met": 0, "struck": 0}
    assert set_.json() == {"seed": 7, "faults": [rule]}
    told = [(await devhub.http.get("/api/whoami-v2")).status_code for _ in range(3)]
    assert told == [503, 503, 200]
    fared = {"seed": 7, "faults": [{**rule, "met": 3, "struck": 2}]}
    assert (await devhub.http.get(url)).json() == fared
    assert (await devhub.http.delete(url)).json() == fared
    assert (await devhub.http.get(url)).json() == {"seed": 7, "faults": []}


async def test_whoever_sets_faults_is_never_struck(devhub: Running) -> None:
    devhub.hub.chaos.add("* * answer=drop")
    with pytest.raises(httpx2.RemoteProtocolError):
        await devhub.http.get("/api/nothing")
    assert (await devhub.http.delete("/_devhub/chaos")).status_code == 200
    assert (await devhub.http.get("/api/nothing")).status_code == 404


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param({"faults": ["whoami stauts=5"]}, "did you mean `status`?", id="misspelt"),
        pytest.param({"faults": "whoami"}, "faults: ", id="no-list"),
        pytest.param({"seed": -1}, "seed: ", id="seed"),
        pytest.param({"fault": []}, "fault: ", id="unknown"),
        pytest.param({"faults": ["whoami status=500"] * 101}, "over 100 faults", id="too-many"),
    ],
)
async def test_a_wrong_fault_is_refused_and_nothing_is_set(
    devhub: Running, body: dict[str, Any], told: str
) -> None:
    answer = await devhub.http.post("/_devhub/chaos", json=body)
    assert answer.status_code == 400
    assert told in answer.json()["error"]
    assert len(devhub.hub.chaos) == 0


@pytest.mark.parametrize(("token", "status"), [("", 401), (OTHER_TOKEN, 403)], ids=["none", "eve"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "chaos"), ("POST", "chaos"), ("DELETE", "chaos"), ("GET", "ledger")],
    ids=["see", "set", "clear", "ledger"],
)
async def test_only_dev_may(
    shared: Running, token: str, status: int, method: str, path: str
) -> None:
    headers = {"Authorization": f"Bearer {token}" if token else ""}
    answer = await shared.http.request(
        method, f"/_devhub/{path}", headers=headers, json={"faults": ["whoami status=500"]}
    )
    assert answer.status_code == status
    assert len(shared.hub.chaos) == 0


async def test_the_ledger_tells_every_job_of_every_namespace(devhub: Running) -> None:
    assert await devhub.ledger() == []
    one = await devhub.ended((await devhub.run("true"))["id"])
    body = {"dockerImage": "i", "command": ["true"], "flavor": "cpu-basic"}
    environment = {"JOBHOOK_LAUNCH_ID": "l9"}
    await devhub.http.post("/api/jobs/acme", json={**body, "environment": environment})
    first, second = await devhub.ledger()
    assert first == {
        "id": one["id"],
        "namespace": "dev",
        "labels": {},
        "launchId": None,
        "createdAt": one["createdAt"],
        "finishedAt": one["finishedAt"],
        "stage": "COMPLETED",
    }
    assert (second["namespace"], second["launchId"]) == ("acme", "l9")


async def test_a_long_ledger_is_whole(devhub: Running) -> None:
    for _ in range(101):
        await devhub.run("true")
    assert len({job["id"] for job in await devhub.ledger()}) == 101
