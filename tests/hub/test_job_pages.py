"""One page of the Hub's list of jobs, and what the next one is asked with."""

from __future__ import annotations

from typing import Any

import pytest

from canned import CannedServer, answer
from jobhook.core.errors import HubBusy, HubRefused
from jobhook.core.jobs import JobStage
from jobhook.hub.client import AsyncHub
from jobhook.hub.transport import Query

pytestmark = pytest.mark.anyio

JOB: dict[str, Any] = {
    "id": "6b04c6af477a260049000002",
    "environment": {},
    "flavor": "cpu-basic",
    "status": {"stage": "RUNNING", "message": None},
    "owner": {"id": "o1", "name": "acme", "type": "org"},
}


async def a_page(
    server: CannedServer, link: str | None, *, beyond: Query = ()
) -> tuple[list[str], Query | None]:
    server.answers.append(answer(200, [JOB], **({"link": link} if link else {})))
    async with AsyncHub(server.url, "hf_x", retries=0) as hub:
        jobs, following = await hub.job_page(
            namespace="acme", labels=[("a", "b")], stages=[JobStage.RUNNING], beyond=beyond
        )
    return [each.id for each in jobs], following


async def test_what_the_next_page_is_asked_with_is_what_the_hub_added() -> None:
    async with CannedServer() as server:
        link = (
            f'<{server.url}/api/jobs/acme?label=a%3Db&stage=RUNNING&cursor=x%2B1&n=2>; rel="next"'
        )
        jobs, following = await a_page(server, link)
        assert (jobs, following) == ([JOB["id"]], (("cursor", "x+1"), ("n", "2")))
        assert await a_page(server, None, beyond=following or ()) == ([JOB["id"]], None)
    assert [each.target for each in server.asked] == [
        "/api/jobs/acme?stage=RUNNING&label=a%3Db",
        "/api/jobs/acme?stage=RUNNING&label=a%3Db&cursor=x%2B1&n=2",
    ]


async def test_whatever_a_cursor_says_only_this_list_is_asked() -> None:
    async with CannedServer() as server:
        hostile = (("cursor", "x HTTP/1.1"), ("../../whoami-v2?", "#@evil.example/"))
        await a_page(server, None, beyond=hostile)
    (asked,) = server.asked
    path, _, query = asked.target.partition("?")
    assert path == "/api/jobs/acme"
    assert not {" ", "#", "@", "/", "?"} & set(query)


@pytest.mark.parametrize(
    "link",
    [
        pytest.param("</api/jobs/other?cursor=x>; rel=next", id="of another namespace"),
        pytest.param("</api/settings/webhooks>; rel=next", id="of something else"),
        pytest.param("<https://evil.example/api/jobs/acme>; rel=next", id="of another host"),
    ],
)
async def test_another_list_is_not_followed(link: str) -> None:
    async with CannedServer() as server:
        with pytest.raises(HubRefused, match="it was not asked"):
            await a_page(server, link)


async def test_what_is_no_list_is_told_as_the_hubs() -> None:
    async with CannedServer() as server:
        server.answers.append(answer(200, {"error": "later"}))
        async with AsyncHub(server.url, "hf_x", retries=0) as hub:
            with pytest.raises(HubBusy, match="cannot be read"):
                await hub.job_page(namespace="acme")
