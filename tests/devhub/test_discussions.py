"""Discussions and pull requests through the official client, and the deliveries that they make."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, DiscussionComment
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RepositoryNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from devhub.conftest import Delivery, Receiver, Running

pytestmark = pytest.mark.anyio

CREATED, UPDATED = ("discussion", "create"), ("discussion", "update")
COMMENTED, EDITED = ("discussion.comment", "create"), ("discussion.comment", "update")
PUSHED = ("repo.content", "update")


@pytest.fixture
async def repo(shared: Running, request: pytest.FixtureRequest) -> str:
    """Return the name of a new repo of `dev`."""
    name = re.sub(r"[^a-z_]+", "-", request.node.name)[-90:].strip("-")
    await shared.call(shared.api.create_repo, f"dev/{name}")
    return f"dev/{name}"


def watch(devhub: Running, receiver: Receiver) -> None:
    devhub.api.create_webhook(url=receiver.url, watched=[{"type": "user", "name": "dev"}])


def of(deliveries: list[Delivery], event: tuple[str, str]) -> list[dict[str, Any]]:
    return [one.body for one in deliveries if one.event == event]


async def test_a_discussion_is_opened_commented_and_told(
    devhub: Running, receiver: Receiver
) -> None:
    def use() -> tuple[str, str]:
        devhub.api.create_repo("dev/m")
        watch(devhub, receiver)
        opened = devhub.eve.create_discussion("dev/m", "A question", description="Why?")
        assert (opened.num, opened.title, opened.author) == (1, "A question", "eve")
        assert (opened.status, opened.is_pull_request) == ("open", False)
        comment = devhub.api.comment_discussion("dev/m", 1, comment="Because <b>.")
        assert (comment.author, comment.content) == ("dev", "Because <b>.")
        assert comment.rendered == "<p>Because &lt;b&gt;.</p>"
        told = devhub.api.get_discussion_details("dev/m", 1)
        first, second = told.events
        assert isinstance(first, DiscussionComment)
        assert (first.author, first.content, second.id) == ("eve", "Why?", comment.id)
        return first.id, comment.id

    first, second = await devhub.call(use)
    created, commented = sorted(await receiver.first(2), key=lambda one: one.event)
    assert [created.event, commented.event] == [CREATED, COMMENTED]
    assert created.body["comment"]["id"] == first
    assert not created.body["discussion"]["isPullRequest"]
    assert "changes" not in created.body["discussion"]
    assert commented.body["comment"] == {
        "id": second,
        "author": {"id": (await devhub.call(devhub.api.whoami))["id"]},
        "content": "Because <b>.",
        "hidden": False,
        "url": {"web": f"{devhub.url}/dev/m/discussions/1#{second}"},
    }
    assert commented.body["discussion"] == created.body["discussion"]


@pytest.mark.filterwarnings("ignore:Hidden comments")
async def test_a_comment_is_edited_and_hidden(devhub: Running, receiver: Receiver) -> None:
    def use() -> str:
        devhub.api.create_repo("dev/m")
        devhub.eve.create_discussion("dev/m", "A question", description="Why?")
        comment = devhub.eve.comment_discussion("dev/m", 1, comment="/run")
        watch(devhub, receiver)
        edited = devhub.eve.edit_discussion_comment("dev/m", 1, comment.id, new_content="/stop")
        assert (edited.content, edited.edited) == ("/stop", True)
        with pytest.raises(HfHubHTTPError, match="403"):
            devhub.api.edit_discussion_comment("dev/m", 1, comment.id, new_content="mine")
        hidden = devhub.api.hide_discussion_comment("dev/m", 1, comment.id)
        assert hidden.hidden
        assert "/stop" not in hidden.content
        return comment.id

    comment = await devhub.call(use)
    told = [one["comment"] for one in of(await receiver.first(2), EDITED)]
    assert {one["id"] for one in told} == {comment}
    assert sorted((one["hidden"], one.get("content")) for one in told) == [
        (False, "/stop"),
        (True, None),
    ]


async def test_a_discussion_is_renamed_closed_and_opened(
    devhub: Running, receiver: Receiver
) -> None:
    def use() -> None:
        devhub.api.create_repo("dev/m")
        devhub.eve.create_discussion("dev/m", "A question")
        watch(devhub, receiver)
        renamed = devhub.eve.rename_discussion("dev/m", 1, "Another question")
        assert (renamed.old_title, renamed.new_title) == ("A question", "Another question")
        closed = devhub.api.change_discussion_status("dev/m", 1, "closed", comment="Done.")
        assert closed.new_status == "closed"
        devhub.eve.change_discussion_status("dev/m", 1, "open")
        told = devhub.api.get_discussion_details("dev/m", 1)
        assert (told.title, told.status) == ("Another question", "open")
        types = [event.type for event in told.events[1:]]
        assert types == ["title-change", "status-change", "comment", "status-change"]

    await devhub.call(use)
    got = await receiver.first(4)
    assert of(got, COMMENTED)[0]["comment"]["content"] == "Done."
    states = [(one["discussion"]["title"], one["discussion"]["status"]) for one in of(got, UPDATED)]
    assert sorted(states) == [("Another question", "closed")] + [("Another question", "open")] * 2


async def test_a_pull_request_starts_as_a_draft_and_ends_merged(
    devhub: Running, receiver: Receiver
) -> None:
    def use() -> tuple[str, str, str]:
        api, eve = devhub.api, devhub.eve
        api.create_repo("dev/m")
        main = api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id="dev/m").oid
        watch(devhub, receiver)
        pull = eve.create_pull_request("dev/m", "Mend it", description="It was broken.")
        assert (pull.status, pull.git_reference) == ("draft", "refs/pr/1")
        assert pull.target_branch == "refs/heads/main"
        pushed = eve.create_commit(
            "dev/m",
            [CommitOperationAdd("b/c", b"2"), CommitOperationDelete("a")],
            commit_message="Do",
            revision="refs/pr/1",
        ).oid
        with pytest.raises(BadRequestError, match="open"):
            api.merge_pull_request("dev/m", 1)
        eve.change_discussion_status("dev/m", 1, "open")
        with pytest.raises(HfHubHTTPError, match="403"):
            eve.merge_pull_request("dev/m", 1)
        api.upload_file(path_or_fileobj=b"3", path_in_repo="d", repo_id="dev/m")
        api.merge_pull_request("dev/m", 1, comment="Thanks")
        told = api.get_discussion_details("dev/m", 1)
        assert (told.status, told.conflicting_files) == ("merged", [])
        assert api.list_repo_files("dev/m") == [".gitattributes", "b/c", "d"]
        assert api.list_repo_commits("dev/m")[0].title == "Mend it (#1)"
        assert api.repo_info("dev/m").sha == told.merge_commit_oid
        assert told.merge_commit_oid
        for act in (
            lambda: api.merge_pull_request("dev/m", 1),
            lambda: api.change_discussion_status("dev/m", 1, "closed"),
        ):
            with pytest.raises(BadRequestError):
                act()
        return main, pushed, told.merge_commit_oid

    main, pushed, merged = await devhub.call(use)
    got = await receiver.first(8)
    (opened,) = of(got, CREATED)
    assert opened["discussion"]["status"] == "draft"
    updates = {one["discussion"]["status"]: one["discussion"] for one in of(got, UPDATED)}
    assert updates.keys() == {"open", "merged"}
    assert updates["open"]["changes"] == {"base": "refs/heads/main"}
    assert updates["merged"]["changes"] == {"base": "refs/heads/main", "mergeCommitId": merged}
    refs = [one["updatedRefs"][0] for one in of(got, PUSHED)]
    assert {"ref": "refs/pr/1", "oldSha": None, "newSha": main} in refs
    assert {"ref": "refs/pr/1", "oldSha": main, "newSha": pushed} in refs
    assert merged in {one["newSha"] for one in refs if one["ref"] == "refs/heads/main"}
    assert len(of(got, COMMENTED)) == 1


async def test_the_head_of_a_pull_request_is_told_and_so_are_its_commits(
    shared: Running, repo: str
) -> None:
    def use() -> tuple[str, str]:
        add = [CommitOperationAdd("a", b"1")]
        first = shared.eve.create_commit(repo, add, commit_message="One", create_pr=True)
        second = shared.eve.upload_file(
            path_or_fileobj=b"2",
            path_in_repo="a",
            repo_id=repo,
            revision="refs/pr/1",
            commit_message="Two",
        )
        return first.oid, second.oid

    first, second = await shared.call(use)
    told = (await shared.http.get(f"/api/models/{repo}/discussions/1")).json()
    assert told["changes"] == {"base": "refs/heads/main", "headCommitId": second}
    commits = [event["data"] for event in told["events"] if event["type"] == "commit"]
    assert commits == [{"subject": "One", "oid": first}, {"subject": "Two", "oid": second}]
    assert told["diffUrl"] == f"{shared.url}/{repo}/discussions/1.diff"
    author = told["events"][0]["author"]
    assert (author["name"], author["isOwner"], author["isOrgMember"]) == ("eve", False, False)


async def test_what_both_changed_is_a_conflict(shared: Running, repo: str) -> None:
    def use() -> None:
        api = shared.api
        api.create_commit(
            repo,
            [CommitOperationAdd("a", b"1"), CommitOperationAdd("b", b"1")],
            commit_message="Both",
        )
        both = [CommitOperationAdd("a", b"2"), CommitOperationAdd("b", b"2")]
        api.create_commit(repo, both, commit_message="Mine", create_pr=True)
        api.create_commit(
            repo,
            [CommitOperationAdd("a", b"3"), CommitOperationAdd("b", b"2")],
            commit_message="Theirs",
        )
        assert api.get_discussion_details(repo, 1).conflicting_files == ["a"]
        with pytest.raises(HfHubHTTPError, match="409"):
            api.merge_pull_request(repo, 1)
        assert api.get_discussion_details(repo, 1).status == "open"

    await shared.call(use)


async def test_a_file_in_place_of_a_folder_is_not_merged(shared: Running, repo: str) -> None:
    def use() -> None:
        api = shared.api
        add = [CommitOperationAdd("a/b", b"1")]
        api.create_commit(repo, add, commit_message="Mine", create_pr=True)
        api.upload_file(path_or_fileobj=b"3", path_in_repo="a", repo_id=repo)
        with pytest.raises(BadRequestError, match="is a file"):
            api.merge_pull_request(repo, 1)

    await shared.call(use)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("", {"title": "ab", "description": ""}, 400, id="short-title"),
        pytest.param("", {"title": "a" * 201, "description": ""}, 400, id="long-title"),
        pytest.param("", {"title": "abc"}, 400, id="no-description"),
        pytest.param("/1/comment", {"comment": ""}, 400, id="empty-comment"),
        pytest.param("/1/comment", {"comment": "x" * 65_537}, 400, id="long-comment"),
        pytest.param("/1/comment", {}, 400, id="no-comment"),
        pytest.param("/2/comment", {"comment": "x"}, 404, id="no-discussion"),
        pytest.param("/0/comment", {"comment": "x"}, 404, id="number-nought"),
        pytest.param("/x/comment", {"comment": "x"}, 404, id="no-number"),
        pytest.param("/1/status", {"status": "merged"}, 400, id="status"),
        pytest.param("/1/title", {"title": " a "}, 400, id="short-new-title"),
        pytest.param("/1/comment/nothing/edit", {"content": "x"}, 404, id="edit-nothing"),
        pytest.param("/1/comment/nothing/hide", {}, 404, id="hide-nothing"),
        pytest.param("/1/merge", {}, 400, id="merge-a-discussion"),
    ],
)
async def test_what_cannot_be_is_refused(
    shared: Running, path: str, body: dict[str, Any], status: int
) -> None:
    await shared.http.post("/api/repos/create", json={"name": "refusals"})
    everything = "/api/models/dev/refusals/discussions"
    if (await shared.http.get(f"{everything}/1")).status_code == 404:
        await shared.call(shared.api.create_discussion, "dev/refusals", "A question")
    answer = await shared.http.post(everything + path, json=body)
    assert answer.status_code == status


async def test_only_who_sees_a_repo_may_write_in_it(shared: Running, repo: str) -> None:
    def use() -> None:
        shared.api.create_discussion(repo, "A question")
        with pytest.raises(HfHubHTTPError, match="401"):
            shared.api.comment_discussion(repo, 1, comment="x", token=False)
        for act in (
            lambda: shared.eve.rename_discussion(repo, 1, "Mine"),
            lambda: shared.eve.change_discussion_status(repo, 1, "closed"),
        ):
            with pytest.raises(HfHubHTTPError, match="403"):
                act()
        shared.api.update_repo_settings(repo, private=True)
        with pytest.raises(RepositoryNotFoundError):
            shared.eve.get_discussion_details(repo, 1)

    await shared.call(use)


async def test_discussions_are_there_again_and_their_author_may_be_gone(
    devhub_with: Callable[..., AbstractAsyncContextManager[Running]], tmp_path: Path
) -> None:
    users = tmp_path / "users.json"
    users.write_text('[{"name": "ann", "token": "hf_ann"}]')
    async with devhub_with(data=tmp_path / "data", users=users) as devhub:

        def use() -> None:
            devhub.api.create_repo("dev/m")
            devhub.api.create_discussion("dev/m", "A question", token="hf_ann")
            devhub.api.comment_discussion("dev/m", 1, comment="Yes")

        await devhub.call(use)
    async with devhub_with(data=tmp_path / "data") as devhub:
        told = await devhub.call(devhub.api.get_discussion_details, "dev/m", 1)
        assert [told.author, *(event.author for event in told.events)] == [
            "deleted",
            "deleted",
            "dev",
        ]
