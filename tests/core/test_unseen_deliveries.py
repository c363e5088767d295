"""Deliveries that nobody recorded: every scope, action and type of repo, and odd ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobhook.core.deliveries import Delivery, read_delivery
from jobhook.core.events import events_of

OLD, NEW = "3" * 40, "4" * 40


def payload(scope: str, action: str, kind: str = "model", **parts: Any) -> dict[str, Any]:
    """A payload of version 3 with everything that the Hub documents; None leaves a part out."""
    name = f"lab/{kind}-1"
    repo = {
        "type": kind,
        "name": name,
        "id": "6" * 24,
        "private": False,
        "url": {
            "web": f"https://huggingface.co/{name}",
            "api": f"https://huggingface.co/api/{name}",
        },
        "owner": {"id": "7" * 24},
    }
    if scope.startswith("repo") and kind != "bucket":
        repo["headSha"] = NEW
    base = {
        "event": {"scope": scope, "action": action},
        "repo": repo,
        "webhook": {"id": "8" * 24, "version": 3},
    }
    return {key: value for key, value in (base | parts).items() if value is not ...}


def refs(*changes: tuple[str, str | None, str | None]) -> dict[str, Any]:
    return {
        "updatedRefs": [{"ref": ref, "oldSha": old, "newSha": new} for ref, old, new in changes]
    }


def talk(*, pr: bool = False, status: str | None = "open", **more: Any) -> dict[str, Any]:
    changes = {"changes": {"base": "refs/heads/main"}} if pr else {}
    described = {
        "id": "9" * 24,
        "title": "About it",
        "url": {"web": "https://huggingface.co/x/discussions/2", "api": "https://huggingface.co/y"},
        "status": status,
        "author": {"id": "a" * 24},
        "num": 2,
        "isPullRequest": pr,
    }
    return {"discussion": described | changes | more}


def said(content: str | None = "Hello", **more: Any) -> dict[str, Any]:
    words = {} if content is None else {"content": content}
    comment = {"id": "b" * 24, "author": {"id": "c" * 24}, "hidden": content is None}
    return {"comment": comment | words | more}


def files(*rows: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"updatedFiles": [{"path": path, "action": action} for path, action in rows], **more}


MAIN = ("refs/heads/main", OLD, NEW)

UNSEEN: dict[str, tuple[dict[str, Any], str]] = {
    # -- repo --
    "a model is made": (payload("repo", "create"), "repo.created"),
    "a data set is made": (payload("repo", "create", "dataset"), "repo.created"),
    "a space is made": (payload("repo", "create", "space"), "repo.created"),
    "a bucket is made": (payload("repo", "create", "bucket"), "repo.created"),
    "a kernel is made": (payload("repo", "create", "kernel"), "repo.created"),
    "a repo of a type to come": (payload("repo", "create", "collection"), "repo.created"),
    "a repo is deleted": (payload("repo", "delete", "dataset"), "repo.deleted"),
    "a bucket is deleted": (payload("repo", "delete", "bucket"), "repo.deleted"),
    "a repo is moved": (
        payload("repo", "move", movedTo={"name": "lab/new", "owner": {"id": "7" * 24}}),
        "repo.moved",
    ),
    "a repo is moved nobody says where": (payload("repo", "move", movedTo=None), "repo.moved"),
    "a repo is updated": (payload("repo", "update", "space"), "repo.updated"),
    "an action on repos to come": (payload("repo", "archive"), "repo.updated"),
    "an action in capitals": (payload("repo", "CREATE"), "repo.updated"),
    "an empty action": (payload("repo", "", "kernel"), "repo.updated"),
    "a creation that names refs": (payload("repo", "create", **refs(MAIN)), "repo.created"),
    # -- repo.content --
    "a push to a kernel": (
        payload("repo.content", "update", "kernel", **refs(MAIN)),
        "commit.pushed",
    ),
    "a push to a space": (
        payload("repo.content", "update", "space", **refs(MAIN)),
        "commit.pushed",
    ),
    "a first push": (
        payload("repo.content", "update", **refs(("refs/heads/main", None, NEW))),
        "commit.pushed branch.created",
    ),
    "a branch with odd characters": (
        payload("repo.content", "update", **refs(("refs/heads/fix/é #1", OLD, NEW))),
        "commit.pushed",
    ),
    "a branch called tags/v1": (
        payload("repo.content", "update", **refs(("refs/heads/tags/v1", OLD, None))),
        "branch.deleted",
    ),
    "a tag is moved": (
        payload("repo.content", "update", "dataset", **refs(("refs/tags/v1", OLD, NEW))),
        "tag.moved",
    ),
    "a tag is deleted": (
        payload("repo.content", "update", **refs(("refs/tags/a/b", OLD, None))),
        "tag.deleted",
    ),
    "a push and its tag": (
        payload("repo.content", "update", **refs(MAIN, ("refs/tags/v2", None, NEW))),
        "commit.pushed tag.created",
    ),
    "a new branch and another deleted": (
        payload(
            "repo.content",
            "update",
            **refs(("refs/heads/a", None, NEW), ("refs/heads/b", OLD, None)),
        ),
        "commit.pushed branch.created branch.deleted",
    ),
    "two branches": (
        payload("repo.content", "update", **refs(MAIN, ("refs/heads/dev", OLD, NEW))),
        "commit.pushed commit.pushed",
    ),
    "a pull request's ref": (
        payload("repo.content", "update", **refs(("refs/pr/12", None, NEW))),
        "pr.ref_created",
    ),
    "a push to a pull request": (
        payload("repo.content", "update", "space", **refs(("refs/pr/12", OLD, NEW))),
        "pr.pushed",
    ),
    "a pull request's ref is deleted": (
        payload("repo.content", "update", **refs(("refs/pr/12", OLD, None))),
        "repo.content",
    ),
    "the parquet bot's first branch": (
        payload("repo.content", "update", "dataset", **refs(("refs/convert/parquet", None, NEW))),
        "convert.updated",
    ),
    "the duckdb bot": (
        payload("repo.content", "update", "dataset", **refs(("refs/convert/duckdb", OLD, NEW))),
        "convert.updated",
    ),
    "a ref of a kind to come": (
        payload("repo.content", "update", **refs(("refs/replace/1", OLD, NEW))),
        "repo.content",
    ),
    "a ref that only begins like a branch": (
        payload("repo.content", "update", **refs(("refs/headsmain", OLD, NEW))),
        "repo.content",
    ),
    "refs in capitals": (
        payload("repo.content", "update", **refs(("REFS/HEADS/MAIN", OLD, NEW))),
        "repo.content",
    ),
    "no sha at all": (
        payload("repo.content", "update", **refs(("refs/heads/main", None, None))),
        "repo.content",
    ),
    "a sha that did not change beside one that did": (
        payload(
            "repo.content",
            "update",
            **refs(("refs/heads/main", NEW, NEW), ("refs/tags/v", None, NEW)),
        ),
        "tag.created",
    ),
    "shas that did not come": (
        payload("repo.content", "update", updatedRefs=[{"ref": "refs/heads/main"}]),
        "repo.content",
    ),
    "a ref with more than is known": (
        payload(
            "repo.content",
            "update",
            updatedRefs=[{"ref": "refs/heads/main", "oldSha": OLD, "newSha": NEW, "forced": True}],
        ),
        "commit.pushed",
    ),
    "content without refs": (payload("repo.content", "update", "dataset"), "repo.content"),
    "content whose refs are null": (
        payload("repo.content", "update", updatedRefs=None),
        "repo.content",
    ),
    "content of another action": (payload("repo.content", "delete", **refs(MAIN)), "commit.pushed"),
    "files of a bucket": (
        payload("repo.content", "update", "bucket", **files(("a/b.bin", "add"), ("c", "delete"))),
        "files.changed",
    ),
    "files of a bucket, cut off": (
        payload(
            "repo.content",
            "update",
            "bucket",
            **files(*[(f"f{n}", "add") for n in range(300)], updatedFilesTruncated=True),
        ),
        "files.changed",
    ),
    "a bucket that names no files": (payload("repo.content", "update", "bucket"), "files.changed"),
    "a bucket whose files are null": (
        payload("repo.content", "update", "bucket", updatedFiles=None),
        "files.changed",
    ),
    "files beside refs, as no Hub sends yet": (
        payload("repo.content", "update", **refs(MAIN), **files(("README.md", "add"))),
        "commit.pushed files.changed",
    ),
    "a headSha of null": (
        payload("repo.content", "update", **refs(MAIN))
        | {
            "repo": {"type": "model", "name": "lab/m", "headSha": None, "private": None, "id": None}
        },
        "commit.pushed",
    ),
    # -- repo.config --
    "a space is made private": (
        payload("repo.config", "update", "space", updatedConfig={"private": True}),
        "config.changed repo.made_private",
    ),
    "a bucket is made public": (
        payload("repo.config", "update", "bucket", updatedConfig={"private": False}),
        "config.changed repo.made_public",
    ),
    "a secret of a space": (
        payload("repo.config", "update", "space", updatedConfig={}),
        "config.changed",
    ),
    "a setting to come": (
        payload("repo.config", "update", updatedConfig={"gated": "manual", "private": None}),
        "config.changed",
    ),
    "a setting that nobody describes": (payload("repo.config", "update"), "config.changed"),
    "settings as a list": (
        payload("repo.config", "update", updatedConfig=["private"]),
        "config.changed",
    ),
    # -- discussion --
    "a discussion with its first comment": (
        payload("discussion", "create", "dataset", **talk(), **said()),
        "discussion.opened",
    ),
    "a draft of a pull request": (
        payload("discussion", "create", **talk(pr=True, status="draft"), **said()),
        "pr.opened",
    ),
    "a draft that is ready": (payload("discussion", "update", **talk(pr=True)), "pr.updated"),
    "a pull request is merged": (
        payload(
            "discussion",
            "update",
            **talk(
                pr=True,
                status="merged",
                changes={"base": "refs/heads/main", "mergeCommitId": NEW},
            ),
        ),
        "pr.merged",
    ),
    "a pull request is closed": (
        payload("discussion", "update", "space", **talk(pr=True, status="closed")),
        "pr.closed",
    ),
    "a pull request is deleted": (
        payload("discussion", "delete", **talk(pr=True, status="merged")),
        "pr.deleted",
    ),
    "a discussion is closed": (
        payload("discussion", "update", "kernel", **talk(status="closed")),
        "discussion.closed",
    ),
    "a discussion is pinned": (
        payload("discussion", "update", **talk(pinned=True)),
        "discussion.updated",
    ),
    "a discussion is deleted": (payload("discussion", "delete", **talk()), "discussion.deleted"),
    "a status to come": (
        payload("discussion", "update", **talk(pr=True, status="queued")),
        "pr.updated",
    ),
    "a discussion with nulls": (
        payload(
            "discussion",
            "update",
            **talk(title=None, num=None, status=None, isPullRequest=None, author=None, url=None),
        ),
        "discussion.updated",
    ),
    "a discussion that is null": (
        payload("discussion", "create", discussion=None),
        "discussion.opened",
    ),
    # -- discussion.comment --
    "a comment on a pull request": (
        payload("discussion.comment", "create", **talk(pr=True), **said()),
        "comment.created",
    ),
    "a comment is edited": (
        payload("discussion.comment", "update", **talk(), **said("Hello, all")),
        "comment.edited",
    ),
    "a comment is hidden": (
        payload("discussion.comment", "update", **talk(), **said(None)),
        "comment.hidden",
    ),
    "a comment that comes hidden": (
        payload("discussion.comment", "create", **talk(), **said(None)),
        "comment.created",
    ),
    "a comment on what is closed": (
        payload("discussion.comment", "create", **talk(status="closed"), **said()),
        "comment.created",
    ),
    "hidden as a text": (
        payload("discussion.comment", "update", **talk(), **said(hidden="yes")),
        "comment.edited",
    ),
    "a comment is deleted, some day": (
        payload("discussion.comment", "delete", **talk(), **said()),
        "comment.edited",
    ),
    # -- narrower scopes to come, and other ones --
    "a DOI": (payload("repo.config.dois", "create"), "config.changed"),
    "a narrower setting that tells of private": (
        payload("repo.config.visibility", "create", updatedConfig={"private": True}),
        "config.changed repo.made_private",
    ),
    "content of LFS": (
        payload("repo.content.lfs.prune", "delete", **refs(("refs/heads/main", OLD, NEW))),
        "commit.pushed",
    ),
    "a narrower scope of a bucket": (
        payload("repo.content.xet", "create", "bucket"),
        "files.changed",
    ),
    "a like": (payload("repo.likes", "delete"), "repo.updated"),
    "a reaction": (
        payload("discussion.comment.reaction", "create", **talk(pr=True), **said()),
        "comment.edited",
    ),
    "a reaction on what is hidden": (
        payload("discussion.comment.reaction", "create", **talk(), **said(None)),
        "comment.hidden",
    ),
    "a review of a pull request": (
        payload("discussion.review", "create", **talk(pr=True)),
        "pr.updated",
    ),
    "a narrower scope of what is closed": (
        payload("discussion.labels", "update", **talk(status="closed")),
        "discussion.closed",
    ),
    "a scope of users": (payload("user.profile", "update"), ""),
    "a scope that only begins alike": (payload("repository.content", "update", **refs(MAIN)), ""),
    "keys that nobody knows": (
        payload("repo.content", "update", **refs(MAIN), actor={"name": "x"}, sentAt=1, event2=None),
        "commit.pushed",
    ),
    "no webhook": (payload("repo.content", "update", **refs(MAIN), webhook=...), "commit.pushed"),
}


@pytest.mark.parametrize(("sent", "expected"), UNSEEN.values(), ids=UNSEEN)
def test_a_delivery_that_nobody_recorded_means(sent: dict[str, Any], expected: str) -> None:
    delivery = read_delivery(json.dumps(sent).encode())
    assert isinstance(delivery, Delivery)
    assert " ".join(event.name for event in events_of(delivery)) == expected
