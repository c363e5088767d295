"""Schedules over HTTP: on a devhub, and through the ledger of a whole service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from hub_apis import HubApi, opened_hub_api
from jobhook.core.access import Role
from jobhook.core.filters import LaunchFilter

pytestmark = pytest.mark.anyio

CANARY = "canary-of-a-secret"
DAILY = {"image": "python:3.12", "command": ["true"], "schedule": "@daily", "timeout": "1m"}
NOBODY = "0" * 24


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HubApi]:
    async with opened_hub_api(tmp_path_factory.mktemp("town")) as opened:
        yield opened


@pytest.fixture
async def schedule(api: HubApi) -> AsyncIterator[str]:
    made = await api.done("POST", "/schedules", DAILY)
    yield made["id"]
    await api.ask("DELETE", f"/schedules/{made['id']}")


async def test_a_schedule_is_made_through_the_ledger_once_for_its_key(
    api: HubApi, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {**DAILY, "suspend": True, "concurrency": True, "secrets": {"TOKEN": CANARY}}
    made = await api.ask("POST", "/schedules", said, role=Role.OPERATOR, idempotency_key="k1")
    same = await api.ask("POST", "/schedules", said, role=Role.OPERATOR, idempotency_key="k1")
    told = made.json()
    (launch,) = await api.store.launches(LaunchFilter(rule="api.schedule"), limit=0)
    assert (made.status_code, same.json()["id"]) == (201, told["id"])
    assert (told["schedule"], told["suspend"], told["concurrency"]) == ("@daily", True, True)
    assert (told["job_spec"]["secrets"], told["job_spec"]["timeout"]) == (["TOKEN"], 60)
    assert (launch.job_id, launch.asked_by) == (told["id"], Role.OPERATOR)
    logged = capsys.readouterr()
    assert CANARY not in f"{made.text}{logged.out}{logged.err}"
    assert not api.is_kept(CANARY)


async def test_a_script_is_scheduled_with_its_files(api: HubApi) -> None:
    said = {"script": "a.py", "files": {"a.py": "print(1)\n"}, "schedule": "0 6 * * 1"}
    made = await api.ask("POST", "/schedules/uv", {**said, "timeout": "1m"})
    assert made.status_code == 201, made.text
    spec = made.json()["job_spec"]
    assert (spec["command"][0], "JOBHOOK_FILES" in spec["environment"]) == ("sh", True)


async def test_what_costs_more_than_a_day_has_is_refused(api: HubApi, schedule: str) -> None:
    dear = {**DAILY, "flavor": "a100-large", "schedule": "@hourly", "timeout": "1h"}
    made = await api.ask("POST", "/schedules", dear)
    mean = {**DAILY, "flavor": "a10g-small", "timeout": "1h", "suspend": True}
    known = await api.done("POST", "/schedules", mean)
    path = f"/schedules/{known['id']}/schedule"
    moved = await api.ask("PUT", path, {"schedule": "@hourly"})
    codes = [each.json()["error"]["code"] for each in (made, moved)]
    assert codes == ["limit_reached", "limit_reached"]


async def test_schedules_are_listed_page_by_page_while_others_come(api: HubApi) -> None:
    said = {**DAILY, "labels": {"for": "list", "team": "data"}}
    ids = [(await api.done("POST", "/schedules", said))["id"] for _ in range(3)]
    query = "/schedules?label=for%3Dlist&label=team%3Ddata&limit=2"
    first = await api.done("GET", query, role=Role.VIEWER)
    await api.done("POST", "/schedules", said)
    rest = await api.done("GET", f"{query}&cursor={first['next_cursor']}")
    none = await api.done("GET", "/schedules?label=for%3Dlist&label=for%3Dnothing")
    told = [each["id"] for each in (*first["items"], *rest["items"])]
    assert (told, rest["next_cursor"], none["items"]) == (ids[::-1], None, [])


async def test_a_schedule_is_looked_at_and_changed(api: HubApi, schedule: str) -> None:
    path = f"/schedules/{schedule}"
    moved = await api.done("PUT", f"{path}/schedule", {"schedule": "@weekly"})
    named = await api.done("PUT", f"{path}/labels", {"labels": {"kept": "yes"}})
    suspended = await api.ask("POST", f"{path}/suspend")
    still = await api.done("GET", path, role=Role.VIEWER)
    resumed = await api.ask("POST", f"{path}/resume")
    goes_on = await api.done("GET", path)
    labels = named["job_spec"]["labels"]
    assert moved["schedule"] == "@weekly"
    assert {name for name in labels if not name.startswith("jobhook-")} == {"kept"}
    assert labels["jobhook-launch"]
    assert [each.status_code for each in (suspended, resumed)] == [204, 204]
    assert (still["suspend"], goes_on["suspend"]) == (True, False)


async def test_its_job_is_started_now_through_the_ledger(api: HubApi, schedule: str) -> None:
    path = f"/schedules/{schedule}/run"
    job = await api.ask("POST", path, role=Role.OPERATOR, idempotency_key="now")
    (launch,) = await api.store.launches(LaunchFilter(rule="api.trigger"), limit=0)
    assert (job.status_code, job.json()["id"]) == (201, launch.job_id)
    assert launch.asked_by == Role.OPERATOR


async def test_a_schedule_is_deleted(api: HubApi, schedule: str) -> None:
    gone = await api.ask("DELETE", f"/schedules/{schedule}")
    after = await api.ask("GET", f"/schedules/{schedule}")
    assert (gone.status_code, gone.content, after.status_code) == (204, b"", 404)


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        pytest.param("GET", "", None, id="look"),
        pytest.param("DELETE", "", None, id="delete"),
        pytest.param("POST", "/run", None, id="run"),
        pytest.param("POST", "/suspend", None, id="suspend"),
        pytest.param("POST", "/resume", None, id="resume"),
        pytest.param("PUT", "/schedule", {"schedule": "@daily"}, id="schedule"),
        pytest.param("PUT", "/labels", {"labels": {}}, id="labels"),
    ],
)
async def test_an_unknown_schedule_is_not_found(
    api: HubApi, method: str, path: str, said: Any
) -> None:
    answer = await api.ask(method, f"/schedules/{NOBODY}{path}", said)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("more", "where"),
    [
        pytest.param({"schedule": "@noon"}, "body.schedule", id="no word"),
        pytest.param({"schedule": "0 17-9 * * *"}, None, id="a range backwards"),
        pytest.param({"ssh": True}, "body.ssh", id="ssh"),
    ],
)
async def test_what_cannot_be_scheduled_is_told(
    api: HubApi, more: dict[str, Any], where: str | None
) -> None:
    answer = await api.ask("POST", "/schedules", {**DAILY, **more})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "invalid")
    assert where is None or where == error["details"][0]["where"]
