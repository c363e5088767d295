"""What reaches a webhook, and what happens when it does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pytest

from jobhook.devhub import OTHER_TOKEN, TOKEN, Limits

if TYPE_CHECKING:
    from devhub.conftest import Receiver, Running

pytestmark = pytest.mark.anyio

Until = Callable[[Callable[[], Any]], Any]
Serve = Callable[..., AbstractAsyncContextManager["Running"]]

ALL = "/api/settings/webhooks"


async def hook(devhub: Running, url: str, *watched: str, token: str = TOKEN, **body: Any) -> str:
    """Make a webhook that watches `type:name` items; return its id."""
    items = [dict(zip(("type", "name"), item.split(":"), strict=True)) for item in watched]
    answer = await devhub.http.post(
        ALL,
        json={"url": url, "watched": items, "domains": ["repo", "discussion"], **body},
        headers={"Authorization": f"Bearer {token}"},
    )
    made: str = answer.json()["webhook"]["id"]
    return made


async def told(devhub: Running, webhook_id: str) -> dict[str, Any]:
    webhook: dict[str, Any] = (await devhub.http.get(f"{ALL}/{webhook_id}")).json()["webhook"]
    return webhook


async def create(devhub: Running, name: str, **body: Any) -> None:
    answer = await devhub.http.post("/api/repos/create", json={"name": name, **body})
    assert answer.status_code == 200, answer.text


async def test_a_delivery_is_as_the_hub_sends_it(devhub: Running, receiver: Receiver) -> None:
    webhook_id = await hook(devhub, f"{receiver.url}/x?y=1", "user:dev", secret="s3cret")
    await create(devhub, "corpus", type="dataset", private=True)
    (delivery,) = await receiver.first(1)
    assert delivery.path == "/x"
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.headers["x-webhook-secret"] == "s3cret"
    assert delivery.headers["webhook-id"]
    assert b": " not in delivery.raw
    repo = delivery.body["repo"]
    assert delivery.body == {
        "event": {"action": "create", "scope": "repo"},
        "repo": {
            "type": "dataset",
            "name": "dev/corpus",
            "id": repo["id"],
            "private": True,
            "url": {
                "web": f"{devhub.url}/datasets/dev/corpus",
                "api": f"{devhub.url}/api/datasets/dev/corpus",
            },
            "headSha": repo["headSha"],
            "owner": {"id": (await devhub.call(devhub.api.whoami))["id"]},
        },
        "webhook": {"id": webhook_id, "version": 3},
    }
    assert (await told(devhub, webhook_id))["lastTriggerAt"].endswith("Z")


async def test_without_a_secret_there_is_no_header(devhub: Running, receiver: Receiver) -> None:
    await hook(devhub, receiver.url, "user:dev")
    await create(devhub, "m")
    (delivery,) = await receiver.first(1)
    assert "x-webhook-secret" not in delivery.headers


async def test_only_who_watches_is_told(devhub: Running, receiver: Receiver) -> None:
    for watched in ("dataset:dev/m", "model:dev/other", "org:acme", "org:dev", "user:eve"):
        await hook(devhub, f"{receiver.url}/no", watched)
    await hook(devhub, f"{receiver.url}/no", "user:dev", domains=["discussion"])
    off = await hook(devhub, f"{receiver.url}/no", "user:dev")
    await devhub.http.post(f"{ALL}/{off}/disable")
    await hook(devhub, f"{receiver.url}/yes", "org:acme", "model:dev/m")
    await hook(devhub, f"{receiver.url}/yes", "user:dev")
    await create(devhub, "m")
    await create(devhub, "last", organization="acme")
    got = await receiver.first(4)
    assert {(one.path, one.body["repo"]["name"]) for one in got} == {
        ("/no", "acme/last"),
        ("/yes", "dev/m"),
        ("/yes", "acme/last"),
    }


async def test_two_webhooks_get_deliveries_of_their_own(
    devhub: Running, receiver: Receiver
) -> None:
    ids = {await hook(devhub, receiver.url, "user:dev") for _ in range(2)}
    await create(devhub, "m")
    got = await receiver.first(2)
    assert {one.body["webhook"]["id"] for one in got} == ids
    assert len({one.headers["webhook-id"] for one in got}) == 2


async def test_what_is_private_is_only_told_to_who_may_read_it(
    devhub: Running, receiver: Receiver
) -> None:
    await hook(devhub, f"{receiver.url}/eve", "user:dev", token=OTHER_TOKEN)
    await hook(devhub, f"{receiver.url}/dev", "user:dev")
    await create(devhub, "hidden", private=True)
    await create(devhub, "open")
    got = await receiver.first(3)
    seen = {(one.path, one.body["repo"]["name"]) for one in got}
    assert seen == {("/dev", "dev/hidden"), ("/dev", "dev/open"), ("/eve", "dev/open")}


async def test_a_failed_delivery_comes_again_with_the_same_id(
    devhub: Running, receiver: Receiver
) -> None:
    receiver.answers = [500, 307]
    await hook(devhub, f"{receiver.url}/hook", "user:dev")
    await create(devhub, "m")
    got = await receiver.first(3)
    assert len({one.headers["webhook-id"] for one in got}) == 1
    assert len({one.raw for one in got}) == 1
    assert {one.path for one in got} == {"/hook"}


async def test_a_webhook_that_keeps_failing_is_suspended(
    devhub: Running, receiver: Receiver, until: Until
) -> None:
    receiver.answers = [500] * 6
    webhook_id = await hook(devhub, receiver.url, "user:dev")
    await create(devhub, "one")
    await receiver.first(3)
    await create(devhub, "two")
    await receiver.first(6)

    async def is_suspended() -> bool:
        return bool((await told(devhub, webhook_id))["disabled"] == "suspended-after-failure")

    await until(is_suspended)
    await create(devhub, "unheard")
    enabled = await devhub.http.post(f"{ALL}/{webhook_id}/enable")
    assert enabled.json()["webhook"]["disabled"] is False
    await create(devhub, "three")
    assert (await receiver.first(7))[6].body["repo"]["name"] == "dev/three"


async def test_a_success_makes_failures_forgotten(
    devhub: Running, receiver: Receiver, until: Until
) -> None:
    webhook_id = await hook(devhub, receiver.url, "user:dev")
    for name in ("a", "b"):
        receiver.answers = [500] * 3
        before = len(receiver.got)
        await create(devhub, f"bad-{name}")
        await receiver.first(before + 3)
        await create(devhub, f"good-{name}")
        await receiver.first(before + 4)
    assert (await told(devhub, webhook_id))["disabled"] is False


async def test_a_webhook_that_is_gone_gets_nothing_more(
    receiver: Receiver, devhub_with: Serve, fast: Limits
) -> None:
    limits = dataclasses.replace(fast, retry_delays=(0.3,))
    async with devhub_with(limits=limits) as devhub:
        receiver.answers = [500]
        gone = await hook(devhub, f"{receiver.url}/gone", "user:dev")
        await create(devhub, "m")
        await receiver.first(1)
        await devhub.http.delete(f"{ALL}/{gone}")
        receiver.answers = [500]
        await hook(devhub, f"{receiver.url}/here", "user:dev")
        await create(devhub, "n")
        got = await receiver.first(3)
    assert [one.path for one in got] == ["/gone", "/here", "/here"]


async def test_nobody_there_is_a_failure(devhub: Running, until: Until) -> None:
    dead = await hook(devhub, "http://127.0.0.1:9/", "user:dev")
    odd = await hook(devhub, "http://127.0.0.1:9/", "user:dev", secret=" odd ")
    for name in ("one", "two"):
        await create(devhub, name)

    async def are_suspended() -> bool:
        return all([(await told(devhub, one))["disabled"] for one in (dead, odd)])

    await until(are_suspended)


async def test_too_many_are_dropped_and_that_is_logged(
    receiver: Receiver, devhub_with: Serve, fast: Limits, caplog: pytest.LogCaptureFixture
) -> None:
    limits = dataclasses.replace(fast, deliveries_pending=1)
    async with devhub_with(limits=limits) as devhub:
        for _ in range(3):
            await hook(devhub, receiver.url, "user:dev")
        await create(devhub, "m")
        await receiver.first(1)
    assert len(receiver.got) == 1
    assert "delivery.dropped" in caplog.text


async def test_what_is_pending_does_not_keep_a_devhub_from_stopping(
    receiver: Receiver, devhub_with: Serve, fast: Limits
) -> None:
    async with devhub_with(limits=dataclasses.replace(fast, retry_delays=(60.0,))) as devhub:
        receiver.answers = [500]
        await hook(devhub, receiver.url, "user:dev")
        await create(devhub, "m")
        await receiver.first(1)
