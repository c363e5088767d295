"""What a job is called when nobody names it."""

from __future__ import annotations

import pytest

from jobhook.core.job_names import name_from_image, name_from_script
from jobhook.core.jobs import LABEL_VALUE


@pytest.mark.parametrize(
    ("image", "readable"),
    [
        pytest.param("python:3.12", "python-3-12", id="docker"),
        pytest.param("ghcr.io/astral-sh/uv:python3.12", "uv-python3-12", id="host"),
        pytest.param("hf.co/spaces/acme/duck.db", "acme-duck-db", id="space"),
        pytest.param("https://huggingface.co/spaces/acme/x", "acme-x", id="space-url"),
        pytest.param("acme/", "acme", id="slash"),
    ],
)
def test_a_job_is_called_after_its_image_and_the_hash_of_all_it_runs(
    image: str, readable: str
) -> None:
    name, other = name_from_image(image, ["echo"]), name_from_image(image, ["echo", "2"])
    assert name.rpartition("-")[0] == other.rpartition("-")[0] == readable
    assert name != other


@pytest.mark.parametrize(
    ("script", "readable"),
    [
        pytest.param("scripts/train me.py", "train-me", id="file"),
        pytest.param("https://hub.test/sft.py?raw=1#L1", "sft", id="url"),
        pytest.param("lighteval", "lighteval", id="command"),
        pytest.param(".py", "-py", id="nothing-left"),
    ],
)
def test_a_uv_job_is_called_after_its_script(script: str, readable: str) -> None:
    assert name_from_script(script, []).rpartition("-")[0] == readable


def test_a_long_name_is_cut_so_that_the_hub_takes_it() -> None:
    name = name_from_image("x" * 130 + ":1", ["true"])
    assert len(name) == 100
    assert LABEL_VALUE.fullmatch(name)
