"""A Hub, or a proxy before it, that says back what it was told."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

import canaries
from canned import CannedServer, answer, raw
from factories import make_spec
from jobhook.core.errors import HubError
from jobhook.hub.client import AsyncHub

pytestmark = pytest.mark.anyio

SECRETS = {"KEY": canaries.ODD_FOR_JOBS, "OTHER": canaries.GIVEN, "SHORT": "abc"}
# In it they are escaped once, and in an answer that is JSON once more.
SENT = json.dumps(make_spec(secrets=SECRETS).to_wire(), ensure_ascii=False)


@pytest.mark.parametrize("status", [400, 401, 408, 429, 500])
@pytest.mark.parametrize(
    "told",
    [
        pytest.param(SENT, id="the request"),
        pytest.param(json.dumps(SECRETS), id="escaped"),
        pytest.param(f"Bearer {canaries.HUB}", id="the token"),
        pytest.param(quote(canaries.ODD_FOR_JOBS, safe=""), id="in a URL"),
        pytest.param("x" * 490 + canaries.GIVEN, id="where it is cut"),
        pytest.param(canaries.ODD_FOR_JOBS, id="over several lines"),
    ],
)
async def test_what_the_hub_says_back_is_told_without_the_secrets(
    server: CannedServer, status: int, told: str
) -> None:
    for said in (
        answer(status, {"error": told}),
        answer(status, {"error": {"message": told}}),
        raw(told.encode(), f"{status} No"),
        raw(json.dumps({"input": told}).encode(), f"{status} No"),
    ):
        server.answers = [said]
        async with AsyncHub(server.url, canaries.HUB, retries=0) as hub:
            with pytest.raises(HubError) as caught:
                await hub.start_job("dev", make_spec(secrets=SECRETS))
        assert "***" in str(caught.value) or "x" * 400 in str(caught.value)
        assert not canaries.seen_in(repr(caught.value))


async def test_the_secret_of_a_webhook_and_of_a_schedule_is_not_told_either(
    server: CannedServer,
) -> None:
    async with AsyncHub(server.url, canaries.HUB, retries=0) as hub:
        server.answers = [answer(400, {"error": f"bad secret {canaries.ODD_WEBHOOK}"})]
        with pytest.raises(HubError, match=r"bad secret \*\*\*$"):
            await hub.create_webhook(
                url="https://a.test",
                watched=[{"type": "user", "name": "dev"}],
                secret=canaries.ODD_WEBHOOK,
            )
        server.answers = [answer(400, {"error": f"bad secret {canaries.ODD_FOR_JOBS}"})]
        with pytest.raises(HubError, match=r"bad secret \*\*\*$"):
            await hub.create_scheduled_job(
                image="x", command=["true"], schedule="@daily", secrets=SECRETS, namespace="dev"
            )


async def test_a_stream_that_is_refused_does_not_tell_the_token(server: CannedServer) -> None:
    server.answers = [answer(403, {"error": f"Bearer {canaries.HUB} may not"})]
    async with AsyncHub(server.url, canaries.HUB, retries=0) as hub:
        with pytest.raises(HubError, match=r"Bearer \*\*\* may not"):
            [line async for line in hub.fetch_job_logs(job_id="j1", namespace="dev", follow=True)]


async def test_what_is_too_short_for_a_secret_is_not_looked_for(server: CannedServer) -> None:
    server.answers = [answer(400, {"error": "abc is no name"})]
    async with AsyncHub(server.url, canaries.HUB, retries=0) as hub:
        with pytest.raises(HubError, match="abc is no name"):
            await hub.start_job("dev", make_spec(secrets=SECRETS))
