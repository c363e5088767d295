"""Commits, branches, tags and files."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.errors import (
    BadRequestError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RevisionNotFoundError,
)

from jobhook.devhub.changes import Change, Drop, Put, carry_out, read_change
from jobhook.devhub.objects import Objects, read_files, write_commit
from jobhook.devhub.wire import Refusal, now

if TYPE_CHECKING:
    from devhub.conftest import Running

pytestmark = pytest.mark.anyio


@pytest.fixture
async def repo(shared: Running, request: pytest.FixtureRequest) -> str:
    """Return the name of a new repo of `dev`."""
    name = re.sub(r"[^a-z_]+", "-", request.node.name)[-90:].strip("-")
    await shared.call(shared.api.create_repo, f"dev/{name}")
    return f"dev/{name}"


async def commit(
    shared: Running, repo: str, *lines: dict[str, Any], revision: str = "main", query: str = ""
) -> httpx2.Response:
    body = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    return await shared.http.post(f"/api/models/{repo}/commit/{revision}{query}", content=body)


HEADER = {"key": "header", "value": {"summary": "s"}}


def put(path: str, content: str = "", **more: Any) -> dict[str, Any]:
    return {"key": "file", "value": {"path": path, "content": content, **more}}


async def test_the_official_client_commits_and_downloads(
    shared: Running, repo: str, tmp_path: Path
) -> None:
    def use() -> None:
        api = shared.api
        first = api.create_commit(
            repo,
            [
                CommitOperationAdd("a.txt", b"one"),
                CommitOperationAdd("d/bin", b"\0\1\2"),
                CommitOperationAdd("d/e/f", b""),
            ],
            commit_message="Three files",
            commit_description="At once.",
        )
        assert first.commit_url == f"{shared.url}/{repo}/commit/{first.oid}"
        second = api.create_commit(
            repo,
            [CommitOperationDelete("d/"), CommitOperationAdd("a.txt", b"two")],
            commit_message="Fewer",
            parent_commit=first.oid,
        )
        assert api.list_repo_files(repo) == [".gitattributes", "a.txt"]
        assert len(api.list_repo_files(repo, revision=first.oid)) == 4
        for revision, content in ((None, b"two"), (first.oid, b"one"), (second.oid, b"two")):
            path = api.hf_hub_download(repo, "a.txt", revision=revision, cache_dir=tmp_path)
            assert Path(path).read_bytes() == content
        again = api.upload_file(path_or_fileobj=b"two", path_in_repo="a.txt", repo_id=repo)
        assert again.oid == second.oid

    await shared.call(use)


async def test_branches_and_tags(shared: Running, repo: str) -> None:
    def use() -> None:
        api = shared.api
        main = api.repo_info(repo).sha
        api.create_branch(repo, branch="feat/x")
        pushed = api.upload_file(
            path_or_fileobj=b"x", path_in_repo="x", repo_id=repo, revision="feat/x"
        )
        api.create_branch(repo, branch="from-x", revision="feat/x")
        api.create_tag(repo, tag="v1", revision=pushed.oid[:7], tag_message="One")
        refs = api.list_repo_refs(repo)
        assert {one.name: one.target_commit for one in refs.branches} == {
            "main": main,
            "feat/x": pushed.oid,
            "from-x": pushed.oid,
        }
        assert [(one.ref, one.target_commit) for one in refs.tags] == [("refs/tags/v1", pushed.oid)]
        assert api.repo_info(repo, revision="v1").sha == pushed.oid
        api.create_branch(repo, branch="feat/x", exist_ok=True)
        with pytest.raises(HfHubHTTPError, match="409"):
            api.create_tag(repo, tag="v1")
        api.delete_branch(repo, branch="from-x")
        api.delete_tag(repo, tag="v1")
        with pytest.raises(RevisionNotFoundError):
            api.delete_tag(repo, tag="v1")
        with pytest.raises(RevisionNotFoundError):
            api.create_tag(repo, tag="v2", revision="nothing")
        with pytest.raises(HfHubHTTPError, match="403"):
            api.delete_branch(repo, branch="main")
        for bad in ("refs/pr/5", "a..b", "x.lock", "-x", "a b", "@{"):
            with pytest.raises(BadRequestError):
                api.create_branch(repo, branch=bad)
        with pytest.raises(BadRequestError):
            api.create_tag(repo, tag="")

    await shared.call(use)


async def test_the_official_client_reads_our_refusals(shared: Running, repo: str) -> None:
    def use() -> None:
        api = shared.api
        add = CommitOperationAdd("a", b"x")
        with pytest.raises(RevisionNotFoundError):
            api.create_commit(repo, [add], commit_message="m", revision="nothing")
        with pytest.raises(RemoteEntryNotFoundError):
            api.create_commit(repo, [CommitOperationDelete("nothing")], commit_message="m")
        with pytest.raises(HfHubHTTPError, match="412"):
            api.create_commit(repo, [add], commit_message="m", parent_commit="0" * 40)
        with pytest.raises(RemoteEntryNotFoundError):
            api.hf_hub_download(repo, "nothing")
        with pytest.raises(RevisionNotFoundError):
            api.hf_hub_download(repo, "a", revision="nothing")

    await shared.call(use)


@pytest.mark.parametrize("revision", ["nothing", "refs%2Ftags%2Fv1", "0" * 40])
async def test_a_commit_needs_a_branch(shared: Running, repo: str, revision: str) -> None:
    await shared.call(shared.api.create_tag, repo, tag="v1")
    for query in ("", "?create_pr=1"):
        answer = await commit(shared, repo, HEADER, revision=revision, query=query)
        assert answer.status_code == 404
        assert answer.headers["x-error-code"] == "RevisionNotFound"


async def test_files_are_given_as_they_are(shared: Running, repo: str) -> None:
    text = base64.b64encode("é\n".encode()).decode()
    answer = await commit(shared, repo, HEADER, put("a b/ü.html", text, encoding="base64"))
    sha = answer.json()["commitOid"]
    for verb in ("resolve", "raw"):
        got = await shared.http.get(f"/{repo}/{verb}/main/a%20b/%C3%BC.html")
        assert got.content == "é\n".encode()
        assert got.headers["x-repo-commit"] == sha
        assert re.fullmatch('"[0-9a-f]{40}"', got.headers["etag"])
        assert got.headers["content-type"] == "text/plain; charset=utf-8"
        assert got.headers["x-content-type-options"] == "nosniff"
    head = await shared.http.head(f"/{repo}/resolve/{sha}/a%20b/%C3%BC.html")
    assert head.headers["content-length"] == "3"
    missing = await shared.http.get(f"/{repo}/resolve/main/nothing")
    assert missing.status_code == 404
    assert missing.headers["x-repo-commit"] == sha
    assert missing.headers["x-error-code"] == "EntryNotFound"


async def test_a_pull_request_may_be_written_with_plain_slashes(shared: Running, repo: str) -> None:
    answer = await commit(shared, repo, HEADER, put("f", "hi"), query="?create_pr=1")
    assert answer.json()["pullRequestUrl"].endswith("/discussions/1")
    for revision in ("refs/pr/1", "refs%2Fpr%2F1"):
        assert (await shared.http.get(f"/{repo}/resolve/{revision}/f")).text == "hi"


async def test_datasets_have_a_prefix(shared: Running) -> None:
    def use() -> None:
        shared.api.create_repo("dev/corpus", repo_type="dataset")
        shared.api.upload_file(
            path_or_fileobj=b"\0", path_in_repo="f", repo_id="dev/corpus", repo_type="dataset"
        )

    await shared.call(use)
    got = await shared.http.get("/datasets/dev/corpus/resolve/main/f")
    assert got.headers["content-type"] == "application/octet-stream"
    assert (await shared.http.get("/dev/corpus/resolve/main/f")).status_code == 404
    assert (await shared.http.get("/things/dev/corpus/resolve/main/f")).status_code == 404


@pytest.mark.parametrize(
    "files", [None, [1], [{"size": 1}]], ids=["no-list", "no-object", "no-path"]
)
async def test_a_wrong_preupload_is_refused(shared: Running, files: object) -> None:
    await shared.http.post("/api/repos/create", json={"name": "pre"})
    answer = await shared.http.post("/api/models/dev/pre/preupload/main", json={"files": files})
    assert answer.status_code == 400
    assert "files" in answer.json()["error"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        pytest.param([], "header", id="nothing"),
        pytest.param([put("a")], "header", id="no-header"),
        pytest.param([{"key": "header"}], "value", id="no-value"),
        pytest.param([{"key": "header", "value": {}}], "summary", id="no-summary"),
        pytest.param([{"key": "header", "value": {"summary": " "}}], "summary", id="empty"),
        pytest.param([HEADER, {"key": "odd", "value": {}}], "'odd'", id="unknown-operation"),
        pytest.param([HEADER, {"key": "lfsFile", "value": {}}], "lfsFile", id="lfs"),
        pytest.param([HEADER, put("a", "%", encoding="base64")], "base64", id="no-base64"),
        pytest.param([HEADER, put("")], "path", id="no-path"),
        pytest.param([HEADER, put("/a")], "path", id="absolute"),
        pytest.param([HEADER, put("a/../b")], "path", id="upwards"),
        pytest.param([HEADER, put("a/.git/config")], "path", id="git"),
        pytest.param([HEADER, put("a\n")], "path", id="line-feed"),
        pytest.param([HEADER, put("a/" * 100 + "a")], "path", id="deep"),
    ],
)
def test_a_wrong_commit_is_refused(lines: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(Refusal) as refusal:
        read_change(b"\n".join(orjson.dumps(line) for line in lines))
    assert refusal.value.status == 400
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("operations", "after"),
    [
        pytest.param([Put(path="a", content=b"2")], {"a": "2", "d/b": "1"}, id="overwrite"),
        pytest.param([Put(path="d/c", content=b"2")], {"a": "1", "d/b": "1", "d/c": "2"}, id="add"),
        pytest.param([Drop(path="a", is_folder=False)], {"d/b": "1"}, id="remove-file"),
        pytest.param([Drop(path="d", is_folder=True)], {"a": "1"}, id="remove-folder"),
        pytest.param(
            [Drop(path="d", is_folder=True), Put(path="d", content=b"2")],
            {"a": "1", "d": "2"},
            id="file-in-place-of-folder",
        ),
        pytest.param([], {"a": "1", "d/b": "1"}, id="nothing"),
    ],
)
def test_operations_are_carried_out_in_order(
    operations: list[Put | Drop], after: dict[str, str]
) -> None:
    change = Change(summary="s", operations=tuple(operations))
    assert carry_out(change, {"a": "1", "d/b": "1"}, bytes.decode) == after


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        pytest.param(Put(path="d", content=b""), 400, id="file-over-folder"),
        pytest.param(Put(path="a/x", content=b""), 400, id="file-as-folder"),
        pytest.param(Drop(path="d", is_folder=False), 404, id="folder-as-file"),
        pytest.param(Drop(path="a", is_folder=True), 404, id="file-as-folder-removed"),
    ],
)
def test_operations_that_cannot_be_are_refused(operation: Put | Drop, status: int) -> None:
    with pytest.raises(Refusal) as refusal:
        carry_out(
            Change(summary="s", operations=(operation,)), {"a": "1", "d/b": "1"}, bytes.decode
        )
    assert refusal.value.status == status


def test_objects_are_those_of_git(tmp_path: Path) -> None:
    objects = Objects(tmp_path / "objects")
    files = {path: objects.put("blob", path.encode()) for path in ("a/b", "a.b", "a/c/d", "z")}
    sha = write_commit(objects, files, parents=(), author="dev", message="m", when=now())
    (tmp_path / "refs").mkdir()
    (tmp_path / "HEAD").write_text(f"{sha}\n")

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "--git-dir", str(tmp_path), *words],  # noqa: S607
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    git("fsck", "--strict", "--full")
    assert git("show", f"{sha}:a/c/d") == "a/c/d"
    assert set(git("ls-tree", "-r", "--name-only", sha).split()) == set(files)
    assert read_files(objects, sha) == files
    assert objects.get("tree", sha) is None
    assert objects.commit_called(sha[:6]) is None
    assert objects.commit_called(files["z"]) is None
