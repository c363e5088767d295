"""Repos as the official client and plain HTTP see them, and the events that they make."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import RepoFile
from huggingface_hub.errors import (
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from jobhook.devhub.cards import tags_of

if TYPE_CHECKING:
    from devhub.conftest import Receiver, Running

pytestmark = pytest.mark.anyio

SHA = re.compile("[0-9a-f]{40}")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Return a name that no other test uses."""
    return re.sub(r"[^a-z_]+", "-", request.node.name)[-90:].strip("-")


async def test_a_repo_of_each_type_is_made_told_and_removed(shared: Running, name: str) -> None:
    def use() -> None:
        api, full = shared.api, f"acme/{name}"
        for kind, prefix in (("model", ""), ("dataset", "datasets/"), ("space", "spaces/")):
            sdk = "docker" if kind == "space" else None
            url = api.create_repo(full, repo_type=kind, space_sdk=sdk)
            assert str(url) == f"{shared.url}/{prefix}{full}"
            assert (url.repo_id, url.repo_type) == (full, kind)
            info = api.repo_info(full, repo_type=kind)
            assert (info.id, info.author, info.private) == (full, "acme", False)
            assert SHA.fullmatch(info.sha or "")
            assert api.list_repo_files(full, repo_type=kind) == [".gitattributes"]
            api.create_repo(full, repo_type=kind, space_sdk=sdk, exist_ok=True)
            api.delete_repo(full, repo_type=kind)
            assert not api.repo_exists(full, repo_type=kind)

    await shared.call(use)


async def test_a_repo_that_is_there_is_a_conflict_that_says_where(
    shared: Running, name: str
) -> None:
    for status in (200, 409):
        answer = await shared.http.post("/api/repos/create", json={"name": name})
        assert answer.status_code == status
    assert answer.json().keys() == {"error", "url", "id"}
    assert answer.json()["url"] == f"{shared.url}/dev/{name}"


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        pytest.param({"name": "a/b"}, 400, "name", id="name"),
        pytest.param({}, 400, "name", id="no-name"),
        pytest.param({"name": "x", "type": "bucket"}, 400, "type", id="type"),
        pytest.param({"name": "x", "organization": "nobody"}, 404, "organization", id="nobody"),
        pytest.param({"name": "x", "organization": "eve"}, 403, "rights", id="not-theirs"),
        pytest.param({"name": "x", "visibility": "odd"}, 400, "visibility", id="visibility"),
    ],
)
async def test_a_repo_that_cannot_be_is_refused(
    shared: Running, body: dict[str, Any], status: int, named: str
) -> None:
    answer = await shared.http.post("/api/repos/create", json=body)
    assert answer.status_code == status
    assert named in answer.json()["error"]


async def test_what_is_private_is_as_if_it_were_not_there(shared: Running, name: str) -> None:
    def use() -> None:
        shared.api.create_repo(f"dev/{name}", private=True)
        assert shared.api.repo_info(f"dev/{name}").private
        with pytest.raises(RepositoryNotFoundError) as error:
            shared.eve.repo_info(f"dev/{name}")
        assert error.value.response.status_code == 404
        with pytest.raises(RepositoryNotFoundError) as error:
            shared.api.repo_info(f"dev/{name}", token=False)
        assert error.value.response.status_code == 401
        with pytest.raises(RepositoryNotFoundError):
            shared.eve.delete_repo(f"dev/{name}")

    await shared.call(use)


async def test_others_may_read_but_not_change_what_is_public(shared: Running, name: str) -> None:
    def use() -> None:
        full, eve = f"dev/{name}", shared.eve
        shared.api.create_repo(full)
        assert eve.repo_info(full).id == full
        for act in (
            lambda: eve.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=full),
            lambda: eve.create_branch(full, branch="b"),
            lambda: eve.create_tag(full, tag="t"),
            lambda: eve.update_repo_settings(full, private=True),
            lambda: eve.delete_repo(full),
        ):
            with pytest.raises(HfHubHTTPError, match="403"):
                act()

    await shared.call(use)


async def test_the_tree_is_told_folder_by_folder_and_in_pages(shared: Running, name: str) -> None:
    def use() -> None:
        api, full = shared.api, f"dev/{name}"
        api.create_repo(full)
        for path in ("a.txt", "d/b.txt", "d/e/c.txt", "d.txt"):
            api.upload_file(path_or_fileobj=b"12345", path_in_repo=path, repo_id=full)

        def paths(*args: Any, **kwargs: Any) -> list[str]:
            return [item.path for item in api.list_repo_tree(full, *args, **kwargs)]

        assert paths() == [".gitattributes", "a.txt", "d.txt", "d"]
        assert paths("d") == ["d/b.txt", "d/e"]
        assert paths("d", recursive=True) == ["d/b.txt", "d/e", "d/e/c.txt"]
        assert len(paths(recursive=True)) == 7
        (file,) = list(api.list_repo_tree(full, "d/e"))
        assert isinstance(file, RepoFile)
        assert (file.size, file.blob_id) == (5, "bd41cba781d8349272bf3eb92568285b411c027c")
        with pytest.raises(RemoteEntryNotFoundError):
            paths("nothing")
        with pytest.raises(RevisionNotFoundError):
            paths(revision="nothing")
        sized = api.model_info(full, files_metadata=True).siblings or ()
        assert [one.size for one in sized if one.rfilename == "a.txt"] == [5]

    await shared.call(use)
    answer = await shared.http.get(f"/api/models/dev/{name}/tree/main?cursor=x")
    assert answer.status_code == 400


