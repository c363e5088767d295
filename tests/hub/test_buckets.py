"""Files that are too long for the job's environment go the official client's way."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from huggingface_hub import HfApi

from canned import CannedServer, answer
from jobhook.core.errors import FilesTooLong, HubBusy, HubError, HubRefused
from jobhook.hub.buckets import new_folder, upload

pytestmark = pytest.mark.anyio

NAMES = {"a/x.py": "x.py", "b/x.py": "x(0).py"}
FOLDER = new_folder("acme")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would be sent by Xet, whose server nobody plays here."""
    seen: list[tuple[Any, ...]] = []

    def batch(api: HfApi, bucket_id: str, *, add: list[tuple[str, str]]) -> None:
        seen.append((api.endpoint, api.token, bucket_id, add))

    monkeypatch.setattr(HfApi, "batch_bucket_files", batch)
    return seen


def made(server: CannedServer, status: int = 200) -> bytes:
    """The answer to whoever makes the bucket."""
    return answer(status, {"url": f"{server.url}/buckets/acme/jobs-artifacts"})


async def put(server: CannedServer, *, token: str | None) -> None:
    await anyio.to_thread.run_sync(lambda: upload(NAMES, FOLDER, endpoint=server.url, token=token))


def test_a_folder_is_new_and_may_be_written_to() -> None:
    folder, other = new_folder("acme"), new_folder("acme")
    assert folder.path != other.path
    assert re.fullmatch(r"\d{8}T\d{6}-[0-9a-f]{6}", folder.path or "")
    assert folder.to_dict() == {
        "type": "bucket",
        "source": "acme/jobs-artifacts",
        "mountPath": "/data",
        "readOnly": False,
        "path": folder.path,
    }


async def test_the_files_get_into_a_private_bucket_with_our_token_and_no_other(
    server: CannedServer, sent: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    server.answers += [made(server), made(server, status=409)]
    await put(server, token="hf_x")
    await put(server, token=None)
    first, second = server.asked
    assert (first.method, first.target) == ("POST", "/api/buckets/acme/jobs-artifacts")
    assert json.loads(first.body) == {"visibility": "private"}
    assert first.headers["authorization"] == "Bearer hf_x"
    assert "authorization" not in second.headers
    files = [("a/x.py", f"{FOLDER.path}/x.py"), ("b/x.py", f"{FOLDER.path}/x(0).py")]
    assert sent == [(server.url, token, "acme/jobs-artifacts", files) for token in ("hf_x", False)]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        pytest.param(400, HubRefused, id="bad"),
        pytest.param(402, HubRefused, id="no-money"),
        pytest.param(404, HubRefused, id="no-namespace"),
        pytest.param(429, HubBusy, id="too-many"),
        pytest.param(500, HubBusy, id="broken"),
    ],
)
async def test_what_the_hub_refuses_is_told_as_of_any_call(
    server: CannedServer, sent: list[tuple[Any, ...]], status: int, kind: type[HubError]
) -> None:
    server.answers.append(answer(status, {"error": "no"}, x_request_id="r1"))
    with pytest.raises(
        HubError, match=f"bucket acme/jobs-artifacts: the Hub answered {status}"
    ) as e:
        await put(server, token="hf_x")
    assert type(e.value) is kind
    assert (e.value.status, e.value.request_id) == (status, "r1")
    assert sent == []


async def test_a_lost_connection_is_a_no_for_now(
    server: CannedServer, sent: list[tuple[Any, ...]]
) -> None:
    with pytest.raises(HubBusy, match="could not be put into the bucket acme/jobs-artifacts: "):
        await put(server, token="hf_x")
    assert sent == []


@pytest.mark.parametrize("module", ["huggingface_hub", "hf_xet"])
async def test_whoever_lacks_the_official_client_is_told_to_install_it(
    server: CannedServer, module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for path in map(tmp_path.joinpath, NAMES):
        path.parent.mkdir()
        path.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    server.answers.append(made(server))
    with pytest.raises(FilesTooLong, match="install huggingface_hub, which uploads them, or"):
        await put(server, token="hf_x")
