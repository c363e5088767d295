"""Events: what each delivery of the Hub means, row by row of the design's table."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import DELIVERIES
from jobhook.core.deliveries import Delivery, Unreadable, read_delivery
from jobhook.core.events import EVENTS, SCOPES, STRANGERS_EVENTS, events_of, known_scope

OLD, NEW = "1" * 40, "2" * 40


def delivery_of(scope: str, action: str = "update", **over: Any) -> Delivery:
    """A delivery on a model, with *over* in place of what it has."""
    base = {
        "event": {"scope": scope, "action": action},
        "repo": {"type": "model", "name": "acme/m"},
    }
    delivery = read_delivery(json.dumps(base | over).encode())
    assert isinstance(delivery, Delivery)
    return delivery


def names(delivery: Delivery) -> tuple[str, ...]:
    return tuple(event.name for event in events_of(delivery))


def change(ref: str, old: str | None = OLD, new: str | None = NEW) -> dict[str, str | None]:
    return {"ref": ref, "oldSha": old, "newSha": new}


def discussion(*, pr: bool, status: str = "open") -> dict[str, Any]:
    return {"discussion": {"num": 4, "title": "t", "status": status, "isPullRequest": pr}}


RECORDED = {
    "01_repo_create_model": ("repo.created",),
    "02_repo_delete_model": ("repo.deleted",),
    "04_repo_update_model": ("repo.updated",),
    "05_content_push_main_model": ("commit.pushed",),
    "06_content_push_branch": ("commit.pushed",),
    "07_content_branch_created": ("commit.pushed", "branch.created"),
    "09_content_tag_created": ("tag.created",),
    "11_content_multi_ref": ("commit.pushed", "tag.created"),
    "12_content_pr_ref_created": ("pr.ref_created",),
    "14_content_push_main_dataset": ("commit.pushed",),
    "15_content_dataset_parquet_bot": ("convert.updated",),
    "17_content_bucket_files": ("files.changed",),
    "19_config_visibility_private": ("config.changed", "repo.made_private"),
    "22_future_scope_config_dois": ("config.changed",),
    "23_discussion_opened": ("discussion.opened",),
    "25_discussion_deleted": ("discussion.deleted",),
    "26_discussion_title_changed": ("discussion.updated",),
    "27_pr_opened": ("pr.opened",),
    "28_pr_opened_draft": ("pr.opened",),
    "29_pr_merged": ("pr.merged",),
    "31_comment_created_on_pr": ("comment.created",),
    "32_comment_edited": ("comment.edited",),
    "34_comment_created_on_space": ("comment.created",),
    "35_comment_oversize_for_env": ("comment.created",),
}
UNREADABLE = {"91_legacy_v2_move"}


@pytest.mark.parametrize(("stem", "expected"), RECORDED.items(), ids=RECORDED)
def test_a_recorded_delivery_means(stem: str, expected: tuple[str, ...]) -> None:
    delivery = read_delivery((DELIVERIES / f"{stem}.json").read_bytes())
    assert isinstance(delivery, Delivery)
    assert names(delivery) == expected


def test_every_recorded_delivery_is_in_the_table() -> None:
    assert {path.stem for path in DELIVERIES.iterdir()} == set(RECORDED) | UNREADABLE


@pytest.mark.parametrize("stem", UNREADABLE)
def test_a_recorded_delivery_of_old_means_nothing(stem: str) -> None:
    assert isinstance(read_delivery((DELIVERIES / f"{stem}.json").read_bytes()), Unreadable)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("create", "repo.created"),
        ("delete", "repo.deleted"),
        ("move", "repo.moved"),
        ("update", "repo.updated"),
        pytest.param("archive", "repo.updated", id="an-action-of-tomorrow"),
    ],
)
def test_the_life_of_a_repo(action: str, expected: str) -> None:
    moved = {"movedTo": {"name": "acme/n", "owner": {"id": "a"}}}
    assert names(delivery_of("repo", action, **moved)) == (expected,)


@pytest.mark.parametrize(
    ("refs", "expected"),
    [
        pytest.param([change("refs/heads/main")], "commit.pushed", id="push"),
        pytest.param(
            [change("refs/heads/dev", old=None)],
            "commit.pushed branch.created",
            id="branch-created",
        ),
        pytest.param([change("refs/heads/dev", new=None)], "branch.deleted", id="branch-deleted"),
        pytest.param([change("refs/heads/a/b/c")], "commit.pushed", id="branch-with-slashes"),
        pytest.param([change("refs/heads/refs/pr/1")], "commit.pushed", id="branch-like-a-pr"),
        pytest.param([change("refs/tags/v1", old=None)], "tag.created", id="tag-created"),
        pytest.param([change("refs/tags/v1")], "tag.moved", id="tag-moved"),
        pytest.param([change("refs/tags/v1", new=None)], "tag.deleted", id="tag-deleted"),
        pytest.param([change("refs/pr/4", old=None)], "pr.ref_created", id="pr-ref-created"),
        pytest.param([change("refs/pr/4")], "pr.pushed", id="pr-pushed"),
        pytest.param([change("refs/pr/4", new=None)], "repo.content", id="pr-ref-deleted"),
        pytest.param([change("refs/convert/parquet")], "convert.updated", id="convert"),
        pytest.param(
            [change("refs/convert/duckdb", old=None)], "convert.updated", id="convert-created"
        ),
        pytest.param(
            [change("refs/convert/duckdb", new=None)], "convert.updated", id="convert-deleted"
        ),
        pytest.param([change("refs/new/thing")], "repo.content", id="a-ref-of-tomorrow"),
        pytest.param([change("main")], "repo.content", id="not-a-full-name"),
        pytest.param([change("refs/heads/main", new=OLD)], "repo.content", id="same-sha"),
        pytest.param([change("refs/heads/main", None, None)], "repo.content", id="never-was"),
        pytest.param([], "repo.content", id="no-refs"),
        pytest.param(None, "repo.content", id="null-refs"),
        pytest.param(
            [change("refs/heads/main"), change("refs/pr/2"), change("refs/tags/v", None)],
            "commit.pushed pr.pushed tag.created",
            id="several",
        ),
        pytest.param(
            [change("refs/heads/main", new=OLD), change("refs/tags/v", None)],
            "tag.created",
            id="one-of-two-changed",
        ),
    ],
)
def test_what_a_change_of_refs_means(refs: list[object] | None, expected: str) -> None:
    assert names(delivery_of("repo.content", updatedRefs=refs)) == tuple(expected.split())


def test_an_event_names_its_ref_and_its_shas() -> None:
    refs = [change("refs/heads/main"), change("refs/tags/v1", old=None)]
    pushed, tagged = events_of(delivery_of("repo.content", updatedRefs=refs))
    assert (pushed.ref, pushed.old_sha, pushed.new_sha) == ("refs/heads/main", OLD, NEW)
    assert (tagged.ref, tagged.old_sha, tagged.new_sha) == ("refs/tags/v1", None, NEW)
    assert (pushed.scope, pushed.repo.name) == ("repo.content", "acme/m")


def test_the_same_change_named_twice_happened_once() -> None:
    refs = [change("refs/heads/main")] * 2
    assert names(delivery_of("repo.content", updatedRefs=refs)) == ("commit.pushed",)


BUCKET = {"type": "bucket", "name": "acme/b"}


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"updatedFiles": [{"path": "a", "action": "add"}]}, id="files"),
        pytest.param(
            {"updatedFiles": [{"path": "a", "action": "delete"}], "updatedFilesTruncated": True},
            id="truncated",
        ),
        pytest.param({}, id="files-not-named"),
    ],
)
def test_content_of_a_bucket_is_files(more: dict[str, Any]) -> None:
    (event,) = events_of(delivery_of("repo.content", repo=BUCKET, **more))
    assert (event.name, event.ref) == ("files.changed", None)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param({"private": True}, "config.changed repo.made_private", id="private"),
        pytest.param({"private": False}, "config.changed repo.made_public", id="public"),
        pytest.param({}, "config.changed", id="another-setting"),
        pytest.param(None, "config.changed", id="null"),
        pytest.param({"private": None}, "config.changed", id="private-null"),
        pytest.param({"private": "no"}, "config.changed", id="private-is-text"),
        pytest.param({"private": 1}, "config.changed", id="private-is-a-number"),
    ],
)
def test_what_a_change_of_settings_means(config: object, expected: str) -> None:
    assert names(delivery_of("repo.config", updatedConfig=config)) == tuple(expected.split())


@pytest.mark.parametrize(
    ("action", "status", "pr", "plain"),
    [
        ("create", "open", "pr.opened", "discussion.opened"),
        ("create", "draft", "pr.opened", "discussion.opened"),
        ("update", "open", "pr.updated", "discussion.updated"),
        ("update", "draft", "pr.updated", "discussion.updated"),
        ("update", "closed", "pr.closed", "discussion.closed"),
        # Only a pull request can be merged.
        ("update", "merged", "pr.merged", "discussion.updated"),
        ("update", "", "pr.updated", "discussion.updated"),
        ("update", "locked", "pr.updated", "discussion.updated"),
        ("pin", "open", "pr.updated", "discussion.updated"),
        ("delete", "open", "pr.deleted", "discussion.deleted"),
        ("delete", "closed", "pr.deleted", "discussion.deleted"),
        ("delete", "merged", "pr.deleted", "discussion.deleted"),
    ],
)
def test_what_happens_to_discussions(action: str, status: str, pr: str, plain: str) -> None:
    on_pr = delivery_of("discussion", action, **discussion(pr=True, status=status))
    on_plain = delivery_of("discussion", action, **discussion(pr=False, status=status))
    assert (names(on_pr), names(on_plain)) == ((pr,), (plain,))


@pytest.mark.parametrize(
    ("action", "expected"),
    [("create", "opened"), ("update", "updated"), ("delete", "deleted")],
)
def test_a_discussion_that_is_not_described_is_a_plain_one(action: str, expected: str) -> None:
    assert names(delivery_of("discussion", action)) == (f"discussion.{expected}",)


@pytest.mark.parametrize(
    ("action", "comment", "expected"),
    [
        pytest.param("create", {"hidden": False, "content": "a"}, "comment.created", id="new"),
        pytest.param("update", {"hidden": False, "content": "b"}, "comment.edited", id="edited"),
        pytest.param("update", {"hidden": True}, "comment.hidden", id="hidden"),
        pytest.param("update", {}, "comment.edited", id="says-nothing"),
        pytest.param("update", None, "comment.edited", id="not-described"),
        pytest.param("react", {"hidden": False}, "comment.edited", id="an-action-of-tomorrow"),
    ],
)
def test_what_happens_to_comments(action: str, comment: object, expected: str) -> None:
    delivery = delivery_of("discussion.comment", action, comment=comment, **discussion(pr=True))
    assert names(delivery) == (expected,)


@pytest.mark.parametrize(
    ("scope", "known"),
    [
        *((scope, scope) for scope in SCOPES),
        ("repo.config.dois", "repo.config"),
        ("repo.content.lfs", "repo.content"),
        ("repo.content.lfs.object", "repo.content"),
        ("repo.likes", "repo"),
        ("repo.", "repo"),
        ("discussion.comment.reaction", "discussion.comment"),
        ("discussion.reaction", "discussion"),
        ("repository", None),
        ("repository.content", None),
        ("Repo", None),
        ("user", None),
        ("user.profile.avatar", None),
        ("", None),
        (".", None),
        (".repo", None),
        ("." * 256, None),
    ],
)
def test_the_nearest_broader_scope(scope: str, known: str | None) -> None:
    assert known_scope(scope) == known


@given(st.text(st.sampled_from("repo.cntfigdsum"), max_size=40))
def test_a_known_scope_is_known_and_is_the_scope_or_broader(scope: str) -> None:
    known = known_scope(scope)
    assert known is None or (known in SCOPES and f"{scope}.".startswith(f"{known}."))


@pytest.mark.parametrize(
    ("scope", "action", "more", "expected"),
    [
        pytest.param(
            "repo.content.lfs",
            "create",
            {"updatedRefs": [change("refs/heads/main")]},
            "commit.pushed",
            id="content-with-refs",
        ),
        pytest.param("repo.content.lfs", "create", {}, "repo.content", id="content-without-refs"),
        pytest.param("repo.likes", "create", {}, "repo.updated", id="a-like-creates-no-repo"),
        pytest.param("repo.likes", "delete", {}, "repo.updated", id="nor-deletes-one"),
        pytest.param("repo.config.dois", "create", {}, "config.changed", id="config"),
        pytest.param(
            "discussion.comment.reaction",
            "create",
            {"comment": {"hidden": False}},
            "comment.edited",
            id="a-reaction-creates-no-comment",
        ),
        pytest.param(
            "discussion.pin", "delete", discussion(pr=True), "pr.updated", id="pin-deletes-no-pr"
        ),
    ],
)
def test_a_narrower_scope_counts_as_update_of_the_broader_one(
    scope: str, action: str, more: dict[str, Any], expected: str
) -> None:
    (event,) = events_of(delivery_of(scope, action, **more))
    assert event.name == expected
    assert event.scope == known_scope(scope)


@pytest.mark.parametrize("scope", ["user", "organization.member", "repository", "."])
def test_a_wholly_unknown_scope_means_nothing(scope: str) -> None:
    delivery = delivery_of(scope, updatedRefs=[change("refs/heads/main")])
    assert events_of(delivery) == ()


def test_what_strangers_can_cause_is_said_to_be_theirs() -> None:
    owners = "repo. commit. branch. tag. convert. files. config.".split()
    assert {name for name in EVENTS if not name.startswith(tuple(owners))} == STRANGERS_EVENTS


def test_no_event_has_the_name_of_a_scope() -> None:
    assert len(EVENTS) == len(set(EVENTS))
    assert not set(EVENTS) & set(SCOPES)
