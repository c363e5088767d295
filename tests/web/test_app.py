from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest

from doors import Door
from jobhook.web.answers import answer_in_two
from jobhook.web.app import PUBLIC_PATHS, create_app

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

pytestmark = pytest.mark.anyio

GUESSES = [
    "/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/api/v1/jobs",
    "/admin",
]


@pytest.mark.parametrize("path", GUESSES)
async def test_nothing_answers_a_stranger_but_what_is_public(door: Door, path: str) -> None:
    answer = await door.client.get(path)
    assert (answer.status_code == 200) is (path in PUBLIC_PATHS)


async def test_health_is_a_status_and_nothing_else(door: Door) -> None:
    assert (await door.client.get("/healthz")).json() == {"status": "ok"}
    assert (await door.client.get("/readyz")).json() == {"status": "ok"}


async def test_a_draining_service_is_healthy_but_not_ready(door: Door) -> None:
    door.intake.drain()
    assert (await door.client.get("/healthz")).status_code == 200
    answer = await door.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("GET", "/nowhere", 404, "not_found", id="unknown path"),
        pytest.param("POST", "/webhooks/other", 404, "not_found", id="unknown source"),
        pytest.param("POST", "/healthz", 405, "method_not_allowed", id="wrong method"),
        pytest.param("GET", "/webhooks/hub", 405, "method_not_allowed", id="the receiver"),
    ],
)
async def test_every_error_has_the_same_shape(
    door: Door, method: str, path: str, status: int, code: str
) -> None:
    answer = await door.client.request(method, path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (error["code"], error["details"], set(error)) == (
        code,
        None,
        {"code", "message", "details"},
    )


async def test_a_process_without_a_receiver_takes_no_deliveries_in() -> None:
    app = create_app(None, is_ready=lambda: True)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://us.test") as client:
        assert (await client.post("/webhooks/hub", content=b"{}")).status_code == 404
        assert (await client.get("/readyz")).status_code == 200


async def test_what_could_not_be_loaded_is_loaded_for_the_next_one() -> None:
    tries: list[int] = []

    async def api(scope: Scope, receive: Receive, send: Send) -> None:
        await answer_in_two(send, 200, b"{}", ())

    def load() -> ASGIApp:
        tries.append(len(tries))
        if len(tries) == 1:
            raise OSError("no more files")
        return api

    app = create_app(None, is_ready=lambda: True, load_api=load)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://us.test") as client:
        told = [(await client.get("/api/v1/me")).status_code for _ in range(3)]
    assert (told, tries) == ([500, 200, 200], [0, 1])
