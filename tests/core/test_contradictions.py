"""A rule that can never fire is found without a delivery, and none is found that can."""

from __future__ import annotations

import json
from typing import Any

import pytest

from factories import NOON, make_rule
from jobhook.core.contradictions import contradictions
from jobhook.core.deliveries import Delivery, read_delivery
from jobhook.core.events import EVENTS, RAW
from jobhook.core.findings import (
    NOTHING_FOUND,
    ChangedFile,
    Commit,
    Discussion,
    Found,
    Kind,
    Repo,
)
from jobhook.core.matching import decide
from jobhook.core.occasions import occasions_of
from jobhook.core.rules import Rule
from jobhook.core.samples import merged, sample_payload
from jobhook.core.watches import REPO_TYPES

REPOS: list[dict[str, Any]] = [
    *({"type": kind, "name": name} for kind in REPO_TYPES for name in ("acme/x", "other/tmp-1")),
    {"type": "dataset", "name": "acme/x", "private": True},
]
REFS = ["refs/heads/main", "refs/heads/a/b", "refs/tags/v1", "refs/pr/1", "refs/convert/parquet"]


def deliveries() -> list[Delivery]:
    """Every event on repos of every type, and pushes to refs of every kind."""
    found = []
    for event in (*EVENTS, *RAW):
        payload = sample_payload(event)
        for repo in REPOS:
            if event == "files.changed" and repo["type"] != "bucket":
                continue
            if repo["type"] == "bucket" and {"updatedRefs", "discussion"} & payload.keys():
                continue
            over: dict[str, Any] = {"repo": repo}
            if "comment" in payload:
                over |= {"comment": {"content": "/x"}}
            if event in {"repo.made_public", "repo.made_private"}:
                over = {"repo": repo | {"private": event == "repo.made_private"}}
            found.append(merged(payload, over))
    bare = {"event": {"scope": "repo.content", "action": "update"}}
    found += [bare | {"repo": repo} for repo in REPOS]
    for ref in REFS:
        change = {"ref": ref, "oldSha": "1", "newSha": "2"}
        found += [
            merged(sample_payload("commit.pushed"), {"repo": repo, "updatedRefs": [change]})
            for repo in REPOS
            if repo["type"] != "bucket"
        ]
    read = [read_delivery(json.dumps(payload).encode()) for payload in found]
    return [each for each in read if isinstance(each, Delivery)]


SHOWN: dict[Kind, Found] = {
    Kind.FILES: tuple(ChangedFile(path, "add") for path in ("data/a.csv", "data/tmp/x", "x")),
    Kind.COMMIT: Commit("fix", ("ada",)),
    Kind.DISCUSSION: Discussion("ada"),
    Kind.REPO: Repo("", ("a", "a/b")),
}
WITHOUT: dict[Kind, Found] = {
    Kind.FILES: (),
    Kind.COMMIT: Commit("fix"),
    Kind.DISCUSSION: Discussion(""),
    Kind.REPO: Repo(""),
}
DELIVERIES = deliveries()
OCCASIONS = [occasions_of(delivery, me="acme", now=NOON) for delivery in DELIVERIES]


def fires(rule: Rule) -> bool:
    for delivery, occasions in zip(DELIVERIES, OCCASIONS, strict=True):
        decision = decide(occasions, rule)
        for hub in (SHOWN, WITHOUT) if decision.open else ():
            findings = NOTHING_FOUND.plus({lookup: hub[lookup.kind] for lookup in decision.open})
            told = occasions_of(delivery, me="acme", now=NOON, findings=findings)
            if decide(told, rule).fired:
                return True
        if decision.fired:
            return True
    return False


