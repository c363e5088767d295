"""Webhooks and hardware over HTTP, on a devhub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from hub_apis import HubApi, opened_hub_api
from jobhook.core.access import Role
from jobhook.core.hardware import FLAVORS

pytestmark = pytest.mark.anyio

CANARY = "canary-of-a-secret"
WATCHED = [{"type": "dataset", "name": "dev/corpus"}]
HOOK = {"url": "http://127.0.0.1:9/hook", "watched": WATCHED, "secret": CANARY}
NOBODY = "0" * 24


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HubApi]:
    async with opened_hub_api(tmp_path_factory.mktemp("town")) as opened:
        yield opened


@pytest.fixture
async def webhook(api: HubApi) -> str:
    return str((await api.done("POST", "/webhooks", HOOK))["id"])


async def test_a_webhook_is_made_once_for_its_key_and_its_secret_stays_out(
    api: HubApi, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await api.ask("POST", "/webhooks", HOOK, idempotency_key="k1")
    same = await api.ask("POST", "/webhooks", HOOK, idempotency_key="k1")
    told = made.json()
    assert (made.status_code, same.json()) == (201, told)
    assert (told["url"], told["watched"]) == (HOOK["url"], WATCHED)
    assert (told["secret"], told["has_secret"], told["domains"]) == (
        None,
        True,
        ["repo", "discussion"],
    )
    logged = capsys.readouterr()
    assert CANARY not in f"{made.text}{same.text}{logged.out}{logged.err}"
    assert not api.is_kept(CANARY)


async def test_a_webhook_runs_a_job(api: HubApi, capsys: pytest.CaptureFixture[str]) -> None:
    job = await api.done("POST", "/jobs", {"image": "python:3.12", "command": ["true"]})
    said = {"job_id": job["id"], "watched": WATCHED, "secrets": {"TOKEN": CANARY}}
    made = await api.ask("POST", "/webhooks", said)
    assert made.status_code == 201, made.text
    assert (made.json()["url"], made.json()["job"]["secrets"]) == (None, ["TOKEN"])
    logged = capsys.readouterr()
    assert CANARY not in f"{made.text}{logged.out}{logged.err}"


async def test_webhooks_are_seen_by_viewers(api: HubApi, webhook: str) -> None:
    found = await api.done("GET", "/webhooks", role=Role.VIEWER)
    one = await api.done("GET", f"/webhooks/{webhook}", role=Role.VIEWER)
    assert one in found["items"]
    assert (one["id"], found["next_cursor"]) == (webhook, None)


async def test_a_webhook_is_changed_in_part(api: HubApi, webhook: str) -> None:
    watched = [{"type": "org", "name": "acme"}]
    moved = await api.done("PUT", f"/webhooks/{webhook}", {"watched": watched})
    signed = await api.done("PUT", f"/webhooks/{webhook}", {"domains": ["repo"], "secret": ""})
    assert (moved["watched"], moved["url"], moved["has_secret"]) == (watched, HOOK["url"], True)
    assert (signed["watched"], signed["domains"]) == (watched, ["repo"])


async def test_a_webhook_is_disabled_enabled_and_deleted(api: HubApi, webhook: str) -> None:
    path = f"/webhooks/{webhook}"
    off = await api.done("POST", f"{path}/disable")
    on = await api.done("POST", f"{path}/enable")
    gone = await api.ask("DELETE", path)
    after = await api.ask("GET", path)
    assert (off["disabled"], on["disabled"]) == (True, False)
    assert (gone.status_code, gone.content, after.status_code) == (204, b"", 404)


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        pytest.param("POST", "/webhooks", HOOK, id="make"),
        pytest.param("PUT", f"/webhooks/{NOBODY}", {}, id="change"),
        pytest.param("POST", f"/webhooks/{NOBODY}/enable", None, id="enable"),
        pytest.param("POST", f"/webhooks/{NOBODY}/disable", None, id="disable"),
        pytest.param("DELETE", f"/webhooks/{NOBODY}", None, id="delete"),
    ],
)
async def test_only_admins_change_webhooks(api: HubApi, method: str, path: str, said: Any) -> None:
    answer = await api.ask(method, path, said, role=Role.OPERATOR)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        pytest.param({"watched": WATCHED}, "either a url or a job_id", id="no target"),
        pytest.param({**HOOK, "job_id": NOBODY}, "either a url or a job_id", id="two targets"),
        pytest.param({**HOOK, "secrets": {"A": CANARY}}, "they need a job_id", id="secrets"),
        pytest.param({**HOOK, "secret": f"{CANARY}é"}, "body.secret", id="secret beyond ASCII"),
        pytest.param({**HOOK, "url": "file:///etc"}, "body.url", id="no address"),
    ],
)
async def test_a_webhook_that_cannot_be_is_told(
    api: HubApi, said: dict[str, Any], told: str
) -> None:
    answer = await api.ask("POST", "/webhooks", said)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "invalid")
    assert told in error["message"]
    assert CANARY not in answer.text


async def test_hardware_is_told_with_its_price(api: HubApi) -> None:
    found = await api.done("GET", "/hardware", role=Role.VIEWER)
    flavors = {each["name"]: each for each in found["items"]}
    assert (set(flavors) & set(FLAVORS), found["next_cursor"]) == (set(flavors), None)
    assert flavors["cpu-basic"]["unit_label"] == "minute"
