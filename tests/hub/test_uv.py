"""`run_uv_job` and its schedule: the official client's job, with files that travel with it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

# Read when huggingface_hub is imported: nothing here may reach for the network.
os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_IMPLICIT_TOKEN="1")

import anyio.to_thread
import pytest
from huggingface_hub import HfApi

from canned import CannedServer, answer
from jobhook.core.errors import FilesTooLong, HubBusy, MissingFile, UsageError
from jobhook.core.inlining import FILES_VARIABLE, LocalFile, inlined
from jobhook.core.jobs import Volume
from jobhook.core.uv_runs import UV_IMAGE
from jobhook.hub.client import AsyncHub

pytestmark = [
    pytest.mark.anyio,
    # The official client says so of its own.
    pytest.mark.filterwarnings("ignore:.* is experimental and might:UserWarning"),
]

JOB: Mapping[str, Any] = {
    "id": "6b04c6af477a260049000002",
    "createdAt": "2026-01-01T00:00:00.000Z",
    "environment": {},
    "flavor": "cpu-basic",
    "status": {"stage": "SCHEDULING", "message": None},
    "owner": {"id": "o1", "name": "acme", "type": "org"},
}
SCHEDULED: Mapping[str, Any] = {
    "id": "6b04c6af477a260049000003",
    "createdAt": "2026-01-01T00:00:00.000Z",
    "schedule": "@daily",
    "suspend": False,
    "concurrency": False,
    "status": {"lastJob": None, "nextJobRunAt": "2026-01-02T00:00:00.000Z"},
    "owner": {"id": "o1", "name": "acme", "type": "org"},
    "jobSpec": {"environment": {}, "flavor": "cpu-basic"},
}
METHODS = {"run_uv_job": {}, "create_scheduled_uv_job": {"schedule": "@daily"}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder from which paths are seen."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub dir").mkdir()
    (tmp_path / "train.py").write_bytes(b"print(1)\n")
    (tmp_path / "sub dir" / "train.py").write_bytes(b"print(2)\n")
    (tmp_path / "my data.csv").write_bytes(b"\0\xff")
    return tmp_path


@pytest.fixture
async def hub(server: CannedServer) -> AsyncIterator[AsyncHub]:
    async with AsyncHub(server.url, "hf_x") as hub:
        yield hub


@pytest.fixture(params=list(METHODS))
def method(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def ours(hub: AsyncHub, server: CannedServer, method: str, **given: Any) -> Any:
    """The spec that we send last."""
    server.answers.append(answer(200, JOB if method == "run_uv_job" else SCHEDULED))
    await getattr(hub, method)(**{"namespace": "acme", **METHODS[method], **given})
    return spec_in(server)


async def theirs(server: CannedServer, method: str, **given: Any) -> Any:
    """The spec that the official client sends last."""
    server.answers.append(answer(200, JOB if method == "run_uv_job" else SCHEDULED))
    call = getattr(HfApi(endpoint=server.url, token="hf_x"), method)
    given = {"namespace": "acme", **METHODS[method], **given}
    await anyio.to_thread.run_sync(lambda: call(**given))
    return spec_in(server)


def spec_in(server: CannedServer) -> Any:
    body = json.loads(server.asked[-1].body)
    return body.get("jobSpec", body)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"script": "https://acme.test/a/sft.py?raw=1"}, id="url"),
        pytest.param(
            {
                "script": "https://acme.test/sft.py",
                "script_args": ["--epochs", "3", "a b"],
                "dependencies": ["trl", "torch>=2"],
                "python": "3.11",
                "image": "acme/uv",
                "env": {"AB": "1"},
                "secrets": {"HF_TOKEN": "hf_y"},
                "flavor": "t4-small",
                "timeout": "1.5h",
                "attempts": 2,
                "labels": {"team": "ml"},
                "expose": [80],
                "expose_public": [81],
                "resource_group_id": "0" * 24,
            },
            id="all",
        ),
        pytest.param({"script": "lighteval", "script_args": ["a|b|0"]}, id="command"),
        pytest.param({"script": "lighteval", "dependencies": []}, id="nothing-to-install"),
        pytest.param({"script": "lighteval", "name": "named"}, id="named"),
        pytest.param({"script": "lighteval", "labels": {"name": "named"}}, id="named-by-a-label"),
        pytest.param({"script": "lighteval", "image": ""}, id="no-image"),
        pytest.param({"script": "sub dir", "script_args": ["."]}, id="folders"),
    ],
)
async def test_what_needs_no_file_is_sent_as_the_official_client_sends_it(
    hub: AsyncHub, server: CannedServer, method: str, given: dict[str, Any]
) -> None:
    assert await ours(hub, server, method, **given) == await theirs(server, method, **given)


async def test_the_network_of_a_job_is_sent_as_well(hub: AsyncHub, server: CannedServer) -> None:
    given: dict[str, Any] = {
        "script": "lighteval",
        "ssh": True,
        "network_group": "g",
        "network_aliases": ["db"],
    }
    assert await ours(hub, server, "run_uv_job", **given) == await theirs(
        server, "run_uv_job", **given
    )


async def test_local_files_travel_with_the_job(
    hub: AsyncHub, server: CannedServer, method: str
) -> None:
    spec = await ours(
        hub,
        server,
        method,
        script="train.py",
        script_args=["--data", "my data.csv", "--", "sub dir/train.py", "train.py"],
        dependencies=["train.py"],
        env={"AB": "1"},
    )
    train = LocalFile("train.py", b"print(1)\n")
    command, carried = inlined(
        [
            *("uv", "run", "--with", "train.py", train),
            *("--data", LocalFile("my_data.csv", b"\0\xff"), "--"),
            *(LocalFile("train(0).py", b"print(2)\n"), train),
        ]
    )
    assert spec["dockerImage"] == UV_IMAGE
    assert spec["command"] == list(command)
    assert spec["environment"] == {"AB": "1", **carried}
    assert "volumes" not in spec
    assert len(server.asked) == 1


async def test_a_job_with_files_is_named_after_the_path_that_was_given(
    hub: AsyncHub, server: CannedServer, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"script": "sub dir/train.py", "script_args": ["my data.csv"]}
    own = await ours(hub, server, method, **given)
    monkeypatch.setattr(HfApi, "_upload_scripts_to_bucket", lambda *_, **__: [])
    assert own["labels"] == (await theirs(server, method, **given))["labels"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"script": "gone.py"}, r"no file gone\.py: ", id="script"),
        pytest.param(
            {"script": "train.py", "script_args": ["a.yaml", "b.toml"]},
            r"no file a\.yaml, b\.toml: ",
            id="arguments",
        ),
    ],
)
async def test_a_missing_file_is_told_before_anything_is_sent(
    hub: AsyncHub, server: CannedServer, method: str, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(FileNotFoundError):
        await theirs(server, method, **given)
    with pytest.raises(MissingFile, match=words):
        await ours(hub, server, method, **given)
    assert server.asked == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"env": {FILES_VARIABLE: "1"}}, f"{FILES_VARIABLE} is what", id="env"),
        pytest.param({"secrets": {FILES_VARIABLE: "1"}}, f"{FILES_VARIABLE} is what", id="secret"),
        pytest.param({"env": ["AB"]}, "env must map names to values", id="env-a-list"),
        pytest.param({"script": 1}, "script must be a text, not int", id="script"),
        pytest.param({"script": ""}, "no word may be empty", id="script-empty"),
        pytest.param({"script_args": "a b"}, "script_args must be a list of", id="args"),
        pytest.param({"script_args": [1]}, "script_args must be a text, not int", id="arg"),
        pytest.param({"dependencies": "trl"}, "dependencies must be a list of", id="dependencies"),
        pytest.param({"labels": ["a"]}, "labels must map names to values", id="labels"),
        pytest.param({"name": "n", "labels": {"name": "n"}}, "but not both", id="name-twice"),
        pytest.param({"timeout": "5x"}, "timeout '5x' is no length of time", id="timeout"),
    ],
)
async def test_what_cannot_be_is_told_before_anything_is_sent(
    hub: AsyncHub, server: CannedServer, method: str, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        await ours(hub, server, method, **{"script": "train.py", **given})
    assert server.asked == []


# -- through the bucket --


@pytest.fixture
def uploaded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be sent by Xet, whose server nobody plays here."""
    seen: list[Any] = []

    def batch(api: HfApi, bucket_id: str, *, add: list[tuple[str, str]], **_: Any) -> None:
        seen.append((bucket_id, [(Path(source), name) for source, name in add]))

    monkeypatch.setattr(HfApi, "batch_bucket_files", batch)
    return seen