DEAD = [
    pytest.param(
        {"on": ["repo.created"], "refs": ["main"]},
        ("refs",),
        "no event of repo.created has a ref",
        id="refs-without-a-ref",
    ),
    pytest.param(
        {"on": ["commit.pushed", "pr.pushed"], "titles": ["*"]},
        ("titles",),
        "no event of commit.pushed, pr.pushed has a discussion with a title",
        id="titles-without-a-discussion",
    ),
    pytest.param(
        {"comment": {"starts_with": "/x"}},
        ("comment",),
        "no event of commit.pushed has a comment",
        id="comment-without-one",
    ),
    pytest.param(
        {"on": ["repo.made_public"], "private": True},
        ("private",),
        "with repo.made_public the repo is public",
        id="private-made-public",
    ),
    pytest.param(
        {"on": ["repo.made_private"], "private": False},
        ("private",),
        "with repo.made_private the repo is private",
        id="public-made-private",
    ),
    pytest.param(
        {"repos": ["dataset:other/*", "model:third/x"]},
        ("repos",),
        "nothing in `repos` is in what the rule watches, org:acme",
        id="owner-not-watched",
    ),
    pytest.param(
        {"watch": ["model:acme/x"], "repos": ["dataset:acme/x"]},
        ("repos",),
        "nothing in `repos` is in what the rule watches, model:acme/x",
        id="repo-not-watched",
    ),
    pytest.param(
        {"on": ["files.changed"], "repos": ["dataset:acme/*"]},
        ("on",),
        "no files.changed ever comes from a dataset",
        id="files-of-no-bucket",
    ),
    pytest.param(
        {"on": ["commit.pushed", "pr.opened"], "watch": ["bucket:acme/x"]},
        ("on",),
        "no commit.pushed or pr.opened ever comes from a bucket",
        id="git-in-a-bucket",
    ),
    pytest.param(
        {"refs": ["a/*", "!**"]}, ("refs",), "the exclusions in `refs` leave nothing", id="refs"
    ),
    pytest.param(
        {"refs": ["main", "v?", "!main", "!v*"]},
        ("refs",),
        "the exclusions in `refs` leave nothing",
        id="refs-one-by-one",
    ),
    pytest.param(
        {"refs": ["!**"]}, ("refs",), "the exclusions in `refs` leave nothing", id="only-exclusions"
    ),
    pytest.param(
        {"repos": ["dataset:acme/x", "!*:acme/**"]},
        ("repos",),
        "the exclusions in `repos` leave nothing",
        id="repos",
    ),
    pytest.param(
        {"on": ["pr.opened"], "titles": ["fix*", "!*"]},
        ("titles",),
        "the exclusions in `titles` leave nothing",
        id="titles",
    ),
    pytest.param(
        {"on": ["repo.created", "tag.deleted"], "paths": ["**"]},
        ("paths",),
        "no event of repo.created, tag.deleted changes files",
        id="paths-without-a-push",
    ),
    pytest.param(
        {"paths": ["data/*.csv", "!**/*.csv"]},
        ("paths",),
        "the exclusions in `paths` leave nothing",
        id="paths",
    ),
    pytest.param(
        {"tags": ["a/b", "!a*"]}, ("tags",), "the exclusions in `tags` leave nothing", id="tags"
    ),
    pytest.param(
        {"actors": ["ada", "!*"]},
        ("actors",),
        "the exclusions in `actors` leave nothing",
        id="actors",
    ),
    pytest.param(
        {"if": "1 > 2"}, ("if",), "the expression is false, whatever comes", id="if-that-is-false"
    ),
    pytest.param(
        {"refs": ["main"], "not": {"refs": ["main"]}},
        ("not",),
        "`not` excludes what the conditions beside it ask for",
        id="not-what-is-asked-for",
    ),
    pytest.param(
        {"all": [{"on": ["repo.created"]}]},
        ("all", 0, "on"),
        "none of repo.created is one of commit.pushed",
        id="another-event-within-all",
    ),
    pytest.param(
        {"all": [{"refs": ["main"]}, {"any": [{"titles": ["x"]}]}]},
        ("all", 1, "any", 0, "titles"),
        "no event of commit.pushed has a discussion with a title",
        id="deep-within",
    ),
    pytest.param(
        {"any": [{"if": "false"}, {"on": ["discussion/create"]}]},
        ("any", 0, "if"),
        "the expression is false, whatever comes",
        id="nothing-of-any",
    ),
]


