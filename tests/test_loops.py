"""Rules whose jobs push to the repo that set them off, and people who push to it as well."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jobhook.core.causes import SENT
from jobhook.core.filters import LaunchFilter
from jobhook.core.launches import Launch, LaunchState
from jobhook.devhub import TOKEN
from jobhook.flows.acquitting import Acquitter
from jobhook.hub.client import AsyncHub
from jobhook.wiring import Service
from town import Town, running_town, until

pytestmark = pytest.mark.anyio

REPO = "acme/corpus"
ANN = "hf_ann"
PLENTY = {
    "JOBHOOK_RULE_REPO_PER_HOUR": "1000",
    "JOBHOOK_RULE_REPO_PER_DAY": "1000",
    "JOBHOOK_RULE_USD_PER_DAY": "1000",
    "JOBHOOK_USD_PER_DAY": "1000",
}
ASK = """
import json, os, urllib.request

def ask(path, body=None):
    request = urllib.request.Request(
        f"{os.environ['HUB']}/api/datasets/{os.environ['WEBHOOK_REPO_ID']}{path}",
        data=body,
        headers={"Authorization": f"Bearer {os.environ['HF_TOKEN']}"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)

def push(description):
    header = {"summary": "a result", "description": description}
    file = {"path": "result.txt", "content": os.environ["JOBHOOK_LAUNCH_ID"]}
    lines = {"key": "header", "value": header}, {"key": "file", "value": file}
    ask("/commit/main", "\\n".join(map(json.dumps, lines)).encode())

trailer = f"Jobhook-Launch: {os.environ['JOBHOOK_LAUNCH_ID']}"
"""
WITHOUT = "push('')"
WITH = "push(f'More.\\n\\n{trailer}')"
WITH_UNLESS_PUSHED_BY_A_JOB = """
(ref,) = json.loads(os.environ["WEBHOOK_PAYLOAD"])["updatedRefs"]
(commit,) = ask(f"/commits/{ref['newSha']}?limit=1")
if "Jobhook-Launch" not in commit["message"]:
    push(trailer)
"""


@pytest.fixture
async def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """A town where ann may write to acme, and nobody waits long for an acquittal."""
    monkeypatch.setattr(Acquitter, "idle", 0.05)
    users = tmp_path / "users.json"
    users.write_text(json.dumps([{"name": "ann", "token": ANN, "orgs": {"acme": "write"}}]))
    async with running_town(tmp_path, users=users) as town:
        yield town


def self_writing(town: Town, script: str) -> None:
    """A rule whose job pushes to the repo that was pushed to."""
    town.rule(
        "rewrite",
        f"""\
watch: ["org:acme"]
on: [commit.pushed]
repos: ["dataset:{REPO}"]
run:
  image: python:3.12
  command: [python, -c, {json.dumps(ASK + script)}]
  env: {{HUB: {json.dumps(town.url)}}}
  secrets: [HF_TOKEN]
""",
    )


async def judged(service: Service) -> Launch | None:
    """The launch that is held because a loop was found."""
    held = await service.store.launches(LaunchFilter(states=[LaunchState.HELD]), limit=0)
    return next((launch for launch in held if launch.reason.startswith("loop, ")), None)


@pytest.mark.parametrize(
    ("script", "token", "reason"),
    [
        pytest.param(WITHOUT, TOKEN, "loop, pushed by dev while launch", id="without a trailer"),
        pytest.param(WITH, TOKEN, "loop, set off by launch", id="with one"),
        pytest.param(WITH, ANN, "loop, set off by launch", id="with one, by another user"),
    ],
)
async def test_a_rule_that_sets_itself_off_stops_after_three_launches(
    town: Town, script: str, token: str, reason: str
) -> None:
    self_writing(town, script)
    async with (
        town.service(JOBHOOK_SECRET_HF_TOKEN=token, **PLENTY) as service,
        town.hub() as hub,
    ):
        await town.push(REPO)
        held = await until(lambda: judged(service))
        *others, first = await service.store.launches(limit=0)
        jobs = await hub.list_jobs(namespace="dev")
        log = await service.store.launches(LaunchFilter(states=SENT), limit=0)
    assert held.reason.startswith(reason)
    assert len(jobs) == len(log) == 3
    assert len(others) == 3
    assert {launch.root for launch in log} == {first.delivery}


async def test_a_person_who_pushes_often_is_not_locked_out_by_a_rule_that_writes_too(
    town: Town,
) -> None:
    self_writing(town, WITH_UNLESS_PUSHED_BY_A_JOB)
    async with town.service(JOBHOOK_SECRET_HF_TOKEN=TOKEN, **PLENTY) as service:
        async with AsyncHub(town.url, ANN) as ann:
            await ann.create_repo(REPO, repo_type="dataset")
            pushed = {
                await ann.create_commit(
                    REPO, {"a.csv": b"%d" % number}, repo_type="dataset", message="data"
                )
                for number in range(20)
            }

        async def all_sent() -> bool | None:
            launches = await service.store.launches(LaunchFilter(states=SENT), limit=0)
            sent = {(launch.subject or "").rpartition("@")[2] for launch in launches}
            return pushed <= sent or None

        await until(all_sent, seconds=60)