@pytest.fixture
def noise(folder: Path) -> str:
    """A file that does not fit, by its path."""
    (folder / "my noise.bin").write_bytes(os.urandom(100_000))
    return "my noise.bin"


def made(server: CannedServer) -> bytes:
    """The answer to whoever makes the bucket."""
    return answer(200, {"url": f"{server.url}/buckets/acme/jobs-artifacts"})


async def test_longer_files_are_sent_as_the_official_client_sends_them(
    hub: AsyncHub, server: CannedServer, method: str, uploaded: list[Any], noise: str
) -> None:
    given: dict[str, Any] = {
        "script": "train.py",
        "script_args": [noise, "a", "sub dir"],
        "env": {"AB": "1"},
        "volumes": [Volume(source="acme/m", mount_path="/m")],
    }
    server.answers.append(made(server))
    own = await ours(hub, server, method, **given)
    server.answers.append(made(server))
    official = await theirs(server, method, **given)
    assert [asked.target for asked in server.asked[::2]] == ["/api/buckets/acme/jobs-artifacts"] * 2
    (our_bucket, our_files), (their_bucket, their_files) = uploaded
    assert our_bucket == their_bucket
    folders = [spec["volumes"][1].pop("path") for spec in (own, official)]
    assert own == official
    assert set(our_files) == {
        (path, name.replace(folders[1], folders[0])) for path, name in their_files
    }


