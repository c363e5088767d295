"""What the documents promise is so, and what there is stands in them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from commands import Run
from factories import ROOT
from jobhook import __version__
from jobhook.cli.app import app
from jobhook.core.actions import Action
from jobhook.core.conditions import CommentCondition
from jobhook.core.events import EVENTS, SCOPES
from jobhook.core.examples import ActorBlock, Case, CommitBlock, FileBlock
from jobhook.core.rules import Rule
from jobhook.devhub import FAULT_KEYS, DevHub
from jobhook.settings import PREFIX, SETTINGS

README = (ROOT / "README.md").read_text(encoding="utf-8")
RULES_README = (ROOT / "rules" / "README.md").read_text(encoding="utf-8")


def commands(group: Any, words: str = "jobhook") -> Iterator[tuple[str, Any]]:
    """Every command by the words that call it, but for other words for the same."""
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from commands(command, f"{words} {name}")
        else:
            yield f"{words} {name}", command


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_in_the_readme(setting: Any) -> None:
    assert f"| `{PREFIX}{setting.name}` |" in README


def test_the_readme_knows_no_setting_that_is_not_there() -> None:
    named = set(re.findall(r"^\| `(JOBHOOK_[A-Z_]+)`", README, re.MULTILINE))
    assert named == {f"{PREFIX}{setting.name}" for setting in SETTINGS}


@pytest.mark.parametrize("key", FAULT_KEYS)
def test_every_key_of_a_fault_is_explained(key: str) -> None:
    assert f"| `{key}` | {FAULT_KEYS[key]} |\n" in README


def test_the_readmes_faults_can_be_set() -> None:
    faults = re.findall(r'--chaos "([^"]+)"', README)
    assert len(faults) == len(DevHub("http://h", faults=faults).chaos) == 2


def test_every_command_is_in_the_readme_and_no_other() -> None:
    table = re.findall(r"^\| `(jobhook [a-z -]+)` \|", README, re.MULTILINE)
    assert sorted(table) == sorted(COMMANDS)


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_and_option_has_help(words: str) -> None:
    command = COMMANDS[words]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", "") or parameter.name in {"help", "state"}, parameter.name


@pytest.mark.parametrize("event", [*EVENTS, *SCOPES])
def test_every_event_is_explained(event: str) -> None:
    assert f"`{event}`" in RULES_README


RULE_KEYS = [field.alias or name for name, field in Rule.model_fields.items()]


@pytest.mark.parametrize(
    "key",
    [
        *RULE_KEYS,
        *Action.model_fields,
        *CommentCondition.model_fields,
        *Case.model_fields,
        *FileBlock.model_fields,
        *ActorBlock.model_fields,
        *CommitBlock.model_fields,
    ],
)
def test_every_key_of_a_rule_is_shown(key: str) -> None:
    assert re.search(rf"^\s*-?\s*{key}:|`{key}`", RULES_README, re.MULTILINE)


def written(text: str) -> list[str]:
    """The pieces of rule files in a document."""
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


EXAMPLE, CASES, *OTHERS = written(RULES_README)
(CONDITIONS,) = (piece for piece in OTHERS if "\nif: " in piece)


def test_the_readmes_conditions_can_be_loaded(run: Run, tmp_path: Any) -> None:
    (tmp_path / "rules").mkdir()
    rule = "id: x\nrun: {image: python:3.12, command: [python]}\n"
    (tmp_path / "rules" / "x.yaml").write_text(rule + CONDITIONS)
    assert run("rules", "check").code == 0


def test_the_readmes_example_rule_holds(run: Run, tmp_path: Any) -> None:
    (tmp_path / "rules").mkdir()
    for cases, number in (("", 2), (CASES.partition("\n")[2], 4)):
        (tmp_path / "rules" / "retrain-on-data.yaml").write_text(EXAMPLE + cases)
        ran = run("rules", "check", "--strict")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith(f"1 rule and {number} cases hold\n")


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=str)
def test_links_lead_somewhere(path: Any) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_files_that_the_documents_name_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:web|flows|core|devhub|tests)/[a-z_/]+\.py)`", text):
        assert (ROOT / name).exists() or (ROOT / "service" / "jobhook" / name).exists(), name


def test_the_locks_name_no_index_and_hash_everything() -> None:
    for lock in (ROOT / "locks").glob("*.txt"):
        text = lock.read_text(encoding="utf-8")
        assert "index-url" not in text
        assert "://" not in text
        packages = re.findall(r"^[a-zA-Z0-9_.-]+(?:\[.*\])?==", text, re.MULTILINE)
        assert text.count("--hash=sha256:") >= len(packages) > 0


def test_every_version_of_the_runtime_is_the_one_that_is_tested() -> None:
    runtime, dev = (
        dict(
            re.findall(r"^([a-z0-9_.-]+)==(\S+)", (ROOT / "locks" / name).read_text(), re.MULTILINE)
        )
        for name in ("runtime.txt", "dev.txt")
    )
    assert runtime.items() <= dev.items()


def test_make_help_names_every_target() -> None:
    shown = subprocess.run(
        ["/usr/bin/env", "make", "-s", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for target in ("demo", "test", "check", "lock", "space"):
        assert re.search(rf"^{target}\b", shown, re.MULTILINE)


def test_the_changelog_has_what_is_not_released() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## Unreleased" in text
    assert __version__ == "0.1.0"