async def test_the_official_client_reads_who_committed_what_and_when(
    shared: Running, name: str
) -> None:
    began = datetime.now(UTC).replace(microsecond=0)

    def use() -> None:
        api, full = shared.api, f"acme/{name}"
        api.create_repo(full, repo_type="dataset")
        oid = api.upload_file(
            path_or_fileobj=b"x",
            path_in_repo="x",
            repo_id=full,
            repo_type="dataset",
            commit_message="New <data>",
            commit_description="Some more.\n\nJobhook-Launch: l1",
        ).oid
        newest, first = api.list_repo_commits(full, repo_type="dataset", formatted=True)
        assert (newest.commit_id, newest.authors) == (oid, ["dev"])
        assert (newest.title, newest.message) == (
            "New <data>",
            "Some more.\n\nJobhook-Launch: l1",
        )
        assert newest.formatted_title == "New &lt;data&gt;"
        assert began <= newest.created_at <= datetime.now(UTC)
        assert (first.authors, first.title, first.message) == (["system"], "initial commit", "")
        (again,) = api.list_repo_commits(full, repo_type="dataset", revision=first.commit_id)
        assert again.formatted_title is None
        with pytest.raises(RevisionNotFoundError):
            api.list_repo_commits(full, repo_type="dataset", revision="0" * 40)
        with pytest.raises(RepositoryNotFoundError):
            api.list_repo_commits(f"acme/{name}-2", repo_type="dataset")

    await shared.call(use)


async def test_commits_are_told_in_pages(shared: Running, name: str) -> None:
    def use() -> list[str]:
        shared.api.create_repo(name)
        for path in ("a", "b"):
            shared.api.upload_file(path_or_fileobj=b"x", path_in_repo=path, repo_id=f"dev/{name}")
        return [one.commit_id for one in shared.api.list_repo_commits(f"dev/{name}")]

    commits = await shared.call(use)
    path = f"/api/models/dev/{name}/commits/main"
    first = await shared.http.get(path, params={"limit": 2})
    assert [one["id"] for one in first.json()] == commits[:2]
    assert first.headers["x-total-count"] == "3"
    last = await shared.http.get(first.links["next"]["url"])
    assert [one["id"] for one in last.json()] == commits[2:]
    assert "link" not in last.headers
    assert (await shared.http.get(path, params={"limit": "x"})).status_code == 400


WRONG_CARD = b"---\n- x\n---"
CARD = b"""---
license: mit
language: [en, fr]
tags:
- owl
- 3
datasets: acme/corpus
---
# Owl
"""


@pytest.mark.parametrize(
    ("kind", "readme", "tags"),
    [
        ("model", CARD, ["en", "fr", "owl", "dataset:acme/corpus", "license:mit"]),
        ("dataset", CARD, ["owl", "language:en", "language:fr", "license:mit"]),
        ("space", b"---\r\nsdk: docker\r\n---", ["docker"]),
        ("model", b"# No head\n---\ntags: [x]\n---\n", []),
        ("model", b"---\ntags: [x\n---\n", []),
        ("model", WRONG_CARD, []),
    ],
)
def test_tags_come_from_the_head_of_the_readme(kind: str, readme: bytes, tags: list[str]) -> None:
    assert tags_of(readme, kind) == [*tags, "region:us"]


async def test_a_repo_is_told_with_its_tags_and_with_no_more_than_asked_for(
    shared: Running, name: str
) -> None:
    def use() -> None:
        api, full = shared.api, f"dev/{name}"
        made = api.create_repo(full)
        assert api.model_info(full).tags == ["region:us"]
        api.upload_file(path_or_fileobj=CARD, path_in_repo="README.md", repo_id=full)
        assert "owl" in (api.model_info(full).tags or [])
        with pytest.raises(ValueError, match="mapping"):
            api.upload_file(
                path_or_fileobj=b"---\n- x\n---", path_in_repo="README.md", repo_id=full
            )
        asked = api.model_info(full, expand=["tags"])
        assert "owl" in (asked.tags or [])
        assert (asked.id, asked.sha, asked.siblings) == (made.repo_id, None, None)

    await shared.call(use)
    told = (await shared.http.get(f"/api/models/dev/{name}?expand=tags")).json()
    assert told.keys() == {"_id", "id", "tags"}


