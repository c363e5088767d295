from __future__ import annotations

import os
import shutil
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobhook.adapters.rulefiles import FILE_MAX_BYTES, check_files, load_rules, rule_files
from jobhook.core.errors import Problem, RulesError, UsageError

GOOD = """\
id: retrain
watch: ["org:acme"]
on: [commit.pushed]
run:
  image: python:3.12
  command: [python, train.py]
cases:
  - {name: ours, event: {repo: {name: acme/x}}, fires: true}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    return tmp_path / "rules"


def problems(folder: Path, **files: str) -> list[str]:
    """Write *files*, load the folder and return what is wrong, without the folder's name."""
    for stem, text in files.items():
        (folder / f"{stem}.yaml").write_text(dedent(text))
    with pytest.raises(RulesError) as caught:
        load_rules(folder, run_cases=True)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_a_good_file_is_a_rule(folder: Path) -> None:
    (folder / "retrain.yaml").write_text(GOOD)
    (rule,) = load_rules(folder, run_cases=True).rules
    assert rule.id == "retrain"
    assert [str(watch) for watch in rule.watch] == ["org:acme"]


def test_folders_below_are_read_and_other_files_are_not(folder: Path) -> None:
    (folder / "team").mkdir()
    (folder / "team" / "retrain.yml").write_text(GOOD)
    (folder / "README.md").write_text("not a rule")
    (folder / "rule.schema.json").write_text("{}")
    assert len(load_rules(folder).rules) == 1


def test_an_empty_folder_is_fine(folder: Path) -> None:
    assert load_rules(folder).rules == ()


def test_a_folder_that_is_not_there_is_said_in_one_sentence(folder: Path) -> None:
    with pytest.raises(UsageError, match="there is no rules folder at"):
        load_rules(folder / "nowhere")


def test_one_bad_file_loads_nothing(folder: Path) -> None:
    assert problems(folder, retrain=GOOD, bad="id: bad\n") == [
        "bad.yaml:1:1: `on` is missing: write, for instance, `on: [commit.pushed]`",
        "bad.yaml:1:1: `run` is missing: write, for instance, "
        "`run: {image: python:3.12, command: [python, train.py]}`",
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param(
            ("on:", "onn:"), "3:1: there is no key `onn` here; did you mean `on`?", id="key"
        ),
        pytest.param(
            ("commit.pushed", "comit.pushed"),
            "3:6: `on`: there is no event 'comit.pushed'; did you mean `commit.pushed`?",
            id="event",
        ),
        pytest.param(
            ("image:", "imag:"),
            "5:3: there is no key `imag` here; did you mean `image`?",
            id="in run",
        ),
        pytest.param(
            ("run:", "any: [{refs: [main], tittles: [x]}]\nrun:"),
            "4:22: there is no key `tittles` here; did you mean `titles`?",
            id="within-any",
        ),
        pytest.param(
            ("run:", "not: {comment: {start_with: /x, matches: y}}\nrun:"),
            "4:17: there is no key `start_with` here; did you mean `starts_with`?",
            id="in-comment-within-not",
        ),
        pytest.param(
            ("run:", "if: repo.privat\nrun:"),
            "4:9: `if`: undefined field 'privat' not found in struct 'repo'; "
            "did you mean `private`?",
            id="expression",
        ),
        pytest.param(
            ("train.py]", "3]"),
            '6:21: `run.command` must be text; put it in quotes: "3"',
            id="number",
        ),
        pytest.param(
            ("[commit.pushed]", "commit.pushed"),
            "3:1: `on` must be a list: [commit.pushed]",
            id="no list",
        ),
        pytest.param(
            ("[commit.pushed]", "[]"), "3:1: `on` needs at least one item", id="empty list"
        ),
        pytest.param(
            ("org:acme", "acme"),
            "2:9: `watch`: 'acme' is not `type:name`: write, for instance, `user:@me` or "
            "`org:acme`",
            id="watch",
        ),
        pytest.param(
            ("command:", "debounce: 1\n  command:"),
            "6:3: `debounce` is a word of the language that this version cannot carry out yet: "
            "remove it",
            id="reserved",
        ),
        pytest.param(
            ("command:", "timeout: 5x\n  command:"),
            "6:3: `run.timeout`: timeout '5x' is no length of time: write seconds, or a number "
            "with s, m, h or d",
            id="timeout",
        ),
        pytest.param(
            ("fires: true", "fires: yes"),
            "8:49: `cases.fires` must be true or false; write `fires: true`",
            id="truth value",
        ),
        pytest.param(
            ("fires: true", "fires: false"),
            "8:5: case 'ours' should not fire but does: "
            "commit.pushed refs/heads/main on model acme/x",
            id="case",
        ),
        pytest.param(
            ("id: retrain", "id: other"),
            "1:1: the id is 'other' and the file 'retrain.yaml': they must be the same",
            id="id",
        ),
        pytest.param(
            ("id: retrain", "id: retrain\nid: x"), "2:1: the key 'id' stands twice", id="twice"
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_remedy(
    folder: Path, change: tuple[str, str], problem: str
) -> None:
    found = problems(folder, retrain=GOOD.replace(*change))
    assert f"retrain.yaml:{problem}" in found


def test_the_second_of_two_jobs_is_named_by_its_place(folder: Path) -> None:
    text = """\
        id: retrain
        on: [commit.pushed]
        run:
          - {image: a, command: [x]}
          - {image: a, command: [x], flavour: b}
        """
    assert problems(folder, retrain=text) == [
        "retrain.yaml:5:30: there is no key `flavour` here; did you mean `flavor`?"
    ]


def test_an_id_may_stand_once_only(folder: Path) -> None:
    (folder / "team").mkdir()
    (folder / "team" / "retrain.yaml").write_text(GOOD)
    (problem,) = problems(folder, retrain=GOOD)
    assert (
        problem
        == f"team/retrain.yaml:1:1: there is a rule 'retrain' already, in {folder}/retrain.yaml"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"\xff\xfe", "not UTF-8", id="not UTF-8"),
        pytest.param(b"x" * (FILE_MAX_BYTES + 1), "over 262,144 bytes", id="too large"),
        pytest.param(b"- a\n", "holds no rule", id="a list"),
        pytest.param(b"", "holds no rule", id="empty"),
        pytest.param(b"a: [", "a closing bracket", id="no YAML"),
    ],
)
def test_a_file_that_is_no_rule_is_told(folder: Path, content: bytes, problem: str) -> None:
    (folder / "a.yaml").write_bytes(content)
    with pytest.raises(RulesError, match=problem):
        load_rules(folder)


