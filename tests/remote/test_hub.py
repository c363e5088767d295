from __future__ import annotations

import inspect
import json
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import jobhook
from canned import CannedServer, answer, raw
from jobhook.core.errors import (
    HubNotFound,
    HubRefused,
    ListTooLong,
    MissingFile,
    OutcomeUnknown,
    UsageError,
)
from jobhook.core.jobs import Volume
from jobhook.hub.client import AsyncHub
from jobhook.hub.models import (
    JobAccelerator,
    JobHardwareInfo,
    JobInfo,
    JobOwner,
    JobSpecInfo,
    JobStatus,
    LastJobInfo,
    ScheduledJobInfo,
    ScheduledJobStatus,
    WebhookInfo,
    WebhookWatchedItem,
)
from jobhook.remote import calls
from jobhook.remote.hub import RemoteHub
from jobhook.web.api.answering import dumped

pytestmark = pytest.mark.anyio

ID = "6a" * 12
AT = datetime(2026, 11, 25, 8, 0, 0, 123000, UTC)
OWNER = JobOwner(id="1", name="dev")
JOB = JobInfo(
    id=ID,
    created_at=AT,
    docker_image="python:3.12",
    command=["python", "-c", "print('ü')"],
    environment={"A": "1"},
    secrets=["S"],
    labels={"team": "data"},
    volumes=[Volume(type="dataset", source="acme/corpus", mount_path="/data")],
    status=JobStatus(stage="RUNNING", expose_urls=["https://x.test"]),
    owner=OWNER,
    endpoint="https://hub.test",
)
SCHEDULE = ScheduledJobInfo(
    id=ID,
    job_spec=JobSpecInfo(docker_image="python:3.12", command=["true"]),
    schedule="@daily",
    suspend=False,
    status=ScheduledJobStatus(last_job=LastJobInfo(id=ID, at=AT), next_job_run_at=AT),
    owner=OWNER,
)
WEBHOOK = WebhookInfo(
    id=ID,
    url="https://us.test",
    watched=[WebhookWatchedItem("org", "acme")],
    domains=["repo"],
    disabled="suspended-after-failure",
)
HARDWARE = JobHardwareInfo(
    name="t4-small",
    pretty_name="T4",
    cpu="4 vCPU",
    ram="15 GB",
    accelerator=JobAccelerator(
        type="gpu", model="T4", quantity="1", vram="16 GB", manufacturer="Nvidia"
    ),
    unit_cost_micro_usd=6667,
    unit_cost_usd=0.006667,
    unit_label="minute",
)
CHANGES: dict[str, Any] = {
    "secret": "s" * 16,
    "secrets": {"S": "1"},
    "job_id": ID,
    "domains": ["repo"],
}

Call = Callable[[RemoteHub], Awaitable[Any]]


def case(
    name: str, call: Call, asked: str, told: Any = None, body: Any = None, status: int = 200
) -> Any:
    return pytest.param(call, asked, told, body, status, id=name)


