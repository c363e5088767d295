from __future__ import annotations

import json
from typing import Any

import pytest

from factories import BODY, NOON, make_launch
from jobhook.core.causes import (
    Finding,
    Push,
    as_found,
    finding_of_delivery,
    finding_of_push,
    named_launches,
    opening_push,
    push_of,
)
from jobhook.core.guards import Link, link_after
from jobhook.core.launches import Launch, LaunchState, next_step
from jobhook.core.samples import sample_payload

SHA = "a" * 40
MINUTE = 60_000


@pytest.mark.parametrize(
    ("repo", "subject", "push"),
    [
        pytest.param(
            "dataset:acme/corpus",
            f"refs/heads/main@{SHA}",
            Push("dataset", "acme/corpus", SHA),
            id="a push",
        ),
        pytest.param(
            "model:gpt2", f"refs/heads/a@b@{SHA}", Push("model", "gpt2", SHA), id="odd names"
        ),
        pytest.param("dataset:acme/corpus", None, None, id="no commit"),
        pytest.param("dataset:acme/corpus", "refs/heads/main@..", None, id="no sha"),
        pytest.param("bucket:acme/corpus", f"x@{SHA}", None, id="no history"),
        pytest.param("dataset:acme/..", f"x@{SHA}", None, id="a path"),
        pytest.param("dataset:a/b/c", f"x@{SHA}", None, id="three parts"),
        pytest.param("", f"x@{SHA}", None, id="no repo"),
    ],
)
def test_a_push_is_known_by_its_repo_and_commit(
    repo: str, subject: str | None, push: Push | None
) -> None:
    assert push_of(make_launch(repo=repo, subject=subject)) == push


@pytest.mark.parametrize(
    ("body", "push"),
    [
        pytest.param(
            {"updatedRefs": [{"ref": "refs/pr/4", "newSha": SHA}]},
            Push("dataset", "acme/corpus", SHA),
            id="its first commit",
        ),
        pytest.param({"updatedRefs": [{"ref": "refs/pr/5", "newSha": SHA}]}, None, id="another"),
        pytest.param({"updatedRefs": [{"ref": "refs/pr/4", "oldSha": SHA}]}, None, id="deleted"),
        pytest.param({"discussion": {"num": 4}}, None, id="its discussion"),
        pytest.param({"event": None}, None, id="unreadable"),
    ],
)
def test_the_push_that_opened_a_pull_request_is_in_the_delivery(
    body: dict[str, object], push: Push | None
) -> None:
    launch = make_launch(repo="dataset:acme/corpus", subject="refs/pr/4@opened")
    whole = sample_payload("pr.ref_created") | {"updatedRefs": None} | body
    assert opening_push(launch, json.dumps(whole).encode()) == push


@pytest.mark.parametrize(
    ("message", "named"),
    [
        pytest.param("data\n\nJobhook-Launch: l1\n", ("l1",), id="a trailer"),
        pytest.param("data\r\n\r\njobhook-launch:l1 \r\n", ("l1",), id="written otherwise"),
        pytest.param("x\nJobhook-Launch: l1\nJobhook-Launch: l2", ("l1", "l2"), id="two"),
        pytest.param(
            "\n".join(f"Jobhook-Launch: l{n}" for n in range(9)),
            ("l5", "l6", "l7", "l8"),
            id="many",
        ),
        pytest.param("see Jobhook-Launch: l1", (), id="amid a line"),
        pytest.param("Jobhook-Launch: l1 and l2", (), id="more than an id"),
        pytest.param(f"Jobhook-Launch: {'l' * 65}", (), id="too long"),
        pytest.param("Jobhook-Launch:\nl1", (), id="nothing on the line"),
        pytest.param("", (), id="nothing"),
    ],
)
def test_trailers_name_launches(message: str, named: tuple[str, ...]) -> None:
    assert named_launches(message) == named


def sent(launch_id: str, claimed: int, ended: int | None = None, **given: Any) -> Launch:
    """A launch of the same rule and repo, claimed at a minute from noon."""
    state = LaunchState.RUNNING if ended is None else LaunchState.COMPLETED
    return make_launch(
        **{"id": launch_id, "delivery": f"d-{launch_id}", "state": state} | given,
        claimed_at=NOON + claimed * MINUTE,
        updated_at=NOON + (claimed if ended is None else ended) * MINUTE,
    )


HELD = make_launch(
    id="l9", delivery="d9", state="held", reason="loop: it seems", created_at=NOON + 10 * MINUTE
)


def found(at: float | None, *earlier: Launch, authors: tuple[str, ...] = ("acme",)) -> Finding:
    return finding_of_push(
        HELD,
        authors=authors,
        pushed_at=None if at is None else NOON + round(at * MINUTE),
        me="acme",
        sent=earlier,
        now=NOON + 12 * MINUTE,
    )


def test_who_is_somebody_else_is_no_loop_whenever_it_was() -> None:
    assert found(1, sent("l1", 0), authors=("ann", "bob")) == Finding(
        is_loop=False, why="pushed by ann, bob"
    )


