"""Conditions: what each of them makes of an event, and the sentence when it does not hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from factories import NOON, make_rule
from jobhook.core.deliveries import Delivery, read_delivery
from jobhook.core.expressions import Expression, parse_expression
from jobhook.core.findings import Commit, Findings, Kind, Lookup
from jobhook.core.matching import Decision, decide, explain
from jobhook.core.occasions import occasions_of
from jobhook.core.rules import Rule
from jobhook.core.samples import merged, sample_payload

REPO_ID = "6" * 24


def happened(event: str, over: dict[str, Any] | None = None) -> Delivery:
    repo = {"repo": {"type": "dataset", "name": "acme/corpus", "id": REPO_ID}}
    payload = merged(merged(sample_payload(event), repo), over or {})
    delivery = read_delivery(json.dumps(payload).encode())
    assert isinstance(delivery, Delivery)
    return delivery


def decided(conditions: dict[str, Any], delivery: Delivery) -> Decision:
    rule = make_rule(**{"on": ["commit.pushed", "repo", "discussion.comment"], **conditions})
    return decide(occasions_of(delivery, me="me", now=NOON), rule)


PUSH = happened("commit.pushed")
COMMENT = happened("comment.created", {"comment": {"content": " /train --fast\nplease"}})
TITLED = {"discussion": {"title": "Fix a/b, urgently"}}


@pytest.mark.parametrize(
    ("conditions", "delivery"),
    [
        pytest.param({"repos": [f"id:{REPO_ID}"]}, PUSH, id="repo-by-id"),
        pytest.param({"private": False}, PUSH, id="public"),
        pytest.param({"on": ["repo.content/update"]}, PUSH, id="scope-with-its-action"),
        pytest.param(
            {"on": ["discussion"], "titles": ["*urgent*"]},
            happened("discussion.opened", TITLED),
            id="title",
        ),
        pytest.param(
            {"on": ["discussion"], "titles": ["Fix a/*", "!*later*"]},
            happened("discussion.opened", TITLED),
            id="title-with-a-slash",
        ),
        pytest.param(
            {"comment": {"starts_with": ["/test", "/train"]}},
            COMMENT,
            id="comment-starts",
        ),
        pytest.param(
            {"comment": {"starts_with": "/train", "matches": "--f[a-z]+t"}},
            COMMENT,
            id="comment-matches",
        ),
        pytest.param(
            {"on": ["comment.edited"], "comment": {"starts_with": "/train"}},
            happened("comment.edited", {"comment": {"content": "/train"}}),
            id="an-edited-comment-that-is-asked-for",
        ),
        pytest.param({"if": "repo.owner == 'acme'"}, PUSH, id="if"),
        pytest.param(
            {"any": [{"refs": ["dev"]}, {"refs": ["main"], "private": False}]},
            PUSH,
            id="any",
        ),
        pytest.param({"all": [{"refs": ["main"]}, {"private": False}]}, PUSH, id="all"),
        pytest.param({"not": {"refs": ["dev"]}}, PUSH, id="not"),
        pytest.param(
            {"any": [{"on": ["tag.created"]}, {"on": ["commit.pushed"]}]},
            PUSH,
            id="on-within",
        ),
    ],
)
def test_a_condition_holds(conditions: dict[str, Any], delivery: Delivery) -> None:
    decision = decided(conditions, delivery)
    assert decision.fired, decision.reason


@pytest.mark.parametrize(
    ("conditions", "delivery", "reason"),
    [
        pytest.param(
            {"repos": ["id:" + "7" * 24]},
            PUSH,
            f"dataset acme/corpus is not among the rule's repos: id:{'7' * 24}",
            id="another-id",
        ),
        pytest.param(
            {"repos": ["*:6*/**"]},
            PUSH,
            "dataset acme/corpus is not among the rule's repos: *:6*/**",
            id="a-glob-is-not-for-ids",
        ),
        pytest.param(
            {"private": True},
            PUSH,
            "the repo is public; the rule's `private` wants private",
            id="public",
        ),
        pytest.param(
            {"private": True},
            happened("commit.pushed", {"repo": {"private": None}}),
            "the delivery does not tell whether the repo is private; the rule's `private` wants "
            "private",
            id="nobody-says-whether-private",
        ),
        pytest.param(
            {"on": ["repo/create"]},
            PUSH,
            "this is commit.pushed; the rule is on repo/create",
            id="another-action",
        ),
        pytest.param(
            {"on": ["discussion"], "titles": ["Fix*", "!*urgent*"]},
            happened("discussion.opened", TITLED),
            "the title is 'Fix a/b, urgently'; the rule's `titles` wants Fix*, !*urgent*",
            id="title-excluded",
        ),
        pytest.param(
            {"titles": ["*"]},
            PUSH,
            "there is no title; the rule's `titles` wants *",
            id="no-title",
        ),
        pytest.param(
            {"comment": {"starts_with": "/test"}},
            COMMENT,
            "the comment is ' /train --fast\\nplease'; the rule's `comment` wants one that starts "
            "with '/test'",
            id="another-start",
        ),
        pytest.param(
            {"comment": {"starts_with": "/train", "matches": "slow"}},
            COMMENT,
            "the comment is ' /train --fast\\nplease'; the rule's `comment` wants one that starts "
            "with '/train' and one that matches 'slow'",
            id="no-match",
        ),
        pytest.param(
            {"comment": {"starts_with": "/train"}},
            happened("comment.edited", {"comment": {"content": "/train"}}),
            "this is comment.edited, which the rule's `on` does not name; the rule's `comment` "
            "wants one that starts with '/train'",
            id="an-edited-comment",
        ),
        pytest.param(
            {"comment": {"matches": "x"}},
            PUSH,
            "there is no comment; the rule's `comment` wants one that matches 'x'",
            id="no-comment",
        ),
        pytest.param({"if": "repo.private"}, PUSH, "`if: repo.private`: it is false", id="if"),
        pytest.param(
            {"if": "1 / discussion.num == 1"},
            PUSH,
            "`if: 1 / discussion.num == 1`: it fails: divide by zero",
            id="if-fails",
        ),
        pytest.param(
            {"not": {"if": "1 / discussion.num == 1"}},
            PUSH,
            "`if: 1 / discussion.num == 1`: it fails: divide by zero",
            id="if-fails-within-not",
        ),
        pytest.param(
            {"any": [{"if": "1 / discussion.num == 1"}, {"private": False}]},
            PUSH,
            "`if: 1 / discussion.num == 1`: it fails: divide by zero",
            id="if-fails-within-any",
        ),
        pytest.param(
            {"any": [{"refs": ["dev"]}, {"private": True}]},
            PUSH,
            "none of `any` holds: refs/heads/main is not among the rule's refs: dev; the repo is "
            "public; the rule's `private` wants private",
            id="none-of-any",
        ),
        pytest.param(
            {"all": [{"refs": ["main"]}, {"private": True}]},
            PUSH,
            "the repo is public; the rule's `private` wants private",
            id="not-all",
        ),
        pytest.param(
            {"not": {"refs": ["main"], "private": False}},
            PUSH,
            "all that the rule's `not` names is so",
            id="not",
        ),
    ],
)
def test_a_condition_does_not_hold(
    conditions: dict[str, Any], delivery: Delivery, reason: str
) -> None:
    decision = decided(conditions, delivery)
    assert (decision.fired, decision.reason) == (False, reason)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        pytest.param({"comment": {}}, "say `starts_with` or `matches`", id="comment-of-nothing"),
        pytest.param({"comment": {"matches": "("}}, "invalid regular expression", id="pattern"),
        pytest.param({"if": "repo.privat"}, "undefined field 'privat'", id="expression"),
        pytest.param({"titles": [""]}, "a pattern has 1 to 512 characters", id="no-title"),
        pytest.param({"not": {"repo": []}}, "Extra inputs", id="unknown-within"),
        pytest.param({"any": []}, "at least 1 item", id="any-of-nothing"),
        pytest.param({"any": ["main"]}, "valid dictionary", id="any-of-a-text"),
        pytest.param({"any": None}, "`any` is empty", id="any-without-a-value"),
        pytest.param({"not": {"refs": None}}, "`refs` is empty", id="nothing-within-not"),
        pytest.param({"on": ["repo.content/create"]}, "there is no event", id="no-such-action"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused(
    conditions: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message.replace("(", r"\(")):
        make_rule(**conditions)


def test_without_refs_anywhere_a_raw_scope_means_branches() -> None:
    pull_request = happened("pr.pushed")
    assert not decided({"on": ["repo.content"]}, pull_request).fired
    asked: Rule = make_rule(on=["repo.content"], any=[{"refs": ["pr/*"]}], watch=[])
    assert decide(occasions_of(pull_request, me=None, now=NOON), asked).fired


def test_every_condition_tells_what_it_saw_and_what_it_wants() -> None:
    rule = make_rule(
        on=["discussion.comment"],
        watch=["org:acme", "user:@me"],
        repos=["dataset:acme/*"],
        private=False,
        titles=["Fix a/*"],
        comment={"starts_with": "/train", "matches": "fast"},
        **{"if": "discussion.num == 1 && comment.content != '' && ref.name == ''"},
    )
    comment = {**TITLED, "comment": {"content": "/train --fast"}}
    occasions = occasions_of(happened("comment.created", comment), me="me", now=NOON)
    told = explain(occasions, rule)
    assert told.decision.fired
    assert [(answer.condition, answer.seen, answer.wanted) for answer in told.answers] == [
        ("watch", "dataset acme/corpus", "org:acme, user:@me"),
        ("repos", "dataset acme/corpus", "dataset:acme/*"),
        ("private", "the repo is public", "public"),
        ("on", "this is comment.created", "discussion.comment"),
        ("titles", "the title is 'Fix a/b, urgently'", "Fix a/*"),
        (
            "comment",
            "the comment is '/train --fast'",
            "one that starts with '/train' and one that matches 'fast'",
        ),
        ("if", "it is true", "discussion.num == 1 && comment.content != '' && ref.name == ''"),
        ("refs", "no ref", "branches, as the rule names no refs"),
    ]


@pytest.mark.parametrize("turn", [1, -1], ids=["first", "last"])
def test_one_that_fails_keeps_the_rule_from_firing_wherever_it_stands(turn: int) -> None:
    parts = [{"if": "1 / discussion.num == 1"}, {"refs": ["main"]}][::turn]
    assert not decided({"any": parts}, PUSH).fired
    assert decided({"any": parts[:turn] if turn < 0 else parts[1:]}, PUSH).fired


def test_what_expressions_cannot_take_fails_them_and_nothing_else() -> None:
    found = Findings({Lookup(Kind.COMMIT, ("2" * 40,)): Commit("m", (3,))})  # type: ignore[arg-type]
    occasions = occasions_of(PUSH, me="me", now=NOON, findings=found)
    broken = decide(occasions, make_rule(**{"if": "commit.message == 'm'"}))
    assert (broken.fired, broken.is_failure) == (False, True)
    assert decide(occasions, make_rule()).fired


def test_an_expression_on_the_delivery_is_evaluated_once_for_all_its_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refs = [{"ref": f"refs/heads/b{n}", "oldSha": None, "newSha": "1" * 40} for n in range(50)]
    delivery = happened("commit.pushed", {"updatedRefs": refs})
    texts = ["refs.exists(r, r.short == 'x')", "ref.short == 'x'"]
    # Each is tried on nothing when it is parsed.
    whole, single = [(text, parse_expression(text))[0] for text in texts]
    evaluated: list[str] = []
    holds = Expression.holds

    def counted(self: Expression, context: Any) -> bool | str:
        evaluated.append(self.text)
        return holds(self, context)

    monkeypatch.setattr(Expression, "holds", counted)
    assert not decided({"if": whole}, delivery).fired
    assert evaluated.count(whole) == 1
    assert not decided({"if": single}, delivery).fired
    assert evaluated.count(single) > 50


def test_a_condition_that_fails_is_explained_as_one_that_does_not_hold() -> None:
    rule = make_rule(**{"not": {"if": "1 / discussion.num == 1"}})
    told = explain(occasions_of(PUSH, me="me", now=NOON), rule)
    (said,) = [answer for answer in told.answers if answer.condition == "not"]
    assert (told.decision.fired, said.holds) == (False, False)
    assert said.parts[0].seen == "it fails: divide by zero"


def test_of_several_events_the_one_that_came_nearest_is_explained() -> None:
    changes = [
        {"ref": ref, "oldSha": "1" * 40, "newSha": "2" * 40}
        for ref in ("refs/tags/v1", "refs/heads/dev")
    ]
    occasions = occasions_of(happened("commit.pushed", {"updatedRefs": changes}), me="me", now=NOON)
    told = explain(occasions, make_rule(refs=["main"]))
    assert (told.event, told.decision.reason) == (
        "commit.pushed",
        "refs/heads/dev is not among the rule's refs: main",
    )
