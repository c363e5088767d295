from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from canned import CannedServer, answer
from factories import make_spec
from jobhook.core.accounts import Account
from jobhook.core.errors import HubBusy, HubNotFound, HubRefused, OutcomeUnknown
from jobhook.core.jobs import JobStage
from jobhook.hub import following
from jobhook.hub.client import AsyncHub
from jobhook.hub.models import CommitInfo, WebhookWatchedItem

pytestmark = pytest.mark.anyio

JOB = {
    "id": "6a" * 12,
    "type": "job",
    "createdAt": "2026-11-23T10:00:00.123Z",
    "dockerImage": "python:3.12",
    "command": ["x"],
    "environment": {},
    "flavor": "cpu-basic",
    "owner": {"id": "1", "name": "acme", "type": "org", "avatarUrl": "/x"},
    "status": {"stage": "SCHEDULING", "message": None},
    "somethingNew": 1,
}
WEBHOOK = {
    "id": "7b" * 12,
    "url": "https://us.test/webhooks/hub",
    "watched": [{"type": "org", "name": "acme", "avatarUrl": "x"}],
    "domains": ["repo"],
    "disabled": False,
    "hasSecret": True,
}
WANTED: dict[str, Any] = {
    "url": "https://us.test/webhooks/hub",
    "watched": [WebhookWatchedItem("org", "acme")],
    "domains": ["repo", "discussion"],
    "secret": "s" * 16,
}


@pytest.fixture
async def hub(server: CannedServer) -> AsyncIterator[AsyncHub]:
    async with AsyncHub(server.url, "hf_x", deadline=5, retries=0) as opened:
        yield opened


def ended(stage: str = "COMPLETED") -> dict[str, Any]:
    return {**JOB, "status": {"stage": stage, "message": None}}


def stream(*texts: str) -> bytes:
    frames = [": keep-alive\n\n"]
    for text in ("===== Job started at 2026-11-23 10:00:00 =====", *texts):
        frame = json.dumps({"data": text, "timestamp": "2026-11-23T10:00:00Z"})
        frames.append(f"data: {frame}\n\n")
    body = "".join(frames).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body


async def log_of(hub: AsyncHub) -> list[str]:
    return [line async for line in hub.fetch_job_logs(job_id="j1", namespace="acme", follow=True)]


async def test_whose_token_it_is(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(200, {"type": "user", "id": "5c", "name": "dev"})]
    assert await hub.whoami() == Account(name="dev", id="5c")


@pytest.mark.parametrize("told", [{}, {"id": None}, {"id": 5}, {"id": ""}])
async def test_a_whoami_may_leave_the_id_out(
    hub: AsyncHub, server: CannedServer, told: dict[str, Any]
) -> None:
    server.answers = [answer(200, {"name": "dev", **told})]
    assert await hub.whoami() == Account(name="dev", id=None)


@pytest.mark.parametrize("told", [[], {}, {"name": 3}, {"name": ""}, None])
async def test_a_whoami_that_names_nobody_is_no_answer(
    hub: AsyncHub, server: CannedServer, told: Any
) -> None:
    server.answers = [answer(200, told)]
    with pytest.raises(HubBusy):
        await hub.whoami()


async def test_a_job_is_started_with_its_whole_specification(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [answer(200, JOB)]
    spec = make_spec(env={"AB": "c"}, secrets={"T": "v"}, labels={"k": "v"}, timeout=60)
    job = await hub.start_job("acme", spec)
    assert (job.id, job.status.stage, job.url) == (
        JOB["id"],
        "SCHEDULING",
        f"{server.url}/jobs/acme/{JOB['id']}",
    )
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("POST", "/api/jobs/acme")
    assert json.loads(asked.body) == {
        "dockerImage": "python:3.12",
        "command": ["python", "-V"],
        "arguments": [],
        "environment": {"AB": "c"},
        "secrets": {"T": "v"},
        "flavor": "cpu-basic",
        "timeoutSeconds": 60,
        "attempts": 1,
        "labels": {"k": "v"},
    }


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({}, id="nothing in it"),
        pytest.param([], id="a list"),
        pytest.param(None, id="no body"),
        pytest.param({**JOB, "id": 3}, id="an id that is a number"),
        pytest.param({**JOB, "id": ""}, id="no id"),
        pytest.param({**JOB, "id": "../../\x1b[31m"}, id="an id that is a path"),
        pytest.param({**JOB, "owner": {"name": "stranger"}}, id="a job of somebody else"),
        pytest.param({**JOB, "status": None}, id="no status"),
    ],
)
async def test_an_answer_without_a_job_leaves_the_outcome_open(
    hub: AsyncHub, server: CannedServer, told: Any
) -> None:
    server.answers = [answer(200, told)]
    with pytest.raises(OutcomeUnknown):
        await hub.start_job("acme", make_spec())


