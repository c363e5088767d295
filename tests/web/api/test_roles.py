"""Who may call what: everybody on every route that the OpenAPI document knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from apis import ApiDoor, opened_api
from jobhook.core.access import Role
from jobhook.web.api.openapi import document
from jobhook.web.api.table import OPERATIONS
from jobhook.web.app import PUBLIC_DOCUMENTS

pytestmark = pytest.mark.anyio

DOCUMENT = document(OPERATIONS)


def routes() -> Iterator[Any]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            named = {each["name"]: each["example"] for each in operation["parameters"]
                     if each["in"] == "path"}  # fmt: skip
            needed = Role(operation["x-role"])
            told = method.upper(), path.format(**named), needed
            yield pytest.param(*told, id=operation["operationId"])


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiDoor]:
    async with opened_api(tmp_path_factory.mktemp("roles"), OPERATIONS) as door:
        yield door


async def status_of(client: httpx2.AsyncClient, method: str, path: str, **headers: str) -> int:
    """Call so that nothing happens: what changes something is given a body that cannot be."""
    body = {} if method == "GET" else {"content": b"[1]"}
    told = {"content-type": "application/json", **headers}
    async with client.stream(method, path, headers=told, **body) as answer:  # type: ignore[arg-type]
        return answer.status_code


@pytest.mark.parametrize(("method", "path", "needed"), list(routes()))
async def test_a_role_may_call_what_it_is_meant_to_and_a_stranger_nothing(
    door: ApiDoor, method: str, path: str, needed: Role
) -> None:
    for role, client in door.clients.items():
        status = await status_of(client, method, path)
        assert status != 401
        assert (status == 403) is not role.may(needed), role
    assert await status_of(door.stranger, method, path) == 401
    wrong = "Bearer jh_" + "A" * 43
    assert await status_of(door.stranger, method, path, authorization=wrong) == 401


def test_only_what_admins_do_with_access_is_kept_from_viewers() -> None:
    hidden = [each.name for each in OPERATIONS if each.method == "GET" and each.role != Role.VIEWER]
    assert hidden == ["tokens.list", "audit.list"]


def test_a_viewer_changes_nothing() -> None:
    changes = [each for each in OPERATIONS if each.changes]
    assert [each.name for each in changes if each.role == Role.VIEWER] == []
    admins = {each.tag for each in changes if each.role == Role.ADMIN}
    assert admins == {"webhooks", "tokens"}


@pytest.mark.parametrize("path", PUBLIC_DOCUMENTS)
async def test_what_is_public_is_no_operation(path: str) -> None:
    assert path not in DOCUMENT["paths"]