def test_what_is_no_regular_file_is_told_and_not_waited_for(folder: Path) -> None:
    (folder / "a.yaml").mkdir()
    os.mkfifo(folder / "b.yaml")
    with pytest.raises(RulesError) as caught:
        load_rules(folder)
    assert [p.message for p in caught.value.problems] == ["this is no regular file"] * 2


def test_a_file_that_cannot_be_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (folder / "a.yaml").write_text(GOOD)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RulesError, match="cannot be read: Permission denied"):
        load_rules(folder)


def test_the_ending_of_a_rule_file_may_be_in_capitals(folder: Path) -> None:
    (folder / "retrain.YAML").write_text(GOOD)
    assert len(load_rules(folder).rules) == 1


def test_warnings_do_not_stop_the_loading(folder: Path) -> None:
    text = GOOD.replace('watch: ["org:acme"]\n', "").replace(
        "image:", "flavor: a10-small\n  image:"
    )
    (folder / "retrain.yaml").write_text(text)
    warnings = [str(warning) for warning in load_rules(folder).warnings]
    assert warnings == [
        f"{folder}/retrain.yaml:1:1: the rule has no `watch`: no webhook is registered for it",
        f"{folder}/retrain.yaml:4:3: "
        "flavor 'a10-small' is not known here; did you mean `a10g-small`?",
    ]


def told(folder: Path, text: str) -> list[tuple[int, int, str]]:
    """The place and the code of all that is wrong with the file of a rule `x`."""
    path = folder / "x.yaml"
    path.write_text(dedent(text))
    found = check_files([path], folder, run_cases=True)
    return [(each.line, each.column, each.code) for each in found.problems]


def test_what_is_no_plain_yaml_hides_nothing(folder: Path) -> None:
    text = """\
        id: x
        on: [commit.pushed]
        repos: [!tmp, "dataset:acme/*"]
        nope: 1
        id: y
        run: {image: a, command: [b], timeout: soon}
        """
    assert told(folder, text) == [
        (3, 9, "yaml-unquoted"),
        (3, 9, "bad-pattern"),
        (4, 1, "unknown-key"),
        (5, 1, "duplicate-key"),
        (6, 31, "bad-timeout"),
    ]