@pytest.mark.parametrize(("given", "keys", "why"), DEAD)
def test_a_rule_that_can_never_fire_is_told(
    given: dict[str, Any], keys: tuple[str | int, ...], why: str
) -> None:
    rule = make_rule(**given)
    found = dict(contradictions(rule))
    assert found[keys].startswith(why)
    assert found[keys].endswith(": the rule can never fire")
    assert not fires(rule)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="plain"),
        pytest.param({"watch": []}, id="no-watch"),
        pytest.param({"on": ["repo.created", "commit.pushed"], "refs": ["main"]}, id="some-ref"),
        pytest.param({"on": ["repo.content/update"], "refs": ["main"]}, id="raw-scope-has-refs"),
        pytest.param({"on": ["discussion"], "titles": ["A*"]}, id="titles"),
        pytest.param({"on": ["comment.created"], "comment": {"starts_with": "/x"}}, id="comment"),
        pytest.param({"on": ["repo.made_public"], "private": False}, id="public-made-public"),
        pytest.param({"on": ["repo.made_private"], "private": True}, id="private-made-private"),
        pytest.param(
            {"on": ["repo.made_public", "commit.pushed"], "private": True}, id="private-or-pushed"
        ),
        pytest.param({"watch": ["user:@me"], "repos": ["dataset:acme/*"]}, id="me-may-be-anybody"),
        pytest.param({"repos": ["*:ac*/*"]}, id="owner-by-a-pattern"),
        pytest.param({"repos": ["dataset:other/*", "model:acme/*"]}, id="one-of-two-owners"),
        pytest.param({"watch": ["dataset:acme/x"], "repos": ["*:acme/?"]}, id="repo-watched"),
        pytest.param({"repos": ["!model:acme/*"]}, id="only-one-exclusion"),
        pytest.param({"on": ["files.changed"], "repos": ["*:acme/*"]}, id="bucket-among-types"),
        pytest.param({"on": ["repo.updated"], "watch": ["bucket:acme/x"]}, id="bucket-updated"),
        pytest.param({"on": ["repo.content"], "watch": ["bucket:acme/x"]}, id="bucket-content"),
        pytest.param({"refs": ["!**", "main"]}, id="the-last-match-wins"),
        pytest.param({"refs": ["**", "!pr/*"]}, id="some-are-left"),
        pytest.param({"refs": ["a/*", "!*/c"]}, id="only-some-of-it-excluded"),
        pytest.param({"refs": ["!pr/*"]}, id="all-but-some"),
        pytest.param({"refs": ["!*"]}, id="all-of-one-part-excluded"),
        pytest.param({"refs": ["main", "!refs/heads/a/**"]}, id="another-excluded"),
        pytest.param({"repos": ["dataset:acme/*", "!dataset:acme/tmp-*"]}, id="repos"),
        pytest.param({"if": "1 < 2"}, id="if-that-is-true"),
        pytest.param({"actors": ["!*"]}, id="nobody-known"),
        pytest.param({"tags": ["!*"]}, id="no-tags"),
        pytest.param({"tags": ["a/b", "!c"]}, id="another-tag-excluded"),
        pytest.param({"paths": ["data/**", "!data/tmp/**"]}, id="paths"),
        pytest.param({"on": ["files.changed"], "paths": ["**"]}, id="files-of-a-bucket"),
        pytest.param({"if": "repo.private == false"}, id="if-that-depends"),
        pytest.param({"refs": ["main"], "not": {"refs": ["dev"]}}, id="not-another"),
        pytest.param({"refs": ["main"], "not": {"refs": ["main"], "private": True}}, id="not-both"),
        pytest.param({"not": {}}, id="not-nothing"),
        pytest.param({"all": [{"on": ["repo.content"]}]}, id="the-scope-of-the-event"),
        pytest.param({"on": ["repo.content"], "all": [{"on": ["commit.pushed"]}]}, id="and-back"),
        pytest.param({"any": [{"titles": ["x"]}, {"refs": ["main"]}]}, id="one-of-any"),
    ],
)
def test_nothing_is_told_of_a_rule_that_may_fire(given: dict[str, Any]) -> None:
    rule = make_rule(**given)
    assert list(contradictions(rule)) == []
    assert fires(rule) or given in ({"not": {}}, {"refs": ["!*"]})


def test_a_rule_on_a_repos_id_is_not_judged() -> None:
    rule = make_rule(watch=["model:acme/x"], repos=[f"id:{'a' * 24}"])
    assert list(contradictions(rule)) == []


def test_an_expression_that_fails_whatever_comes_is_not_called_false() -> None:
    assert list(contradictions(make_rule(**{"if": "1 / 0 == 1"}))) == []
