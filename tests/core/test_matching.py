"""Matching: which rules a delivery sets off, and the sentence that says why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from factories import NOON, make_rule, sample
from jobhook.core.deliveries import Delivery, read_delivery
from jobhook.core.events import EVENTS, SCOPES
from jobhook.core.matching import Decision, decide
from jobhook.core.occasions import occasions_of, short_ref
from jobhook.core.rules import Rule
from jobhook.core.samples import SAMPLE_USER, sample_payload

OLD, NEW = "1" * 40, "2" * 40


def read(payload: dict[str, Any]) -> Delivery:
    delivery = read_delivery(json.dumps(payload).encode())
    assert isinstance(delivery, Delivery)
    return delivery


def changed(*refs: str, **over: Any) -> Delivery:
    """A delivery that says these *refs* were pushed to, on the data set acme/corpus."""
    return read(
        {
            "event": {"scope": "repo.content", "action": "update"},
            "repo": {"type": "dataset", "name": "acme/corpus"},
            "updatedRefs": [{"ref": ref, "oldSha": OLD, "newSha": NEW} for ref in refs],
        }
        | over
    )


def decision(rule: Rule, delivery: Delivery, me: str | None = None) -> Decision:
    return decide(occasions_of(delivery, me=me, now=NOON), rule)


PUSH = changed("refs/heads/main")


def test_a_rule_fires_and_says_on_what() -> None:
    answer = decision(make_rule(), PUSH)
    assert answer.fired
    assert answer.reason == "commit.pushed refs/heads/main on dataset acme/corpus"
    assert answer.event
    assert (answer.event.name, answer.event.ref) == ("commit.pushed", "refs/heads/main")


def test_an_event_without_a_ref_is_told_without_one() -> None:
    delivery = read(sample_payload("repo.created"))
    answer = decision(make_rule(on=["repo.created"], watch=[]), delivery)
    assert answer.reason == "repo.created on model me/sample"


@pytest.mark.parametrize(
    ("given_parts", "delivery", "me", "reason"),
    [
        pytest.param(
            {"watch": ["org:other", "model:a/m"]},
            PUSH,
            None,
            "dataset acme/corpus is not in what the rule watches: org:other, model:a/m",
            id="not-watched",
        ),
        pytest.param(
            {"watch": ["user:@me"]},
            PUSH,
            "ada",
            "dataset acme/corpus is not in what the rule watches: user:@me (ada)",
            id="not-mine",
        ),
        pytest.param(
            {"watch": ["org:other", "user:@me"]},
            PUSH,
            None,
            "the rule watches user:@me, and there is no token to tell who that is",
            id="nobody-knows-what-is-mine",
        ),
        pytest.param(
            {"repos": ["model:acme/*", "!model:acme/tmp"]},
            PUSH,
            None,
            "dataset acme/corpus is not among the rule's repos: model:acme/*, !model:acme/tmp",
            id="another-repo",
        ),
        pytest.param(
            {"repos": ["dataset:acme/*", "!dataset:*/corpus"]},
            PUSH,
            None,
            "dataset acme/corpus is not among the rule's repos: dataset:acme/*, !dataset:*/corpus",
            id="a-repo-excluded",
        ),
        pytest.param(
            {"on": ["repo.created", "tag.created"]},
            PUSH,
            None,
            "this is commit.pushed; the rule is on repo.created, tag.created",
            id="another-event",
        ),
        pytest.param(
            {"on": ["repo.created"]},
            changed("refs/heads/main", "refs/heads/dev", "refs/tags/v1"),
            None,
            "this is commit.pushed, tag.moved; the rule is on repo.created",
            id="other-events-each-named-once",
        ),
        pytest.param(
            {"refs": ["dev", "!v*"]},
            PUSH,
            None,
            "refs/heads/main is not among the rule's refs: dev, !v*",
            id="another-ref",
        ),
        pytest.param(
            {"refs": ["*", "!main"]},
            PUSH,
            None,
            "refs/heads/main is not among the rule's refs: *, !main",
            id="a-ref-excluded",
        ),
        pytest.param(
            {"on": ["repo.content"]},
            changed("refs/pr/4"),
            None,
            "refs/pr/4 is not a branch, and the rule names no refs",
            id="raw-and-not-a-branch",
        ),
        pytest.param(
            {"on": ["repo.created"], "refs": ["main"]},
            read(sample_payload("repo.created")),
            SAMPLE_USER,
            "repo.created has no ref; the rule wants main",
            id="no-ref-to-want",
        ),
        pytest.param(
            {},
            changed("refs/heads/main", event={"scope": "user.profile", "action": "update"}),
            None,
            "the scope 'user.profile' is not known",
            id="unknown-scope",
        ),
        pytest.param(
            {},
            changed(event={"scope": "x\n" + "y" * 200, "action": "update"}),
            None,
            rf"the scope 'x\n{'y' * 98}' is not known",
            id="unknown-scope-on-one-line",
        ),
    ],
)
def test_a_rule_that_does_not_fire_says_why(
    given_parts: dict[str, Any], delivery: Delivery, me: str | None, reason: str
) -> None:
    parts = {"watch": []} | given_parts
    answer = decision(make_rule(**parts), delivery, me)
    assert not answer.fired
    assert answer.event is None
    assert answer.reason == reason


@pytest.mark.parametrize(
    ("watch", "me", "fires"),
    [
        pytest.param([], None, True, id="nothing-watched-is-no-filter"),
        pytest.param(["org:acme"], None, True, id="the-org"),
        pytest.param(["dataset:acme/corpus"], None, True, id="the-repo"),
        pytest.param(["org:other", "org:acme"], None, True, id="one-of-two"),
        pytest.param(["user:@me"], "acme", True, id="me"),
        pytest.param(["user:@me"], "other", False, id="not-me"),
        pytest.param(["user:@me", "org:acme"], None, True, id="me-unknown-but-the-org"),
        pytest.param(["model:acme/corpus"], None, False, id="another-type"),
    ],
)
def test_what_is_watched_filters(watch: list[str], me: str | None, *, fires: bool) -> None:
    assert decision(make_rule(watch=watch), PUSH, me).fired is fires


@pytest.mark.parametrize(
    ("repos", "fires"),
    [
        (["dataset:acme/*"], True),
        (["*:acme/corpus"], True),
        (["*:*/*"], True),
        (["dataset:*/**"], True),
        (["dataset:other/*"], False),
        (["!dataset:acme/tmp-*"], True),
        (["!dataset:acme/c*"], False),
        (["dataset:acme/*", "!dataset:acme/c*", "dataset:acme/corpus"], True),
    ],
)
def test_repos_narrow_and_the_last_match_wins(repos: list[str], *, fires: bool) -> None:
    assert decision(make_rule(repos=repos), PUSH).fired is fires


@pytest.mark.parametrize(
    ("refs", "ref", "fires"),
    [
        (["main"], "refs/heads/main", True),
        (["refs/heads/main"], "refs/heads/main", True),
        (["heads/main"], "refs/heads/main", False),
        (["exp/*"], "refs/heads/exp/lr", True),
        (["*"], "refs/heads/exp/lr", False),
        (["**"], "refs/heads/exp/lr", True),
        (["!main"], "refs/heads/dev", True),
        (["!main"], "refs/heads/main", False),
        (["!refs/heads/main"], "refs/heads/main", False),
        (["main"], "refs/heads/tags/main", False),
        (["main"], "refs/heads/heads/main", False),
    ],
)
def test_refs_narrow_by_short_and_by_full_name(refs: list[str], ref: str, *, fires: bool) -> None:
    assert decision(make_rule(refs=refs), changed(ref)).fired is fires


@pytest.mark.parametrize(
    ("ref", "without_refs", "with_all_refs"),
    [
        pytest.param("refs/heads/main", True, True, id="branch"),
        pytest.param("refs/tags/v1", False, True, id="tag"),
        pytest.param("refs/pr/4", False, True, id="pull-request"),
        pytest.param("refs/convert/parquet", False, True, id="bot"),
        pytest.param("refs/new/thing", False, True, id="a-ref-of-tomorrow"),
    ],
)
def test_raw_content_is_of_branches_unless_refs_are_named(
    ref: str, *, without_refs: bool, with_all_refs: bool
) -> None:
    raw = make_rule(on=["repo.content"])
    assert decision(raw, changed(ref)).fired is without_refs
    raw_all = make_rule(on=["repo.content"], refs=["**"])
    assert decision(raw_all, changed(ref)).fired is with_all_refs


@pytest.mark.parametrize(
    ("event", "ref"),
    [
        ("tag.moved", "refs/tags/v1"),
        ("pr.pushed", "refs/pr/4"),
        ("convert.updated", "refs/convert/parquet"),
    ],
)
@pytest.mark.parametrize("raw_first", [False, True])
def test_an_event_named_beside_the_raw_scope_needs_no_refs(
    event: str, ref: str, *, raw_first: bool
) -> None:
    on = ["repo.content", event] if raw_first else [event, "repo.content"]
    answer = decision(make_rule(on=on), changed(ref))
    assert answer.reason == f"{event} {ref} on dataset acme/corpus"


def test_raw_content_without_any_ref_fires() -> None:
    bucket = read_delivery(sample("17"))
    assert isinstance(bucket, Delivery)
    assert decision(make_rule(watch=[], on=["repo.content"]), bucket).fired


@pytest.mark.parametrize("scope", SCOPES)
def test_a_raw_scope_takes_the_events_of_that_scope_and_no_others(scope: str) -> None:
    rule = make_rule(watch=[], on=[scope])
    fired = {name for name in EVENTS if decision(rule, read(sample_payload(name))).fired}
    not_branches = {"tag.created", "tag.moved", "tag.deleted", "convert.updated"}
    not_branches |= {"pr.ref_created", "pr.pushed"}
    of_scope = {name for name in EVENTS if sample_payload(name)["event"]["scope"] == scope}
    assert fired == of_scope - not_branches


def test_a_raw_scope_takes_narrower_scopes_of_tomorrow() -> None:
    delivery = changed("refs/heads/main", event={"scope": "repo.content.lfs", "action": "create"})
    assert decision(make_rule(on=["repo.content"]), delivery).fired
    assert decision(make_rule(on=["commit.pushed"]), delivery).fired


def test_a_rule_fires_once_on_the_first_event_that_fits() -> None:
    delivery = changed("refs/heads/dev", "refs/tags/v1", "refs/heads/main", "refs/heads/exp")
    answer = decision(make_rule(refs=["main", "exp"]), delivery)
    assert answer.event
    assert answer.event.ref == "refs/heads/main"


def test_when_no_ref_fits_the_reason_names_one_of_them() -> None:
    answer = decision(make_rule(refs=["main"]), changed("refs/tags/v1", "refs/heads/dev"))
    assert answer.reason == "refs/heads/dev is not among the rule's refs: main"


def test_a_deleted_branch_is_no_push() -> None:
    gone = changed(updatedRefs=[{"ref": "refs/heads/main", "oldSha": OLD, "newSha": None}])
    assert not decision(make_rule(), gone).fired
    assert decision(make_rule(on=["branch.deleted"], refs=["main"]), gone).fired


@pytest.mark.parametrize(
    ("ref", "short"),
    [
        ("refs/heads/main", "main"),
        ("refs/heads/exp/lr", "exp/lr"),
        ("refs/tags/v1", "v1"),
        ("refs/pr/4", "pr/4"),
        ("refs/convert/parquet", "convert/parquet"),
        ("refs/heads/tags/v1", "tags/v1"),
        ("refs/heads/heads/main", "heads/main"),
        ("refs/tags/heads/main", "heads/main"),
        ("refs/heads/refs/pr/4", "refs/pr/4"),
        ("main", "main"),
    ],
)
def test_a_ref_as_people_write_it(ref: str, short: str) -> None:
    assert short_ref(ref) == short