@pytest.mark.parametrize(
    ("call", "asked", "told", "body", "status"),
    [
        case(
            "run",
            lambda hub: hub.run_job(
                image="python:3.12",
                command=("true",),
                env={"A": 1},
                secrets={"S": "x"},
                timeout="10m",
                volumes=[Volume(source="acme/m", mount_path="/m", read_only=True)],
                expose=(8000,),
                namespace="acme",
                token="hf_ours",
            ),
            "POST /jobs",
            JOB,
            {
                "image": "python:3.12",
                "command": ["true"],
                "env": {"A": "1"},
                "secrets": {"S": "x"},
                "timeout": "10m",
                "volumes": [
                    {"type": "model", "source": "acme/m", "mount_path": "/m", "read_only": True}
                ],
                "expose": [8000],
                "namespace": "acme",
            },
            201,
        ),
        case("inspect", lambda hub: hub.inspect_job(ID), f"GET /jobs/{ID}", JOB),
        case(
            "elsewhere",
            lambda hub: hub.inspect_job(ID, namespace="acme"),
            f"GET /jobs/{ID}?namespace=acme",
            JOB,
        ),
        case("cancel", lambda hub: hub.cancel_job(ID), f"POST /jobs/{ID}/cancel", JOB),
        case("rerun", lambda hub: hub.rerun_job(ID), f"POST /jobs/{ID}/rerun", JOB),
        case(
            "labels",
            lambda hub: hub.update_job_labels(ID, labels={"a": "b"}),
            f"PUT /jobs/{ID}/labels",
            JOB,
            {"labels": {"a": "b"}},
        ),
        case(
            "expose",
            lambda hub: hub.update_job_expose(ID, expose_public=[80]),
            f"PUT /jobs/{ID}/expose",
            JOB,
            {"expose_public": [80]},
        ),
        case(
            "schedule",
            lambda hub: hub.create_scheduled_job(
                image="python:3.12", command=["true"], schedule="@daily", suspend=False
            ),
            "POST /schedules",
            SCHEDULE,
            {"image": "python:3.12", "command": ["true"], "schedule": "@daily", "suspend": False},
        ),
        case(
            "one schedule",
            lambda hub: hub.inspect_scheduled_job(ID),
            f"GET /schedules/{ID}",
            SCHEDULE,
        ),
        case(
            "a schedule's job",
            lambda hub: hub.trigger_scheduled_job(ID),
            f"POST /schedules/{ID}/run",
            JOB,
        ),
        case(
            "suspend",
            lambda hub: hub.suspend_scheduled_job(ID),
            f"POST /schedules/{ID}/suspend",
            status=204,
        ),
        case(
            "resume",
            lambda hub: hub.resume_scheduled_job(ID),
            f"POST /schedules/{ID}/resume",
            status=204,
        ),
        case(
            "delete a schedule",
            lambda hub: hub.delete_scheduled_job(ID, namespace="acme"),
            f"DELETE /schedules/{ID}?namespace=acme",
            status=204,
        ),
        case(
            "reschedule",
            lambda hub: hub.update_scheduled_job_schedule(ID, schedule="@weekly"),
            f"PUT /schedules/{ID}/schedule",
            SCHEDULE,
            {"schedule": "@weekly"},
        ),
        case(
            "a schedule's labels",
            lambda hub: hub.update_scheduled_job_labels(ID, labels={}),
            f"PUT /schedules/{ID}/labels",
            SCHEDULE,
            {"labels": {}},
        ),
        case("one webhook", lambda hub: hub.get_webhook(ID), f"GET /webhooks/{ID}", WEBHOOK),
        case(
            "make a webhook",
            lambda hub: hub.create_webhook(
                url="https://us.test", watched=[WebhookWatchedItem("org", "acme")]
            ),
            "POST /webhooks",
            WEBHOOK,
            {"url": "https://us.test", "watched": [{"type": "org", "name": "acme"}]},
        ),
        case(
            "change a webhook",
            lambda hub: hub.update_webhook(ID, **CHANGES),
            f"PUT /webhooks/{ID}",
            WEBHOOK,
            CHANGES,
        ),
        case("enable", lambda hub: hub.enable_webhook(ID), f"POST /webhooks/{ID}/enable", WEBHOOK),
        case(
            "disable", lambda hub: hub.disable_webhook(ID), f"POST /webhooks/{ID}/disable", WEBHOOK
        ),
        case(
            "delete a webhook",
            lambda hub: hub.delete_webhook(ID),
            f"DELETE /webhooks/{ID}",
            status=204,
        ),
    ],
)
async def test_a_call_asks_for_what_it_says_and_gives_what_was_told(
    server: CannedServer,
    hub: RemoteHub,
    call: Call,
    asked: str,
    told: Any,
    body: Any,
    status: int,
) -> None:
    server.answers = [raw(b"" if told is None else dumped(told), f"{status} Told")]
    assert await call(hub) == told
    (got,) = server.asked
    assert f"{got.method} {got.target}" == asked.replace(" /", " /api/v1/", 1)
    assert (json.loads(got.body) if got.body else None) == body
    assert "hf_ours" not in f"{got.headers}{got.body!r}"


def page(items: list[Any], cursor: str | None = None) -> bytes:
    return raw(dumped({"items": items, "next_cursor": cursor}))


@pytest.mark.parametrize(
    ("call", "asked", "item"),
    [
        pytest.param(
            lambda hub: hub.list_jobs(
                status=["running", "error"], labels={"a": "b"}, namespace="acme"
            ),
            "/jobs?status=RUNNING&status=ERROR&label=a%3Db&namespace=acme",
            JOB,
            id="jobs",
        ),
        pytest.param(
            lambda hub: hub.list_scheduled_jobs(labels={"a": "b"}),
            "/schedules?label=a%3Db",
            SCHEDULE,
            id="schedules",
        ),
        pytest.param(lambda hub: hub.list_webhooks(), "/webhooks", WEBHOOK, id="webhooks"),
        pytest.param(lambda hub: hub.list_jobs_hardware(), "/hardware", HARDWARE, id="hardware"),
    ],
)
async def test_a_list_is_read_page_by_page(
    server: CannedServer, hub: RemoteHub, call: Call, asked: str, item: Any
) -> None:
    server.answers = [page([item], "c/1"), page([], "c2"), page([item, item])]
    assert await call(hub) == [item, item, item]
    first = f"/api/v1{asked}"
    mark = "&" if "?" in first else "?"
    following = [f"{first}{mark}cursor=c%2F1", f"{first}{mark}cursor=c2"]
    assert [each.target for each in server.asked] == [first, *following]


