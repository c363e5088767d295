"""Rule files that somebody sends: checked as those of a folder are, and nothing else is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobhook.adapters.reports import report_of
from jobhook.adapters.rulefiles import FILE_MAX_BYTES, check_files, check_texts
from jobhook.core.advice import Surroundings
from jobhook.core.inlining import FILES_MAX_BYTES

GOOD = """\
id: retrain
watch: ["org:acme"]
on: [commit.pushed]
run: {image: python:3.12, command: [python, train.py]}
cases:
  - {name: ours, event: {repo: {name: acme/x}}, fires: true}
"""
SCRIPTED = """\
id: scripted
watch: ["org:acme"]
on: [commit.pushed]
run: {uv: {script: scripts/train.py}}
cases:
  - {name: ours, event: {repo: {name: acme/x}}, fires: true}
"""


def problems(**files: str) -> list[str]:
    report = report_of(check_texts({f"{name}.yaml": text for name, text in files.items()}))
    assert report.ok is not any(each.severity == "error" for each in report.problems)
    return [str(each) for each in report.problems]


def test_good_rules_are_told_with_what_they_cost() -> None:
    report = report_of(check_texts({"team/retrain.yml": GOOD, "README.md": "no rule"}))
    (rule,) = report.rules
    assert (report.ok, report.problems) == (True, ())
    assert (rule.rule, rule.file, rule.cases, rule.usd) == ("retrain", "team/retrain.yml", 1, 0.005)
    assert [(job.flavor, job.timeout) for job in rule.jobs] == [("cpu-basic", 1800)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(GOOD.replace("on:", "onn:"), "3:1: there is no key `onn`", id="a key"),
        pytest.param(GOOD.replace("fires: true", "fires: false"), "should not fire", id="a case"),
        pytest.param("on: [", "retrain.yaml:2:1: ", id="no YAML"),
        pytest.param("id: \ud800", "1:1: the file is not UTF-8", id="half a character"),
        pytest.param("#" * (FILE_MAX_BYTES + 1), "1:1: the file is over 262,144 bytes", id="size"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, problem: str) -> None:
    assert any(problem in told for told in problems(retrain=text))


def test_texts_are_judged_as_files_are(tmp_path: Path) -> None:
    bad = GOOD.replace("fires: true", "fires: false").replace("acme", "acme/x", 1)
    (tmp_path / "retrain.yaml").write_text(bad)
    of_file = check_files([tmp_path / "retrain.yaml"], tmp_path, run_cases=True)
    of_text = check_texts({str(tmp_path / "retrain.yaml"): bad})
    assert of_text == of_file
    assert of_text.problems


def test_warnings_are_of_where_the_rules_will_be() -> None:
    around = Surroundings(usd_per_day=0.001)
    report = report_of(check_texts({"retrain.yaml": GOOD}, around=around))
    assert [each.code for each in report.problems] == ["over-budget"]
    assert report.ok


def test_a_script_comes_along_with_its_rule() -> None:
    files = {"scripted.yaml": SCRIPTED, "scripts/train.py": "print(1)\n"}
    assert report_of(check_texts(files)).problems == ()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        pytest.param("scripts/train.py", "there is no file scripts/train.py among", id="not-there"),
        pytest.param("../../../etc/passwd.py", "among those that were given", id="elsewhere"),
        pytest.param("/etc/passwd.py", "among those that were given", id="of-this-machine"),
    ],
)
def test_no_script_is_read_from_this_machine(script: str, told: str) -> None:
    (problem,) = problems(scripted=SCRIPTED.replace("scripts/train.py", script))
    assert told in problem


def test_a_script_that_is_too_long_is_refused() -> None:
    files = {"scripted.yaml": SCRIPTED, "scripts/train.py": "#" * (FILES_MAX_BYTES + 1)}
    (problem,) = check_texts(files).problems
    assert "scripts/train.py is over" in problem.message


def test_a_script_with_half_a_character_does_not_break_the_check() -> None:
    files = {"scripted.yaml": SCRIPTED, "scripts/train.py": "\ud800"}
    assert len(check_texts(files).files) == 1
