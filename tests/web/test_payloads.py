"""Whoever has a link of ours reads that one payload, and nobody anything else."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import httpx2
import pytest
from starlette.applications import Starlette

from doors import Door
from jobhook.core.errors import StoreUnavailable
from jobhook.web.app import PUBLIC_PAGES, create_app

pytestmark = pytest.mark.anyio

BODY = b'{ "a":  1 }'


async def one(token: str) -> bytes | None:
    return BODY if token == "right" else None


async def broken(token: str) -> bytes | None:
    raise StoreUnavailable("the disk is full")


async def asked(
    path: str,
    method: str = "GET",
    read: Callable[[str], Awaitable[bytes | None]] = one,
) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=create_app(None, is_ready=lambda: True, read_payload=read))
    async with httpx2.AsyncClient(transport=transport, base_url="http://us.test") as client:
        return await client.request(method, path)


async def test_a_link_gives_the_bytes_that_came() -> None:
    answer = await asked("/payloads/right")
    assert (answer.status_code, answer.content) == (200, BODY)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_link_can_be_looked_at_without_its_bytes() -> None:
    answer = await asked("/payloads/right", "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(BODY))


@pytest.mark.parametrize("token", ["wrong", "x" * 10_000, "a%00b", "%ff", "right%0a"])
async def test_every_other_token_is_not_found_in_the_same_words(token: str) -> None:
    answer = await asked(f"/payloads/{token}")
    nowhere = await asked("/nowhere")
    assert (answer.status_code, answer.content) == (404, nowhere.content)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_payload_can_only_be_read(method: str) -> None:
    assert (await asked("/payloads/right", method)).status_code == 405


@pytest.mark.parametrize("path", ["/payloads", "/payloads/", "/payloads/right/more"])
async def test_nothing_beside_the_links_is_there(path: str) -> None:
    assert (await asked(path)).status_code == 404


async def test_a_store_that_is_away_says_come_again() -> None:
    answer = await asked("/payloads/right", read=broken)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "disk" not in answer.text


async def test_where_nothing_was_signed_no_link_opens(door: Door) -> None:
    assert (await door.client.get("/payloads/right")).status_code == 404


def test_no_route_is_open_that_is_not_meant_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Starlette] = []

    class Kept(Starlette):
        def __init__(self, **given: object) -> None:
            super().__init__(**given)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr("jobhook.web.app.Starlette", Kept)
    create_app(None, is_ready=lambda: True)
    (pages,) = made
    assert [getattr(route, "path", None) for route in pages.routes] == list(PUBLIC_PAGES)
    for route in pages.routes:
        assert getattr(route, "methods", None) == {"GET", "HEAD"}


async def test_an_error_has_the_shape_of_all_errors() -> None:
    assert set(json.loads((await asked("/payloads/wrong")).content)) == {"error"}
