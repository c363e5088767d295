"""What callers say of jobs and webhooks: the words of the Python functions, truly described."""

from __future__ import annotations

import inspect
import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from hub_apis import HUB_OPERATIONS
from jobhook.core.errors import FilesTooLong, UsageError
from jobhook.core.inlining import FILES_VARIABLE, LocalFile, inlined
from jobhook.core.jobs import JobSpec, Network, Volume
from jobhook.core.uv_runs import UV_IMAGE
from jobhook.hub.client import AsyncHub
from jobhook.hub.webhooks import DOMAINS, WATCHED_TYPES
from jobhook.web.api.given import Given
from jobhook.web.api.job_bodies import (
    CreateScheduledJob,
    CreateScheduledUvJob,
    NewLabels,
    NewPorts,
    NewTimes,
    RunJob,
    RunUvJob,
    job_of,
    uv_job_of,
)
from jobhook.web.api.openapi import document
from jobhook.web.api.webhooks import CreateWebhook, UpdateWebhook, Watched

pytestmark = pytest.mark.anyio

JOB = {"image": "python:3.12", "command": ["python", "-V"]}
SCRIPT = {"script": "https://example.org/a.py"}
SCHEDULE = {**JOB, "schedule": "@daily"}
WATCHED = [{"type": "org", "name": "acme"}]
HOOK = {"url": "https://hooks.example.org/", "watched": WATCHED}
CANARY = "canary-of-a-secret"

DOCUMENT = document(HUB_OPERATIONS)


def read(model: type[Given], said: Any) -> Any:
    return model.model_validate_json(json.dumps(said), strict=True)


