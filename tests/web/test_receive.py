from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from doors import OLD_SECRET, SECRET, Door
from factories import BODY, DELIVERIES, sample
from jobhook import failpoints
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.deliveries import BODY_MAX_BYTES, AcceptedSecrets
from jobhook.core.errors import StoreUnavailable
from jobhook.core.records import Receipt
from jobhook.web.receive import Receiver

pytestmark = pytest.mark.anyio

PATH = "/webhooks/hub"
HEADERS = {"X-Webhook-Secret": SECRET, "Webhook-Id": "w1"}


async def test_a_new_delivery_is_stored_and_answered_202(door: Door) -> None:
    answer = await door.client.post(PATH, content=BODY, headers=HEADERS)
    assert answer.status_code == 202
    told = answer.json()
    assert told == {"delivery": told["delivery"], "duplicate": False}
    assert await door.store.body(told["delivery"]) == BODY


async def test_the_same_id_again_is_answered_200(door: Door) -> None:
    first = await door.client.post(PATH, content=BODY, headers=HEADERS)
    again = await door.client.post(PATH, content=BODY, headers=HEADERS)
    assert again.status_code == 200
    assert again.json() == {"delivery": first.json()["delivery"], "duplicate": True}


async def test_a_delivery_without_an_id_is_taken_by_its_body(door: Door) -> None:
    headers = {"X-Webhook-Secret": SECRET}
    answers = [await door.client.post(PATH, content=BODY, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 200]


async def test_every_secret_of_a_rotation_is_good(door: Door) -> None:
    answer = await door.client.post(PATH, content=BODY, headers={"X-Webhook-Secret": OLD_SECRET})
    assert answer.status_code == 202


async def test_every_recorded_delivery_is_stored_as_it_came(door: Door) -> None:
    for path in sorted(DELIVERIES.glob("*.json")):
        body = sample(path.name.partition("_")[0])
        headers = {**HEADERS, "Webhook-Id": path.name}
        answer = await door.client.post(PATH, content=body, headers=headers)
        assert answer.status_code == 202
        assert await door.store.body(answer.json()["delivery"]) == body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half of something"),
        pytest.param(b"\xff\xfe\x00", id="no UTF-8"),
        pytest.param(b"[" * 5000, id="deep"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", id="a long number"),
        pytest.param(b'{"event": NaN}', id="NaN"),
        pytest.param(b'"\\ud800"', id="half a character"),
        pytest.param(b"x" * BODY_MAX_BYTES, id="as large as can be"),
    ],
)
async def test_whatever_is_authentic_is_stored(door: Door, body: bytes) -> None:
    answer = await door.client.post(PATH, content=body, headers=HEADERS)
    assert answer.status_code == 202
    assert await door.store.body(answer.json()["delivery"]) == body


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="missing"),
        pytest.param([b"wrong"], id="wrong"),
        pytest.param([b""], id="empty"),
        pytest.param([SECRET[:-1].encode()], id="a prefix"),
        pytest.param([SECRET.encode() + b"x"], id="an extension"),
        pytest.param([SECRET.encode(), SECRET.encode()], id="repeated"),
        pytest.param([SECRET.encode(), b"wrong"], id="one right and one wrong"),
        pytest.param(["sécret".encode()], id="not ASCII"),
        pytest.param([b"\xff\xfe\xfd"], id="no text at all"),
        pytest.param([b"x" * 1025], id="too long"),
        pytest.param([SECRET.encode() * 200], id="right but too long"),
    ],
)
async def test_without_the_secret_nothing_is_stored(door: Door, headers: list[bytes]) -> None:
    lines = b"".join(b"X-Webhook-Secret: %s\r\n" % value for value in headers)
    answer = await door.raw(
        b"POST /webhooks/hub HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n"
        + lines
        + b"\r\n{}"
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ")
    assert body == (
        b'{"error":{"code":"unauthorized","message":"a valid X-Webhook-Secret is needed",'
        b'"details":null}}'
    )
    assert await door.store.deliveries(limit=0) == ()


async def test_the_secret_is_checked_before_a_byte_of_the_body_is_read() -> None:
    async def receive() -> dict[str, object]:
        raise AssertionError("the body was asked for")

    answers: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        answers.append(message)

    receiver = Receiver(None, AcceptedSecrets([SECRET]))  # type: ignore[arg-type]
    scope = {"method": "POST", "headers": [], "query_string": b""}
    await receiver(scope, receive, send)  # type: ignore[arg-type]
    assert answers[0]["status"] == 401


async def test_a_secret_in_the_url_is_refused_unless_it_is_switched_on(door: Door) -> None:
    answer = await door.client.post(f"{PATH}?secret={SECRET}", content=BODY)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        pytest.param(b"secret=" + SECRET.replace(" ", "%20").encode(), None, 202, id="in the URL"),
        pytest.param(b"secret=wrong", None, 401, id="wrong in the URL"),
        pytest.param(b"", SECRET.encode(), 202, id="still in the header"),
        pytest.param(b"secret=" + SECRET.encode(), SECRET.encode(), 401, id="in both: repeated"),
    ],
)
async def test_the_secret_may_come_in_the_url_when_switched_on(
    door: Door, query: bytes, header: bytes | None, status: int
) -> None:
    receiver = Receiver(door.intake, AcceptedSecrets([SECRET]), secret_in_query=True)
    headers = [(b"x-webhook-secret", header)] if header else []
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"method": "POST", "headers": headers, "query_string": query}
    await receiver(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == status


@pytest.mark.parametrize(
    ("encoding", "status"),
    [
        pytest.param("gzip", 415, id="gzip"),
        pytest.param("br", 415, id="brotli"),
        pytest.param("identity, gzip", 415, id="a list"),
        pytest.param("identity", 202, id="identity"),
        pytest.param("", 202, id="empty"),
    ],
)
async def test_nothing_is_inflated(door: Door, encoding: str, status: int) -> None:
    headers = {**HEADERS, "Content-Encoding": encoding}
    answer = await door.client.post(PATH, content=gzip.compress(BODY), headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "declared",
    [pytest.param(True, id="declared"), pytest.param(False, id="in chunks, of unknown length")],
)
async def test_a_body_over_the_limit_is_refused_and_the_answer_arrives(
    door: Door, declared: bool
) -> None:
    large = b"x" * (BODY_MAX_BYTES + 1)

    async def chunks() -> AsyncIterator[bytes]:
        yield large

    content = large if declared else chunks()
    answer = await door.client.post(PATH, content=content, headers=HEADERS)
    assert answer.status_code == 413
    assert await door.store.deliveries(limit=0) == ()


async def test_a_content_type_of_any_kind_is_accepted(door: Door) -> None:
    headers = {**HEADERS, "Content-Type": "multipart/form-data; boundary=x"}
    assert (await door.client.post(PATH, content=BODY, headers=headers)).status_code == 202


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_only_post_is_answered(door: Door, method: str) -> None:
    answer = await door.client.request(method, PATH, headers=HEADERS)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_body_that_does_not_come_is_408(door: Door) -> None:
    answer = await door.raw(
        b"POST /webhooks/hub HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"X-Webhook-Secret: " + SECRET.encode() + b"\r\n\r\n{}"
    )
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert await door.store.deliveries(limit=0) == ()


async def test_a_sender_that_hangs_up_stores_nothing(door: Door) -> None:
    with capture_logs() as logs:
        _, writer = await asyncio.open_connection(door.host, door.port)
        writer.write(
            b"POST /webhooks/hub HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n"
            b"X-Webhook-Secret: " + SECRET.encode() + b"\r\n\r\n{}"
        )
        await writer.drain()
        writer.close()
        async with asyncio.timeout(5):
            while not logs:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    assert [line["event"] for line in logs] == ["delivery.cut_off"]
    assert await door.store.deliveries(limit=0) == ()


async def test_while_the_service_drains_the_hub_is_asked_to_come_back(door: Door) -> None:
    door.intake.drain()
    answer = await door.client.post(PATH, content=BODY, headers=HEADERS)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


async def test_a_store_that_fails_acknowledges_nothing(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> Receipt:
        raise StoreUnavailable("disk full at /secret/path")

    monkeypatch.setattr(SqliteStore, "record", full)
    answer = await door.client.post(PATH, content=BODY, headers=HEADERS)
    assert answer.status_code == 503
    assert "secret" not in answer.text


async def test_no_log_line_of_a_delivery_holds_its_secret_or_its_body(door: Door) -> None:
    with capture_logs() as logs:
        await door.client.post(PATH, content=b'{"private": "words"}', headers=HEADERS)
        await door.client.post(PATH, content=b"{}", headers={"X-Webhook-Secret": "a guess"})
    assert logs
    assert not any(word in str(logs) for word in (SECRET, "a guess", "words"))


@pytest.mark.parametrize("place", ["receive.body_begun", "store.inserted", "store.committed"])
async def test_a_fault_of_ours_acknowledges_nothing_and_is_not_told(door: Door, place: str) -> None:
    def fail() -> None:
        raise ZeroDivisionError("at /secret/path")

    failpoints.arm(place, fail)
    answer = await door.client.post(
        "/webhooks/hub", content=BODY, headers={"x-webhook-secret": SECRET, "webhook-id": "w1"}
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "secret" not in answer.text


async def test_refusals_are_told_once_in_a_while_and_counted(door: Door) -> None:
    with capture_logs() as logs:
        for _ in range(3):
            await door.client.post(PATH, content=BODY, headers={"X-Webhook-Secret": "a guess"})
    told = [line for line in logs if line["event"] == "delivery.refused"]
    assert [line["since_last_told"] for line in told] == [{"unauthorized": 1}]