async def test_what_is_more_than_could_be_packed_is_not_even_read(
    hub: AsyncHub, server: CannedServer, uploaded: list[Any], folder: Path
) -> None:
    with (folder / "huge").open("wb") as file:
        file.truncate(1 << 40)
    server.answers.append(made(server))
    spec = await ours(hub, server, "run_uv_job", script="train.py", script_args=["huge"])
    assert spec["command"] == ["uv", "run", "/data/train.py", "/data/huge"]
    assert len(uploaded) == 1


async def test_the_bucket_is_the_users_own_where_no_namespace_is_named(
    hub: AsyncHub, server: CannedServer, uploaded: list[Any], noise: str
) -> None:
    job = {**JOB, "owner": {"id": "u1", "name": "dev", "type": "user"}}
    server.answers += [answer(200, {"name": "dev", "type": "user"}), made(server)]
    server.answers.append(answer(200, job))
    await hub.run_uv_job(noise)
    assert [asked.target for asked in server.asked] == [
        "/api/whoami-v2",
        "/api/buckets/dev/jobs-artifacts",
        "/api/jobs/dev",
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"volumes": [Volume(source="a/b", mount_path="/data")]}, "/data", id="mount"),
        pytest.param({"volumes": [Volume(source="a/b", mount_path="/data/")]}, "/data", id="slash"),
        pytest.param({"volumes": 1}, "volumes must be a list", id="volumes"),
        pytest.param({"timeout": "5x"}, "timeout '5x' is no length of time", id="timeout"),
        pytest.param({"namespace": "a/b"}, "namespace 'a/b' is no name", id="namespace"),
        pytest.param({"script_args": [""]}, "no word may be empty", id="word"),
    ],
)
async def test_nothing_is_uploaded_for_a_job_that_cannot_be(
    hub: AsyncHub,
    server: CannedServer,
    method: str,
    noise: str,
    given: dict[str, Any],
    words: str,
) -> None:
    with pytest.raises(UsageError, match=words):
        await ours(hub, server, method, **{"script": noise, **given})
    assert server.asked == []


async def test_nothing_is_uploaded_for_a_schedule_that_cannot_be(
    hub: AsyncHub, server: CannedServer, noise: str
) -> None:
    with pytest.raises(UsageError, match="hourly"):
        await hub.create_scheduled_uv_job(noise, schedule="hourly", namespace="acme")
    assert server.asked == []


async def test_no_job_is_started_without_its_files(
    hub: AsyncHub, server: CannedServer, method: str, noise: str
) -> None:
    server.answers.append(answer(503, {"error": "no"}))
    with pytest.raises(HubBusy, match="could not be put into the bucket acme/jobs-artifacts"):
        await ours(hub, server, method, script=noise)
    assert len(server.asked) == 1


async def test_without_the_official_client_longer_files_are_refused(
    hub: AsyncHub, server: CannedServer, method: str, noise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FilesTooLong, match="install huggingface_hub"):
        await ours(hub, server, method, script=noise)
    assert server.asked == []
