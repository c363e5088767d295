"""A whole service beside a devhub, seen and steered over HTTP alone."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from jobhook.core.pacing import Quota
from jobhook.flows import stopping
from jobhook.hub.client import AsyncHub
from town import Town, running_town, until

pytestmark = pytest.mark.anyio

ADMIN = "an-admin-token-of-the-tests-only-0123456789"
QUICK = """
description: Says hello.
watch: [user:dev]
on: [commit.pushed]
run: {image: i, command: [echo, hello]}
cases: []
""".replace("cases: []\n", "")
NEVER = "watch: [user:dev]\non: [tag.created]\nrun: {image: i, command: [c]}\n"
NOTHING = "d" * 26


@dataclass(frozen=True, slots=True)
class Away:
    """Somebody who has the service's URL and a token, and nothing else."""

    town: Town
    client: httpx2.AsyncClient

    async def get(self, path: str) -> Any:
        answer = await self.client.get(f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, status: int = 200, **body: Any) -> Any:
        answer = await self.client.post(f"/api/v1{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def order(self, path: str, status: int = 200) -> Any:
        answer = await self.client.post(f"/api/v1{path}")
        assert answer.status_code == status, answer.text
        return answer.json()

    async def eventually(self, path: str, holds: Callable[[Any], bool]) -> Any:
        async def look() -> Any:
            found = await self.get(path)
            return found if holds(found) else None

        return await until(look)

    async def pushed(self) -> tuple[Any, Any]:
        """A delivery of a push, and the launch that it led to, once its job has ended."""
        await self.town.push()
        told = await self.eventually("/deliveries?state=matched", lambda page: page["items"])
        delivery = told["items"][0]
        path = f"/launches?delivery={delivery['id']}&state=completed"
        return delivery, (await self.eventually(path, lambda page: page["items"]))["items"][0]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with running_town(tmp_path) as town:
        town.rule("hello", QUICK)
        town.rule("never", NEVER)
        yield town


@asynccontextmanager
async def opened(town: Town, **environ: str) -> AsyncIterator[Away]:
    async with town.service(JOBHOOK_ADMIN_TOKEN=ADMIN, **environ) as service:
        headers = {"authorization": f"Bearer {ADMIN}"}
        async with httpx2.AsyncClient(base_url=service.url, headers=headers) as client:
            yield Away(town, client)


@pytest.fixture
async def away(town: Town) -> AsyncIterator[Away]:
    async with opened(town) as away:
        yield away


async def test_a_push_is_seen_from_its_bytes_to_the_end_of_its_job(away: Away) -> None:
    listed, launched = await away.pushed()
    delivery = await away.get(f"/deliveries/{listed['id']}")
    body = (await away.client.get(f"/api/v1/deliveries/{listed['id']}/body")).content
    launch = await away.get(f"/launches/{launched['id']}")
    assert json.loads(body) == delivery["payload"]
    assert {each["rule"]: each["fired"] for each in delivery["verdicts"]} == {
        "hello": True,
        "never": False,
    }
    assert delivery["launches"] == [launch["id"]]
    assert launch["job"]["command"] == ["echo", "hello"]
    assert [entry["what"] for entry in launch["timeline"]][-1].startswith("completed")
    assert launch["job_id"]


async def test_what_was_decided_can_be_decided_again_and_launched_again(away: Away) -> None:
    delivery, launch = await away.pushed()
    retried = await away.order(f"/launches/{launch['id']}/retry")
    assert (retried["id"], retried["done"]) == (launch["id"], True)
    refused = await away.order(f"/launches/{launch['id']}/release", 409)
    assert refused["error"]["code"] == "not_possible"
    await away.eventually(
        f"/launches?delivery={delivery['id']}&state=completed",
        lambda page: len(page["items"]) == 2,
    )
    assert (await away.order(f"/deliveries/{delivery['id']}/replay"))["done"]


@pytest.mark.parametrize(
    "path",
    [
        f"/deliveries/{NOTHING}",
        f"/deliveries/{NOTHING}/body",
        f"/launches/{NOTHING}",
        "/rules/nothing",
    ],
)
async def test_what_is_not_there_is_not_found(away: Away, path: str) -> None:
    answer = await away.client.get(f"/api/v1{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path", [f"/launches/{NOTHING}/retry", f"/deliveries/{NOTHING}/replay", "/tokens/t0/revoke"]
)
async def test_nothing_can_be_ordered_of_what_is_not_there(away: Away, path: str) -> None:
    assert (await away.order(path, 404))["error"]["code"] == "not_found"


async def test_launching_is_paused_and_goes_on(away: Away) -> None:
    told = await away.post("/pause", rule="hello", reason="for a test")
    assert told == {
        "id": "rule:hello",
        "done": True,
        "told": "paused: nothing of it is launched until `jobhook resume --rule hello`",
    }
    (pause,) = (await away.get("/pauses"))["items"]
    assert (pause["scope"], pause["by"], pause["reason"]) == (
        "rule:hello",
        "the admin token",
        "for a test",
    )
    await away.town.push()
    await away.eventually("/launches?state=held&state=ready&state=matched", lambda p: p["items"])
    await away.post("/resume", rule="hello")
    await away.eventually("/launches?state=completed", lambda page: page["items"])
    assert (await away.post("/resume", 409))["error"]["message"] == "was not paused"


async def test_nobody_pauses_a_rule_that_is_not_there(away: Away) -> None:
    told = await away.post("/pause", 422, rule="helo")
    assert told["error"]["message"] == "there is no rule helo; did you mean `hello`?"


async def test_everything_is_stopped(away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_LOOK_AGAIN_SECONDS", 0.01)
    async with away.town.hub() as hub:
        labels = {"jobhook-instance": "jobhook"}
        job = await hub.run_job(image="i", command=["sleep", "60"], labels=labels)
        told = await away.order("/stop-all")
        assert told == {
            "not_paused": None,
            "jobs": [{"job_id": job.id, "error": None}],
            "unread": [],
        }
    assert [each["scope"] for each in (await away.get("/pauses"))["items"]] == ["everything"]


async def test_rules_are_listed_and_shown(away: Away) -> None:
    listed = (await away.get("/rules"))["items"]
    assert [each["id"] for each in listed] == ["hello", "never"]
    shown = await away.get("/rules/hello")
    assert (shown["description"], shown["on"]) == ("Says hello.", ["commit.pushed"])


async def test_rule_files_are_checked_and_none_is_changed(away: Away) -> None:
    good = await away.post("/rules/check", files={"hello.yaml": f"id: hello\n{QUICK}"})
    bad = await away.post("/rules/check", files={"hello.yaml": "id: hello\non: [nothing]\n"})
    assert (good["ok"], bad["ok"]) == (True, False)
    assert bad["problems"][0]["file"] == "hello.yaml"
    assert len((await away.get("/rules"))["items"]) == 2


async def test_a_payload_is_explained(away: Away) -> None:
    delivery, _ = await away.pushed()
    kept = await away.post("/rules/explain", delivery=delivery["id"])
    payload = (await away.get(f"/deliveries/{delivery['id']}"))["payload"]
    given = await away.post("/rules/explain", payload=payload, rule="hello", offline=True)
    assert [(each["rule"], each["fired"]) for each in kept["items"]] == [
        ("hello", True),
        ("never", False),
    ]
    assert [each["rule"] for each in given["items"]] == ["hello"]
    assert given["items"][0]["jobs"][0]["command"] == ["echo", "hello"]


async def test_numbers_of_any_length_are_explained(away: Away) -> None:
    delivery, _ = await away.pushed()
    payload = (await away.get(f"/deliveries/{delivery['id']}"))["payload"] | {"more": 2**64}
    told = await away.post("/rules/explain", payload=payload, rule="never", offline=True)
    assert [each["fired"] for each in told["items"]] == [False]


async def test_no_token_is_good_for_longer_than_can_be_shown(away: Away) -> None:
    for name, when in (
        ("late", "9999-12-31T23:59:59-14:00"),
        ("later", "9999-12-31T23:59:59.9999Z"),
    ):
        await away.post("/tokens", 422, name=name, role="viewer", expires_at=when)
    await away.post("/tokens", 201, name="last", role="viewer", expires_at="9999-12-31T23:59:59Z")
    listed = (await away.get("/tokens"))["items"]
    assert [each["expires_at"] for each in listed if each["name"] == "last"] == [
        "9999-12-31T23:59:59.000Z"
    ]


async def test_a_viewer_learns_nothing_of_repos_by_payloads_that_are_made_up(away: Away) -> None:
    away.town.rule("tagged", f"{QUICK}tags: [secret-*]\n")
    await away.eventually("/rules", lambda rules: len(rules["items"]) == 3)
    delivery, _ = await away.pushed()
    payload = (await away.get(f"/deliveries/{delivery['id']}"))["payload"]
    made = await away.post("/tokens", 201, name="looks", role="viewer")
    headers = {"authorization": f"Bearer {made['token']}"}
    body = {"payload": payload, "rule": "tagged"}
    seen = await away.client.post("/api/v1/rules/explain", json=body, headers=headers)
    asked = await away.post("/rules/explain", **body)
    assert "the Hub was not asked" in json.dumps(seen.json())
    assert "the Hub was not asked" not in json.dumps(asked)


async def test_what_is_left_of_the_hubs_calls_is_kept_for_launches(
    away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Quota(limit=1000, left=10, resets_in=33.0)
    monkeypatch.setattr(AsyncHub, "quota", property(lambda _: few))
    for path in ("/jobs", "/hardware", "/webhooks", f"/jobs/{'0' * 24}/logs"):
        answer = await away.client.get(f"/api/v1{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "hub_busy"), path
        assert answer.headers["retry-after"] == "34"
    assert (await away.client.get("/api/v1/launches")).status_code == 200


async def test_a_token_is_made_used_and_revoked(away: Away) -> None:
    made = await away.post("/tokens", 201, name="ci", role="operator")
    headers = {"authorization": f"Bearer {made['token']}"}
    me = await away.client.get("/api/v1/me", headers=headers)
    assert me.json() == {"who": "ci", "role": "operator", "token_id": made["id"]}
    twice = await away.post("/tokens", 409, name="ci", role="viewer")
    assert twice["error"]["code"] == "name_taken"
    (listed,) = (await away.get("/tokens"))["items"]
    assert "token" not in listed
    assert (await away.order(f"/tokens/{made['id']}/revoke"))["state"] == "revoked"
    assert (await away.client.get("/api/v1/me", headers=headers)).status_code == 401
    assert (await away.order(f"/tokens/{made['id']}/revoke", 409))["error"]["code"]


async def test_who_did_what_is_told_a_page_at_a_time(away: Away) -> None:
    for name in ("one", "two", "three"):
        await away.post("/tokens", 201, name=name, role="viewer")
    first = await away.get("/audit?limit=2&did=tokens.create")
    rest = await away.get(f"/audit?limit=2&did=tokens.create&cursor={first['next_cursor']}")
    made = [each["id"] for each in (await away.get("/tokens"))["items"]]
    assert [each["about"] for each in first["items"] + rest["items"]] == made
    assert rest["next_cursor"] is None
    assert {each["who"] for each in first["items"]} == {"the admin token"}


async def test_lists_go_on_where_a_page_ended(away: Away) -> None:
    for name in ("dev/a", "dev/b", "dev/c"):
        await away.town.push(name)
    await away.eventually("/launches?state=completed", lambda page: len(page["items"]) == 3)
    whole = [each["id"] for each in (await away.get("/launches"))["items"]]
    first = await away.get("/launches?limit=2")
    await away.town.push("dev/d")
    rest = await away.get(f"/launches?limit=2&cursor={first['next_cursor']}")
    assert [each["id"] for each in first["items"] + rest["items"]] == whole
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("path", ["/deliveries", "/launches", "/audit"])
async def test_a_cursor_that_nobody_gave_is_refused(away: Away, path: str) -> None:
    answer = await away.client.get(f"/api/v1{path}?cursor=nonsense")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")


async def test_what_happens_is_told_as_it_happens(away: Away) -> None:
    async with away.client.stream("GET", "/api/v1/feed") as answer:
        lines = answer.aiter_lines()
        assert (await anext(lines)).startswith("id: ")
        await away.town.push()
        async for line in lines:
            told = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
            if (launch := told.get("launch")) and launch["state"] == "completed":
                break
    assert launch
    assert launch["rule"] == "hello"


async def test_metrics_need_a_token(away: Away) -> None:
    told = await away.client.get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert b"jobhook_" in told.content
    assert told.headers["content-type"].startswith("application/openmetrics-text")
    assert told.headers["cache-control"] == "no-store"
    stranger = await away.client.get("/metrics", headers={"authorization": ""})
    assert stranger.status_code == 401


async def test_the_document_and_its_page_are_public_and_load_nothing(away: Away) -> None:
    stranger = {"authorization": ""}
    document = await away.client.get("/api/v1/openapi.json", headers=stranger)
    page = await away.client.get("/api/docs", headers=stranger)
    assert document.json()["openapi"] == "3.1.0"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha")
    assert not re.search(
        r"<(script|link|img|iframe)|(src|href)=[\"']?(https?:)?//|url\(", page.text
    )
    tag = document.headers["etag"]
    again = await away.client.get("/api/v1/openapi.json", headers={"if-none-match": tag})
    assert again.status_code == 304


async def test_without_the_setting_there_is_no_admin_token(town: Town) -> None:
    async with town.service() as service, httpx2.AsyncClient(base_url=service.url) as client:
        for token in ("", "admin", ADMIN):
            headers = {"authorization": f"Bearer {token}".strip()}
            assert (await client.get("/api/v1/me", headers=headers)).status_code == 401


async def test_an_open_feed_ends_with_the_service(town: Town) -> None:
    headers = {"authorization": f"Bearer {ADMIN}"}
    async with httpx2.AsyncClient(headers=headers) as client:
        async with town.service(JOBHOOK_ADMIN_TOKEN=ADMIN) as service:
            request = client.build_request("GET", f"{service.url}/api/v1/feed")
            answer = await client.send(request, stream=True)
            lines = answer.aiter_lines()
            await anext(lines)
        # Whole, and not broken off after the time that is left to open requests.
        assert [line async for line in lines]


async def test_whoever_calls_while_the_service_ends_is_told_so_and_a_run_on_its_way_is_answered(
    town: Town,
) -> None:
    town.devhub.chaos.add("jobs.create delay=1500 count=1")
    running, end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    opened_: list[Away] = []

    async def serve() -> None:
        async with opened(town) as away:
            opened_.append(away)
            running.set()
            await end.wait()
        ended.set()

    service = asyncio.create_task(serve())
    await running.wait()
    url = str(opened_[0].client.base_url)
    headers = {"authorization": f"Bearer {ADMIN}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=20) as client:
        body = {"image": "i", "command": ["true"]}
        run = asyncio.create_task(client.post("/api/v1/jobs", json=body))

        async def is_sent() -> bool | None:
            found = (await client.get("/api/v1/launches?state=sending")).json()["items"]
            return bool(found) or None

        await until(is_sent)
        end.set()

        async def is_told() -> httpx2.Response | None:
            answer = await client.get("/api/v1/jobs")
            return answer if answer.status_code == 503 else None

        told = await until(is_told)
        assert told.json()["error"]["code"] == "unavailable"
        assert not ended.is_set()
        assert (await run).status_code == 201
    await service