def test_an_id_is_compared_whatever_else_is_wrong(folder: Path) -> None:
    (folder / "team").mkdir()
    (folder / "team" / "x.yaml").write_text("id: x\nnope: 1\n")
    (folder / "x.yaml").write_text("id: x\n")
    (folder / "y.yaml").write_text("id: z\n")
    (folder / "w.yaml").write_text("id: [w]\n")
    found = [each.code for each in check_files(rule_files(folder), folder).problems]
    assert found.count("duplicate-id") == 1
    assert found.count("id-mismatch") == 1


def test_what_a_case_says_wrong_is_placed_at_its_key(folder: Path) -> None:
    text = """\
        id: x
        watch: ["user:@me"]
        on: [commit.pushed]
        run:
          image: a
          command: [b]
        cases:
          - name: one job
            fires: true
            reason: tag
            job:
              flavor: t4-small
              labels: {a: b}
          - name: a list
            fires: true
            job:
              - {flavor: t4-small}
        """
    assert told(folder, text) == [
        (10, 5, "case-fails"),
        (12, 7, "case-fails"),
        (13, 16, "case-fails"),
        (17, 10, "case-fails"),
    ]


def test_a_place_within_an_expression_is_that_of_the_file(folder: Path) -> None:
    text = """\
        id: x
        on: [commit.pushed]
        all:
          - if: |
              true &&
                repo.privat
          - if: "repo.name == \\"a\\" && repo.privat"
        run: {image: a, command: [b]}
        """
    (folder / "x.yaml").write_text(dedent(text))
    inside, escaped = check_files([folder / "x.yaml"], folder).problems
    assert (inside.line, inside.column) == (6, 13)
    assert inside.source == "        repo.privat"
    assert "of it" not in inside.message
    assert (escaped.line, escaped.column) == (7, 9)
    assert escaped.message.endswith("(line 1, column 25 of it)")


def test_the_problems_of_a_file_are_bounded(folder: Path) -> None:
    (folder / "x.yaml").write_text("\n".join(f"k{number}: &a 1" for number in range(500)))
    assert len(check_files([folder / "x.yaml"], folder).problems) == 100


@pytest.mark.parametrize(("length", "is_shown"), [(2000, True), (2001, False)])
def test_a_line_without_end_is_not_kept(folder: Path, length: int, *, is_shown: bool) -> None:
    (folder / "x.yaml").write_text("nope: 1 #".ljust(length, "x"))
    assert {bool(each.source) for each in check_files([folder / "x.yaml"], folder).problems} == {
        is_shown
    }


def test_warnings_come_with_the_problems_of_other_files(folder: Path) -> None:
    (folder / "a.yaml").write_text("id: a\n")
    (folder / "retrain.yaml").write_text(GOOD.replace("watch", "# watch"))
    found = check_files(rule_files(folder), folder)
    assert [each.file for each in found.problems] == [f"{folder}/a.yaml"] * 2
    assert [(each.code, each.severity) for each in found.warnings] == [("no-watch", "warning")]
    assert [each.rule.id for each in found.files] == ["retrain"]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=200,
)
@given(start=st.integers(0, len(GOOD)), length=st.integers(0, 20), junk=st.text(max_size=5))
def test_a_damaged_file_is_a_rule_or_a_told_problem(
    folder: Path, start: int, length: int, junk: str
) -> None:
    text = GOOD[:start] + junk + GOOD[start + length :]
    (folder / "retrain.yaml").write_text(text, encoding="utf-8", newline="")
    found: tuple[Problem, ...] = ()
    try:
        load_rules(folder, run_cases=True)
    except RulesError as exc:
        found = exc.problems
    assert all(problem.line >= 1 and problem.message for problem in found)


def test_what_is_hidden_holds_no_rules(folder: Path) -> None:
    # So is every file of a Kubernetes volume, beside the link to it that is read.
    (folder / "..2026").mkdir()
    (folder / "..2026" / "retrain.yaml").write_text(GOOD)
    (folder / "..data").symlink_to("..2026")
    (folder / "retrain.yaml").symlink_to("..data/retrain.yaml")
    (folder / ".draft.yaml").write_text("not yet")
    assert [rule.id for rule in load_rules(folder).rules] == ["retrain"]


def test_a_folder_that_cannot_be_read_is_a_problem(folder: Path) -> None:
    # Root may read everything, but nobody can name what lies as deep as this.
    below = os.open(folder, os.O_RDONLY)
    for _ in range(17):
        os.mkdir("d" * 255, dir_fd=below)
        above, below = below, os.open("d" * 255, os.O_RDONLY, dir_fd=below)
        os.close(above)
    os.close(below)
    (problem,) = problems(folder)
    assert problem.endswith("d:1:1: the folder cannot be read: File name too long")
    shutil.rmtree(folder)