async def test_no_more_pages_are_asked_for_than_are_looked_at(
    server: CannedServer, hub: RemoteHub
) -> None:
    server.answers = [page([JOB], "c1"), page([JOB], "c2")]
    async for _ in hub.list_jobs():
        break
    assert len(server.asked) == 1


async def test_a_list_without_end_is_read_up_to_a_limit(
    server: CannedServer, hub: RemoteHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "PAGES_MAX", 3)
    server.answers = [page([], "again")] * 4
    with pytest.raises(ListTooLong, match="after 3 pages"):
        await hub.list_webhooks()


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>", id="a page"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"id": 1}', id="other types"),
        pytest.param(dumped(JOB)[:-9], id="cut"),
        pytest.param(dumped(JOB).replace(b'"RUNNING"', b"[1]"), id="a list for a word"),
        pytest.param(
            dumped(JOB).replace(b'"timeout":null', b'"timeout":"30"'), id="a word for a number"
        ),
    ],
)
async def test_an_answer_that_is_no_job_is_told_of_and_not_shown(
    server: CannedServer, hub: RemoteHub, told: bytes
) -> None:
    server.answers = [raw(told), raw(told)]
    with pytest.raises(HubRefused, match="something that is no JobInfo") as caught:
        await hub.inspect_job(ID)
    with pytest.raises(OutcomeUnknown):
        await hub.rerun_job(ID)
    assert "RUNNING" not in str(caught.value)


async def test_what_a_newer_service_adds_is_not_minded(
    server: CannedServer, hub: RemoteHub
) -> None:
    server.answers = [raw(dumped(JOB).replace(b'{"id"', b'{"new": [1], "id"', 1))]
    assert await hub.inspect_job(ID) == JOB


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda hub: hub.inspect_job("../tokens"), id="an id that is a path"),
        pytest.param(lambda hub: hub.inspect_job(ID, namespace="a b"), id="no namespace"),
        pytest.param(lambda hub: hub.create_webhook(watched=[]), id="a webhook to nowhere"),
        pytest.param(lambda hub: hub.wait_for_job(None), id="nothing to wait for"),
        pytest.param(lambda hub: hub.run_job(image="x", command=[b"\xff"]), id="no JSON"),
    ],
)
async def test_what_cannot_be_is_not_sent(server: CannedServer, hub: RemoteHub, call: Call) -> None:
    with pytest.raises(UsageError):
        await call(hub)
    assert server.asked == []


async def test_scripts_are_read_here_and_travel_in_the_job(
    server: CannedServer, hub: RemoteHub, tmp_path: Path
) -> None:
    script = tmp_path / "train.py"
    script.write_text("print(1)\n")
    server.answers = [raw(dumped(JOB), "201 Told"), raw(dumped(SCHEDULE), "201 Told")]
    assert await hub.run_uv_job(str(script), dependencies=["numpy"]) == JOB
    await hub.create_scheduled_uv_job(str(script), schedule="@daily")
    for asked in server.asked:
        body = json.loads(asked.body)
        assert "JOBHOOK_FILES" in " ".join(body["env"])
        assert str(script) not in asked.body.decode()
    with pytest.raises(MissingFile):
        await hub.run_uv_job("not-there.py")


async def test_what_is_too_long_for_a_job_goes_nowhere(
    server: CannedServer, hub: RemoteHub, tmp_path: Path
) -> None:
    noise = random.Random(1).randbytes(200_000).hex()  # noqa: S311 - it packs badly
    (tmp_path / "train.py").write_text(f"# {noise}\n")
    with pytest.raises(UsageError, match="too long to travel with the job"):
        await hub.run_uv_job(str(tmp_path / "train.py"))
    assert server.asked == []


async def test_what_is_not_there_is_told_by_the_services_sentence(
    server: CannedServer, hub: RemoteHub
) -> None:
    told = {"code": "not_found", "message": "the Hub answered 404: no", "details": None}
    server.answers = [answer(404, {"error": told})]
    with pytest.raises(HubNotFound, match=r"^the Hub answered 404: no$"):
        await hub.inspect_job(ID)


# Their files are packed here; the calls that they come down to are in the list.
PACKED = {"run_uv_job", "create_scheduled_uv_job"}
# A folder goes to a bucket of the Hub's, by the caller's own token.
NOT_OFFERED = {"sync_job_volume"}
FUNCTIONS = {name for name, home in jobhook._HOMES.items() if home == "jobhook.hub.functions"}


@pytest.mark.parametrize("name", sorted(FUNCTIONS - NOT_OFFERED))
def test_every_call_of_the_hub_can_be_made_through_a_service(name: str) -> None:
    theirs, ours = getattr(AsyncHub, name), getattr(RemoteHub, name)
    assert name in PACKED or ours is not theirs
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
