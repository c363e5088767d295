"""A folder of this machine becomes a volume of a job, by way of the official client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi
from huggingface_hub import Volume as TheirVolume

from jobhook.core.errors import MissingFile, UsageError
from jobhook.core.jobs import Volume
from jobhook.hub.client import AsyncHub

pytestmark = pytest.mark.anyio


async def test_a_folder_is_copied_with_our_token_and_is_a_volume_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def copy(api: HfApi, source: str, mount_path: str, **given: Any) -> TheirVolume:
        asked.append((api.endpoint, api.token, source, given))
        return TheirVolume(type="bucket", source="acme/b", mount_path=mount_path, path="x-1")

    monkeypatch.setattr(HfApi, "sync_job_volume", copy)
    async with AsyncHub("http://127.0.0.1:1", "hf_x") as hub:
        volume = await hub.sync_job_volume(tmp_path, "/in", remote_name="x", namespace="acme")
    assert volume == Volume(
        type="bucket", source="acme/b", mount_path="/in", path="x-1", read_only=True
    )
    given = {"remote_name": "x", "read_only": True, "namespace": "acme"}
    assert asked == [("http://127.0.0.1:1", "hf_x", str(tmp_path), given)]


@pytest.mark.parametrize(
    ("source", "mount_path", "words", "error"),
    [
        ("nowhere", "/in", "there is no folder nowhere", MissingFile),
        (".", "in", "mount_path 'in'", UsageError),
        (".", "/", "mount_path '/'", UsageError),
        (".", None, "mount_path must be a text", UsageError),
        (5, "/in", "source must be a text", UsageError),
        ("~nobody-of-that-name", "/in", "there is no folder", MissingFile),
    ],
)
async def test_what_cannot_be_mounted_is_refused_before_anything_is_copied(
    source: Any, mount_path: Any, words: str, error: type[Exception]
) -> None:
    async with AsyncHub("http://127.0.0.1:1", "hf_x") as hub:
        with pytest.raises(error, match=words):
            await hub.sync_job_volume(source, mount_path)
