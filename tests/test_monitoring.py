"""The alerts and the dashboard ask only for what there is, and the README lists it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import typer
import yaml

from factories import ROOT
from jobhook.adapters.metric_names import METRICS, OF_PROCESS, Described
from jobhook.cli.app import app
from jobhook.core.deliveries import DeliveryState
from jobhook.core.figures import NO_REASON, OTHER_REASON, REASONS
from jobhook.core.launches import LaunchState
from jobhook.ports.meter import Answered
from jobhook.settings import PREFIX, SETTINGS

README = (ROOT / "README.md").read_text(encoding="utf-8")
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text(encoding="utf-8"))
BOARD = json.loads((ROOT / "deploy/grafana/jobhook.json").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
SUFFIXES = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
# What Prometheus adds to whatever it scrapes, and what every client tells of its process.
TARGET = {"job", "instance"}
FOREIGN = {
    "up": TARGET,
    "process_resident_memory_bytes": {"process", *TARGET},
    "process_cpu_seconds_total": {"process", *TARGET},
}
WORDS = {"or", "and", "unless"}
VALUES = {
    "state": {*DeliveryState, *LaunchState},
    "outcome": {*get_args(Answered)},
    "reason": {*REASONS, NO_REASON, OTHER_REASON},
    "kind": {"failed", "broken"},
}


def labels_of(described: Described) -> set[str]:
    return {*described.labels, *TARGET} | ({"process"} if described in OF_PROCESS else set())


def samples() -> Iterator[tuple[str, set[str]]]:
    """Every name that a query may ask for, with its labels."""
    yield from FOREIGN.items()
    for described in METRICS:
        for suffix in SUFFIXES[described.kind]:
            le = {"le"} if suffix == "_bucket" else set()
            yield described.name + suffix, labels_of(described) | le


SAMPLES = dict(samples())
MATCHER = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*(?:,|$)')
SELECTOR = re.compile(r"([a-zA-Z_:]\w*)\s*(?:\{([^}]*)\})?")


def faults(expr: str) -> list[str]:
    """What *expr* asks for that is not there."""
    found: list[str] = []
    known: set[str] = set()
    grouped = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", expr)
    rest = re.sub(r"\b(?:by|without|on|ignoring)\s*\([^)]*\)", " ", expr)
    # Functions, and ranges as `[5m]`.
    rest = re.sub(r"\[[^\]]*\]", " ", re.sub(r"\b[a-z_0-9]+\s*\(", "(", rest))
    for name, matchers in SELECTOR.findall(rest):
        if name in WORDS:
            continue
        if name not in SAMPLES:
            found.append(name)
            continue
        known |= SAMPLES[name]
        told = MATCHER.findall(matchers)
        if MATCHER.sub("", matchers).strip():
            found.append(matchers)
        found += [label for label, _, _ in told if label not in SAMPLES[name]]
        for label, _, wanted in told:
            if label in VALUES:
                found += [each for each in wanted.split("|") if each not in VALUES[label]]
    listed = {label.strip() for labels in grouped for label in labels.split(",")}
    return found + sorted(listed - known)


def panels() -> list[Any]:
    return [panel for panel in BOARD["panels"] if panel["type"] != "row"]


QUERIES = [
    *[pytest.param(rule["expr"], id=rule["alert"]) for rule in RULES],
    *[
        pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
        for panel in panels()
        for target in panel["targets"]
    ],
]


@pytest.mark.parametrize("expr", QUERIES)
def test_a_query_asks_for_what_there_is(expr: str) -> None:
    assert faults(expr) == []
    assert expr.count("(") == expr.count(")")
    assert expr.count("{") == expr.count("}")


@pytest.mark.parametrize(
    ("expr", "fault"),
    [
        ("rate(jobhook_intake_answered[5m])", "jobhook_intake_answered"),
        ('jobhook_intake_answered_total{result="stored"}', "result"),
        ('jobhook_intake_answered_total{outcome=~"stored|lost"}', "lost"),
        ("sum by (rule) (jobhook_launches_waiting)", "rule"),
        ("sum by (process) (jobhook_launches_waiting)", "process"),
        ("jobhook_intake_seconds", "jobhook_intake_seconds"),
        ("jobhook_pauses{state=stored}", "state=stored"),
    ],
)
def test_what_is_not_there_is_found(expr: str, fault: str) -> None:
    assert faults(expr) == [fault]


def test_a_counter_is_only_asked_how_fast_it_grows() -> None:
    counters = [described.name for described in METRICS if described.kind == "counter"]
    for query in QUERIES:
        (expr,) = map(str, query.values)
        for name in counters:
            assert len(re.findall(rf"\b{name}\b", expr)) == len(
                re.findall(rf"rate\({name}\b", expr)
            )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "runbook"}
    assert all(text.endswith(".") for text in rule["annotations"].values())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_runbook_names_commands_and_settings_that_there_are(rule: dict[str, Any]) -> None:
    runbook = rule["annotations"]["runbook"]
    for words in re.findall(r"`jobhook ([^`]+)`", runbook):
        command: Any = typer.main.get_command(app)
        for word in words.split():
            if not hasattr(command, "commands"):
                break
            command = command.commands[word]
    settings = {f"{PREFIX}{setting.name}" for setting in SETTINGS}
    assert set(re.findall(r"JOBHOOK_[A-Z_]+", runbook)) <= settings


def test_names_of_alerts_are_names_and_no_two_are_the_same() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("Jobhook[A-Za-z]+", name) for name in names)


def test_the_dashboard_can_be_imported_anywhere() -> None:
    assert BOARD["uid"]
    assert "id" not in BOARD
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    variables = {variable["name"] for variable in BOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(BOARD))) - {"__rate_interval"}
    assert used == variables
    assert {panel["datasource"]["uid"] for panel in panels()} == {"${datasource}"}
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_no_two_panels_are_in_the_same_place() -> None:
    taken = [
        (x, y)
        for panel in BOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize("described", METRICS, ids=lambda described: described.name)
def test_every_metric_is_on_the_dashboard(described: Described) -> None:
    assert re.search(rf"\b{described.name}(_bucket)?\b", json.dumps(panels()))


@pytest.mark.parametrize("described", METRICS, ids=lambda described: described.name)
def test_every_metric_is_in_the_readme(described: Described) -> None:
    assert row_of(described) in README


def row_of(described: Described) -> str:
    labels = ", ".join(f"`{label}`" for label in described.labels)
    return f"| `{described.name}` | {described.kind} | {labels} | {described.told} |\n"


def test_the_readme_knows_no_metric_that_is_not_there() -> None:
    named = set(re.findall(r"^\| `(jobhook_\w+)`", README, re.MULTILINE))
    assert named == {described.name for described in METRICS}


@pytest.mark.parametrize("described", METRICS, ids=lambda described: described.name)
def test_a_name_tells_its_unit(described: Described) -> None:
    assert described.name.endswith("_total") == (described.kind == "counter")
    assert re.fullmatch(r"jobhook_[a-z]+(_[a-z]+)*", described.name)
    assert described.told.endswith(".")
