"""Jobs over HTTP: on a devhub, and through the ledger of a whole service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hub_apis import HubApi, Sse, opened_hub_api
from jobhook.adapters.clocks import now_ms
from jobhook.core.access import Caller, Role
from jobhook.core.filters import LaunchFilter
from jobhook.core.jobs import JobStage
from jobhook.core.records import Pause
from jobhook.hub.client import AsyncHub
from jobhook.hub.streams import Stream
from jobhook.web.api import jobs
from jobhook.web.api.job_streams import OPERATIONS
from jobhook.web.api.operations import Call
from jobhook.web.api.services import Services
from town import until

pytestmark = pytest.mark.anyio

CANARY = "canary-of-a-secret"
LINES = "for n in 1 2 3 4 5; do echo line $n; done"
QUICK = {"image": "python:3.12", "command": ["sh", "-c", LINES]}
LONG = {"image": "python:3.12", "command": ["sh", "-c", f"{LINES}; exec sleep 60"]}
NOBODY = "0" * 24


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HubApi]:
    async with opened_hub_api(tmp_path_factory.mktemp("town")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the API look at the Hub as often as it can."""
    monkeypatch.setattr(jobs, "_LOOK_AGAIN_SECONDS", 0.02)


@pytest.fixture
async def running(api: HubApi) -> AsyncIterator[str]:
    """A job that has written its lines and goes on."""
    job = await api.done("POST", "/jobs", LONG)
    async with api.stream(f"/jobs/{job['id']}/logs?follow=true") as events:
        async for event in events:
            if event.data == {"line": "line 5"}:
                break
    yield job["id"]
    await api.hub.cancel_job(job["id"])


async def ended(api: HubApi, job_id: str) -> Any:
    """The job, once it has ended."""
    await api.streamed(f"/jobs/{job_id}/logs?follow=true")
    return await api.done("GET", f"/jobs/{job_id}/wait")


# -- what starts jobs --


async def test_a_job_is_started_through_the_ledger_and_its_secret_stays_out(
    api: HubApi, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {
        "image": "python:3.12",
        "command": ["sh", "-c", f"test ${{#TOKEN}} = {len(CANARY)} && echo told"],
        "secrets": {"TOKEN": CANARY},
        "labels": {"team": "data"},
    }
    answer = await api.ask("POST", "/jobs", said, role=Role.OPERATOR, idempotency_key="secret")
    job = answer.json()
    lines = await api.streamed(f"/jobs/{job['id']}/logs?follow=true")
    assert (answer.status_code, lines[0].data) == (201, {"line": "told"})
    assert (job["secrets"], job["labels"]["team"]) == (["TOKEN"], "data")
    (launch,) = [each for each in await api.store.launches(limit=0) if each.job_id == job["id"]]
    assert (launch.rule, launch.asked_by) == ("api.run", Role.OPERATOR)
    told = capsys.readouterr()
    assert CANARY not in f"{answer.text}{told.out}{told.err}"
    assert not api.is_kept(CANARY)


async def test_the_same_key_is_the_same_job(api: HubApi) -> None:
    said = {**QUICK, "labels": {"for": "key"}}
    first = await api.done("POST", "/jobs", said, idempotency_key="k1")
    again = await api.ask("POST", "/jobs", said, idempotency_key="k1")
    other = await api.ask("POST", "/jobs", LONG, idempotency_key="k1")
    # What one caller calls a key is another's word too.
    anew = await api.done("POST", "/jobs", said, role=Role.OPERATOR, idempotency_key="k1")
    assert again.json()["id"] == first["id"]
    assert (other.status_code, other.json()["error"]["code"]) == (422, "key_reused")
    assert anew["id"] != first["id"]
    assert len((await api.done("GET", "/jobs?label=for%3Dkey"))["items"]) == 2


async def test_a_script_in_the_body_is_what_the_python_function_carries(
    api: HubApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"train.py": "print(1)\n", "data.csv": "1,2\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    asked = {"script": "train.py", "script_args": ["--data", "data.csv"], "dependencies": ["numpy"]}
    job = await api.done("POST", "/jobs/uv", {**asked, "files": files})
    same = await api.hub.run_uv_job(**asked)  # type: ignore[arg-type]
    assert (job["docker_image"], job["command"]) == (same.docker_image, same.command)
    carried = {name: each for name, each in job["environment"].items() if name.endswith("FILES")}
    assert carried == same.environment
    assert job["labels"]["name"] == (same.labels or {})["name"]


async def test_a_job_is_run_once_more_through_the_ledger(api: HubApi) -> None:
    job = await api.done("POST", "/jobs", QUICK)
    again = await api.ask("POST", f"/jobs/{job['id']}/rerun", idempotency_key="once-more")
    same = await api.done("POST", f"/jobs/{job['id']}/rerun", idempotency_key="once-more")
    (launch,) = await api.store.launches(LaunchFilter(rule="api.rerun"), limit=0)
    assert (again.status_code, again.json()["id"]) == (201, launch.job_id)
    assert same["id"] == launch.job_id != job["id"]


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        pytest.param({"flavor": "h100"}, 429, "limit_reached", id="no price"),
        pytest.param({"namespace": "eve"}, 403, "hub_forbidden", id="no right"),
        pytest.param({"namespace": "nobody"}, 404, "not_found", id="no namespace"),
    ],
)
async def test_what_is_not_started_says_why(
    api: HubApi, said: dict[str, Any], status: int, code: str
) -> None:
    answer = await api.ask("POST", "/jobs", {**QUICK, **said})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


