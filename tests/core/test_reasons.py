"""The sentence for a person: for each event on a rule that fires and one that does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from factories import NOON, make_rule
from jobhook.core.deliveries import Delivery, read_delivery
from jobhook.core.events import EVENTS
from jobhook.core.matching import decide
from jobhook.core.occasions import occasions_of
from jobhook.core.samples import merged, sample_payload


def reason(
    rule: dict[str, Any], event: str, over: dict[str, Any] | None = None
) -> tuple[bool, str]:
    """Whether a rule fires on a sample of *event* with *over* laid on it, and why."""
    delivery = read_delivery(json.dumps(merged(sample_payload(event), over or {})).encode())
    assert isinstance(delivery, Delivery)
    made = make_rule(**{"watch": []} | rule)
    decision = decide(occasions_of(delivery, me="me", now=NOON), made)
    return decision.fired, decision.reason


# What fires, and what a rule on something else is told.
TOLD = {
    "repo.created": ("repo.created on model me/sample", "this is repo.created"),
    "repo.deleted": ("repo.deleted on model me/sample", "this is repo.deleted"),
    "repo.moved": ("repo.moved on model me/sample", "this is repo.moved"),
    "repo.updated": ("repo.updated on model me/sample", "this is repo.updated"),
    "commit.pushed": ("commit.pushed refs/heads/main on model me/sample", "this is commit.pushed"),
    "branch.created": (
        "branch.created refs/heads/main on model me/sample",
        "this is commit.pushed, branch.created",
    ),
    "branch.deleted": (
        "branch.deleted refs/heads/main on model me/sample",
        "this is branch.deleted",
    ),
    "tag.created": ("tag.created refs/tags/v1 on model me/sample", "this is tag.created"),
    "tag.moved": ("tag.moved refs/tags/v1 on model me/sample", "this is tag.moved"),
    "tag.deleted": ("tag.deleted refs/tags/v1 on model me/sample", "this is tag.deleted"),
    "pr.ref_created": ("pr.ref_created refs/pr/1 on model me/sample", "this is pr.ref_created"),
    "pr.pushed": ("pr.pushed refs/pr/1 on model me/sample", "this is pr.pushed"),
    "convert.updated": (
        "convert.updated refs/convert/parquet on model me/sample",
        "this is convert.updated",
    ),
    "files.changed": ("files.changed on bucket me/sample", "this is files.changed"),
    "config.changed": ("config.changed on model me/sample", "this is config.changed"),
    "repo.made_private": (
        "repo.made_private on model me/sample",
        "this is config.changed, repo.made_private",
    ),
    "repo.made_public": (
        "repo.made_public on model me/sample",
        "this is config.changed, repo.made_public",
    ),
    "pr.opened": ("pr.opened on model me/sample", "this is pr.opened"),
    "pr.merged": ("pr.merged on model me/sample", "this is pr.merged"),
    "pr.closed": ("pr.closed on model me/sample", "this is pr.closed"),
    "pr.updated": ("pr.updated on model me/sample", "this is pr.updated"),
    "pr.deleted": ("pr.deleted on model me/sample", "this is pr.deleted"),
    "discussion.opened": ("discussion.opened on model me/sample", "this is discussion.opened"),
    "discussion.closed": ("discussion.closed on model me/sample", "this is discussion.closed"),
    "discussion.updated": ("discussion.updated on model me/sample", "this is discussion.updated"),
    "discussion.deleted": ("discussion.deleted on model me/sample", "this is discussion.deleted"),
    "comment.created": ("comment.created on model me/sample", "this is comment.created"),
    "comment.edited": ("comment.edited on model me/sample", "this is comment.edited"),
    "comment.hidden": ("comment.hidden on model me/sample", "this is comment.hidden"),
}


def test_every_event_is_in_the_table() -> None:
    assert list(TOLD) == EVENTS


@pytest.mark.parametrize("event", EVENTS)
def test_a_rule_on_the_event_is_told_what_happened(event: str) -> None:
    assert reason({"on": [event]}, event) == (True, TOLD[event][0])


@pytest.mark.parametrize("event", EVENTS)
def test_a_rule_on_other_events_is_told_what_it_was(event: str) -> None:
    other = "tag.moved" if event != "tag.moved" else "tag.deleted"
    expected = f"{TOLD[event][1]}; the rule is on {other}"
    assert reason({"on": [other]}, event) == (False, expected)


@pytest.mark.parametrize("event", EVENTS)
def test_a_rule_on_another_repo_is_told_where_it_was(event: str) -> None:
    kind = "bucket" if event == "files.changed" else "model"
    expected = f"{kind} me/sample is not among the rule's repos: space:me/*"
    assert reason({"on": [event], "repos": ["space:me/*"]}, event) == (False, expected)


@pytest.mark.parametrize("event", EVENTS)
def test_a_rule_that_watches_somebody_else_is_told_where_it_was(event: str) -> None:
    kind = "bucket" if event == "files.changed" else "model"
    expected = f"{kind} me/sample is not in what the rule watches: org:acme"
    assert reason({"on": [event], "watch": ["org:acme"]}, event) == (False, expected)


@pytest.mark.parametrize("event", EVENTS)
def test_a_rule_on_refs_is_told_the_ref_or_that_there_is_none(event: str) -> None:
    ref = TOLD[event][0].split(" on ")[0].removeprefix(event).strip()
    seen = (
        f"{ref} is not among the rule's refs: none/*"
        if ref
        else (f"{event} has no ref; the rule wants none/*")
    )
    assert reason({"on": [event], "refs": ["none/*"]}, event) == (False, seen)


COMMENT = {"comment": {"content": "/train now", "hidden": False}}
TITLE = {"discussion": {"title": "Fix: typo"}}
MAYBE = {"any": [{"private": True}, {"refs": ["dev"]}]}
BOTH = {"all": [{"private": False}, {"refs": ["dev"]}]}


@pytest.mark.parametrize(
    ("rule", "event", "over", "expected"),
    [
        pytest.param(
            {"private": True},
            "commit.pushed",
            {},
            "the repo is public; the rule's `private` wants private",
            id="public",
        ),
        pytest.param(
            {"private": False},
            "commit.pushed",
            {"repo": {"private": True}},
            "the repo is private; the rule's `private` wants public",
            id="private",
        ),
        pytest.param(
            {"private": False},
            "commit.pushed",
            {"repo": {"private": None}},
            "the delivery does not tell whether the repo is private; "
            "the rule's `private` wants public",
            id="nobody-knows-if-private",
        ),
        pytest.param(
            {"titles": ["Data:*"]},
            "pr.opened",
            TITLE,
            "the title is 'Fix: typo'; the rule's `titles` wants Data:*",
            id="another-title",
        ),
        pytest.param(
            {"titles": ["*", "!Fix*"]},
            "discussion.closed",
            TITLE,
            "the title is 'Fix: typo'; the rule's `titles` wants *, !Fix*",
            id="a-title-that-is-excluded",
        ),
        pytest.param(
            {"titles": ["*"]},
            "commit.pushed",
            {},
            "there is no title; the rule's `titles` wants *",
            id="no-title",
        ),
        pytest.param(
            {"comment": {"starts_with": "/eval"}},
            "comment.created",
            COMMENT,
            "the comment is '/train now'; the rule's `comment` wants one that starts with '/eval'",
            id="another-beginning",
        ),
        pytest.param(
            {"comment": {"starts_with": ["/eval", "/test"], "matches": "now$"}},
            "comment.created",
            COMMENT,
            "the comment is '/train now'; the rule's `comment` wants "
            "one that starts with '/eval' or '/test' and one that matches 'now$'",
            id="another-of-several-beginnings",
        ),
        pytest.param(
            {"comment": {"matches": "^train"}},
            "comment.created",
            COMMENT,
            "the comment is '/train now'; the rule's `comment` wants one that matches '^train'",
            id="no-match",
        ),
        pytest.param(
            {"on": ["discussion.comment"], "comment": {"starts_with": "/train"}},
            "comment.edited",
            COMMENT,
            "this is comment.edited, which the rule's `on` does not name; "
            "the rule's `comment` wants one that starts with '/train'",
            id="edited",
        ),
        pytest.param(
            {"comment": {"starts_with": "/train"}},
            "pr.opened",
            {},
            "there is no comment; the rule's `comment` wants one that starts with '/train'",
            id="no-comment",
        ),
        pytest.param(
            {"refs": ["v*"]},
            "commit.pushed",
            {},
            "refs/heads/main is not among the rule's refs: v*",
            id="another-ref",
        ),
        pytest.param(
            {"on": ["repo.content/update"]},
            "tag.created",
            {},
            "refs/tags/v1 is not a branch, and the rule names no refs",
            id="raw-and-no-branch",
        ),
        pytest.param(
            {"on": ["repo/delete"]},
            "repo.created",
            {},
            "this is repo.created; the rule is on repo/delete",
            id="raw-with-another-action",
        ),
        pytest.param(
            {"repos": ["model:me/*", f"!id:{'a' * 24}"]},
            "commit.pushed",
            {},
            f"model me/sample is not among the rule's repos: model:me/*, !id:{'a' * 24}",
            id="an-id-that-is-excluded",
        ),
        pytest.param(
            MAYBE,
            "commit.pushed",
            {},
            "none of `any` holds: the repo is public; the rule's `private` wants private; "
            "refs/heads/main is not among the rule's refs: dev",
            id="none-of-any",
        ),
        pytest.param(
            BOTH,
            "commit.pushed",
            {},
            "refs/heads/main is not among the rule's refs: dev",
            id="not-all-of-all",
        ),
        pytest.param(
            {"not": {"repos": ["model:me/*"], "private": False}},
            "commit.pushed",
            {},
            "all that the rule's `not` names is so",
            id="what-must-not-be",
        ),
        pytest.param(
            {"if": "repo.private"},
            "commit.pushed",
            {},
            "`if: repo.private`: it is false",
            id="an-expression-that-is-false",
        ),
        pytest.param(
            {"if": "10 / discussion.num > 1"},
            "commit.pushed",
            {},
            "`if: 10 / discussion.num > 1`: it fails: divide by zero",
            id="an-expression-that-fails",
        ),
    ],
)
def test_a_condition_that_does_not_hold_says_what_it_saw(
    rule: dict[str, Any], event: str, over: dict[str, Any], expected: str
) -> None:
    assert reason({"on": [event]} | rule, event, over) == (False, expected)


@pytest.mark.parametrize(
    ("rule", "event", "over"),
    [
        pytest.param({"private": False}, "repo.made_public", {}, id="private"),
        pytest.param({"titles": ["Fix*"]}, "pr.opened", TITLE, id="titles"),
        pytest.param({"comment": {"starts_with": "/tr"}}, "comment.created", COMMENT, id="comment"),
        pytest.param({"comment": {"matches": "now$"}}, "comment.edited", COMMENT, id="matches"),
        pytest.param({"refs": ["pr/*"]}, "pr.pushed", {}, id="refs"),
        pytest.param(
            {"on": ["repo.content"], "refs": ["v*"]}, "tag.created", {}, id="raw-and-refs"
        ),
        pytest.param({"on": ["discussion/create"]}, "pr.opened", {}, id="raw-with-action"),
        pytest.param({"repos": [f"id:{'a' * 24}"]}, "repo.moved", {}, id="id"),
        pytest.param({"watch": ["user:@me"]}, "repo.deleted", {}, id="me"),
        pytest.param(
            {"any": [{"private": True}, {"refs": ["main"]}]}, "commit.pushed", {}, id="any"
        ),
        pytest.param({"all": [{"private": False}]}, "tag.moved", {}, id="all"),
        pytest.param({"not": {"private": True}}, "convert.updated", {}, id="not"),
        pytest.param({"if": "repo.owner == 'me'"}, "config.changed", {}, id="if"),
    ],
)
def test_whatever_else_a_rule_asks_what_fires_is_told_alike(
    rule: dict[str, Any], event: str, over: dict[str, Any]
) -> None:
    assert reason({"on": [event]} | rule, event, over) == (True, TOLD[event][0])