def random_text(length: int) -> str:
    """What cannot be packed."""
    return random.Random(1).randbytes(length // 2).hex()  # noqa: S311 - chance is not needed


def is_allowed(model: type[Given], said: Any) -> bool:
    """Whether the document says that *said* is a body."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}", **DOCUMENT}
    return jsonschema.Draft202012Validator(schema).is_valid(said)


@pytest.mark.parametrize(
    ("model", "function", "own"),
    [
        pytest.param(RunJob, AsyncHub.run_job, set(), id="run_job"),
        pytest.param(RunUvJob, AsyncHub.run_uv_job, {"files"}, id="run_uv_job"),
        pytest.param(CreateScheduledJob, AsyncHub.create_scheduled_job, set(), id="schedule"),
        pytest.param(
            CreateScheduledUvJob, AsyncHub.create_scheduled_uv_job, {"files"}, id="schedule of uv"
        ),
        pytest.param(CreateWebhook, AsyncHub.create_webhook, set(), id="create_webhook"),
        pytest.param(UpdateWebhook, AsyncHub.update_webhook, set(), id="update_webhook"),
    ],
)
def test_a_body_has_the_arguments_of_the_function_in_their_order(
    model: type[Given], function: Any, own: set[str]
) -> None:
    arguments = {
        name: ... if each.default is inspect.Parameter.empty else each.default
        for name, each in inspect.signature(function).parameters.items()
        if name not in {"self", "token", "webhook_id"}
    }
    fields = {
        name: ... if each.is_required() else each.default
        for name, each in model.model_fields.items()
        if name not in own
    }
    assert list(fields.items()) == list(arguments.items())


def test_what_is_watched_is_what_the_client_knows() -> None:
    kinds = Watched.model_json_schema()["properties"]["type"]["enum"]
    domains = UpdateWebhook.model_json_schema()["$defs"]["Domain"]["enum"]
    assert (kinds, domains) == ([*WATCHED_TYPES], [*DOMAINS])


@pytest.mark.parametrize(
    "operation",
    [pytest.param(each, id=each.name) for each in HUB_OPERATIONS if each.body],
)
def test_the_example_of_a_body_is_one(operation: Any) -> None:
    assert operation.example
    assert is_allowed(operation.body, operation.example)
    assert read(operation.body, operation.example)


def test_every_field_is_described() -> None:
    bodies = {each.body for each in HUB_OPERATIONS if each.body}
    queries = {each.query for each in HUB_OPERATIONS}
    for model in bodies | queries:
        for name, each in model.model_fields.items():
            assert each.description, f"{model.__name__}.{name}"


GOOD: list[Any] = [
    pytest.param(RunJob, {"timeout": 90}, id="seconds"),
    pytest.param(RunJob, {"timeout": 90.123456789012345}, id="a fraction with many digits"),
    pytest.param(RunJob, {"timeout": "1.5h"}, id="hours"),
    pytest.param(RunJob, {"timeout": "0.1m"}, id="a part of a minute"),
    pytest.param(RunJob, {"timeout": "0.05h"}, id="a part of an hour"),
    pytest.param(RunJob, {"attempts": 3}, id="attempts"),
    pytest.param(RunJob, {"attempts": 3.0, "expose": [80.0]}, id="whole numbers with a point"),
    pytest.param(RunJob, {"flavor": ""}, id="no flavor"),
    pytest.param(RunJob, {"env": {"A1": "a\nb", "EMPTY": ""}}, id="env"),
    pytest.param(RunJob, {"secrets": {"S": "a\nb"}}, id="secrets"),
    pytest.param(RunJob, {"labels": {"a.b-c_1": ""}, "name": "x"}, id="labels and a name"),
    pytest.param(RunJob, {"volumes": ["hf://acme/m:/m"]}, id="a model"),
    pytest.param(RunJob, {"volumes": ["hf://datasets/a/d@refs/pr/1/x:/d:ro"]}, id="a pull request"),
    pytest.param(RunJob, {"volumes": ["hf://buckets/a/b/logs/1:/d:rw"]}, id="a folder of a bucket"),
    pytest.param(RunJob, {"volumes": [{"source": "a/b", "mount_path": "/m"}]}, id="a volume"),
    pytest.param(RunJob, {"expose": [1, 65535], "expose_public": []}, id="ports"),
    pytest.param(RunJob, {"network_group": "g-1", "network_aliases": ["a"]}, id="network"),
    pytest.param(RunJob, {"network_aliases": []}, id="no alias"),
    pytest.param(RunJob, {"resource_group_id": "0" * 24}, id="resource group"),
    pytest.param(RunJob, {"namespace": "acme"}, id="namespace"),
    pytest.param(CreateScheduledJob, {"schedule": "0 9-17 * * 1-5"}, id="ranges"),
    pytest.param(CreateScheduledJob, {"schedule": "00 06 01 * *"}, id="zeros in front"),
    pytest.param(CreateScheduledJob, {"schedule": "*/5 0,12 1 * 7"}, id="steps and lists"),
    pytest.param(CreateScheduledJob, {"schedule": "0 0 6 * * 1"}, id="six fields"),
    pytest.param(CreateScheduledJob, {"suspend": True, "concurrency": False}, id="flags"),
]

BAD: list[Any] = [
    pytest.param(RunJob, {"image": ""}, id="empty image"),
    pytest.param(RunJob, {"image": "a\nb"}, id="image of two lines"),
    pytest.param(RunJob, {"image": "a" * 1001}, id="long image"),
    pytest.param(RunJob, {"command": []}, id="no command"),
    pytest.param(RunJob, {"command": ["a", ""]}, id="empty word"),
    pytest.param(RunJob, {"command": ["a\0"]}, id="NUL in a word"),
    pytest.param(RunJob, {"command": "python -V"}, id="command as text"),
    pytest.param(RunJob, {"env": {"1A": ""}}, id="name of a variable"),
    pytest.param(RunJob, {"env": {"AB": 1}}, id="number in env"),
    pytest.param(RunJob, {"env": {"AB": "\0"}}, id="NUL in env"),
    pytest.param(RunJob, {"secrets": {"A B": ""}}, id="name of a secret"),
    pytest.param(RunJob, {"secrets": ["S"]}, id="secrets as names"),
    pytest.param(RunJob, {"flavor": "a\x1bb"}, id="control in flavor"),
    pytest.param(RunJob, {"timeout": 0.5}, id="half a second"),
    pytest.param(RunJob, {"timeout": 1e10}, id="a life long"),
    pytest.param(RunJob, {"timeout": True}, id="true seconds"),
    pytest.param(RunJob, {"timeout": "soon"}, id="no timeout"),
    pytest.param(RunJob, {"attempts": 0}, id="no attempt"),
    pytest.param(RunJob, {"attempts": 1.5}, id="an attempt and a half"),
    pytest.param(RunJob, {"labels": {"a=b": ""}}, id="key of a label"),
    pytest.param(RunJob, {"labels": {"a": "b c"}}, id="value of a label"),
    pytest.param(RunJob, {"name": "a b"}, id="name"),
    pytest.param(RunJob, {"volumes": ["/etc:/m"]}, id="a folder of the server"),
    pytest.param(RunJob, {"volumes": ["hf://acme/m"]}, id="no mount"),
    pytest.param(RunJob, {"volumes": [{"source": "a/b", "mount_path": "m"}]}, id="mounted nowhere"),
    pytest.param(
        RunJob,
        {"volumes": [{"type": "kernel", "source": "a", "mount_path": "/m"}]},
        id="kind of volume",
    ),
    pytest.param(RunJob, {"expose": [0]}, id="port 0"),
    pytest.param(RunJob, {"expose": [65536]}, id="port over 65535"),
    pytest.param(RunJob, {"expose": list(range(1, 22))}, id="21 ports"),
    pytest.param(RunJob, {"ssh": None}, id="ssh or not"),
    pytest.param(RunJob, {"network_group": "G"}, id="group in capitals"),
    pytest.param(RunJob, {"resource_group_id": "acme"}, id="resource group"),
    pytest.param(RunJob, {"namespace": ".."}, id="namespace of dots"),
    pytest.param(RunJob, {"namespace": "a/b"}, id="namespace with a slash"),
    pytest.param(RunJob, {"token": "hf_x"}, id="a token of the caller's"),
    pytest.param(CreateScheduledJob, {"schedule": "@noon"}, id="unknown word"),
    pytest.param(CreateScheduledJob, {"schedule": "60 * * * *"}, id="minute 60"),
    pytest.param(CreateScheduledJob, {"schedule": "* * * *"}, id="four fields"),
    pytest.param(CreateScheduledJob, {"ssh": True}, id="ssh of a schedule"),
    pytest.param(CreateWebhook, {"url": "ftp://x/"}, id="no http"),
    pytest.param(CreateWebhook, {"url": "https://user:word@x/"}, id="password in a URL"),
    pytest.param(CreateWebhook, {"watched": []}, id="nothing watched"),
    pytest.param(CreateWebhook, {"watched": [{"type": "repo", "name": "a"}]}, id="kind of watched"),
    pytest.param(CreateWebhook, {"watched": [{"type": "org", "name": "a b"}]}, id="no name"),
    pytest.param(CreateWebhook, {"domains": []}, id="no domain"),
    pytest.param(CreateWebhook, {"domains": ["issues"]}, id="unknown domain"),
    pytest.param(CreateWebhook, {"secret": "é"}, id="secret beyond ASCII"),
    pytest.param(CreateWebhook, {"job_id": "j1"}, id="id of a job"),
]

BASES: dict[type[Given], dict[str, Any]] = {
    RunJob: JOB,
    RunUvJob: SCRIPT,
    CreateScheduledJob: SCHEDULE,
    CreateWebhook: HOOK,
}


@pytest.mark.parametrize(("model", "more"), GOOD)
def test_what_the_schema_allows_is_a_job(model: type[Given], more: dict[str, Any]) -> None:
    said = {**BASES[model], **more}
    assert is_allowed(model, said)
    assert job_of(read(model, said)).image


@pytest.mark.parametrize(("model", "more"), BAD)
def test_what_the_schema_forbids_is_refused(model: type[Given], more: dict[str, Any]) -> None:
    said = {**BASES[model], **more}
    assert not is_allowed(model, said)
    with pytest.raises(ValidationError):
        read(model, said)


# The schema says these by its conditions, and the client's own rules refuse them.
@pytest.mark.parametrize(
    ("model", "more"),
    [
        pytest.param(RunJob, {"network_aliases": ["a"]}, id="alias without a group"),
        pytest.param(RunJob, {"network_aliases": ["a"], "network_group": None}, id="null group"),
        pytest.param(RunUvJob, {"network_aliases": ["a"]}, id="alias of a script"),
    ],
)
async def test_aliases_need_a_group(model: type[Given], more: dict[str, Any]) -> None:
    said = {**BASES[model], **more}
    assert not is_allowed(model, said)
    with pytest.raises(UsageError, match="needs a network_group"):
        _ = job_of(read(model, said)) if model is RunJob else await uv_job_of(read(model, said))


@pytest.mark.parametrize(
    ("model", "said", "is_one"),
    [
        pytest.param(CreateWebhook, HOOK, True, id="url"),
        pytest.param(CreateWebhook, {"watched": WATCHED, "job_id": "0" * 24}, True, id="job"),
        pytest.param(
            CreateWebhook,
            {"watched": WATCHED, "job_id": "0" * 24, "secrets": {"A": "b"}},
            True,
            id="job with secrets",
        ),
        pytest.param(CreateWebhook, {"watched": WATCHED}, False, id="neither"),
        pytest.param(CreateWebhook, {**HOOK, "job_id": "0" * 24}, False, id="both"),
        pytest.param(CreateWebhook, {**HOOK, "secrets": {"A": "b"}}, False, id="secrets of a url"),
        pytest.param(UpdateWebhook, {}, True, id="nothing changes"),
        pytest.param(UpdateWebhook, {"url": HOOK["url"]}, True, id="another url"),
        pytest.param(UpdateWebhook, {"secrets": {"A": "b"}}, False, id="secrets of nothing"),
    ],
)
def test_a_webhook_has_one_target(model: type[Given], said: dict[str, Any], is_one: bool) -> None:
    assert is_allowed(model, said) is is_one


def test_what_is_said_of_a_job_is_the_job() -> None:
    said = {
        **JOB,
        "env": {"A1": "1"},
        "secrets": {"S": CANARY},
        "flavor": "t4-small",
        "timeout": "1.5h",
        "attempts": 2,
        "name": "n",
        "labels": {"team": "data"},
        "volumes": [
            "hf://datasets/acme/corpus@main/en:/data:ro",
            {"type": "bucket", "source": "acme/b", "mount_path": "/b", "read_only": False},
        ],
        "expose": [80],
        "expose_public": [81],
        "ssh": True,
        "network_group": "g",
        "network_aliases": ["a"],
        "resource_group_id": "0" * 24,
        "namespace": "acme",
    }
    body = read(RunJob, said)
    assert job_of(body) == JobSpec(
        image="python:3.12",
        command=("python", "-V"),
        env={"A1": "1"},
        secrets={"S": CANARY},
        flavor="t4-small",
        timeout=5400,
        attempts=2,
        labels={"name": "n", "team": "data"},
        volumes=(
            Volume(
                type="dataset",
                source="acme/corpus",
                revision="main",
                path="en",
                mount_path="/data",
                read_only=True,
            ),
            Volume(type="bucket", source="acme/b", mount_path="/b", read_only=False),
        ),
        expose=(80,),
        expose_public=(81,),
        ssh=True,
        network=Network(group="g", aliases=("a",)),
        resource_group_id="0" * 24,
    )
    assert CANARY not in repr(body)


async def test_files_travel_with_the_job_as_they_do_from_python() -> None:
    files = {"src/train.py": "print(1)\n", "my data.csv": "é", "other/train.py": "print(2)\n"}
    said = {
        "script": "src/train.py",
        "script_args": ["my data.csv", "--other", "other/train.py", "src/train.py"],
        "dependencies": ["numpy"],
        "python": "3.12",
        "files": files,
        "env": {"A1": "1"},
    }
    spec = await uv_job_of(read(RunUvJob, said))
    first = LocalFile("train.py", b"print(1)\n")
    data, second = LocalFile("my_data.csv", "é".encode()), LocalFile("train(0).py", b"print(2)\n")
    uv = ["uv", "run", "--with", "numpy", "--python", "3.12"]
    command, carried = inlined([*uv, first, data, "--other", second, first])
    assert (spec.command, spec.env) == (command, {"A1": "1", **carried})
    assert (spec.image, spec.labels["name"].rpartition("-")[0]) == (UV_IMAGE, "train")


@pytest.mark.parametrize(
    ("more", "name"),
    [
        pytest.param({"name": "mine"}, "mine", id="a name"),
        pytest.param({"labels": {"name": "label"}}, "label", id="the label"),
    ],
)
async def test_a_script_may_be_given_a_name(more: dict[str, Any], name: str) -> None:
    assert (await uv_job_of(read(RunUvJob, {**SCRIPT, **more}))).labels["name"] == name


async def test_nothing_is_read_from_the_machine_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = tmp_path / "words"
    here.write_text(CANARY)
    said = {"script": "words", "script_args": [str(here), "../words"]}
    spec = await uv_job_of(read(RunUvJob, said))
    assert spec.command == ("uv", "run", "words", str(here), "../words")
    assert spec.env == {}
    (tmp_path / "train.py").write_text(CANARY)
    with pytest.raises(UsageError, match="no name in `files`"):
        await uv_job_of(read(RunUvJob, {"script": "train.py"}))


@pytest.mark.parametrize(
    ("more", "error", "told"),
    [
        pytest.param({"files": {"x.py": ""}}, UsageError, "neither the script", id="unused"),
        pytest.param(
            {"files": {"a": ""}, "script": "a", "secrets": {FILES_VARIABLE: ""}},
            UsageError,
            FILES_VARIABLE,
            id="their variable",
        ),
        pytest.param({"name": "a", "labels": {"name": "b"}}, UsageError, "not both", id="names"),
        pytest.param(
            {"files": {"a": random_text(300_000)}, "script": "a"},
            FilesTooLong,
            "packed, the files take",
            id="too long",
        ),
    ],
)
async def test_scripts_that_cannot_be_are_refused(
    more: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        await uv_job_of(read(RunUvJob, {**SCRIPT, **more}))


@pytest.mark.parametrize(
    "name", ["", "a/", "..", "a/..", ".", "a\nb", "a/.", "..a", pytest.param("a" * 256, id="long")]
)
def test_a_file_has_the_name_of_a_file(name: str) -> None:
    said = {"script": name, "files": {name: ""}}
    assert not is_allowed(RunUvJob, said)
    with pytest.raises(ValidationError):
        read(RunUvJob, said)


def test_labels_and_times_are_said_in_place_of_others() -> None:
    assert read(NewLabels, {"labels": {}}).labels == {}
    assert read(NewPorts, {}).expose is None
    assert read(NewTimes, {"schedule": "@weekly"}).schedule == "@weekly"


@pytest.mark.parametrize(
    ("model", "base"), [(RunJob, JOB), (CreateWebhook, {"watched": WATCHED, "job_id": "0" * 24})]
)
def test_values_of_secrets_are_marked_as_such(model: type[Given], base: dict[str, Any]) -> None:
    body = read(model, {**base, "secrets": {"S": CANARY}})
    assert CANARY not in f"{body!r} {body}"
    schemas = DOCUMENT["components"]["schemas"]
    named, _ = schemas[model.__name__]["properties"]["secrets"]["anyOf"]
    value = schemas[named["$ref"].rpartition("/")[2]]["additionalProperties"]
    assert (value["format"], value["writeOnly"]) == ("password", True)