async def test_while_it_is_paused_nothing_is_started(api: HubApi) -> None:
    await api.store.pause(Pause(scope="everything", since=now_ms(), by="ana"))
    answer = await api.ask("POST", "/jobs", QUICK)
    await api.store.resume(now_ms(), "everything")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "paused")


async def test_a_lost_answer_names_the_launch_to_look_for(api: HubApi) -> None:
    api.town.devhub.chaos.add("jobs.create answer=drop execute=yes count=1")
    answer = await api.ask("POST", "/jobs", QUICK)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (409, "outcome_unknown")
    assert await api.store.launch(error["details"]["look_for"]["launch"])


@pytest.mark.parametrize(
    ("path", "said", "where"),
    [
        pytest.param("/jobs", {"command": ["a"]}, "body.image", id="no image"),
        pytest.param("/jobs", {**QUICK, "imagee": ""}, "body.imagee", id="unknown field"),
        pytest.param("/jobs", {**QUICK, "timeout": "soon"}, "body.timeout", id="timeout"),
        pytest.param("/jobs", {**QUICK, "secrets": {"A": 1}}, "body.secrets.A", id="secret"),
        pytest.param("/jobs/uv", {"script": ""}, "body.script", id="no script"),
        pytest.param("/jobs/uv", {"script": "a.py"}, None, id="a file that is not given"),
        pytest.param("/jobs", {**QUICK, "network_aliases": ["a"]}, None, id="no group"),
    ],
)
async def test_what_cannot_be_is_told_by_its_place(
    api: HubApi, path: str, said: dict[str, Any], where: str | None
) -> None:
    answer = await api.ask("POST", path, {**said, "env": {"ZZ": CANARY}})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "invalid")
    assert where is None or where == error["details"][0]["where"]
    assert CANARY not in answer.text


# -- what looks at them and changes them --


async def test_jobs_are_listed_page_by_page_while_others_come(api: HubApi) -> None:
    label = {"labels": {"for": "list"}}
    ids = [(await api.done("POST", "/jobs", {**QUICK, **label}))["id"] for _ in range(3)]
    first = await api.done("GET", "/jobs?label=for%3Dlist&limit=2")
    await api.done("POST", "/jobs", {**QUICK, **label})
    cursor = first["next_cursor"]
    rest = await api.done("GET", f"/jobs?label=for%3Dlist&limit=2&cursor={cursor}")
    told = [each["id"] for each in (*first["items"], *rest["items"])]
    assert (told, rest["next_cursor"]) == (ids[::-1], None)


async def test_jobs_are_listed_by_stage(api: HubApi, running: str) -> None:
    found = await api.done("GET", "/jobs?status=RUNNING&status=SCHEDULING", role=Role.VIEWER)
    ids = [each["id"] for each in found["items"]]
    over = await api.done("GET", "/jobs?status=COMPLETED&namespace=dev")
    assert running in ids
    assert {each["status"]["stage"] for each in over["items"]} <= {"COMPLETED"}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        pytest.param("/jobs?status=running", 422, "invalid", id="stage in small letters"),
        pytest.param("/jobs?label=a", 422, "invalid", id="half a label"),
        pytest.param("/jobs?cursor=a", 422, "invalid", id="no cursor"),
        pytest.param("/jobs?namespace=..", 422, "invalid", id="no namespace"),
        pytest.param("/jobs?namespace=nobody", 404, "not_found", id="unknown namespace"),
        pytest.param(f"/jobs/{NOBODY}", 404, "not_found", id="unknown job"),
        pytest.param(f"/jobs/{NOBODY}/logs", 404, "not_found", id="log of an unknown job"),
        pytest.param(f"/jobs/{NOBODY}/metrics", 404, "not_found", id="metrics of an unknown job"),
        pytest.param(f"/jobs/{NOBODY}/wait", 404, "not_found", id="wait for an unknown job"),
        pytest.param(f"/jobs/{NOBODY}/wait?timeout=61", 422, "invalid", id="wait for too long"),
        pytest.param(f"/jobs/{NOBODY}/logs?follow=yes", 422, "invalid", id="no flag"),
        pytest.param(f"/jobs/{NOBODY}/logs?tail=-1", 422, "invalid", id="no tail"),
    ],
)
async def test_what_is_not_there_is_not_found(
    api: HubApi, path: str, status: int, code: str
) -> None:
    answer = await api.ask("GET", path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


async def test_one_job_is_told_as_the_client_tells_it(api: HubApi, running: str) -> None:
    job = await api.done("GET", f"/jobs/{running}")
    known = await api.hub.inspect_job(running)
    assert (job["id"], job["url"], job["docker_image"]) == (running, known.url, "python:3.12")
    assert job["status"]["stage"] == "RUNNING"


async def test_a_wait_ends_with_the_job_a_stage_or_the_time(api: HubApi, running: str) -> None:
    quick = await api.done("POST", "/jobs", QUICK)
    over = await api.done("GET", f"/jobs/{quick['id']}/wait?timeout=20")
    begun = await api.done("GET", f"/jobs/{running}/wait?timeout=20&stages=RUNNING")
    still = await api.done("GET", f"/jobs/{running}/wait?timeout=0")
    stages = [each["status"]["stage"] for each in (over, begun, still)]
    assert stages == ["COMPLETED", "RUNNING", "RUNNING"]


async def test_a_job_is_changed_and_cancelled(api: HubApi, running: str) -> None:
    named = await api.done("PUT", f"/jobs/{running}/labels", {"labels": {"kept": "yes"}})
    opened = await api.done("PUT", f"/jobs/{running}/expose", {"expose": [80]})
    over = await api.done("POST", f"/jobs/{running}/cancel", role=Role.OPERATOR)
    labels = named["labels"]
    assert {name for name in labels if not name.startswith("jobhook-")} == {"kept"}
    assert labels["jobhook-launch"]
    assert (opened["expose"], over["status"]["stage"]) == ([80], JobStage.CANCELED)


async def test_the_hub_that_has_no_time_is_told_as_busy(api: HubApi) -> None:
    api.town.devhub.chaos.add("jobs.list status=503 count=1")
    answer = await api.ask("GET", "/jobs")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "hub_busy")
    assert "retry-after" in answer.headers