@pytest.mark.parametrize(
    ("at", "earlier", "cause"),
    [
        pytest.param(5, [sent("l1", 0)], "l1", id="while it runs"),
        pytest.param(13, [sent("l1", 0)], "l1", id="a minute from now"),
        pytest.param(13.01, [sent("l1", 0)], None, id="later than that"),
        pytest.param(5, [sent("l1", 0, 4)], "l1", id="a minute after its end"),
        pytest.param(5.01, [sent("l1", 0, 4)], None, id="later after its end"),
        pytest.param(2.95, [sent("l1", 3)], "l1", id="by a clock that is a little slow"),
        pytest.param(2.9, [sent("l1", 3)], None, id="before it was sent"),
        pytest.param(5, [sent("l2", 7), sent("l1", 0, 6)], "l1", id="one of several"),
        pytest.param(None, [sent("l2", 7), sent("l1", 0)], "l2", id="at nobody knows when"),
        pytest.param(9, [sent("l1", 10)], None, id="sent when it was there already"),
        pytest.param(5, [sent("l1", 0, delivery="d9")], None, id="of the same delivery"),
        pytest.param(
            5, [make_launch(id="l1", delivery="d1", state="cancelled")], None, id="never sent"
        ),
        pytest.param(5, [], None, id="none"),
    ],
)
def test_what_our_own_user_pushed_is_a_loop_if_a_job_can_have_pushed_it(
    at: float | None, earlier: list[Launch], cause: str | None
) -> None:
    why = (
        f"pushed by acme while launch {cause} ran"
        if cause
        else "pushed by acme while no launch ran"
    )
    assert found(at, *earlier) == Finding(is_loop=cause is not None, why=why)


@pytest.mark.parametrize("authors", [(), ("ann", "acme")], ids=["nobody", "both"])
def test_who_may_be_our_own_user_is_not_acquitted_by_name(authors: tuple[str, ...]) -> None:
    assert found(5, sent("l1", 0), authors=authors).is_loop


@pytest.mark.parametrize(
    ("payload", "my_id", "is_loop"),
    [
        pytest.param({"comment": {"author": {"id": "u1"}}}, "u1", True, id="our comment"),
        pytest.param({"comment": {"author": {"id": "u2"}}}, "u1", False, id="their comment"),
        pytest.param(
            {"comment": {"author": {"id": "u2"}}, "discussion": {"author": {"id": "u1"}}},
            "u1",
            False,
            id="their comment on our discussion",
        ),
        pytest.param({"discussion": {"author": {"id": "u1"}}}, "u1", True, id="our discussion"),
        pytest.param({"discussion": {"author": {"id": "u2"}}}, "u1", False, id="their discussion"),
        pytest.param({"comment": {"author": {"id": "u2"}}}, None, True, id="who are we"),
        pytest.param({"comment": {"author": {"id": ""}}}, "u1", True, id="an empty id"),
        pytest.param({"comment": {"author": "u2"}}, "u1", True, id="odd"),
        pytest.param({}, "u1", True, id="nobody is named"),
        pytest.param([], "u1", True, id="no payload"),
    ],
)
def test_who_is_named_by_a_delivery_is_compared_with_our_own_user(
    payload: object, my_id: str | None, is_loop: bool
) -> None:
    body = json.dumps(payload).encode()
    assert finding_of_delivery(body, my_id=my_id).is_loop is is_loop


@pytest.mark.parametrize("body", [b"", b"[" * 10**6, BODY], ids=["empty", "deep", "a push"])
def test_what_names_nobody_acquits_nobody(body: bytes) -> None:
    assert finding_of_delivery(body, my_id="u1") == Finding(
        is_loop=True, why="and nothing tells who set it off"
    )


def test_a_loop_stays_held_and_is_not_looked_at_again() -> None:
    new = as_found(HELD, Finding(is_loop=True, why="set off by launch l1"), now=NOON + 1)
    assert (new.state, new.reason) == (LaunchState.HELD, "loop, set off by launch l1")
    assert (new.updated_at, new.root) == (NOON + 1, "")


def test_what_is_no_loop_is_ready_and_begins_a_chain_whatever_runs() -> None:
    new = as_found(HELD, Finding(is_loop=False, why="pushed by ann"), now=NOON + 1)
    assert (new.state, new.reason, new.updated_at) == (
        LaunchState.READY,
        "no loop: pushed by ann",
        NOON + 1,
    )
    assert new.asked_by == ""
    assert link_after(Link(3, "d0"), new) == Link(1, "d9")


@pytest.mark.parametrize(
    ("launch", "advice"),
    [
        pytest.param(HELD, "wait until it is found out", id="presumed"),
        pytest.param(
            as_found(HELD, Finding(is_loop=True, why="x"), now=NOON), "launches cancel", id="found"
        ),
    ],
)
def test_a_person_is_told_what_to_do_about_a_loop(launch: Launch, advice: str) -> None:
    said = next_step(launch)
    assert said is not None
    assert advice in said
    assert "launches release l9" in said
