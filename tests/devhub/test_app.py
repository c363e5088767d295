"""What is the same for every request: errors, headers, bounds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobhook.devhub.app import make_app
from jobhook.devhub.requests import revision_and_path

if TYPE_CHECKING:
    from devhub.conftest import Running

pytestmark = pytest.mark.anyio


async def test_the_front_page_says_what_this_is(shared: Running) -> None:
    page = await shared.http.get("/", headers={"Authorization": ""})
    assert page.status_code == 200
    assert "not a sandbox" in page.text
    assert f"export HF_ENDPOINT={shared.url}\n" in page.text
    assert "export HF_TOKEN=hf_devhub\n" in page.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/api/nothing", 404, id="unknown"),
        pytest.param("GET", "/api/papers/a/b", 404, id="unknown-kind"),
        pytest.param("GET", "/api/models/a/b/refs", 404, id="unknown-repo"),
        pytest.param("GET", "/nothing", 404, id="no-page"),
        pytest.param("GET", "/api/jobs/dev/", 404, id="slash"),
        pytest.param("DELETE", "/api/whoami-v2", 405, id="method"),
        pytest.param("GET", "/api/jobs/%00/%ff", 404, id="odd-bytes"),
        pytest.param("GET", "/api/jobs/dev/%2e%2e%2fx/logs", 404, id="upwards"),
        pytest.param("GET", "/api/models/../../etc", 404, id="dots"),
    ],
)
async def test_every_error_has_the_shape_of_the_hub(
    shared: Running, method: str, path: str, status: int
) -> None:
    answer = await shared.http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert isinstance(answer.json()["error"], str)
    assert answer.json().keys() == {"error"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff", b'"text"', b"[" * 100_000, b'{"a":"\\ud800"}'],
    ids=["empty", "broken", "array", "no-utf8", "text", "deep", "lone-surrogate"],
)
async def test_garbage_is_the_senders_fault(shared: Running, body: bytes) -> None:
    for method, path in [
        ("POST", "/api/jobs/dev"),
        ("POST", "/api/settings/webhooks"),
        ("POST", "/api/repos/create"),
        ("DELETE", "/api/repos/delete"),
    ]:
        answer = await shared.http.request(method, path, content=body)
        assert answer.status_code == 400
        assert answer.json() == {"error": "The body must be a JSON object"}


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_body_over_the_limit_is_not_read_to_its_end(shared: Running, chunked: bool) -> None:
    await shared.http.post("/api/repos/create", json={"name": "big"})
    for path, size in (("/api/jobs/dev", 200_001), ("/api/models/dev/big/commit/main", 1_000_001)):

        async def chunks(size: int = size) -> object:
            for _ in range(3):
                yield b" " * (size // 2)

        content = chunks() if chunked else b" " * size
        answer = await shared.http.post(path, content=content)  # type: ignore[arg-type]
        assert answer.status_code == 413
        assert answer.json()["error"].startswith("The body is over")


async def test_request_ids_end_with_what_the_client_sent(shared: Running) -> None:
    shape = r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};"
    mine = await shared.http.get("/", headers={"X-Amzn-Trace-Id": "my-id"})
    assert re.fullmatch(shape + "my-id", mine.headers["x-request-id"])
    for trace in ("", "x" * 101):
        other = await shared.http.get("/", headers={"X-Amzn-Trace-Id": trace})
        assert re.fullmatch(shape + "[0-9a-f-]{36}", other.headers["x-request-id"])


async def test_an_error_message_that_is_no_header_is_in_the_body_only(shared: Running) -> None:
    answer = await shared.http.get("/api/jobs/dev", params={"label": "a\nb é"})
    assert answer.status_code == 400
    assert "é" in answer.json()["error"]
    assert answer.headers["x-error-message"].isascii()


async def test_a_failure_of_ours_is_told_without_details() -> None:
    async def fail(request: Request) -> Response:
        raise RuntimeError("inside")

    app = make_app([Route("/fail", fail)])
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://h") as client:
        answer = await client.get("/fail")
    assert answer.status_code == 500
    assert answer.json() == {"error": "devhub failed at this: its log says why"}


async def test_what_is_no_request_is_passed_on() -> None:
    seen: list[str] = []

    async def send(message: object) -> None:
        seen.append(str(message))

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.shutdown" if seen else "lifespan.startup"}

    await make_app([])({"type": "lifespan", "app": None, "state": {}}, receive, send)
    assert "lifespan.startup.complete" in seen[0]


async def test_a_server_need_not_tell_the_raw_path(shared: Running) -> None:
    async def without_raw_path(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        del scope["raw_path"]
        await shared.hub.app(scope, receive, send)

    transport = httpx2.ASGITransport(app=without_raw_path)
    async with httpx2.AsyncClient(transport=transport, base_url="http://h") as client:
        assert (await client.get("/api/jobs/hardware")).status_code == 200


@pytest.mark.parametrize(
    ("rest", "split"),
    [
        pytest.param("main", ("main", ""), id="revision"),
        pytest.param("main/a%20b/c", ("main", "a b/c"), id="file"),
        pytest.param("main/a%2Fb", ("main", "a/b"), id="quoted-file"),
        pytest.param("feat%2Fx/f", ("feat/x", "f"), id="quoted-revision"),
        pytest.param("refs%2Fpr%2F1/f", ("refs/pr/1", "f"), id="quoted-ref"),
        pytest.param("refs/pr/1/f", ("refs/pr/1", "f"), id="plain-ref"),
        pytest.param("refs/f", ("refs", "f"), id="branch-called-refs"),
        pytest.param("", ("", ""), id="nothing"),
    ],
)
def test_revision_and_path(rest: str, split: tuple[str, str]) -> None:
    assert revision_and_path(rest) == split
