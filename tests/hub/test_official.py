"""A job is sent as the official client sends it, field by field."""

from __future__ import annotations

import json
import os
from typing import Any

import anyio.to_thread
import pytest

# Read when huggingface_hub is imported: nothing here may reach for the network.
os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_IMPLICIT_TOKEN="1")

from huggingface_hub import HfApi, Volume

from canned import CannedServer, answer
from jobhook.core.actions import Action

pytestmark = pytest.mark.anyio

JOB = {
    "id": "6b04c6af477a260049000002",
    "createdAt": "2026-01-01T00:00:00.000Z",
    "environment": {},
    "flavor": "cpu-basic",
    "status": {"stage": "SCHEDULING", "message": None},
    "owner": {"id": "o1", "name": "acme", "type": "org"},
    "initiator": {"type": "user", "id": "u1", "name": "dev"},
}
GROUP = "0123456789abcdef01234567"
BUCKET = {"type": "bucket", "source": "acme/b", "mount_path": "/b"}


async def sent(server: CannedServer, function: str, **given: Any) -> Any:
    """The body that the official client sends."""
    server.answers.append(answer(200, JOB))
    api = HfApi(endpoint=server.url, token="hf_x")
    # It makes a name up where none is given, and a name is a label.
    given["labels"] = {"name": "n"} | given.get("labels", {})
    await anyio.to_thread.run_sync(
        lambda: getattr(api, function)(namespace="acme", attempts=1, timeout="30m", **given)
    )
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("POST", "/api/jobs/acme")
    return json.loads(asked.body)


def ours(**given: Any) -> Any:
    given["labels"] = {"name": "n"} | given.get("labels", {})
    return json.loads(json.dumps(Action.model_validate(given).spec({}).to_wire()))


@pytest.mark.parametrize("image", ["python:3.12", "hf.co/spaces/acme/app", "ghcr.io/a/b@sha256:0"])
async def test_an_image(server: CannedServer, image: str) -> None:
    theirs = await sent(server, "run_job", image=image, command=["python", "-V"])
    assert ours(image=image, command=["python", "-V"]) == theirs


@pytest.mark.parametrize(
    ("rule", "client"),
    [
        pytest.param({"env": {"AB": "1"}}, {"env": {"AB": "1"}}, id="env"),
        pytest.param({"flavor": "t4-small"}, {"flavor": "t4-small"}, id="flavor"),
        pytest.param({"secrets": ["AB"]}, {"secrets": {"AB": ""}}, id="secrets"),
        pytest.param({"labels": {"a": "b"}}, {"labels": {"a": "b"}}, id="labels"),
        pytest.param(
            {"volumes": [{"type": "bucket", "source": "acme/b", "mountPath": "/b"}]},
            {"volumes": [Volume(**BUCKET)]},
            id="volume",
        ),
        pytest.param(
            {
                "volumes": [
                    {
                        "type": "dataset",
                        "source": "acme/d",
                        "mountPath": "/d",
                        "revision": "v1",
                        "readOnly": True,
                        "path": "a",
                    },
                    {"type": "bucket", "source": "acme/b", "mountPath": "/b", "readOnly": False},
                ]
            },
            {
                "volumes": [
                    Volume(
                        type="dataset",
                        source="acme/d",
                        mount_path="/d",
                        revision="v1",
                        read_only=True,
                        path="a",
                    ),
                    Volume(**BUCKET, read_only=False),
                ]
            },
            id="volumes-with-all",
        ),
        pytest.param({"expose": [80, 80, 90]}, {"expose": [80, 80, 90]}, id="expose"),
        pytest.param({"expose_public": [80, 80]}, {"expose_public": [80, 80]}, id="public"),
        pytest.param(
            {"expose": [80, 90], "expose_public": [90, 100]},
            {"expose": [80, 90], "expose_public": [90, 100]},
            id="expose-both",
        ),
        pytest.param({"ssh": True}, {"ssh": True}, id="ssh"),
        pytest.param({"ssh": False}, {"ssh": False}, id="no-ssh"),
        pytest.param({"resource_group_id": GROUP}, {"resource_group_id": GROUP}, id="group"),
        pytest.param({"network": {"group": "g"}}, {"network_group": "g"}, id="network"),
        pytest.param(
            {"network": {"group": "g", "aliases": ["a", "b"]}},
            {"network_group": "g", "network_aliases": ["a", "b"]},
            id="aliases",
        ),
    ],
)
async def test_a_field(server: CannedServer, rule: dict[str, Any], client: dict[str, Any]) -> None:
    theirs = await sent(server, "run_job", image="python:3.12", command=["a"], **client)
    assert ours(image="python:3.12", command=["a"], **rule) == theirs


@pytest.mark.parametrize(
    ("uv", "client"),
    [
        pytest.param({}, {}, id="alone"),
        pytest.param({"args": ["a b", "-x"]}, {"script_args": ["a b", "-x"]}, id="args"),
        pytest.param(
            {"dependencies": ["trl", "torch>=2"], "python": "3.11", "args": ["a"]},
            {"dependencies": ["trl", "torch>=2"], "python": "3.11", "script_args": ["a"]},
            id="all",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*experimental")
async def test_a_script(server: CannedServer, uv: dict[str, Any], client: dict[str, Any]) -> None:
    script = "https://acme.test/train.py"
    theirs = await sent(server, "run_uv_job", script=script, **client)
    assert ours(uv={"script": script, **uv}) == theirs


def test_what_the_official_client_never_sends_is_absent_until_it_is_said() -> None:
    wire = ours(image="python:3.12", command=["a"])
    assert "arch" not in wire
    assert wire["arguments"] == []
    said = ours(image="python:3.12", command=["a"], arch="arm64", args=["b"])
    assert (said["arch"], said["arguments"]) == ("arm64", ["b"])
