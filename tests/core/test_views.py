"""What is shown can be written as JSON and read back, and every field says what it is."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

import jsonschema
import pytest
from pydantic import TypeAdapter

from factories import BODY, NOON, make_launch, make_rule, make_spec, make_stored
from jobhook.core import views
from jobhook.core.checks import Answer
from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import Problem
from jobhook.core.jsonable import in_json, moment_of
from jobhook.core.launches import LaunchState
from jobhook.core.operations import Outcome
from jobhook.core.records import EVERYTHING, Pause, Verdict
from jobhook.core.rules import Rule, RuleSet
from jobhook.core.viewing import (
    check_report,
    delivery_detail,
    delivery_summary,
    launch_detail,
    launch_summary,
    pause_views,
    rule_detail,
    rule_summaries,
)

SHOWN = [
    *(each for _, each in inspect.getmembers(views, inspect.isclass) if is_dataclass(each)),
    Outcome,
]
PUSH = make_stored(
    state=DeliveryState.MATCHED,
    reason="fired retrain",
    scope="repo.content",
    action="update",
    repo_type="dataset",
    repo_name="acme/corpus",
    events=("commit.pushed",),
)
LAUNCH = make_launch(
    repo="dataset:acme/corpus",
    state=LaunchState.HELD,
    reason="budget: used up",
    job_id="j1",
    job_url="https://hub.test/jobs/acme/j1",
    claimed_at=NOON + 1,
    micro_usd=5000,
)
RULE = make_rule(
    any=[{"tags": ["nlp"]}, {"private": True}],
    comment={"starts_with": ["/run"]},
    cases=[{"name": "a push", "fires": True}],
)
RULES = RuleSet(
    (RULE,),
    (Problem("rules/retrain.yaml", 1, 2, "odd"), Problem("rules/other.yaml", 1, 2, "odd")),
)
VIEWS = [
    delivery_summary(PUSH, ["l1"]),
    delivery_summary(make_stored(webhook_id=None), []),
    delivery_detail(PUSH, BODY, verdicts=[Verdict("retrain", True, "it fits")], launches=["l1"]),
    delivery_detail(PUSH, b"{", verdicts=[], launches=[]),
    launch_summary(LAUNCH, [], by_setting=False),
    launch_detail(LAUNCH, NOON, [], by_setting=False),
    launch_detail(make_launch(), None, [], by_setting=False),
    *pause_views([Pause(scope="rule:x", since=NOON, by="ada", reason="why")], by_setting=True),
    *rule_summaries(RULES),
    rule_detail(RULE, RULES),
    check_report([(RULE, "retrain.yaml")], [Problem("b.yaml", 2, 1, "bad")], RULES.warnings),
    views.Explanation(
        rule="retrain",
        fired=True,
        reason="it fits",
        event="commit.pushed",
        conditions=(Answer("any", None, "", "one", (Answer("tags", False, "none", "nlp"),)),),
        jobs=({"flavor": "cpu-basic"},),
        warnings=("odd",),
    ),
    Outcome("l1", done=False, told="it is running"),
]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: type(view).__name__)
def test_a_view_is_read_back_from_its_json(view: Any) -> None:
    read = TypeAdapter(type(view)).validate_json(json.dumps(in_json(view)))
    assert (read, in_json(read)) == (view, in_json(view))


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: type(view).__name__)
def test_a_view_is_what_its_schema_says(view: Any) -> None:
    schema = TypeAdapter(type(view)).json_schema(mode="serialization")
    jsonschema.validate(in_json(view), schema)


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.__name__)
def test_every_field_says_what_it_is(shown: Any) -> None:
    docs = [each.__doc__ or "" for each in shown.__mro__ if is_dataclass(each)]
    said = {name for doc in docs for name in re.findall(r"^ +(\w+): \S", doc, re.MULTILINE)}
    assert said >= {each.name for each in fields(shown)}


def test_a_rule_is_shown_with_every_key_of_its_language() -> None:
    shown = [each.name for each in fields(views.RuleSummary)]
    assert shown == [*Rule.model_fields, "hash", "set"]


def test_a_rule_is_told_only_its_own_warnings() -> None:
    assert [each.file for each in rule_detail(RULE, RULES).warnings] == ["rules/retrain.yaml"]


def test_a_body_that_is_no_json_has_no_payload() -> None:
    told = delivery_detail(PUSH, b"{", verdicts=[], launches=[])
    assert (told.payload, told.body_bytes) == (None, 1)


def test_secrets_are_shown_by_name() -> None:
    launch = make_launch(spec=make_spec(secrets={"HF_TOKEN": "hf_x"}))
    told = launch_detail(launch, None, [], by_setting=False)
    assert told.job["secrets"] == ["HF_TOKEN"]
    assert "hf_x" not in json.dumps(in_json(told))


def test_while_all_is_paused_the_reason_says_so() -> None:
    assert launch_summary(make_launch(), [EVERYTHING], by_setting=False).reason == (
        "paused: everything"
    )
    assert launch_summary(make_launch(), [], by_setting=True).reason == "paused: JOBHOOK_PAUSE"


@pytest.mark.parametrize("milliseconds", [0, 1, 999, NOON, NOON + 1, 253_402_300_799_999])
def test_a_time_is_told_to_the_millisecond(milliseconds: int) -> None:
    assert datetime.fromisoformat(in_json(moment_of(milliseconds))) == moment_of(milliseconds)


def test_nothing_is_paused_unless_somebody_says_so() -> None:
    assert pause_views([], by_setting=False) == ()
