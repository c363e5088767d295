"""The JSON Schema takes the rules that are taken, and refuses what is refused for its shape."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from factories import ROOT
from jobhook.adapters.yaml_marks import read_yaml
from jobhook.core.mistakes import read_rule
from jobhook.core.rules import Rule, rule_schema

SCHEMA: dict[str, Any] = json.loads((ROOT / "rules" / "rule.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
JOB: dict[str, Any] = {"image": "python:3.12", "command": ["python"]}
RULE: dict[str, Any] = {"id": "a", "on": ["commit.pushed"], "run": JOB}


def in_documents() -> list[Any]:
    """Every rule that stands whole in a document."""
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "rules/README.md")]
    pieces = [
        piece for text in texts for piece in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    ]
    values = [read_yaml(piece).value for piece in pieces]
    return [value for value in values if isinstance(value, dict) and {"id", "run"} <= set(value)]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert rule_schema() == SCHEMA


@pytest.mark.parametrize(
    "path", sorted((ROOT / "rules").rglob("*.yaml")), ids=lambda path: str(path.name)
)
def test_the_shipped_rules_are_taken(path: Path) -> None:
    assert list(VALIDATOR.iter_errors(read_yaml(path.read_text("utf-8")).value)) == []


def test_the_rules_in_the_documents_are_taken() -> None:
    rules = in_documents()
    assert rules
    for rule in rules:
        assert list(VALIDATOR.iter_errors(rule)) == []


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="least"),
        pytest.param({"run": [JOB, JOB]}, id="several-jobs"),
        pytest.param({"run": JOB | {"timeout": 90}}, id="timeout-in-seconds"),
        pytest.param({"run": JOB | {"timeout": "1.5h"}}, id="timeout-in-hours"),
        pytest.param({"watch": ["user:@me", "bucket:a/b"]}, id="watch"),
        pytest.param({"repos": ["*:acme/*", f"!id:{'a' * 24}"]}, id="repos"),
        pytest.param({"comment": {"starts_with": "/x", "matches": "x"}}, id="comment"),
        pytest.param({"comment": {"starts_with": ["/x", "/y"]}}, id="comments"),
        pytest.param({"any": [{"not": {"private": True}}, {"all": [{"if": "true"}]}]}, id="blocks"),
        pytest.param(
            {
                "cases": [
                    {
                        "name": "x",
                        "event": {"repo": {"name": "a/b"}},
                        "fires": True,
                        "reason": "x",
                        "job": {"flavor": "x"},
                        "files": ["a", {"path": "b", "action": "add", "size": 1}],
                        "actor": "ada",
                        "commit": {"message": "m"},
                    },
                    {"name": "y", "fires": False, "actor": {"name": "ada"}, "job": [{}, {}]},
                ]
            },
            id="cases",
        ),
    ],
)
def test_what_is_a_rule_is_taken_by_both(given: dict[str, Any]) -> None:
    assert isinstance(read_rule(RULE | given), Rule)
    assert list(VALIDATOR.iter_errors(RULE | given)) == []


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"nope": 1}, id="key"),
        pytest.param({"id": "A"}, id="id"),
        pytest.param({"on": "commit.pushed"}, id="on-a-text"),
        pytest.param({"on": []}, id="no-event"),
        pytest.param({"on": ["push"]}, id="event"),
        pytest.param({"watch": ["acme"]}, id="watch"),
        pytest.param({"repos": ["acme/*"]}, id="repos-without-a-type"),
        pytest.param({"repos": ["model:acme"]}, id="repos-without-a-name"),
        pytest.param({"refs": None}, id="refs-without-a-value"),
        pytest.param({"refs": []}, id="no-refs"),
        pytest.param({"refs": [1]}, id="ref-a-number"),
        pytest.param({"private": "yes"}, id="private"),
        pytest.param({"description": None}, id="description"),
        pytest.param({"any": {"refs": ["a"]}}, id="any-a-block"),
        pytest.param({"not": []}, id="not-a-list"),
        pytest.param({"comment": {"prefix": "/"}}, id="comment"),
        pytest.param({"run": []}, id="no-job"),
        pytest.param({"run": [JOB] * 26}, id="too-many-jobs"),
        pytest.param({"run": {"image": "a"}}, id="no-command"),
        pytest.param({"run": JOB | {"command": "python"}}, id="command-a-text"),
        pytest.param({"run": JOB | {"env": {"A": 1}}}, id="env-a-number"),
        pytest.param({"run": JOB | {"timeout": True}}, id="timeout"),
        pytest.param({"run": JOB | {"gpu": 1}}, id="key-of-a-job"),
        pytest.param({"cases": [{"name": "a"}]}, id="case-without-fires"),
        pytest.param({"cases": [{"name": "a", "fires": "yes"}]}, id="fires-a-text"),
        pytest.param({"cases": [{"name": "a", "fires": True, "files": [1]}]}, id="file-a-number"),
        pytest.param({"cases": [{"name": "a", "fires": True, "actor": {}}]}, id="actor-of-no-name"),
        pytest.param({"cases": [{"name": "a", "fires": True, "job": "x"}]}, id="job-a-text"),
    ],
)
def test_what_is_no_rule_is_refused_by_both(given: dict[str, Any]) -> None:
    assert isinstance(read_rule(RULE | given), tuple)
    assert list(VALIDATOR.iter_errors(RULE | given))


def test_every_key_is_described() -> None:
    blocks = [SCHEMA, *SCHEMA["$defs"].values()]
    assert all(about["description"] for block in blocks for about in block["properties"].values())