# -- streams --


def lines(first: int, *, counted: bool = True) -> list[Sse]:
    told = [Sse({"line": f"line {n}"}, str(n) if counted else None) for n in range(first, 6)]
    return [*told, Sse({}, kind="end")]


@pytest.mark.parametrize(
    ("query", "seen", "told"),
    [
        pytest.param("follow=true", None, lines(1), id="all"),
        pytest.param("", None, lines(1), id="what is there"),
        pytest.param("follow=true", "3", lines(4), id="behind a line"),
        pytest.param("", "9", lines(6), id="behind the last"),
        pytest.param("", "no line", lines(1), id="behind no line"),
        pytest.param("tail=2", None, lines(4, counted=False), id="the last two"),
        pytest.param("tail=2", "2", lines(3), id="a line rather than a tail"),
    ],
)
async def test_a_log_goes_on_behind_the_line_that_was_seen(
    api: HubApi, query: str, seen: str | None, told: list[Sse]
) -> None:
    job = await api.done("POST", "/jobs", QUICK)
    await ended(api, job["id"])
    headers = {"last_event_id": seen} if seen else {}
    assert await api.streamed(f"/jobs/{job['id']}/logs?{query}", **headers) == told


async def test_whoever_goes_away_leaves_no_stream_behind(api: HubApi, running: str) -> None:
    async with api.stream(f"/jobs/{running}/logs?follow=true") as events:
        assert (await anext(events)).id == "1"
        assert api.streams.open == 1

    async def is_closed() -> bool | None:
        return api.streams.open == 0 or None

    await until(is_closed)


async def test_a_job_tells_what_it_uses_until_it_is_over(api: HubApi, running: str) -> None:
    now = await api.streamed(f"/jobs/{running}/metrics")
    async with api.stream(f"/jobs/{running}/metrics?follow=true") as events:
        first = await anext(events)
        await api.hub.cancel_job(running)
    over = await api.streamed(f"/jobs/{running}/metrics")
    assert [each.kind for each in now] == ["message", "end"]
    assert (first.id, "cpu_usage_pct" in first.data, over) == (None, True, [Sse({}, kind="end")])


@pytest.mark.parametrize("operation", [pytest.param(each, id=each.name) for each in OPERATIONS])
async def test_what_is_not_read_on_is_closed_at_the_hub(
    operation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = asyncio.Event()

    async def batches() -> AsyncIterator[list[Any]]:
        try:
            yield ["first"]
            await asyncio.Event().wait()
        finally:
            closed.set()

    def fetch(self: AsyncHub, job_id: str, **said: Any) -> Stream[Any]:
        return Stream(batches())  # type: ignore[arg-type]

    for name in ("fetch_job_logs", "fetch_job_metrics"):
        monkeypatch.setattr(AsyncHub, name, fetch)
    async with AsyncHub("http://127.0.0.1:1", "hf_x") as hub:
        call = Call(
            services=cast("Services", SimpleNamespace(hub=hub, namespace=None)),
            caller=Caller("ana", Role.VIEWER),
            params={"job_id": NOBODY},
            query=operation.query(),
            body=None,
            request_id="r",
            source="",
        )
        events = await operation.handle(call)
        assert await anext(events)
        await events.aclose()
    assert closed.is_set()
