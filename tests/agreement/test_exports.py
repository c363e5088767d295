"""What the official client exports for jobs and webhooks is exported here, and is the same."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from enum import Enum
from typing import Any

import pytest

import jobhook
from agreement.environment import huggingface_hub
from agreement.functions import FUNCTIONS

ENUMS = ("JobHardware", "JobStage")
CLASSES = (
    "JobAccelerator",
    "JobDurations",
    "JobHardwareInfo",
    "JobInfo",
    "JobInitiator",
    "JobNetwork",
    "JobOwner",
    "JobStatus",
    "Volume",
    "WebhookInfo",
    "WebhookWatchedItem",
)
VOLUMES: list[dict[str, Any]] = [
    {"type": "bucket", "source": "acme/b", "mount_path": "/b"},
    {"type": "bucket", "source": "acme/b", "mount_path": "/b", "read_only": True, "path": "a/b"},
    {"type": "bucket", "source": "acme/b", "mount_path": "/b", "read_only": False},
    {"type": "dataset", "source": "acme/d", "mount_path": "/d", "revision": "v1"},
    {"type": "dataset", "source": "acme/d", "mount_path": "/d", "revision": "refs/pr/1"},
    {"type": "model", "source": "acme/m", "mount_path": "/m", "read_only": True, "path": "a"},
    {"type": "space", "source": "acme/s", "mount_path": "/s", "revision": "a", "path": "b"},
]


@pytest.mark.parametrize("name", ENUMS)
def test_an_enum_has_the_same_words(name: str) -> None:
    theirs: type[Enum] = getattr(huggingface_hub, name)
    ours: type[Enum] = getattr(jobhook, name)
    assert {each.name: each.value for each in theirs} == {each.name: each.value for each in ours}
    assert all(isinstance(each, str) for each in ours)


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_the_same_fields(name: str) -> None:
    theirs = {each.name for each in dataclasses.fields(getattr(huggingface_hub, name))}
    ours = getattr(jobhook, name)
    properties = {key for key, value in vars(ours).items() if isinstance(value, property)}
    assert theirs <= {each.name for each in dataclasses.fields(ours)} | properties


def test_all_that_the_official_client_exports_of_the_kind_is_exported() -> None:
    theirs = {
        name
        for name in dir(huggingface_hub)
        if name.startswith(("Job", "Webhook")) and not name.startswith("WebhookPayload")
    }
    # A server of webhooks is what jobhook is itself.
    assert theirs - {"WebhooksServer"} == {*ENUMS, *CLASSES} - {"Volume"}
    for name in (*ENUMS, *CLASSES, *FUNCTIONS, "Hub", "AsyncHub"):
        assert name in dir(jobhook)
        assert getattr(jobhook, name)


@pytest.mark.parametrize("fields", VOLUMES)
def test_a_volume_is_written_the_same(fields: dict[str, Any]) -> None:
    theirs, ours = huggingface_hub.Volume(**fields), jobhook.Volume(**fields)
    assert ours.to_dict() == theirs.to_dict()
    assert ours.to_uri() == theirs.to_uri()


def test_a_watched_item_can_be_made_as_theirs() -> None:
    theirs = huggingface_hub.WebhookWatchedItem("org", "acme")
    ours = jobhook.WebhookWatchedItem("org", "acme")
    assert (ours.type, ours.name) == (theirs.type, theirs.name)


def test_a_name_that_is_not_there_is_missed_as_usual() -> None:
    with pytest.raises(AttributeError, match="run_jobs"):
        getattr(jobhook, "run_jobs")  # noqa: B009


def test_nothing_of_the_client_is_loaded_before_it_is_wanted() -> None:
    loaded = "import sys, jobhook; print(*(m for m in sys.modules if m in {'httpx2', 'pydantic'}))"
    ran = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
