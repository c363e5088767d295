from __future__ import annotations

from typing import Any

import pytest

from jobhook.core.errors import UsageError
from jobhook.core.jobs import Volume
from jobhook.core.volumes import LocalFolder, read_volume


def model(**given: Any) -> Volume:
    return Volume(**{"type": "model", "source": "acme/bert", "mount_path": "/data", **given})


@pytest.mark.parametrize(
    ("text", "volume"),
    [
        pytest.param("hf://acme/bert:/data", model(), id="a model without its type"),
        pytest.param("hf://models/acme/bert:/data", model(), id="a model"),
        pytest.param("hf://acme/bert/:/data", model(), id="a slash at its end"),
        pytest.param("hf://datasets/acme/bert:/data", model(type="dataset"), id="a dataset"),
        pytest.param("hf://spaces/acme/bert:/data", model(type="space"), id="a space"),
        pytest.param("hf://buckets/acme/bert:/data", model(type="bucket"), id="a bucket"),
        pytest.param("hf://acme/bert:/data:ro", model(read_only=True), id="to be read"),
        pytest.param(
            "hf://buckets/acme/bert:/data:rw", model(type="bucket", read_only=False), id="written"
        ),
        pytest.param("hf://acme/bert:/a/b", model(mount_path="/a/b"), id="deeper"),
        pytest.param("hf://acme/bert@v1:/data", model(revision="v1"), id="a revision"),
        pytest.param(
            "hf://acme/bert@refs/pr/3/x:/data",
            model(revision="refs/pr/3", path="x"),
            id="a pull request",
        ),
        pytest.param(
            "hf://acme/bert@refs/convert/parquet:/data",
            model(revision="refs/convert/parquet"),
            id="a conversion",
        ),
        pytest.param(
            "hf://acme/bert@my%2Fbr%C3%A9:/data", model(revision="my/bré"), id="a slash in a branch"
        ),
        pytest.param("hf://acme/bert@v1/a/b:/data", model(revision="v1", path="a/b"), id="a path"),
        pytest.param("hf://acme/bert/a@b:/data", model(path="a@b"), id="no revision"),
        pytest.param(
            "hf://buckets/acme/bert/a:/data", model(type="bucket", path="a"), id="within a bucket"
        ),
        pytest.param(
            "./in:/data", LocalFolder(source="./in", mount_path="/data"), id="a folder, to be read"
        ),
        pytest.param(
            "/in:/data:rw",
            LocalFolder(source="/in", mount_path="/data", read_only=False),
            id="a folder, written",
        ),
    ],
)
def test_volumes_are_read(text: str, volume: Volume | LocalFolder) -> None:
    assert read_volume(text) == volume


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "write hf://", id="nothing"),
        pytest.param("hf://acme/bert", "write hf://", id="no mount"),
        pytest.param("hf://acme/bert:ro", "write hf://", id="a mode without a mount"),
        pytest.param(":/data", "write hf://", id="no source"),
        pytest.param("hf://:/data", "write hf://", id="no repo"),
        pytest.param("hf://acme/bert:/", "nothing can be mounted at `/`", id="the root"),
        pytest.param("hf://bert:/data", "OWNER/NAME", id="no owner"),
        pytest.param("hf://models:/data", "OWNER/NAME", id="a type alone"),
        pytest.param("hf://acme/bert@:/data", "OWNER/NAME", id="an empty revision"),
        pytest.param("hf://acme/b ert:/data", "OWNER/NAME", id="no name of a repo"),
        pytest.param("hf://acme/bert/a//b:/data", "a part of its path", id="an empty part"),
        pytest.param("hf://acme/bert//b:/data", "a part of its path", id="an empty first part"),
        pytest.param("hf://buckets/acme/b@v1:/data", "has no revisions", id="a bucket's revision"),
        pytest.param("hf://dataset/acme/a:/data", "did you mean `datasets`?", id="one of a type"),
        pytest.param("hf://kernels/acme/a:/data", "the type is one of", id="what no job mounts"),
    ],
)
def test_what_is_no_volume_is_told_of(text: str, why: str) -> None:
    with pytest.raises(UsageError) as told:
        read_volume(text)
    assert why in str(told.value)
    assert repr(text) in str(told.value)
