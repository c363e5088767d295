"""`jobhook rules check` and `rules codes`: what is wrong, where, and what to write instead."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from commands import Run
from factories import ROOT
from jobhook.cli import checking
from jobhook.core.codes import CODES

RULES = str(ROOT / "rules")
BAD = "id: bad\nonn: [commit.pushed]\nrun: {image: x}\n"
FINE = """\
id: fine
watch: ["org:acme"]
on: [commit.pushed]
run: {image: x, command: [y]}
cases:
  - {name: ours, event: {repo: {name: acme/x}}, fires: true}
"""
TOKEN = "hf_" + "aB3" * 11


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules").mkdir()
    return tmp_path / "rules"


def test_the_shipped_rules_hold_and_are_priced(run: Run) -> None:
    ran = run("rules", "check", "--rules", RULES)
    lines = ran.out.splitlines()
    assert (ran.code, ran.err, lines[0]) == (0, "", "3 rules and 11 cases hold")
    assert lines[1].split() == "RULE A LAUNCH COSTS AT MOST ITS JOBS".split()
    assert "retrain-on-data $0.01 cpu-basic for 1h".split() in map(str.split, lines)


def test_a_problem_is_told_with_its_place_its_code_and_a_caret(run: Run, folder: Path) -> None:
    (folder / "bad.yaml").write_text(BAD)
    ran = run("rules", "check")
    assert ran.code == 1
    missing = "`command` is missing: write, for instance, `command: [python, train.py]`"
    assert ran.err == dedent(f"""\
        rules/bad.yaml:2:1: error: there is no key `onn` here; did you mean `on`? [unknown-key]
             2 | onn: [commit.pushed]
               | ^^^
        rules/bad.yaml:3:1: error: {missing} [missing-key]
             3 | run: {{image: x}}
               | ^^^
        """)
    assert ran.out == (
        "2 problems: nothing would be loaded\n"
        "`jobhook rules codes CODE` says more about what stands in brackets\n"
    )


def test_every_file_is_looked_at_whatever_is_wrong_with_another(run: Run, folder: Path) -> None:
    (folder / "a.yaml").write_text("on: [\n")
    (folder / "bad.yaml").write_text(BAD)
    (folder / "c.yaml").write_bytes(b"\xff")
    (folder / "fine.yaml").write_text(FINE.replace("watch", "# watch"))
    ran = run("rules", "check", "--json")
    assert ran.code == 1
    assert [(each["file"], each["code"]) for each in ran.json] == [
        ("rules/a.yaml", "not-yaml"),
        ("rules/bad.yaml", "unknown-key"),
        ("rules/bad.yaml", "missing-key"),
        ("rules/c.yaml", "unreadable-file"),
        ("rules/fine.yaml", "no-watch"),
    ]


def test_problems_are_told_to_programs(run: Run, folder: Path) -> None:
    (folder / "bad.yaml").write_text(BAD)
    ran = run("rules", "check", "--json")
    assert (ran.code, ran.err) == (1, "")
    assert ran.json[0] == {
        "file": "rules/bad.yaml",
        "line": 2,
        "column": 1,
        "message": "there is no key `onn` here; did you mean `on`?",
        "code": "unknown-key",
        "severity": "error",
        "source": "onn: [commit.pushed]",
    }
    assert run("rules", "check", "--format", "json").out == ran.out
    assert run("rules", "check", "--json", "--format", "json").out == ran.out


def test_what_a_launch_costs_is_told_to_programs(run: Run, folder: Path) -> None:
    (folder / "fine.yaml").write_text(FINE)
    assert run("rules", "check", "--json").json == []
    (note,) = run("rules", "check", "--json", "--costs").json
    assert note == {
        "file": "rules/fine.yaml",
        "line": 1,
        "column": 1,
        "message": "one launch of fine costs under $0.01 at most",
        "code": "launch-cost",
        "severity": "note",
        "source": "",
        "rule": "fine",
        "usd": 0.005,
    }


def test_a_warning_fails_the_check_only_if_it_is_strict(run: Run, folder: Path) -> None:
    (folder / "fine.yaml").write_text(FINE.replace("watch", "# watch"))
    ran = run("rules", "check")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "1 rule and 1 case hold, 1 warning")
    assert "rules/fine.yaml:1:1: warning: the rule has no `watch`" in ran.err
    strict = run("rules", "check", "--strict")
    told = "1 rule and 1 case hold, 1 warning: not fine with --strict"
    assert (strict.code, strict.out.splitlines()[0]) == (1, told)
    (folder / "fine.yaml").write_text(FINE)
    assert run("rules", "check", "--strict").code == 0


def test_an_empty_folder_is_warned_of_and_no_error(run: Run, folder: Path) -> None:
    (folder / "README.md").write_text("no rule")
    ran = run("rules", "check")
    warning = "jobhook: there is no rule file (*.yaml) in rules: nothing is launched\n"
    assert (ran.code, ran.out, ran.err) == (0, "0 rules and 0 cases hold\n", warning)
    assert run("rules", "check", "--json").json == []
    assert run("rules", "check", "--rules", str(folder / "nowhere")).code == 2


def test_files_are_checked_for_themselves(run: Run, folder: Path) -> None:
    (folder / "bad.yaml").write_text(BAD)
    (folder / "fine.yaml").write_text(FINE)
    ran = run("rules", "check", "rules/fine.yaml", "rules/fine.yaml")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "1 rule and 1 case hold")
    assert run("rules", "check", "rules/fine.yaml", "rules/bad.yaml").code == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["nowhere.yaml"], "there is no file nowhere.yaml", id="no-file"),
        pytest.param(["rules/a.txt"], "rules/a.txt is no rule file", id="no-rule-file"),
        pytest.param(["--json", "--format", "github"], "contradict", id="two-formats"),
        pytest.param(["--format", "xml"], "xml", id="unknown-format"),
    ],
)
def test_wrong_use_is_told(run: Run, folder: Path, words: list[str], message: str) -> None:
    (folder / "a.txt").write_text("x")
    ran = run("rules", "check", *words)
    assert ran.code == 2
    assert message in ran.err


def test_github_is_told_with_annotations(run: Run, folder: Path) -> None:
    (folder / "bad, 100%: x.yaml").write_text(BAD.replace("onn", '"o\\r\\n%n"'))
    (folder / "fine.yaml").write_text(FINE.replace("watch", "# watch"))
    ran = run("rules", "check", "--format", "github")
    assert ran.code == 1
    name = "rules/bad%2C 100%25%3A x.yaml"
    assert ran.out.splitlines() == [
        f"::error file={name},line=1,col=1,title=missing-key::`on` is missing: write, for "
        "instance, `on: [commit.pushed]`",
        f"::error file={name},line=1,col=1,title=id-mismatch::the id is 'bad' and the file "
        "'bad, 100%25: x.yaml': they must be the same",
        f"::error file={name},line=2,col=1,title=unknown-key::there is no key `o%0D%0A%25n` here",
        f"::error file={name},line=3,col=1,title=missing-key::`command` is missing: write, for "
        "instance, `command: [python, train.py]`",
        "::warning file=rules/fine.yaml,line=1,col=1,title=no-watch::"
        "the rule has no `watch`: no webhook is registered for it",
        "4 problems, 1 warning: nothing would be loaded",
    ]


def test_github_is_not_guessed(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (folder / "bad.yaml").write_text(BAD)
    assert "::error" not in run("rules", "check").out


def test_secrets_are_only_missed_where_there_are_some(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = FINE.replace("command: [y]", "command: [y], secrets: [HF_TOKEN]")
    (folder / "fine.yaml").write_text(rule)
    assert run("rules", "check", "--strict").code == 0
    monkeypatch.setenv("JOBHOOK_SECRET_OTHER", "x" * 20)
    ran = run("rules", "check", "--strict")
    assert ran.code == 1
    assert "4:31: warning: the service has no JOBHOOK_SECRET_HF_TOKEN" in ran.err
    monkeypatch.setenv("JOBHOOK_SECRET_HF_TOKEN", "y" * 20)
    assert run("rules", "check", "--strict").code == 0


def test_the_budget_is_that_of_the_settings(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "fine.yaml").write_text(FINE.replace("[y]", "[y], flavor: cpu-xl, timeout: 6h"))
    assert "[over-budget]" in run("rules", "check").err
    monkeypatch.setenv("JOBHOOK_RULE_USD_PER_DAY", "6")
    assert run("rules", "check").err == ""


def test_the_dearest_rules_come_first_and_many_are_counted(run: Run, folder: Path) -> None:
    for number in range(22):
        text = FINE.replace("fine", f"r{number}").replace(
            "[y]", f"[y], flavor: cpu-xl, timeout: {number + 1}m"
        )
        (folder / f"r{number}.yaml").write_text(text)
    odd = FINE.replace("fine", "odd").replace("[y]", "[y], flavor: zzz, timeout: 90")
    (folder / "odd.yaml").write_text(odd)
    lines = run("rules", "check").out.splitlines()
    shown = [re.split("  +", line.rstrip()) for line in lines[3:]]
    assert shown[0] == ["odd", "nobody knows what", "zzz for 90s"]
    assert shown[1] == ["r21", "$0.37", "cpu-xl for 22m"]
    assert len(shown) == 21
    assert lines[-1] == "and 3 rules that cost no more than these"


def test_a_token_in_a_file_is_not_repeated(run: Run, folder: Path) -> None:
    lines = ["id: bad", "on: [commit.pushed]", "run:", "  image: x", "  command: [y]"]
    lines += [f"  env: {{AB: {TOKEN}}}", f"  secrets: {TOKEN}", f"nope: {TOKEN}"]
    (folder / "bad.yaml").write_text("\n".join(lines))
    for words in ([], ["--json"], ["--format", "github"]):
        ran = run("rules", "check", *words)
        assert TOKEN not in ran.out + ran.err
        assert ran.code == 1
    (folder / "bad.yaml").write_text(f"id: bad\na: *{TOKEN}\nb: [\n")
    assert TOKEN not in run("rules", "check").err


def test_a_password_by_its_name_is_not_repeated(run: Run, folder: Path) -> None:
    password = "x7Kq9mPz2Lw4Rt8v"
    rule = FINE.replace("command: [y]", f"command: [3], env: {{DB_PASSWORD: {password}}}")
    (folder / "fine.yaml").write_text(rule)
    for words in ([], ["--json"], ["--format", "github"]):
        ran = run("rules", "check", *words)
        assert password not in ran.out + ran.err
        assert "secret-in-env" in ran.out + ran.err


def test_a_long_line_is_shown_around_the_place(run: Run, folder: Path) -> None:
    names = ", ".join(f"r{number}" for number in range(60))
    (folder / "fine.yaml").write_text(FINE + f"refs: [{names}, v**, {names}]\n")
    err = run("rules", "check").err.splitlines()
    at = err[1].index("v**")
    assert err[1].startswith("     7 | …")
    assert len(err[1]) < 135
    assert err[2] == "       | " + " " * (at - 9) + "^^^"


def test_carets_stand_under_wide_and_odd_characters(run: Run, folder: Path) -> None:
    (folder / "fine.yaml").write_text(FINE + 'titles: ["日本\\u0007", "", x]\n')
    err = run("rules", "check").err.splitlines()
    assert err[2].index("^") - 9 == 8 + 1 + 1 + 4 + 6 + 1 + 2


def test_a_file_cannot_steer_the_terminal(run: Run, folder: Path) -> None:
    (folder / "bad.yaml").write_bytes(BAD.replace("onn", "o\u202en").encode())
    for words in ([], ["--json"], ["--format", "github"]):
        ran = run("rules", "check", *words)
        assert "\u202e" not in ran.out + ran.err


def test_a_terminal_is_told_in_colour(folder: Path) -> None:
    (folder / "bad.yaml").write_text(BAD)
    ours, theirs = pty.openpty()
    environment = {"TERM": "xterm-256color", "PATH": os.environ["PATH"], "COLUMNS": "80"}
    command = [sys.executable, "-m", "jobhook", "rules", "check"]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        told = b""
        try:
            while part := os.read(ours, 65536):
                told += part
        except OSError:  # nobody holds the other end any more
            pass
        assert process.wait(30) == 1
    os.close(ours)
    assert b"\x1b[" in told
    plain = re.sub(r"\x1b\[[0-9;]*m", "", told.decode()).splitlines()
    assert plain[:3] == [
        "rules/bad.yaml:2:1: error: there is no key `onn` here; did you mean `on`? [unknown-key]",
        "     2 | onn: [commit.pushed]",
        "       | ^^^",
    ]


# -- the codes --

BASE = {
    "id": "id: example",
    "watch": 'watch: ["org:acme"]',
    "on": "on: [commit.pushed]",
    "cases": "cases:\n  - {name: a, event: {repo: {name: acme/x, type: dataset}}, fires: true}",
}
JOB_KEYS = {"image", "command", "flavor", "timeout", "env", "secrets", "uv"}


def example(code: str, text: str) -> str:
    """A rule file that holds an example of a code, and else what a rule needs."""
    if code == "no-rule":
        return text if text.startswith("-") else "\n".join([text, "id: example", "run: &a {}"])
    keys = set(re.findall(r"^(\w[\w-]*):", text, re.MULTILINE))
    rule = {key: line for key, line in BASE.items() if key not in keys}
    if code == "no-watch":
        rule.pop("watch", None)
    if keys & JOB_KEYS:
        base = {"image": "image: x", "command": "command: [y]"}
        base = {} if "uv" in keys else base
        lines = [*text.splitlines(), *(line for key, line in base.items() if key not in keys)]
        text = "run:\n" + "\n".join(f"  {line}" for line in lines)
    elif "run" not in keys:
        rule["run"] = "run: {image: x, command: [y]}"
    return "\n".join([text, *rule.values()])


@pytest.mark.parametrize("code", [name for name, code in CODES.items() if code.wrong])
def test_the_wrong_example_of_a_code_has_it_and_the_right_one_does_not(
    run: Run, folder: Path, code: str
) -> None:
    for text, expected in ((CODES[code].wrong, True), (CODES[code].right, False)):
        if text:
            name = re.search(r"# in (\S+)", text)
            path = folder / (name[1] if name else "example.yaml")
            path.write_text(example(code, text))
            codes = [each["code"] for each in run("rules", "check", "--json").json]
            assert (code in codes) is expected, codes


def test_the_codes_are_listed(run: Run) -> None:
    lines = run("rules", "codes").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(CODES)
    assert [each["code"] for each in run("rules", "codes", "--json").json] == list(CODES)


def test_one_code_is_told_with_its_example(run: Run) -> None:
    ran = run("rules", "codes", "unknown-event")
    assert "on: [push]" in ran.out
    assert "on: [commit.pushed]" in ran.out
    (told,) = run("rules", "codes", "unknown-event", "--json").json
    assert set(told) == {"code", "severity", "meaning", "wrong", "right"}


def test_a_code_that_is_not_there_is_wrong_use(run: Run) -> None:
    ran = run("rules", "codes", "unknown-keys")
    assert ran.code == 2
    assert "there is no code 'unknown-keys'; did you mean `unknown-key`?" in ran.err


def test_the_committed_page_of_codes_is_the_printed_one(run: Run) -> None:
    page = (ROOT / "rules" / "codes.md").read_text(encoding="utf-8")
    assert page == run("rules", "codes", "--markdown").out


@pytest.mark.parametrize(
    ("seconds", "told"), [(90, "90s"), (1800, "30m"), (7200, "2h"), (86400, "1d"), (5400, "90m")]
)
def test_a_length_of_time_is_told_in_its_largest_unit(seconds: int, told: str) -> None:
    assert checking.length(seconds) == told


def test_a_folder_that_cannot_be_read_is_told_to_programs(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("jobhook.adapters.rulefiles.visible_in", refuse)
    ran = run("rules", "check", "--json")
    (told,) = ran.json
    assert (ran.code, told["file"], told["code"]) == (1, "rules", "unreadable-file")
    assert told["message"] == "the folder cannot be read: Permission denied"
