"""What a devhub keeps, and that the next one finds it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobhook.core.errors import UsageError
from jobhook.devhub import DevHub
from jobhook.devhub.storage import Workspace, write_atomically

if TYPE_CHECKING:
    from devhub.conftest import Receiver, Running

pytestmark = pytest.mark.anyio

Serve = Callable[..., AbstractAsyncContextManager["Running"]]


async def test_everything_is_there_again(
    tmp_path: Path, devhub_with: Serve, receiver: Receiver
) -> None:
    async with devhub_with(data=tmp_path / "data") as devhub:
        job = await devhub.run("echo", "kept", secrets={"S": "1"}, labels={"a": "b"})
        done = await devhub.ended(job["id"])

        def use(devhub: Running = devhub) -> None:
            devhub.api.create_repo("dev/m", private=True)
            devhub.api.upload_file(path_or_fileobj=b"x", path_in_repo="f", repo_id="dev/m")
            devhub.api.upload_file(
                path_or_fileobj=b"y", path_in_repo="f", repo_id="dev/m", create_pr=True
            )
            devhub.api.create_webhook(
                url=receiver.url, watched=[{"type": "user", "name": "dev"}], secret="s3cret"
            )
            kept = devhub.api.create_webhook(
                url=receiver.url, watched=[{"type": "user", "name": "dev"}]
            )
            devhub.api.delete_webhook(kept.id)
            devhub.api.create_repo("dev/gone")
            devhub.api.delete_repo("dev/gone")

        await devhub.call(use)
        await receiver.first(2)

    async with devhub_with(data=tmp_path / "data") as later:
        again = await later.job(job["id"])
        assert {**again, "owner": 0, "initiator": 0} == {**done, "owner": 0, "initiator": 0}
        assert (await later.log(job["id"]))[1:] == ["kept"]

        def look(later: Running = later) -> None:
            assert later.api.repo_info("dev/m").private
            assert later.api.file_exists("dev/m", "f", revision="refs/pr/1")
            assert not later.api.repo_exists("dev/gone")
            (webhook,) = later.api.list_webhooks()
            assert webhook.url == receiver.url
            later.api.create_tag("dev/m", tag="v1")

        await later.call(look)
        (_, _, delivery) = await receiver.first(3)
        assert delivery.headers["x-webhook-secret"] == "s3cret"


async def test_what_is_kept_is_for_nobody_else(tmp_path: Path, devhub_with: Serve) -> None:
    data = tmp_path / "data"
    async with devhub_with(data=data) as devhub:
        await devhub.http.post("/api/repos/create", json={"name": "m"})
        await devhub.ended((await devhub.run("true", secrets={"S": "1"}))["id"])
    paths = [data, *data.rglob("*")]
    assert {path.stat().st_mode & 0o77 for path in paths if not path.is_symlink()} == {0}


async def test_a_job_that_was_running_is_an_error_afterwards(
    tmp_path: Path, devhub_with: Serve
) -> None:
    message = "devhub stopped while the job was not finished"
    async with devhub_with(data=tmp_path) as devhub:
        job = await devhub.run("sh", "-c", "echo up; exec sleep 60")
        async with devhub.http.stream("GET", f"/api/jobs/dev/{job['id']}/logs") as answer:
            async for line in answer.aiter_lines():
                if '"up"' in line:
                    break
    async with devhub_with(data=tmp_path) as later:
        again = await later.job(job["id"])
        assert again["status"] == {"stage": "ERROR", "message": message}
        assert (await later.log(job["id"]))[1:] == ["up"]
    # As after a crash: nobody wrote how the job ended.
    path = tmp_path / "jobs" / f"{job['id']}.json"
    path.write_bytes(path.read_bytes().replace(b'"ERROR"', b'"RUNNING"'))
    async with devhub_with(data=tmp_path) as later:
        again = await later.job(job["id"])
        assert again["status"] == {"stage": "ERROR", "message": message}


async def test_two_devhubs_cannot_share_a_folder(tmp_path: Path, devhub_with: Serve) -> None:
    async with devhub_with(data=tmp_path):
        with pytest.raises(UsageError, match="another devhub uses it"):
            await DevHub("http://h", data=tmp_path).__aenter__()


@pytest.mark.parametrize("shelf", ["jobs", "repos", "schedules", "webhooks"])
@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"id": 1}'])
async def test_a_damaged_file_is_named(tmp_path: Path, shelf: str, content: str) -> None:
    path = tmp_path / shelf / "x.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(UsageError) as error:
        await DevHub("http://h", data=tmp_path).__aenter__()
    assert str(error.value) == f"{path} is damaged: remove it, or give another data folder"
    path.unlink()
    async with DevHub("http://h", data=tmp_path):
        pass


async def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(UsageError, match="cannot keep data in"):
        await DevHub("http://h", data=path).__aenter__()


async def test_without_a_folder_nothing_is_left(devhub_with: Serve) -> None:
    async with devhub_with() as devhub:
        job = await devhub.run("pwd")
        folder = Path((await devhub.log(job["id"]))[1])
        workspace = folder.parent.parent
        assert workspace.name.startswith("devhub-")
    assert not workspace.exists()


def test_a_workspace_is_there_only_while_it_is_open(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(UsageError, match="not running"):
        workspace.folder("x")


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "taken"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def test_no_secret_of_a_job_is_kept(tmp_path: Path, devhub_with: Serve) -> None:
    async with devhub_with(data=tmp_path) as devhub:
        job = await devhub.run("true", secrets={"TOKEN": "canary-of-the-job"})
        assert (await devhub.ended(job["id"]))["secrets"] == ["TOKEN"]
    kept = contents(tmp_path)
    assert any(job["id"].encode() in content for content in kept)
    assert not [content for content in kept if b"canary-of-the-job" in content]
