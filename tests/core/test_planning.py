"""What a decision owes, the job as it is sent, and the way back from a job to its launch."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factories import BODY, NOON, make_launch, make_rule, make_spec, sample
from jobhook.core.deliveries import Delivery, delivery_id, read_delivery
from jobhook.core.errors import MissingSecret
from jobhook.core.findings import Findings, Kind, Lookup, Unavailable
from jobhook.core.hardware import FLAVORS
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import Launch, LaunchState, launch_id, next_step
from jobhook.core.matching import Decision, decide
from jobhook.core.occasions import occasions_of
from jobhook.core.payloads import Payload
from jobhook.core.planning import Origin, job_of, orphaned, plan_launches, planned_again
from jobhook.core.rules import Rule

JOB = {"image": "python:3.12", "command": ["python"]}
ORIGIN = Origin(instance="jobhook", source="hub", delivery="d1", key="w1")


def decided(
    rule: Rule, body: bytes = BODY, *, job: JobSpec | Unavailable | None = None
) -> Decision:
    """Decide *rule*, with *job* as what the Hub tells of the one that it repeats."""
    delivery = read_delivery(body)
    assert isinstance(delivery, Delivery)
    findings = Findings(dict.fromkeys(rule.sources.values(), job) if job else {})
    return decide(occasions_of(delivery, me=None, now=NOON, findings=findings), rule)


def test_a_rule_that_fired_owes_a_launch() -> None:
    rule = make_rule(run={"image": "i", "command": ["c"], "flavor": "t4-small", "timeout": "2h"})
    (launch,) = plan_launches(decided(rule), ORIGIN, now=NOON)
    assert launch.id == launch_id("jobhook", "hub", "w1", "retrain", 0, 0)
    assert (launch.delivery, launch.rule, launch.event) == ("d1", "retrain", "commit.pushed")
    assert (launch.action, launch.generation, launch.attempts) == (0, 0, 0)
    assert (launch.rule_hash, launch.state) == (rule.fingerprint, LaunchState.READY)
    assert (launch.created_at, launch.updated_at, launch.due_at) == (NOON, NOON, 0)
    assert (launch.spec.flavor, launch.spec.timeout) == ("t4-small", 7200)
    assert (launch.job_id, launch.job_url, launch.namespace) == (None, None, None)


def test_a_rule_that_did_not_fire_owes_nothing() -> None:
    assert list(plan_launches(decided(make_rule(refs=["dev"])), ORIGIN, now=NOON)) == []


def test_every_action_is_a_launch_of_its_own() -> None:
    jobs = [{"image": "i", "command": [word]} for word in ("one", "two", "three")]
    launches = list(plan_launches(decided(make_rule(run=jobs)), ORIGIN, now=NOON))
    assert [launch.action for launch in launches] == [0, 1, 2]
    assert [launch.spec.command for launch in launches] == [("one",), ("two",), ("three",)]
    assert len({launch.id for launch in launches}) == 3


def test_the_same_delivery_owes_the_same_launches_whenever_it_comes() -> None:
    first = list(plan_launches(decided(make_rule()), ORIGIN, now=NOON))
    again = list(plan_launches(decided(make_rule()), ORIGIN, now=NOON + 10**9))
    assert [launch.id for launch in first] == [launch.id for launch in again]
    assert [launch.spec for launch in first] == [launch.spec for launch in again]


def test_a_launch_tells_its_job_what_happened() -> None:
    job = {"image": "i", "command": ["c"], "env": {"MINE": "1"}, "secrets": ["HF_TOKEN"]}
    (launch,) = plan_launches(decided(make_rule(run=job)), ORIGIN, now=NOON)
    assert launch.spec.env == {
        "MINE": "1",
        "WEBHOOK_REPO_ID": "acme/corpus",
        "WEBHOOK_REPO_TYPE": "dataset",
        "WEBHOOK_ID": "w1",
        "JOBHOOK_LAUNCH_ID": launch.id,
        "JOBHOOK_RULE": "retrain",
        "JOBHOOK_EVENT": "commit.pushed",
    }
    assert launch.spec.labels == {
        "jobhook-launch": launch.id,
        "jobhook-instance": "jobhook",
        "jobhook-rule": "retrain",
    }
    assert launch.spec.secrets == {"HF_TOKEN": ""}


def test_a_webhook_id_of_any_bytes_can_be_told() -> None:
    origin = replace(ORIGIN, key=bytes(range(128, 256)).decode("latin-1"))
    (launch,) = plan_launches(decided(make_rule()), origin, now=NOON)
    assert launch.spec.env["WEBHOOK_ID"] == origin.key


def planned(body: bytes = BODY, **given: Any) -> Launch:
    """The one launch that a rule owes for *body*."""
    (launch,) = plan_launches(decided(make_rule(watch=[], **given), body), ORIGIN, now=NOON)
    return launch


def test_templates_stand_for_what_happened() -> None:
    job = {
        **JOB,
        "env": {"URL": "hf://${{ repo.type }}s/${{ repo.name }}@${{ ref.newSha }}"},
        "labels": {"repo": "${{ repo.name }}", "rule": "${{ rule.id }}"},
    }
    spec = planned(run=job).spec
    assert spec.env["URL"] == "hf://datasets/acme/corpus@b"
    assert (spec.labels["repo"], spec.labels["rule"]) == ("acme-corpus", "retrain")


@pytest.mark.parametrize(
    ("number", "on", "trust"),
    [
        ("05", "commit.pushed", None),
        ("02", "repo.deleted", None),
        ("12", "pr.ref_created", "untrusted"),
        ("27", "pr.opened", "untrusted"),
        ("31", "comment.created", "untrusted"),
        ("31", "discussion.comment", "untrusted"),
    ],
)
def test_a_job_is_told_whether_a_stranger_can_have_caused_it(
    number: str, on: str, trust: str | None
) -> None:
    assert planned(sample(number), on=[on]).spec.env.get("JOBHOOK_TRUST") == trust


def test_a_pull_request_is_a_strangers_under_the_name_of_its_scope_too() -> None:
    rule = {"on": ["repo.content"], "refs": ["pr/*"]}
    body = json.loads(sample("12"))
    body["updatedRefs"][0] |= {"oldSha": "a" * 40, "newSha": None}
    # That it was deleted has no name of its own.
    launch = planned(json.dumps(body).encode(), **rule)
    assert (launch.event, launch.spec.env["JOBHOOK_TRUST"]) == ("repo.content", "untrusted")


def test_a_job_gets_as_much_of_the_payload_as_its_rule_says() -> None:
    launches = {
        word: planned(sample("31"), on=["comment.created"], run={**JOB, "payload": word})
        for word in Payload
    }
    env = {word: job_of(launch, sample("31"), {}).env for word, launch in launches.items()}
    assert env[Payload.FULL]["WEBHOOK_PAYLOAD"] == sample("31").decode()
    assert "content" not in env[Payload.MINIMAL]["WEBHOOK_PAYLOAD"]
    assert "WEBHOOK_PAYLOAD" not in env[Payload.NONE]
    assert [each.get("JOBHOOK_PAYLOAD") for each in env.values()] == [None, "minimal", "none"]
    assert {each["WEBHOOK_REPO_ID"] for each in env.values()} == {"tinylab/owl-7b"}


def test_the_webhooks_secret_is_handed_over_as_a_secret() -> None:
    launch = planned(pass_webhook_secret=True, run={**JOB, "secrets": ["AB"]})
    assert launch.spec.secrets == {"AB": "", "WEBHOOK_SECRET": ""}
    sent = job_of(launch, BODY, {"AB": "1", "WEBHOOK_SECRET": "hidden"})
    assert sent.secrets == {"AB": "1", "WEBHOOK_SECRET": "hidden"}
    assert "hidden" not in str(dict(sent.env))
    with pytest.raises(MissingSecret, match="set JOBHOOK_WEBHOOK_SECRETS and start"):
        job_of(launch, BODY, {"AB": "1"})


def test_a_job_is_repeated_with_what_this_launch_tells_it() -> None:
    source = make_spec(
        command=("train",), env={"AB": "1", "WEBHOOK_ID": "old"}, labels={"team": "ml"}
    )
    rule = make_rule(run={"from_job": "acme/j1", "env": {"CD": "2"}})
    (launch,) = plan_launches(decided(rule, job=source), ORIGIN, now=NOON)
    assert (launch.state, launch.spec.command) == (LaunchState.READY, ("train",))
    assert (launch.spec.env["AB"], launch.spec.env["CD"]) == ("1", "2")
    assert (launch.spec.env["WEBHOOK_ID"], launch.spec.labels["team"]) == ("w1", "ml")


def test_a_job_that_could_not_be_read_is_held_and_never_sent() -> None:
    gone = Unavailable("there is no such job", is_refused=True)
    rule = make_rule(run={"from_job": "acme/j1"})
    (launch,) = plan_launches(decided(rule, job=gone), ORIGIN, now=NOON)
    assert (launch.state, launch.reason) == (
        LaunchState.HELD,
        "source: job acme/j1 is not known: there is no such job",
    )
    # Whatever a person does with it, the guard lets go nothing that has no price.
    assert launch.spec.flavor not in FLAVORS
    assert "deliveries replay d1" in str(next_step(launch))


@settings(max_examples=200)
@given(title=st.text(max_size=400), ref=st.text(max_size=60), content=st.text(max_size=400))
def test_whatever_strangers_write_the_job_differs_in_its_environment_only(
    title: str, ref: str, content: str
) -> None:
    body = json.loads(sample("31"))
    body["discussion"]["title"], body["comment"]["content"] = title, content
    body["updatedRefs"] = [{"ref": f"refs/pr/{ref}", "oldSha": None, "newSha": "b"}]
    hostile = json.dumps(body).encode()
    if not isinstance(read_delivery(hostile), Delivery):
        return
    job = {**JOB, "env": {"TITLE": "${{ discussion.title }} ${{ comment.content }}"}}
    plain, other = (
        job_of(planned(each, on=["comment.created"], run=job), each, {}).to_wire()
        for each in (sample("31"), hostile)
    )
    assert {**plain, "environment": {}} == {**other, "environment": {}}
    assert plain["environment"].keys() == other["environment"].keys()


def test_a_job_is_looked_up_before_it_is_repeated() -> None:
    decision = decided(make_rule(run=[JOB, {"from_job": "j1"}]))
    assert (decision.fired, decision.open) == (
        False,
        frozenset({Lookup(Kind.JOB, ("j1",))}),
    )
    assert decision.reason == "waits until the Hub tells the source job"
    assert list(plan_launches(decision, ORIGIN, now=NOON)) == []


# -- the job as it is sent --


def test_a_job_is_sent_with_its_payload() -> None:
    assert job_of(make_launch(spec=make_spec(env={"AB": "1"})), BODY, {}) == make_spec(
        env={"AB": "1", "WEBHOOK_PAYLOAD": BODY.decode()}
    )


def test_a_payload_that_is_too_long_is_sent_cut() -> None:
    env = job_of(make_launch(), sample("35"), {}).env
    assert env["WEBHOOK_PAYLOAD_TRUNCATED"] == "1"
    assert json.loads(env["WEBHOOK_PAYLOAD"])["discussion"]["num"] == 4


def test_a_job_gets_the_secrets_it_names_and_no_others() -> None:
    spec = make_spec(secrets={"HF_TOKEN": "", "KEY": ""})
    values = {"HF_TOKEN": "hf_x", "KEY": "", "OTHER": "o"}
    assert job_of(make_launch(spec=spec), BODY, values).secrets == {"HF_TOKEN": "hf_x", "KEY": ""}


def test_a_secret_that_the_service_lacks_is_named() -> None:
    spec = make_spec(secrets={"HF_TOKEN": "", "KEY": ""})
    with pytest.raises(MissingSecret, match="set JOBHOOK_SECRET_KEY and start the service again"):
        job_of(make_launch(spec=spec), BODY, {"HF_TOKEN": "hf_x"})


def test_a_job_tells_its_place_in_a_chain() -> None:
    labels = job_of(make_launch(depth=2, root="d0"), BODY, {}).labels
    assert labels == {"jobhook-depth": "2", "jobhook-root": "d0"}


# -- once more, because a person asked --


def test_what_is_asked_for_again_is_the_same_job_for_another_launch() -> None:
    (first,) = plan_launches(decided(make_rule()), ORIGIN, now=NOON)
    ended = replace(first, state=LaunchState.FAILED, job_id="j1", claimed_at=NOON, depth=3)
    again = planned_again(ended, replace(ORIGIN, generation=1), asked_by="ana", now=NOON + 9)
    (planned,) = plan_launches(decided(make_rule()), replace(ORIGIN, generation=1), now=NOON + 9)
    assert again == replace(planned, asked_by="ana")
    assert again.id != first.id


def test_a_replay_owes_other_launches_than_the_first_decision() -> None:
    (first,) = plan_launches(decided(make_rule()), ORIGIN, now=NOON)
    (again,) = plan_launches(decided(make_rule()), replace(ORIGIN, generation=1), now=NOON)
    assert again.id != first.id
    assert again.generation == 1


# -- a job that no database knows --

HUB_ORIGIN = Origin(instance="jobhook", source="hub", delivery=delivery_id("hub", "w1"), key="w1")


def started_job(generation: int = 0, action: int = 0) -> tuple[Launch, JobSpec]:
    """A launch, and its job as the Hub tells of it."""
    rule = make_rule(run=[{"image": "python:3.12", "command": ["true"]}] * 3)
    origin = replace(HUB_ORIGIN, generation=generation)
    launch = list(plan_launches(decided(rule), origin, now=NOON))[action]
    return launch, job_of(launch, BODY, {})


@pytest.mark.parametrize(("generation", "action"), [(0, 0), (0, 2), (3, 1)])
def test_a_job_tells_which_launch_it_was_started_for(generation: int, action: int) -> None:
    launch, job = started_job(generation, action)
    found = orphaned(job, instance="jobhook", source="hub", now=NOON)
    assert found is not None
    reason = "found on the Hub, and not in this database"
    assert found == replace(
        launch, state=LaunchState.LAUNCHED, reason=reason, rule_hash="", subject=None
    )


def test_a_job_whose_label_was_wiped_is_known_by_its_environment() -> None:
    launch, job = started_job()
    found = orphaned(replace(job, labels={}), instance="jobhook", source="hub", now=NOON)
    assert found is not None
    assert found.id == launch.id


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({"WEBHOOK_ID": "w2"}, id="another delivery"),
        pytest.param({"JOBHOOK_RULE": "other"}, id="another rule"),
    ],
)
def test_a_job_that_contradicts_itself_is_nobodys(env: dict[str, str]) -> None:
    _, job = started_job()
    forged = replace(job, env={**job.env, **env})
    assert orphaned(forged, instance="jobhook", source="hub", now=NOON) is None


@pytest.mark.parametrize("name", ["WEBHOOK_ID", "JOBHOOK_RULE"])
def test_a_job_that_does_not_say_where_it_comes_from_is_nobodys(name: str) -> None:
    _, job = started_job()
    env = {key: value for key, value in job.env.items() if key != name}
    assert orphaned(replace(job, env=env), instance="jobhook", source="hub", now=NOON) is None


def test_a_job_of_another_instance_is_not_ours() -> None:
    _, job = started_job()
    assert orphaned(job, instance="other", source="hub", now=NOON) is None


def test_the_id_in_an_orphans_label_is_the_one_it_was_planned_with() -> None:
    launch, _ = started_job()
    assert launch.id == launch_id("jobhook", "hub", "w1", "retrain", 0, 0)
