"""What callers may say of a job: bad input of every kind is a sentence, and nothing is sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import huggingface_hub
import pytest

from canned import CannedServer, answer
from jobhook.core.errors import HubBusy, HubError, OutcomeUnknown, UsageError
from jobhook.core.jobs import Volume
from jobhook.hub.client import AsyncHub

pytestmark = pytest.mark.anyio

RUN: dict[str, Any] = {"image": "python:3.12", "command": ["python", "-V"]}
JOB = {
    "id": "j1",
    "owner": {"id": "1", "name": "acme", "type": "org"},
    "status": {"stage": "SCHEDULING", "message": None},
}


@pytest.fixture
async def hub(server: CannedServer) -> AsyncIterator[AsyncHub]:
    async with AsyncHub(server.url, "hf_x", deadline=5, retries=0) as opened:
        yield opened


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param({"image": ""}, "image is empty", id="image"),
        pytest.param({"image": None}, "image must be a text, not NoneType", id="no-image"),
        pytest.param({"command": "python -V"}, "command must be a list of words", id="command"),
        pytest.param({"command": []}, "command needs at least one word", id="no-command"),
        pytest.param({"command": ["x", 1]}, "command must be a text, not int", id="number"),
        pytest.param({"command": None}, "command must be a list of words", id="none"),
        pytest.param({"env": {"A": "1"}}, "env name 'A'", id="env-name"),
        pytest.param({"env": {"DEBUG": True}}, "env DEBUG is bool", id="env-bool"),
        pytest.param({"env": {"DEBUG": None}}, "env DEBUG is NoneType", id="env-none"),
        pytest.param({"env": ["A=1"]}, "env must map names to values", id="env-list"),
        pytest.param({"env": {1: "a"}}, "a name in env must be a text", id="env-key"),
        pytest.param({"secrets": {"9A": "hush"}}, "secrets name '9A'", id="secret-name"),
        pytest.param({"secrets": {"AB": b"hush"}}, "secrets AB is bytes", id="secret-bytes"),
        pytest.param({"labels": {"a b": "1"}}, "label 'a b=1'", id="label"),
        pytest.param({"labels": {"a": "x" * 101}}, "100 of each at most", id="label-long"),
        pytest.param({"name": "a/b"}, "label 'name=a/b'", id="name"),
        pytest.param({"name": "a", "labels": {"name": "b"}}, "but not both", id="two-names"),
        pytest.param({"timeout": "abc"}, "timeout 'abc' is no length of time", id="timeout"),
        pytest.param({"timeout": -1}, "timeout '-1' is no length of time", id="negative"),
        pytest.param({"timeout": "5x"}, "timeout '5x' is no length of time", id="unit"),
        pytest.param({"attempts": 0}, "attempts 0 must be at least 1", id="attempts"),
        pytest.param({"attempts": "2"}, "attempts must be a whole number", id="attempts-text"),
        pytest.param({"expose": [0]}, "port '0' must be a number from 1", id="port"),
        pytest.param({"expose": 8000}, "expose must be a list, not int", id="no-list"),
        pytest.param({"expose": ["80"]}, "port '80' must be a number", id="port-text"),
        pytest.param({"expose_public": range(1, 30)}, "20 ports at most", id="ports"),
        pytest.param({"volumes": ["/data"]}, "volumes holds a str", id="volume"),
        pytest.param(
            {"volumes": [Volume(source="a/b", mount_path="data")]},
            "volume mount_path 'data'",
            id="mount",
        ),
        pytest.param({"command": {"a": "b"}}, "command must be a list of words", id="mapping"),
        pytest.param({"env": []}, "env must map names to values", id="env-empty-list"),
        pytest.param({"env": {"AB": 10**5000}}, "AB is a number of over 300 digits", id="env-huge"),
        pytest.param({"secrets": {"AB": ["hush"]}}, "secrets AB is list", id="secret-list"),
        pytest.param({"secrets": {"\ud800": 1.5}}, r"name '\ud800'", id="secret-half-a-name"),
        pytest.param({"secrets": {"\n": None}}, r"secrets '\n' is NoneType", id="secret-no-name"),
        pytest.param({"timeout": ""}, "timeout '' is no length of time", id="timeout-empty"),
        pytest.param({"timeout": False}, "timeout 'False' is no length", id="timeout-flag"),
        pytest.param({"timeout": ["hush"]}, "timeout <list> is no length", id="timeout-list"),
        pytest.param({"attempts": -(10**5000)}, "15 digits at most", id="attempts-huge"),
        pytest.param({"flavor": b"cpu-basic"}, "flavor must be a text, not bytes", id="flavor"),
        pytest.param({"ssh": "no"}, "ssh must be True or False, not str", id="ssh"),
        pytest.param({"suspend": "no", "schedule": "@daily"}, "suspend must be True", id="suspend"),
        pytest.param({"concurrency": 0, "schedule": "@daily"}, "concurrency must", id="several"),
        pytest.param({"network_group": 5}, "network_group must be a text", id="group-number"),
        pytest.param({"resource_group_id": 5}, "resource_group_id must be", id="resources-number"),
        pytest.param({"namespace": 5}, "namespace '5' is no name", id="namespace-number"),
        pytest.param({"namespace": ".."}, "namespace '..' is no name", id="namespace-dots"),
        pytest.param({"network_aliases": ["db"]}, "network_aliases needs", id="aliases"),
        pytest.param({"network_group": "A B"}, "network group 'A B'", id="group"),
        pytest.param({"resource_group_id": "x"}, "24 hexadecimal digits", id="resources"),
        pytest.param({"namespace": "a/b"}, "namespace 'a/b' is no name", id="namespace"),
        pytest.param({"schedule": "@never"}, "schedule '@never'", id="schedule"),
    ],
)
async def test_what_the_hub_would_not_take_is_a_sentence_and_nothing_is_sent(
    hub: AsyncHub, server: CannedServer, said: dict[str, Any], words: str
) -> None:
    call = hub.create_scheduled_job if "schedule" in said else hub.run_job
    with pytest.raises(UsageError) as refused:
        await call(**{**RUN, **said})
    assert isinstance(refused.value, ValueError)
    assert words in str(refused.value)
    assert "hush" not in str(refused.value)
    assert server.asked == []


@pytest.mark.parametrize(
    ("method", "said", "words"),
    [
        ("inspect_job", {"job_id": "../x"}, "'../x' is no id of a job"),
        ("inspect_job", {"job_id": None}, "'None' is no id of a job"),
        ("cancel_job", {"job_id": ""}, "'' is no id of a job"),
        ("update_job_labels", {"job_id": "j", "labels": {"a": "b c"}}, "label 'a=b c'"),
        ("update_job_expose", {"job_id": "j", "expose": [99999]}, "port '99999'"),
        ("update_scheduled_job_schedule", {"scheduled_job_id": "s", "schedule": "x"}, "schedule"),
        ("update_scheduled_job_labels", {"scheduled_job_id": "s", "labels": {"": "a"}}, "label"),
        ("list_jobs", {"status": "DONE"}, "stage 'DONE': one of SCHEDULING"),
        ("create_webhook", {"watched": []}, "either a url or a job_id"),
        ("create_webhook", {"url": "x", "watched": []}, "watched is empty"),
        ("create_webhook", {"url": "x", "watched": [{"type": "user"}]}, "a `type` and a `name`"),
        ("create_webhook", {"url": "x", "watched": [{"type": "uzer", "name": "a"}]}, "`user`"),
        ("create_webhook", {"url": "x", "watched": [{"type": "user", "name": ""}]}, "a name"),
        ("create_webhook", {"url": "x", "watched": [{"type": "user", "name": "a"}]}, "no http"),
        ("create_webhook", {"job_id": "j", "secret": "ü", "watched": ["a"]}, "a `type`"),
        ("update_webhook", {"webhook_id": "w", "secret": "ü"}, "printable ASCII"),
        ("update_webhook", {"webhook_id": "w", "secrets": {"A": "b"}}, "they need a job_id"),
        ("update_webhook", {"webhook_id": "w", "job_id": "j", "secrets": {"": "b"}}, "name ''"),
        ("update_webhook", {"webhook_id": "w", "job_id": "j", "url": "http://x"}, "not both"),
        ("update_webhook", {"webhook_id": "w", "domains": []}, "domains is empty"),
        ("update_webhook", {"webhook_id": "w", "domains": ["discussions"]}, "`discussion`"),
        ("update_job_labels", {"job_id": "j", "labels": None}, "takes all of them away"),
        ("list_jobs", {"labels": {"a": "x" * 10**6}}, "100 of each at most"),
        ("list_scheduled_jobs", {"labels": {"\ud800": "a"}}, "label"),
        ("list_jobs", {"status": 5}, "status must be a list, not int"),
        ("list_jobs", {"status": [10**5000]}, "stage <int>: one of"),
        ("list_jobs", {"timeout": "5"}, "timeout must be a number of seconds, not str"),
        ("list_jobs", {"timeout": 10**5000}, "timeout must be a number of 15 digits"),
        ("wait_for_job", {"job_id": None}, "'None' is no id of a job"),
        ("wait_for_job", {"job_id": {"a": "b"}}, "job_id must be a list, not dict"),
        ("wait_for_job", {"job_id": "j", "poll_interval": None}, "poll_interval must be a number"),
        ("inspect_job", {"job_id": 10**5000}, "<int> is no id of a job"),
        ("create_webhook", {"url": 5, "watched": [{"type": "user", "name": "a"}]}, "url must be"),
        ("update_webhook", {"webhook_id": "w", "url": "http://[::1"}, "no http(s) address"),
        ("update_webhook", {"webhook_id": "w", "secret": ["hush"]}, "secret must be a text"),
        ("update_webhook", {"webhook_id": "w", "domains": 5}, "domains must be a list, not int"),
        (
            "update_webhook",
            {"webhook_id": "w", "watched": [{"type": "user", "name": None}]},
            "a `type` and a `name`",
        ),
        (
            "update_webhook",
            {"webhook_id": "w", "watched": [{"type": "user", "name": "\ud800"}]},
            r"the name of a watched user '\ud800'",
        ),
        ("get_webhook", {"webhook_id": "a/b"}, "is no id of a webhook"),
    ],
)
async def test_bad_input_to_any_call_is_a_sentence_and_nothing_is_sent(
    hub: AsyncHub, server: CannedServer, method: str, said: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as refused:
        await getattr(hub, method)(**said)
    assert words in str(refused.value)
    assert "hush" not in str(refused.value)
    assert server.asked == []


async def test_the_user_of_a_token_is_asked_for_once(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(200, {"name": "acme"}), *[answer(200, JOB)] * 2]
    await hub.inspect_job("j1")
    await hub.inspect_job("j1")
    assert [asked.target for asked in server.asked] == [
        "/api/whoami-v2",
        "/api/jobs/acme/j1",
        "/api/jobs/acme/j1",
    ]


async def test_the_users_of_many_tokens_are_not_all_kept(
    hub: AsyncHub, server: CannedServer
) -> None:
    for number in range(70):
        server.answers = [answer(200, {"name": "acme"}), answer(200, JOB)]
        await hub.inspect_job("j1", token=f"hf_{number}")
    assert len(hub._names) < 65


async def test_a_volume_of_the_official_client_is_taken(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [answer(200, JOB)]
    theirs = huggingface_hub.Volume(type="dataset", source="acme/d", mount_path="/d")
    await hub.run_job(**RUN, volumes=[theirs], namespace="acme")
    assert json.loads(server.asked[0].body)["volumes"] == [theirs.to_dict()]


@pytest.mark.parametrize(
    ("method", "said", "clue"),
    [
        ("run_job", {**RUN, "name": "n"}, {"namespace": "acme", "labels": {"name": "n"}}),
        (
            "create_scheduled_job",
            {**RUN, "name": "n", "schedule": "@daily"},
            {"namespace": "acme", "labels": {"name": "n"}},
        ),
        ("rerun_job", {"job_id": "j1"}, {"initiator": "duplicated-job j1"}),
        ("trigger_scheduled_job", {"scheduled_job_id": "s1"}, {"initiator": "scheduled-job s1"}),
    ],
)
@pytest.mark.parametrize("told", [None, answer(500), answer(200, {})], ids=["gone", "500", "empty"])
async def test_an_outcome_that_nobody_knows_says_what_to_look_for(
    hub: AsyncHub,
    server: CannedServer,
    method: str,
    said: dict[str, Any],
    clue: dict[str, Any],
    told: bytes | None,
) -> None:
    server.answers = [told]
    with pytest.raises(OutcomeUnknown, match="before asking again look for") as unknown:
        await getattr(hub, method)(**said, namespace="acme")
    assert clue.items() <= unknown.value.look_for.items()
    assert unknown.value.look_for["since"].endswith("Z")
    assert len(server.asked) == 1


async def test_a_webhook_that_may_have_been_made_is_known_by_its_address(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [answer(502)]
    with pytest.raises(OutcomeUnknown) as unknown:
        await hub.create_webhook(url="https://u.test", watched=[{"type": "user", "name": "a"}])
    assert unknown.value.look_for["url"] == "https://u.test"


async def test_an_update_sends_what_stays_as_well(hub: AsyncHub, server: CannedServer) -> None:
    webhook = {
        "id": "w1",
        "watched": [{"type": "org", "name": "acme"}],
        "domains": ["repo"],
        "disabled": False,
    }
    server.answers = [answer(200, {"webhook": webhook})] * 2
    await hub.update_webhook("w1", domains=["discussion"])
    assert json.loads(server.asked[1].body) == {
        "watched": [{"type": "org", "name": "acme"}],
        "domains": ["discussion"],
    }


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("inspect_scheduled_job", {"scheduled_job_id": "s1"}),
        ("update_job_labels", {"job_id": "j1", "labels": {}}),
        ("list_scheduled_jobs", {}),
    ],
)
@pytest.mark.parametrize("told", [{}, "x", None, [1], [{"id": "1"}]])
async def test_an_answer_that_cannot_be_read_is_an_error_of_the_hub(
    hub: AsyncHub, server: CannedServer, method: str, said: dict[str, Any], told: Any
) -> None:
    server.answers = [answer(200, told)]
    with pytest.raises(HubError) as failed:
        await getattr(hub, method)(**said, namespace="acme")
    assert isinstance(failed.value, HubBusy)


@pytest.mark.parametrize(
    "odd", [{"watched": {"a": "b"}}, {"watched": [5]}, {"domains": 5}, {"domains": [5]}], ids=str
)
async def test_a_webhook_that_cannot_be_read_is_not_sent_back(
    hub: AsyncHub, server: CannedServer, odd: dict[str, Any]
) -> None:
    webhook = {"id": "w1", "watched": [{"type": "org", "name": "a"}], "domains": ["repo"], **odd}
    server.answers = [answer(200, {"webhook": webhook})]
    with pytest.raises(HubBusy, match="no webhook"):
        await hub.update_webhook("w1", secret="s")
    assert len(server.asked) == 1


async def test_a_price_beyond_all_numbers_is_an_error_of_the_hub(
    hub: AsyncHub, server: CannedServer
) -> None:
    flavor = {"name": "x", "unitCostMicroUSD": 10**400, "unitLabel": "minute"}
    server.answers = [answer(200, [flavor])]
    with pytest.raises(HubBusy, match="list of hardware"):
        await hub.list_jobs_hardware()


@pytest.mark.parametrize("labels", [["a"], "a", 5])
async def test_a_scheduled_job_with_odd_labels_carries_none(
    hub: AsyncHub, server: CannedServer, labels: Any
) -> None:
    odd = {"id": "s1", "owner": JOB["owner"], "jobSpec": {"labels": labels}, "status": {}}
    server.answers = [answer(200, [odd])]
    assert await hub.list_scheduled_jobs(labels={"a": "1"}, namespace="acme") == []


async def test_scheduled_jobs_are_those_that_carry_every_label(
    hub: AsyncHub, server: CannedServer
) -> None:
    def scheduled(job_id: str, **labels: str) -> dict[str, Any]:
        return {"id": job_id, "owner": JOB["owner"], "jobSpec": {"labels": labels}, "status": {}}

    server.answers = [answer(200, [scheduled("s1", a="1"), scheduled("s2", a="1", b="2")])]
    found = await hub.list_scheduled_jobs(labels={"a": "1", "b": "2"}, namespace="acme")
    assert [each.id for each in found] == ["s2"]
    assert server.asked[0].target == "/api/scheduled-jobs/acme?label=a%3D1"