async def test_settings_change_who_may_read(devhub: Running, receiver: Receiver) -> None:
    def use() -> None:
        api = devhub.api
        api.create_repo("dev/m")
        api.create_webhook(url=receiver.url, watched=[{"type": "model", "name": "dev/m"}])
        api.update_repo_settings("dev/m", private=True)
        assert api.repo_info("dev/m").private
        api.update_repo_settings("dev/m", gated="auto")
        assert api.repo_info("dev/m").private

    await devhub.call(use)
    got = await receiver.first(2)
    assert {one.event for one in got} == {("repo.config", "update")}
    configs = [one.body["updatedConfig"] for one in got]
    assert {"private": True} in configs
    assert {} in configs


async def test_each_act_makes_its_event(devhub: Running, receiver: Receiver) -> None:
    def use() -> list[str]:
        api, full = devhub.api, "dev/corpus"
        kind = "dataset"
        api.create_webhook(url=receiver.url, watched=[{"type": "user", "name": "dev"}])
        api.create_repo(full, repo_type=kind)
        first = api.repo_info(full, repo_type=kind).sha
        pushed = api.upload_file(
            path_or_fileobj=b"x", path_in_repo="x", repo_id=full, repo_type=kind
        )
        api.create_branch(full, branch="b", repo_type=kind)
        api.create_tag(full, tag="v1", repo_type=kind)
        api.delete_branch(full, branch="b", repo_type=kind)
        api.delete_tag(full, tag="v1", repo_type=kind)
        api.delete_repo(full, repo_type=kind)
        assert first
        return [first, pushed.oid]

    first, pushed = await devhub.call(use)
    got = await receiver.first(7)
    content = [one.body for one in got if one.event == ("repo.content", "update")]
    changes = {
        (change["ref"], change["oldSha"], change["newSha"])
        for body in content
        for change in body["updatedRefs"]
    }
    assert changes == {
        ("refs/heads/main", first, pushed),
        ("refs/heads/b", None, pushed),
        ("refs/heads/b", pushed, None),
        ("refs/tags/v1", None, pushed),
        ("refs/tags/v1", pushed, None),
    }
    assert {body["repo"]["headSha"] for body in content} == {pushed}
    (created,) = [one.body for one in got if one.event == ("repo", "create")]
    assert created["repo"]["headSha"] == first
    (deleted,) = [one.body for one in got if one.event == ("repo", "delete")]
    assert "headSha" not in deleted["repo"]


async def test_a_pull_request_makes_two_events(devhub: Running, receiver: Receiver) -> None:
    def use() -> tuple[str, str]:
        devhub.api.create_repo("dev/m")
        devhub.api.create_webhook(url=receiver.url, watched=[{"type": "user", "name": "dev"}])
        opened = devhub.eve.upload_file(
            path_or_fileobj=b"x",
            path_in_repo="x",
            repo_id="dev/m",
            create_pr=True,
            commit_message="Mend it",
            commit_description="It was broken.",
        )
        assert opened.pr_url == f"{devhub.url}/dev/m/discussions/1"
        assert (opened.pr_num, opened.pr_revision) == (1, "refs/pr/1")
        pushed = devhub.eve.upload_file(
            path_or_fileobj=b"y", path_in_repo="x", repo_id="dev/m", revision="refs/pr/1"
        )
        refs = devhub.api.list_repo_refs("dev/m", include_pull_requests=True)
        assert [one.ref for one in refs.pull_requests or ()] == ["refs/pr/1"]
        assert devhub.api.list_repo_refs("dev/m").pull_requests is None
        assert devhub.api.file_exists("dev/m", "x", revision="refs/pr/1")
        assert not devhub.api.file_exists("dev/m", "x")
        return opened.oid, pushed.oid

    opened, pushed = await devhub.call(use)
    got = await receiver.first(3)
    (discussion,) = [one.body for one in got if one.event == ("discussion", "create")]
    assert "headSha" not in discussion["repo"]
    eve = (await devhub.call(devhub.eve.whoami))["id"]
    told = discussion["discussion"]
    assert (told["num"], told["title"], told["status"]) == (1, "Mend it", "open")
    assert told["isPullRequest"]
    assert told["author"] == discussion["comment"]["author"] == {"id": eve}
    assert told["changes"] == {"base": "refs/heads/main"}
    assert told["url"] == {
        "web": f"{devhub.url}/dev/m/discussions/1",
        "api": f"{devhub.url}/api/models/dev/m/discussions/1",
    }
    assert discussion["comment"]["content"] == "It was broken."
    refs = [one.body["updatedRefs"][0] for one in got if one.event == ("repo.content", "update")]
    assert {"ref": "refs/pr/1", "oldSha": None, "newSha": opened} in refs
    assert {"ref": "refs/pr/1", "oldSha": opened, "newSha": pushed} in refs


async def test_a_space_has_a_subdomain(devhub: Running, receiver: Receiver) -> None:
    def use() -> None:
        devhub.api.create_webhook(url=receiver.url, watched=[{"type": "user", "name": "dev"}])
        devhub.api.create_repo("dev/App", repo_type="space", space_sdk="gradio")

    await devhub.call(use)
    (delivery,) = await receiver.first(1)
    assert delivery.body["repo"]["subdomain"] == "dev-app"
