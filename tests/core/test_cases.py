"""The examples that a rule file holds: those that do not hold are told, with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from factories import make_rule
from jobhook.core.cases import Keys, broken_cases, case_delivery
from jobhook.core.deliveries import Delivery, Unreadable
from jobhook.core.events import EVENTS, events_of

OLD, NEW = "1" * 40, "2" * 40


def case(*, fires: bool, **event: Any) -> dict[str, Any]:
    return {"name": "an example", "fires": fires, "event": event}


DEV = {"updatedRefs": [{"ref": "refs/heads/dev", "oldSha": OLD, "newSha": NEW}]}


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param([case(fires=True)], [], id="holds"),
        pytest.param([case(fires=False, **DEV)], [], id="holds-not-to-fire"),
        pytest.param([case(fires=False, repo={"name": "other/x"})], [], id="somebody-elses"),
        pytest.param(
            [case(fires=True), case(fires=True, **DEV)],
            [
                (
                    (1,),
                    "case 'an example' should fire but does not: "
                    "refs/heads/dev is not among the rule's refs: main",
                )
            ],
            id="does-not-fire",
        ),
        pytest.param(
            [case(fires=False)],
            [
                (
                    (0,),
                    "case 'an example' should not fire but does: "
                    "commit.pushed refs/heads/main on model me/sample",
                )
            ],
            id="fires",
        ),
        pytest.param(
            [case(fires=True, repo=None)],
            [
                (
                    (0,),
                    "case 'an example' makes no payload: not a webhook payload: "
                    "repo: input should be a valid dictionary or instance of repofield",
                )
            ],
            id="no-payload",
        ),
        pytest.param(
            [case(fires=True, x=float("nan")), case(fires=True)],
            [
                (
                    (0,),
                    "case 'an example' makes no payload: "
                    "the body is not JSON that can be trusted: NaN is not JSON",
                )
            ],
            id="no-json",
        ),
    ],
)
def test_the_examples_that_do_not_hold(
    cases: list[dict[str, Any]], expected: list[tuple[Keys, str]]
) -> None:
    rule = make_rule(watch=["user:@me"], refs=["main"], cases=cases)
    assert list(broken_cases(rule)) == expected


@pytest.mark.parametrize("event", EVENTS)
def test_an_example_without_an_event_fires_on_every_event(event: str) -> None:
    rule = make_rule(watch=["user:@me"], on=[event], cases=[case(fires=True)])
    assert list(broken_cases(rule)) == []


def test_an_example_is_laid_over_a_sample_of_the_first_event() -> None:
    rule = make_rule(
        on=["tag.created", "repo.created"],
        cases=[case(fires=True, repo={"type": "dataset"})],
    )
    delivery = case_delivery(rule, rule.cases[0])
    assert isinstance(delivery, Delivery)
    assert (delivery.repo.type, delivery.repo.name) == ("dataset", "me/sample")
    assert [event.name for event in events_of(delivery)] == ["tag.created"]


def test_an_example_may_make_no_payload() -> None:
    rule = make_rule(cases=[case(fires=False, event="legacy")])
    assert isinstance(case_delivery(rule, rule.cases[0]), Unreadable)


def broken(rule: dict[str, Any], **said: Any) -> list[tuple[Keys, str]]:
    """What does not hold of one case of a rule on pushes to repos of `me`."""
    one = {"name": "a", "fires": True} | said
    return list(broken_cases(make_rule(**({"watch": ["user:@me"], "cases": [one]} | rule))))


def test_the_reason_holds_the_text_that_the_case_says() -> None:
    assert broken({}, reason="refs/heads/main on model") == []
    assert broken({"refs": ["dev"]}, fires=False, reason="not among the rule's refs") == []


def test_another_reason_is_told() -> None:
    assert broken({}, reason="tag") == [
        (
            (0, "reason"),
            "case 'a' has another reason than 'tag': "
            "commit.pushed refs/heads/main on model me/sample",
        )
    ]


JOB = {
    "image": "python:3.12",
    "command": ["python", "train.py"],
    "flavor": "t4-small",
    "timeout": "2h",
    "env": {"EPOCHS": "3"},
    "secrets": ["HF_TOKEN"],
}


@pytest.mark.parametrize(
    "job",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"dockerImage": "python:3.12"}, id="image"),
        pytest.param({"flavor": "t4-small", "timeoutSeconds": 7200, "attempts": 1}, id="words"),
        pytest.param({"command": ["python", "train.py"], "arguments": []}, id="command"),
        pytest.param({"environment": {"EPOCHS": "3"}}, id="some-of-env"),
        pytest.param({"environment": {"WEBHOOK_REPO_ID": "me/sample"}}, id="injected"),
        pytest.param({"labels": {"jobhook-rule": "retrain"}}, id="labels"),
        pytest.param({"secrets": {"HF_TOKEN": "***"}}, id="secrets"),
        pytest.param([{"flavor": "t4-small"}], id="a-list-of-one"),
    ],
)
def test_a_job_is_as_far_as_the_case_says_it(job: Any) -> None:
    assert broken({"run": JOB}, job=job) == []


@pytest.mark.parametrize(
    ("job", "keys", "message"),
    [
        pytest.param(
            {"flavor": "a10g-small"},
            ("flavor",),
            'wants `job.flavor` to be "a10g-small", and it is "t4-small"',
            id="value",
        ),
        pytest.param(
            {"environment": {"EPOCHS": "4"}},
            ("environment", "EPOCHS"),
            'wants `job.environment.EPOCHS` to be "4", and it is "3"',
            id="value-within",
        ),
        pytest.param(
            {"environment": {"EPOCH": "3"}},
            ("environment", "EPOCH"),
            "wants `job.environment.EPOCH`, and the job has none; did you mean `EPOCHS`?",
            id="no-such-key-within",
        ),
        pytest.param(
            {"image": "python:3.12"},
            ("image",),
            "wants `job.image`, and the job has none; there it is called `dockerImage`",
            id="no-such-key",
        ),
        pytest.param(
            {"command": ["x" * 100]},
            ("command",),
            f'wants `job.command` to be ["{"x" * 78}…, and it is ["python", "train.py"]',
            id="long-value",
        ),
        pytest.param(
            {"timeoutSeconds": {"a": 1}},
            ("timeoutSeconds",),
            'wants `job.timeoutSeconds` to be {"a": 1}, and it is 7200',
            id="another-kind",
        ),
    ],
)
def test_how_a_job_is_other_than_the_case_says_is_told(
    job: Any, keys: tuple[str, ...], message: str
) -> None:
    assert broken({"run": JOB}, job=job) == [((0, "job", 0, *keys), f"case 'a' {message}")]


def test_every_difference_is_told() -> None:
    found = broken({"run": JOB}, job={"flavor": "x", "labels": {"a": "b"}}, reason="tag")
    assert [keys for keys, _ in found] == [
        (0, "reason"),
        (0, "job", 0, "flavor"),
        (0, "job", 0, "labels", "a"),
    ]


def test_the_jobs_of_a_list_are_compared_in_order() -> None:
    rule = {"run": [JOB, JOB | {"flavor": "l4x1"}]}
    assert broken(rule, job=[{}, {"flavor": "l4x1"}]) == []
    keys = [keys for keys, _ in broken(rule, job=[{"flavor": "l4x1"}, {}])]
    assert keys == [(0, "job", 0, "flavor")]
    assert broken(rule, job={}) == [
        ((0, "job"), "case 'a' wants 1 and gets 2 jobs: `job` may be a list")
    ]


def test_a_rule_that_must_not_fire_has_no_job() -> None:
    assert broken({"refs": ["dev"]}, fires=False, job={}) == [
        (
            (0, "job"),
            "case 'a' says which job, and must not fire: remove `job`, or say `fires: true`",
        )
    ]


def test_a_job_that_would_be_rejected_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobhook.core.jobs.ENV_STRING_MAX_BYTES", 300)
    ((keys, message),) = broken({}, job={})
    assert keys == (0, "job")
    assert "makes a job that would be rejected: env WEBHOOK_PAYLOAD" in message


def test_a_job_that_nobody_knows_is_told() -> None:
    ((keys, message),) = broken({"run": {"from_job": "abc"}}, job={})
    assert keys == (0, "job")
    assert "makes a job that would be held: source" in message


def test_a_job_runs_where_the_rule_says() -> None:
    assert broken({"run": JOB | {"namespace": "acme"}}, job={"namespace": "acme"}) == []


def test_a_case_on_the_samples_repo_is_told_how_to_name_another() -> None:
    ((_, message),) = broken({"watch": ["org:acme"]})
    assert message.endswith(
        "model me/sample is not in what the rule watches: org:acme; say which repo it is on, as in "
        "`event: {repo: {type: dataset, name: acme/corpus}}`"
    )
    ((_, message),) = broken({"watch": ["org:acme"]}, event={"repo": {"name": "other/x"}})
    assert message.endswith("model other/x is not in what the rule watches: org:acme")
    ((_, message),) = broken({"watch": []} | {"refs": ["dev"]})
    assert message.endswith("is not among the rule's refs: dev")


DATA = {"files": ["data/a.csv", {"path": "README.md", "action": "delete"}]}
ADA = {"actor": {"name": "ada", "role": "admin"}}
OPENED = {"on": ["comment.created"]}


@pytest.mark.parametrize(
    ("rule", "said", "fires"),
    [
        pytest.param({"paths": ["data/*"]}, DATA, True, id="files"),
        pytest.param({"paths": ["models/*"]}, DATA, False, id="other-files"),
        pytest.param({"paths": ["**"]}, {"files": []}, False, id="no-files"),
        pytest.param(
            {"if": 'files.exists(f, f.action == "delete" && f.path == "README.md")'},
            DATA,
            True,
            id="what-was-done-to-a-file",
        ),
        pytest.param(
            {"if": "files.all(f, f.size > 9)"},
            {"files": [{"path": "a", "action": "add", "size": 10}]},
            True,
            id="size-of-a-file",
        ),
        pytest.param({"actors": ["ada"]}, {"actor": "ada"}, True, id="actor"),
        pytest.param({"actors": ["bob"]}, {"actor": "ada"}, False, id="another-actor"),
        pytest.param({"actors": ["ada"]}, {}, False, id="no-actor"),
        pytest.param(OPENED | {"actors": ["ada"]}, ADA, True, id="who-commented"),
        pytest.param(OPENED | {"if": 'actor.role == "admin"'}, ADA, True, id="role"),
        pytest.param(
            {"on": ["pr.opened"], "actors": ["ada"]}, ADA, True, id="who-opened-a-pull-request"
        ),
        pytest.param(
            {"if": 'commit.message.startsWith("fix")'},
            {"commit": {"message": "fix: x"}},
            True,
            id="commit",
        ),
        pytest.param(
            {"skip_marker": True}, {"commit": {"message": "x [skip jobs]"}}, False, id="marker"
        ),
        pytest.param({}, {}, True, id="a-commit-that-says-nothing"),
        pytest.param({"tags": ["x"]}, {"event": {"repo": {"tags": ["x"]}}}, True, id="tags"),
        pytest.param({"tags": ["!x"]}, {}, True, id="no-tags"),
        pytest.param({"verify": "hub"}, {}, True, id="a-hub-that-shows-it"),
    ],
)
def test_a_case_says_what_the_hub_would_tell(
    rule: dict[str, Any], said: dict[str, Any], *, fires: bool
) -> None:
    assert broken(rule, **said, fires=fires) == []


@pytest.mark.parametrize(
    ("rule", "said", "message"),
    [
        pytest.param({"paths": ["**"]}, {}, "the case does not tell the changed files", id="files"),
        pytest.param(
            OPENED | {"if": 'actor.role == "admin"'},
            {"actor": "ada"},
            "the case does not tell the role",
            id="role",
        ),
    ],
)
def test_what_a_case_does_not_tell_is_said(
    rule: dict[str, Any], said: dict[str, Any], message: str
) -> None:
    ((keys, told),) = broken(rule, **said)
    assert keys == (0,)
    assert message in told
