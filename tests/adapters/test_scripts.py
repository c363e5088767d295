"""Scripts beside the rules: read with the rules, from their folder and from nowhere else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from jobhook.adapters.rulefiles import load_rules
from jobhook.core.errors import RulesError
from jobhook.core.inlining import FILES_MAX_BYTES

RULE = """\
id: train
on: [commit.pushed]
run:
  uv:
    script: {script}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts" / "train.py").write_text("print(1)\n")
    (tmp_path / "outside.py").write_text("print(2)\n")
    return folder


def written(folder: Path, script: str) -> Path:
    (folder / "train.yaml").write_text(RULE.format(script=script))
    return folder


def refusal(folder: Path, script: str) -> str:
    with pytest.raises(RulesError) as caught:
        load_rules(written(folder, script))
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (5, 5)
    return problem.message


def test_a_script_in_the_rules_folder_is_read(folder: Path) -> None:
    (rule,) = load_rules(written(folder, "scripts/train.py")).rules
    assert rule.run[0].uv
    assert rule.run[0].uv.env


def test_a_rule_below_names_its_script_as_seen_from_the_rules_folder(folder: Path) -> None:
    below = folder / "team"
    below.mkdir()
    written(below, "scripts/train.py")
    assert len(load_rules(folder).rules) == 1


def test_a_script_is_part_of_its_rule(folder: Path) -> None:
    (before,) = load_rules(written(folder, "scripts/train.py")).rules
    (folder / "scripts" / "train.py").write_text("print(3)\n")
    (after,) = load_rules(folder).rules
    assert before.fingerprint != after.fingerprint


def test_a_link_within_the_folder_is_followed(folder: Path) -> None:
    # As Kubernetes mounts a ConfigMap.
    (folder / "linked.py").symlink_to(Path("scripts") / "train.py")
    assert load_rules(written(folder, "linked.py")).rules


def test_a_folder_that_is_a_link_itself_is_read(folder: Path, tmp_path: Path) -> None:
    written(folder, "scripts/train.py")
    (tmp_path / "link").symlink_to(folder)
    assert load_rules(tmp_path / "link").rules


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param("scripts/tran.py", "there is no file scripts/tran.py in the rules", id="gone"),
        pytest.param("../outside.py", "is no path within the rules folder", id="above"),
        pytest.param("scripts/../../outside.py", "is no path within", id="above-by-a-detour"),
        pytest.param("/etc/x.py", "is no path within the rules folder", id="absolute"),
        pytest.param("away.py", "is a link that leads out of the rules folder", id="link"),
        pytest.param("dir/outside.py", "is a link that leads out", id="link-to-a-folder"),
        pytest.param("loop.py", "cannot be read", id="link-to-itself"),
        pytest.param("dangling.py", "there is no file", id="link-to-nothing"),
        pytest.param("folder.py", "is no regular file", id="folder"),
        pytest.param("pipe.py", "is no regular file", id="pipe"),
        pytest.param("big.py", "is over 1,048,576 bytes", id="big"),
        pytest.param("noise.py", "is too long to travel with the job", id="big-when-packed"),
        pytest.param('"a\\0b.py"', "cannot be read", id="nul"),
        pytest.param("train.yaml", "must be a file that ends in .py", id="a-rule"),
    ],
)
def test_a_script_that_cannot_be_read_is_an_error_with_its_place(
    folder: Path, script: str, words: str
) -> None:
    (folder / "away.py").symlink_to(folder.parent / "outside.py")
    (folder / "dir").symlink_to(folder.parent)
    (folder / "loop.py").symlink_to("loop.py")
    (folder / "dangling.py").symlink_to("nothing.py")
    (folder / "folder.py").mkdir()
    os.mkfifo(folder / "pipe.py")
    (folder / "big.py").write_bytes(b"#" * (FILES_MAX_BYTES + 1))
    (folder / "noise.py").write_bytes(os.urandom(100_000))
    assert words in refusal(folder, script)


@pytest.mark.parametrize(
    "run", ["", "[]", "[1]", "{uv: []}", "{uv: {script: 1}}", "{uv: {script: [a]}}"]
)
def test_a_rule_of_any_shape_is_refused_and_not_tripped_over(folder: Path, run: Any) -> None:
    (folder / "train.yaml").write_text(f"id: train\non: [commit.pushed]\nrun: {run}\n")
    with pytest.raises(RulesError):
        load_rules(folder)
