"""What rules ask about that only the Hub can tell: what it takes to know, and what that decides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from factories import NOON, make_rule
from jobhook.core.deliveries import Delivery, read_delivery
from jobhook.core.findings import (
    ChangedFile,
    Commit,
    Discussion,
    Findings,
    Found,
    Kind,
    Lookup,
    Repo,
    Unavailable,
)
from jobhook.core.matching import Decision, decide, explain
from jobhook.core.occasions import occasions_of
from jobhook.core.samples import merged, sample_payload

OLD, NEW, TIP = "1" * 40, "2" * 40, "3" * 40
FILES = Lookup(Kind.FILES, (OLD, NEW))
COMMIT = Lookup(Kind.COMMIT, (NEW,))
DISCUSSION = Lookup(Kind.DISCUSSION, ("1",))
REPO = Lookup(Kind.REPO)
REPO_ID = "6" * 24
REFUSED = Unavailable("there is no such thing", is_refused=True)
LATE = Unavailable("the Hub is busy", is_refused=False)


def happened(event: str, over: dict[str, Any] | None = None) -> Delivery:
    repo = {"repo": {"type": "dataset", "name": "acme/corpus", "id": REPO_ID}}
    payload = merged(merged(sample_payload(event), repo), over or {})
    delivery = read_delivery(json.dumps(payload).encode())
    assert isinstance(delivery, Delivery)
    return delivery


PUSH = happened("commit.pushed")
RUN = {"image": "i", "command": ["c"]}
WHO = RUN | {"env": {"WHO": "${{ actor.name }}"}}
COMMENT = happened("comment.created", {"comment": {"id": "c1"}})
OPENED = happened("pr.opened")


def decided(
    conditions: dict[str, Any],
    delivery: Delivery = PUSH,
    found: dict[Lookup, Found | Unavailable] | None = None,
) -> Decision:
    rule = make_rule(**{"on": ["commit.pushed", "discussion", "comment.created"], **conditions})
    return decide(occasions_of(delivery, me="me", now=NOON, findings=Findings(found or {})), rule)


@pytest.mark.parametrize(
    ("conditions", "delivery", "asked"),
    [
        pytest.param({"paths": ["*.csv"]}, PUSH, {FILES}, id="paths"),
        pytest.param({"actors": ["ana"]}, PUSH, {COMMIT}, id="who-pushed"),
        pytest.param({"actors": ["ana"]}, COMMENT, {DISCUSSION}, id="who-commented"),
        pytest.param({"tags": ["nlp"]}, PUSH, {REPO}, id="tags"),
        pytest.param({"skip_marker": True}, PUSH, {COMMIT}, id="the-marker"),
        pytest.param({"verify": "hub"}, PUSH, {COMMIT}, id="a-claimed-commit"),
        pytest.param(
            {"run": RUN | {"env": {"WHO": "${{ actor.name }}"}, "labels": {"a": "x"}}},
            PUSH,
            {COMMIT},
            id="a-template",
        ),
        pytest.param({"verify": "hub"}, OPENED, {DISCUSSION}, id="a-claimed-discussion"),
        pytest.param(
            {"on": ["repo.updated"], "verify": "hub"},
            happened("repo.updated"),
            {REPO},
            id="a-claimed-repo",
        ),
        pytest.param({"if": "files.size() > 1"}, PUSH, {FILES}, id="files-of-an-expression"),
        pytest.param({"if": "'x' in repo.tags"}, PUSH, {REPO}, id="tags-of-an-expression"),
        pytest.param({"if": "actor.role == 'admin'"}, COMMENT, {DISCUSSION}, id="a-role-first"),
        pytest.param(
            {"if": "discussion.headSha != ''"},
            OPENED,
            {DISCUSSION},
            id="the-head-of-a-pull-request",
        ),
        pytest.param(
            {"any": [{"paths": ["*.csv"]}, {"actors": ["ana"]}]},
            PUSH,
            {FILES, COMMIT},
            id="either-of-two",
        ),
        pytest.param(
            {"paths": ["*"]},
            happened(
                "commit.pushed",
                {
                    "repo": {"headSha": TIP},
                    "updatedRefs": [{"ref": "refs/heads/dev", "oldSha": None, "newSha": NEW}],
                },
            ),
            {Lookup(Kind.FILES, (TIP, NEW))},
            id="a-new-branch-against-main",
        ),
        pytest.param(
            {"paths": ["*"]},
            happened(
                "commit.pushed",
                {"updatedRefs": [{"ref": "refs/heads/main", "oldSha": None, "newSha": NEW}]},
            ),
            {Lookup(Kind.FILES, ("", NEW))},
            id="the-first-commit-against-nothing",
        ),
    ],
)
def test_a_rule_that_depends_on_it_waits_for_what_it_asks_for_and_nothing_else(
    conditions: dict[str, Any], delivery: Delivery, asked: set[Lookup]
) -> None:
    decision = decided(conditions, delivery)
    assert not decision.fired
    assert decision.open == frozenset(asked)
    assert decision.reason.startswith("waits until the Hub tells ")


@pytest.mark.parametrize(
    ("conditions", "delivery"),
    [
        pytest.param({"refs": ["dev"], "paths": ["*"]}, PUSH, id="another-condition-says-no"),
        pytest.param({"paths": ["*"]}, COMMENT, id="a-comment-changes-no-files"),
        pytest.param({"any": [{"private": True}, {"refs": ["dev"]}]}, PUSH, id="nothing-to-ask"),
        pytest.param(
            {"not": {"any": [{"refs": ["main"]}, {"actors": ["ana"]}]}}, PUSH, id="decided-anyway"
        ),
        pytest.param({"if": "event.name == 'tags' && ref.short == 'x'"}, PUSH, id="only-a-word"),
        pytest.param({"if": "'x' in repo.tags"}, happened("commit.pushed", {"repo": {"tags": []}}),
                     id="the-delivery-tells-the-tags"),
        pytest.param({"if": "discussion.headSha != ''"}, PUSH, id="no-pull-request"),
    ],
)  # fmt: skip
def test_what_is_no_without_the_hub_asks_it_nothing(
    conditions: dict[str, Any], delivery: Delivery
) -> None:
    decision = decided(conditions, delivery)
    assert (decision.fired, decision.open) == (False, frozenset())


@pytest.mark.parametrize(
    ("event", "repo"),
    [
        pytest.param("repo.deleted", {}, id="deleted"),
        pytest.param("repo.moved", {}, id="moved"),
        pytest.param("branch.deleted", {}, id="a-branch"),
        pytest.param("files.changed", {"repo": {"type": "bucket"}}, id="a-bucket"),
    ],
)
def test_what_nobody_can_see_is_not_read_back(event: str, repo: dict[str, Any]) -> None:
    rule = make_rule(on=[event], watch=[], verify="hub")
    explained = explain(occasions_of(happened(event, repo), me="me", now=NOON), rule)
    assert explained.decision.fired
    assert explained.answers[-1].seen == "there is nothing that the Hub could show"


@pytest.mark.parametrize(
    ("run", "verify", "asked"),
    [
        pytest.param({"flavor": "l40sx1"}, None, {COMMIT}, id="dear"),
        pytest.param({"flavor": "a10g-small"}, None, set(), id="a-dollar"),
        pytest.param({"flavor": "quantum"}, None, {COMMIT}, id="unknown"),
        pytest.param({"flavor": "h200x8"}, "off", set(), id="off"),
    ],
)
def test_what_is_dear_is_read_back_unless_the_rule_says_otherwise(
    run: dict[str, Any], verify: str | None, asked: set[Lookup]
) -> None:
    assert decided({"run": RUN | run, "verify": verify}).open == frozenset(asked)


def test_a_job_to_repeat_may_be_dear() -> None:
    job = Lookup(Kind.JOB, ("j1",))
    copied = {"run": {"from_job": "j1"}, "verify": None}
    cheap = {"run": {"from_job": "j1", "flavor": "cpu-basic"}, "verify": None}
    assert decided(copied).open == {COMMIT, job}
    assert decided(cheap).open == {job}


def test_what_holds_without_the_hub_asks_it_nothing() -> None:
    assert decided({"any": [{"paths": ["*"]}, {"refs": ["main"]}]}).fired


CSV = (ChangedFile("data/a.csv", "add", 10), ChangedFile("README.md", "edit", 5))


@pytest.mark.parametrize(
    ("conditions", "delivery", "found", "fires"),
    [
        pytest.param({"paths": ["data/*"]}, PUSH, {FILES: CSV}, True, id="a-path"),
        pytest.param({"paths": ["*", "!README.md"]}, PUSH, {FILES: CSV[1:]}, False, id="not-only"),
        pytest.param({"paths": ["!*.md"]}, PUSH, {FILES: CSV}, True, id="something-else-too"),
        pytest.param(
            {"if": "files.exists(f, f.action == 'add' && f.size >= 10)"},
            PUSH,
            {FILES: CSV},
            True,
            id="a-file-of-an-expression",
        ),
        pytest.param(
            {"actors": ["!*-bot"]}, PUSH, {COMMIT: Commit("", ("ana", "a-bot"))}, False, id="a-bot"
        ),
        pytest.param(
            {"actors": ["ana"]}, PUSH, {COMMIT: Commit("m", ("bo", "ana"))}, True, id="one-of-two"
        ),
        pytest.param({"actors": ["!bot"]}, PUSH, {COMMIT: Commit("m")}, True, id="nobody-is-fine"),
        pytest.param({"actors": ["*"]}, PUSH, {COMMIT: Commit("m")}, False, id="nobody"),
        pytest.param(
            {"actors": ["ana"]},
            COMMENT,
            {DISCUSSION: Discussion("bo", commenters={"c1": "ana"})},
            True,
            id="who-commented",
        ),
        pytest.param(
            {"actors": ["bo"]},
            COMMENT,
            {DISCUSSION: Discussion("bo", commenters={"c1": "ana"})},
            False,
            id="not-who-opened-it",
        ),
        pytest.param({"actors": ["bo"]}, OPENED, {DISCUSSION: Discussion("bo")}, True, id="opener"),
        pytest.param({"tags": ["n*"]}, PUSH, {REPO: Repo(REPO_ID, ("nlp",))}, True, id="a-tag"),
        pytest.param(
            {"tags": ["nlp", "!license:*"]},
            PUSH,
            {REPO: Repo(REPO_ID, ("nlp", "license:mit"))},
            False,
            id="a-tag-that-is-excluded",
        ),
        pytest.param(
            {"skip_marker": True}, PUSH, {COMMIT: Commit("Docs [SKIP jobs]\n")}, False, id="marker"
        ),
        pytest.param({"skip_marker": True}, PUSH, {COMMIT: Commit("Docs")}, True, id="no-marker"),
        pytest.param({"skip_marker": True}, PUSH, {COMMIT: REFUSED}, True, id="no-commit"),
        pytest.param({"verify": "hub"}, PUSH, {COMMIT: Commit("m")}, True, id="verified"),
        pytest.param(
            {"if": "discussion.headSha == 'abc'"},
            OPENED,
            {DISCUSSION: Discussion("bo", head_sha="abc")},
            True,
            id="the-head",
        ),
        pytest.param(
            {"if": "actor.role == 'owner'"},
            PUSH,
            {COMMIT: Commit("m", ("acme",))},
            True,
            id="the-owner-itself",
        ),
        pytest.param(
            {"if": "actor.role == 'write'"},
            PUSH,
            {COMMIT: Commit("m", ("ana",)), Lookup(Kind.ROLE, ("acme", "ana")): "write"},
            True,
            id="a-role",
        ),
    ],
)  # fmt: skip
def test_what_was_found_decides(
    conditions: dict[str, Any],
    delivery: Delivery,
    found: dict[Lookup, Found | Unavailable],
    fires: bool,
) -> None:
    decision = decided(conditions, delivery, found)
    assert (decision.fired, decision.held, decision.open) == (fires, "", frozenset())


@pytest.mark.parametrize(
    ("conditions", "delivery", "found", "reason"),
    [
        pytest.param(
            {"paths": ["*"]},
            PUSH,
            {FILES: REFUSED},
            "enrichment: `paths` cannot be told, because there is no such thing",
            id="paths",
        ),
        pytest.param(
            {"not": {"actors": ["bot"]}},
            PUSH,
            {COMMIT: REFUSED},
            "enrichment: `not` cannot be told, because there is no such thing",
            id="not",
        ),
        pytest.param(
            {"skip_marker": True},
            PUSH,
            {COMMIT: LATE},
            "enrichment: `skip_marker` cannot be told, because the Hub is busy",
            id="marker",
        ),
        pytest.param(
            {"verify": "hub"},
            PUSH,
            {COMMIT: REFUSED},
            "verify: `verify` cannot be told, because there is no such thing",
            id="a-commit-that-is-not-there",
        ),
        pytest.param(
            {"on": ["repo.updated"], "verify": "hub"},
            happened("repo.updated"),
            {REPO: Repo("7" * 24)},
            "verify: `verify` cannot be told, because the Hub has another repo under this name",
            id="another-repo",
        ),
        pytest.param(
            {"on": ["files.changed"], "paths": ["x/*"]},
            happened("files.changed", {"repo": {"type": "bucket"}, "updatedFilesTruncated": True}),
            {},
            "enrichment: `paths` cannot be told, because changed were a.txt",
            id="a-list-that-was-cut",
        ),
    ],
)
def test_what_cannot_be_had_is_held_and_never_a_silent_no(
    conditions: dict[str, Any],
    delivery: Delivery,
    found: dict[Lookup, Found | Unavailable],
    reason: str,
) -> None:
    decision = decided(conditions, delivery, found)
    assert (decision.fired, decision.held) == (True, reason)


def test_a_template_that_cannot_be_filled_in_holds_the_launch() -> None:
    run = RUN | {"env": {"WHO": "${{ actor.name }}"}}
    decision = decided({"run": run}, PUSH, {COMMIT: REFUSED})
    assert decision.held == "enrichment: `run` cannot be told, because there is no such thing"


def test_the_job_to_repeat_is_asked_for_although_something_else_cannot_be_told() -> None:
    run = {"from_job": "j1", "flavor": "cpu-basic"}
    decision = decided({"run": run, "paths": ["*"]}, PUSH, {FILES: REFUSED})
    assert decision.open == {Lookup(Kind.JOB, ("j1",))}


def test_the_role_is_asked_for_once_it_is_known_who_did_it() -> None:
    found: dict[Lookup, Found | Unavailable] = {COMMIT: Commit("m", ("ana",))}
    decision = decided({"if": "actor.role == 'write'"}, PUSH, found)
    assert decision.open == {Lookup(Kind.ROLE, ("acme", "ana"))}


def test_a_later_event_that_fits_fires_although_an_earlier_one_cannot_be_told() -> None:
    refs = [
        {"ref": "refs/heads/main", "oldSha": OLD, "newSha": NEW},
        {"ref": "refs/heads/dev", "oldSha": OLD, "newSha": TIP},
    ]
    delivery = happened("commit.pushed", {"updatedRefs": refs})
    conditions = {"any": [{"refs": ["main"], "paths": ["*"]}, {"refs": ["dev"]}]}
    decision = decided(conditions, delivery, {FILES: REFUSED})
    assert decision.event is not None
    assert (decision.event.ref, decision.held) == ("refs/heads/dev", "")


@pytest.mark.parametrize(
    ("conditions", "delivery", "seen"),
    [
        pytest.param({"paths": ["a"]}, PUSH, "which files changed is not known", id="paths"),
        pytest.param({"actors": ["a"]}, PUSH, "who did it is not known", id="actors"),
        pytest.param({"tags": ["a"]}, PUSH, "the repo's tags are not known", id="tags"),
        pytest.param(
            {"if": "'a' in repo.tags"},
            PUSH,
            "it asks for repo.tags, and that is not known",
            id="if",
        ),
        pytest.param(
            {"skip_marker": True}, PUSH, "the message of the commit is not known", id="marker"
        ),
        pytest.param({"verify": "hub"}, PUSH, "the Hub was not seen to have it", id="verify"),
        pytest.param({"run": WHO}, PUSH, "it is not known", id="a-template"),
    ],
)
def test_an_explanation_says_what_is_not_known(
    conditions: dict[str, Any], delivery: Delivery, seen: str
) -> None:
    rule = make_rule(**conditions)
    explained = explain(occasions_of(delivery, me="me", now=NOON), rule)
    assert [answer.seen for answer in explained.answers if answer.holds is None] == [seen]


def test_an_explanation_shows_what_was_found() -> None:
    rule = make_rule(
        paths=["*.csv"],
        actors=["ana"],
        tags=["x"],
        skip_marker=True,
        verify="hub",
        on=["commit.pushed"],
        run=WHO,
    )
    found: dict[Lookup, Found | Unavailable] = {
        FILES: tuple(ChangedFile(f"{n}.txt", "add") for n in range(7)),
        COMMIT: Commit("[skip jobs]"),
        REPO: Repo(REPO_ID),
    }
    occasions = occasions_of(PUSH, me="me", now=NOON, findings=Findings(found))
    explained = explain(occasions, rule)
    told = {answer.condition: (answer.holds, answer.seen) for answer in explained.answers}
    assert told["paths"] == (False, "changed were 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 2 more")
    assert told["actors"] == (False, "nothing tells who did it")
    assert told["tags"] == (False, "the repo has no tags")
    assert told["skip_marker"] == (False, "the message of the commit holds the marker")
    assert told["verify"] == (True, "the Hub shows it")
    assert told["run"] == (True, "it is known")


def test_what_a_bucket_tells_of_its_files_is_read_whatever_stands_there() -> None:
    rows = ["x", {"action": "add"}, {"path": "a", "action": "delete"}, {"path": "b", "size": 3}]
    delivery = happened("files.changed", {"repo": {"type": "bucket"}, "updatedFiles": rows})
    (occasion,) = occasions_of(delivery, me=None, now=NOON)
    assert occasion.hub.files == (ChangedFile("a", "delete"), ChangedFile("b", "add", 3))


@pytest.mark.parametrize(
    ("event", "over", "subject"),
    [
        pytest.param("commit.pushed", {}, f"refs/heads/main@{NEW}", id="push"),
        pytest.param("pr.opened", {"discussion": {"num": 4}}, "refs/pr/4@opened", id="pr"),
        pytest.param("pr.ref_created", {}, "refs/pr/1@opened", id="its-ref"),
        pytest.param("pr.pushed", {}, f"refs/pr/1@{NEW}", id="push-to-it"),
        pytest.param("repo.updated", {}, None, id="nothing"),
        pytest.param("branch.deleted", {}, None, id="no-commit"),
    ],
)
def test_both_deliveries_of_a_new_pull_request_are_about_the_same(
    event: str, over: dict[str, Any], subject: str | None
) -> None:
    assert occasions_of(happened(event, over), me=None, now=NOON)[0].subject == subject


def test_a_size_of_true_in_a_delivery_is_a_size_that_is_not_known() -> None:
    over = {"repo": {"type": "bucket"}, "updatedFiles": [{"path": "a", "size": True}]}
    delivery = happened("files.changed", over)
    conditions = {"on": ["files.changed"], "if": "files.all(file, file.size == 0)"}
    assert decided(conditions, delivery).fired