async def test_jobs_are_listed_from_all_pages_with_all_filters(
    hub: AsyncHub, server: CannedServer
) -> None:
    following = f'<{server.url}/api/jobs/acme?cursor=x>; rel="next"'
    server.answers = [answer(200, [JOB], link=following), answer(200, [ended()])]
    jobs = await hub.list_jobs(
        namespace="acme", labels={"a": "b"}, status=[JobStage.RUNNING, "scheduling"]
    )
    assert [job.is_over for job in jobs] == [False, True]
    assert server.asked[0].target == "/api/jobs/acme?stage=RUNNING&stage=SCHEDULING&label=a%3Db"


async def test_a_page_of_jobs_with_the_longest_payloads_is_read(
    hub: AsyncHub, server: CannedServer
) -> None:
    payload = '{"a":"' + "x" * 130_000 + '"}'
    jobs = [{**JOB, "environment": {"WEBHOOK_PAYLOAD": payload}}] * 100
    server.answers = [answer(200, jobs)]
    assert len(await hub.list_jobs(namespace="acme")) == 100


async def test_what_is_left_of_the_quota_is_known_without_asking(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [answer(200, [], RateLimit='"api";r=5;t=55')]
    await hub.list_jobs(namespace="acme")
    assert hub.quota.left == 5
    assert len(server.asked) == 1


@pytest.mark.parametrize("told", [{}, [{}], [3], None])
async def test_a_list_that_cannot_be_read_is_no_empty_list(
    hub: AsyncHub, server: CannedServer, told: Any
) -> None:
    server.answers = [answer(200, told)]
    with pytest.raises(HubBusy):
        await hub.list_jobs(namespace="acme")


async def test_one_job_is_looked_at_and_cancelled(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(200, JOB), answer(200, ended("CANCELED"))]
    assert not (await hub.inspect_job("j1", namespace="acme")).is_over
    assert (await hub.cancel_job("j1", namespace="acme")).is_over
    assert [(asked.method, asked.target) for asked in server.asked] == [
        ("GET", "/api/jobs/acme/j1"),
        ("POST", "/api/jobs/acme/j1/cancel"),
    ]


async def test_a_log_is_read_to_the_end_of_its_job(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [stream("one", "two"), answer(200, ended())]
    assert await log_of(hub) == ["one", "two"]


async def test_a_log_that_breaks_is_read_on_with_nothing_lost_or_twice(
    hub: AsyncHub, server: CannedServer
) -> None:
    # The connection ends within the third line; then the job still runs; then it is over.
    server.answers = [
        *(stream("one", "two", "three")[:-40], None),
        stream("one", "two"),
        answer(200, ended("RUNNING")),
        stream("one", "two", "three", "four"),
        answer(200, ended()),
    ]
    lines = await log_of(hub)
    assert lines == ["one", "two", "three", "four"]


async def test_a_log_that_keeps_breaking_is_given_up(
    hub: AsyncHub, server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_PAUSE_SECONDS", 0.001)
    with pytest.raises(HubBusy):
        await log_of(hub)
    assert len(server.asked) == 6


async def test_a_line_that_cannot_be_read_is_asked_for_again(
    hub: AsyncHub, server: CannedServer
) -> None:
    garbled = stream("one").replace(b'"data": "one"', b'"data" "one" ')
    server.answers = [garbled, stream("one"), answer(200, ended())]
    lines = await log_of(hub)
    assert lines == ["one"]


async def test_the_log_of_no_job_is_refused(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(404, {"error": "no such job"})]
    with pytest.raises(HubNotFound):
        await log_of(hub)


async def test_webhooks_are_listed(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(200, [WEBHOOK, {"id": "1", "disabled": "suspended-after-failure"}])]
    first, second = await hub.list_webhooks()
    assert (first.url, first.watched, first.domains) == (
        WEBHOOK["url"],
        [WebhookWatchedItem("org", "acme")],
        ["repo"],
    )
    assert second.disabled == "suspended-after-failure"


@pytest.mark.parametrize("told", [{}, [{}], [{"id": "1", "watched": [{}]}], None])
async def test_webhooks_that_cannot_be_read_are_no_empty_list(
    hub: AsyncHub, server: CannedServer, told: Any
) -> None:
    server.answers = [answer(200, told)]
    with pytest.raises(HubBusy):
        await hub.list_webhooks()


async def test_a_webhook_is_always_written_with_its_full_state(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [*(answer(200, {"webhook": WEBHOOK}) for _ in range(3)), answer(200, {})]
    await hub.create_webhook(**WANTED)
    await hub.update_webhook("w1", **WANTED)
    await hub.enable_webhook("w1")
    await hub.delete_webhook("w1")
    assert [(asked.method, asked.target) for asked in server.asked] == [
        ("POST", "/api/settings/webhooks"),
        ("POST", "/api/settings/webhooks/w1"),
        ("POST", "/api/settings/webhooks/w1/enable"),
        ("DELETE", "/api/settings/webhooks/w1"),
    ]
    assert (
        json.loads(server.asked[0].body)
        == json.loads(server.asked[1].body)
        == {
            "url": WANTED["url"],
            "watched": [{"type": "org", "name": "acme"}],
            "domains": ["repo", "discussion"],
            "secret": WANTED["secret"],
        }
    )
    assert server.asked[2].body == b""


async def test_an_answer_without_a_webhook_leaves_the_outcome_open(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [answer(200, {})]
    with pytest.raises(OutcomeUnknown):
        await hub.create_webhook(**WANTED)


async def test_a_push_is_one_commit(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(200, {}), answer(200, {"commitOid": "abc"})]
    await hub.create_repo("acme/corpus", repo_type="dataset", private=True)
    sha = await hub.create_commit(
        "acme/corpus", {"a.txt": b"\x00\xff"}, repo_type="dataset", message="m"
    )
    assert sha == "abc"
    create, commit = server.asked
    assert json.loads(create.body) == {
        "name": "corpus",
        "organization": "acme",
        "type": "dataset",
        "private": True,
    }
    assert commit.target == "/api/datasets/acme/corpus/commit/main"
    assert commit.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["key"] for line in commit.body.splitlines()] == ["header", "file"]


async def test_a_commit_without_a_sha_leaves_the_outcome_open(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [answer(200, {})]
    with pytest.raises(OutcomeUnknown):
        await hub.create_commit("a/b", {}, repo_type="model", message="m")


COMMIT = {
    "id": "b" * 40,
    "title": "New data",
    "message": "Jobhook-Launch: l1",
    "authors": [{"user": "ann", "avatar": "/x"}, {"user": "x" * 200}, {"avatar": "/y"}],
    "date": "2026-11-23T10:00:00.000Z",
    "parents": [],
}


async def test_a_commit_tells_who_made_it_and_when(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(200, [COMMIT])]
    found = await hub.commit("acme/corpus", "refs/pr/1", repo_type="dataset")
    assert server.asked[0].target == "/api/datasets/acme/corpus/commits/refs%2Fpr%2F1?limit=1"
    assert found == CommitInfo(
        id="b" * 40,
        title="New data",
        message="Jobhook-Launch: l1",
        authors=("ann", "x" * 100),
        date=datetime(2026, 11, 23, 10, tzinfo=UTC),
    )


async def test_a_commit_needs_no_more_than_its_id(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(200, [{"id": "b", "title": None, "authors": None}])]
    assert await hub.commit("a/b", "main", repo_type="model") == CommitInfo(id="b")


@pytest.mark.parametrize("told", [[], {}, [{}], [3], None, [{"id": "b", "authors": ["ann"]}]])
async def test_a_list_of_commits_that_cannot_be_read_is_asked_for_again(
    hub: AsyncHub, server: CannedServer, told: Any
) -> None:
    server.answers = [answer(200, told)]
    with pytest.raises(HubBusy):
        await hub.commit("a/b", "main", repo_type="model")


async def test_prices_are_in_dollars_an_hour(hub: AsyncHub, server: CannedServer) -> None:
    flavor = {"name": "t4-small", "unitCostMicroUSD": 6667, "unitLabel": "minute"}
    server.answers = [answer(200, [flavor, {**flavor, "unitLabel": "hour"}])]
    by_minute, by_hour = await hub.list_jobs_hardware()
    assert by_minute.name == "t4-small"
    assert by_minute.usd_per_hour == pytest.approx(0.40002)
    assert by_hour.usd_per_hour == pytest.approx(0.006667)


@pytest.mark.parametrize("told", [{"a": 1}, [{}], [{"name": "x", "unitLabel": "year"}], None])
async def test_prices_that_cannot_be_read_are_no_prices(
    hub: AsyncHub, server: CannedServer, told: Any
) -> None:
    server.answers = [answer(200, told)]
    with pytest.raises(HubBusy):
        await hub.list_jobs_hardware()


async def test_what_a_job_was_asked_to_run_can_be_asked_for_again(
    hub: AsyncHub, server: CannedServer
) -> None:
    told = {
        **JOB,
        "arguments": ["-v"],
        "environment": {"AB": "1"},
        "secrets": ["KEY"],
        "labels": {"a": "b"},
        "timeout": 60,
        "volumes": [{"type": "model", "source": "a/b", "mountPath": "/m"}],
    }
    server.answers = [answer(200, told)]
    assert await hub.job_spec("j1", namespace="acme") == make_spec(
        command=("x",),
        args=("-v",),
        env={"AB": "1"},
        secrets={"KEY": ""},
        labels={"a": "b"},
        timeout=60,
    )
    assert server.asked[0].target == "/api/jobs/acme/j1"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        pytest.param({"command": []}, "command needs at least one word", id="no command"),
        pytest.param({"environment": {"AB": 1}}, "is no text", id="a number in env"),
        pytest.param({"labels": {"a": None}}, "is no text", id="a label without a value"),
        pytest.param({"command": [1]}, "is no text", id="a word that is a number"),
    ],
)
async def test_a_job_that_cannot_be_asked_for_again_is_refused(
    hub: AsyncHub, server: CannedServer, told: dict[str, Any], words: str
) -> None:
    server.answers = [answer(200, {**JOB, **told})]
    with pytest.raises(HubRefused, match=words):
        await hub.job_spec("j1", namespace="acme")
