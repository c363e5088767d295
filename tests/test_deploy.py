"""What is deployed can be made from what is in the tree; no engine is here to build the image."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from factories import ROOT
from jobhook.settings import PREFIX, SETTINGS, Settings
from jobhook.wiring import GRACE_SECONDS

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
ASSEMBLE = str(ROOT / "deploy" / "space" / "assemble.py")


def instructions(word: str) -> list[str]:
    """The Dockerfile's instructions of one kind, each on one line."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.partition(" ")[2] for line in joined.splitlines() if line.startswith(f"{word} ")]


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("space") / "folder"
    subprocess.run([sys.executable, ASSEMBLE, str(target)], check=True, capture_output=True)
    return target


def test_the_image_has_two_stages_and_no_root() -> None:
    assert len(instructions("FROM")) == 2
    assert instructions("USER") == ["jobhook"]
    assert "--uid 1000" in DOCKERFILE
    assert instructions("EXPOSE") == ["7860"]


def test_everything_that_is_copied_into_the_image_is_there_and_not_ignored(space: Path) -> None:
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines()}
    for copied in instructions("COPY"):
        *sources, _ = [word for word in shlex.split(copied) if not word.startswith("--")]
        if "--from=" in copied:
            continue
        for source in sources:
            assert (ROOT / source).exists()
            assert (space / source).exists()
            assert source in allowed


def test_the_installation_of_the_image_works_in_a_clean_place(space: Path, tmp_path: Path) -> None:
    """Run the very RUN lines of the build stage, with its folders moved below *tmp_path*."""
    build_stage = DOCKERFILE.split("\nFROM")[1].replace("\\\n", " ")
    steps = [line.removeprefix("RUN ") for line in build_stage.splitlines() if line[:4] == "RUN "]
    assert len(steps) == 2
    python = shlex.quote(sys.executable)
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(Path(sys.prefix) / "wheels")}
    for step in steps:
        moved = re.sub(r"(?<![\w.])/(build|venv|wheels)\b", rf"{tmp_path}/\1", step)
        moved = re.sub(r"^python ", f"{python} ", moved)
        subprocess.run(
            ["/bin/sh", "-ec", moved],
            cwd=space,
            env={**os.environ, **offline},
            check=True,
            capture_output=True,
        )
    jobhook = tmp_path / "venv" / "bin" / "jobhook"
    clean = {"PATH": os.defpath, "HOME": str(tmp_path)}
    checked = subprocess.run(
        [jobhook, "rules", "check", "--json"], cwd=space, env=clean, check=True, capture_output=True
    )
    assert json.loads(checked.stdout) == []
    shown = subprocess.run(
        [jobhook, "demo"], cwd=space, env=clean, check=True, capture_output=True, text=True
    )
    assert "the job is COMPLETED" in shown.stdout


def test_a_spaces_front_matter_names_the_port_that_the_image_serves(space: Path) -> None:
    text = (space / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---\n")[1])
    assert (front["sdk"], front["app_port"]) == ("docker", 7860)
    assert "JOBHOOK_HOST=0.0.0.0" in DOCKERFILE
    assert "JOBHOOK_PORT=7860" in DOCKERFILE


def test_a_space_can_be_put_together_again(space: Path) -> None:
    (space / "left-over").write_text("x")
    subprocess.run([sys.executable, ASSEMBLE, str(space)], check=True, capture_output=True)
    assert not (space / "left-over").exists()


def test_a_folder_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    refused = subprocess.run([sys.executable, ASSEMBLE, str(tmp_path)], capture_output=True)
    assert refused.returncode == 1
    assert (tmp_path / "precious").exists()


def test_the_example_of_an_environment_names_every_setting_with_its_default() -> None:
    text = (ROOT / "deploy" / "env.example").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^#?(JOBHOOK_[A-Z_]+)=(.*)$", text, re.MULTILINE))
    defaults = {f"{PREFIX}{setting.name}": setting.default for setting in SETTINGS}
    assert shown.keys() == defaults.keys()
    # The image listens to everybody; the others have no default, or follow another setting.
    own = {"JOBHOOK_HOST", "JOBHOOK_PUBLIC_URL", "JOBHOOK_REGISTER"}
    assert {k: v for k, v in shown.items() if k not in own} == {
        k: v for k, v in defaults.items() if k not in own
    }


def test_the_composition_has_two_replicas_that_know_their_settings(tmp_path: Path) -> None:
    composition = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    replica = composition["services"]["jobhook"]
    assert replica["deploy"]["replicas"] == 2
    (tmp_path / "url").write_text("postgresql://jobhook:pw@postgres/jobhook")
    environment = dict.fromkeys(replica["environment"], str(tmp_path / "url"))
    assert Settings.from_env(environment).database.path is None
    assert set(replica["secrets"]) <= set(composition["secrets"])
    assert replica["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_a_replica_that_stops_gets_the_time_that_it_needs() -> None:
    composition = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    grace = composition["services"]["jobhook"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > GRACE_SECONDS
