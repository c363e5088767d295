"""
Files that are too long to travel with a job: like the official client, we put them into a bucket.

A bucket takes files by a protocol of its own (Xet), which `huggingface_hub` speaks. It is imported
when it is needed, and only then.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from jobhook.core.errors import FilesTooLong, HubBusy, HubRefused, UsageError
from jobhook.core.jobs import Volume
from jobhook.core.volumes import LocalFolder

MOUNT_PATH = "/data"
_BUCKET = "jobs-artifacts"
# Statuses that are a no for now.
_FOR_NOW = (408, 429)


def new_folder(namespace: str) -> Volume:
    """Return a folder that nobody has used yet, of the bucket in which a namespace's files are."""
    return Volume(
        type="bucket",
        source=f"{namespace}/{_BUCKET}",
        mount_path=MOUNT_PATH,
        path=f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        read_only=False,
    )


def upload(names: Mapping[str, str], folder: Volume, *, endpoint: str, token: str | None) -> None:
    """
    Put local files into *folder*, of a bucket that is made if need be.

    *names* are those in the folder by the files' paths. It takes as long as it takes: call it in a
    thread.

    Raises:
        FilesTooLong: `huggingface_hub` is not installed.
        HubRefused: The Hub said no.
        HubBusy: They could not be uploaded this time.
    """
    files = [(path, f"{folder.path}/{name}") for path, name in names.items()]
    try:
        _put(files, folder.source, endpoint, token)
    except ImportError as exc:
        raise FilesTooLong(
            "files that are too long to travel with the job go through a bucket: "
            "install huggingface_hub, which uploads them, or give the script a URL"
        ) from exc


def sync(
    folder: LocalFolder,
    *,
    namespace: str | None,
    endpoint: str,
    token: str | None,
    remote_name: str | None = None,
) -> Volume:
    """
    Copy a local folder to the bucket of *namespace*, or of the token's user: what is new of it.

    Raises:
        UsageError: `huggingface_hub` is not installed.
        HubRefused: The Hub said no.
        HubBusy: It could not be copied this time.
    """
    try:
        from huggingface_hub import HfApi

        api = HfApi(endpoint=endpoint, token=token or False)
        with _told(f"folder {folder.source} could not be copied to a bucket"):
            copied = api.sync_job_volume(
                folder.source,
                folder.mount_path,
                remote_name=remote_name,
                read_only=folder.read_only,
                namespace=namespace,
            )
    except ImportError as exc:
        raise UsageError(
            f"folder {folder.source}: to copy it to a bucket takes huggingface_hub; install that, "
            "or mount hf://buckets/OWNER/NAME"
        ) from exc
    return Volume(
        type="bucket",
        source=copied.source,
        mount_path=folder.mount_path,
        read_only=folder.read_only,
        path=copied.path,
    )


def _put(files: list[tuple[str, str]], bucket: str, endpoint: str, token: str | None) -> None:
    from huggingface_hub import HfApi

    # False, so that no other token is taken than ours.
    api = HfApi(endpoint=endpoint, token=token or False)
    with _told(f"the files could not be put into the bucket {bucket}"):
        api.create_bucket(bucket, private=True, exist_ok=True)
        api.batch_bucket_files(bucket, add=[*files])


@contextlib.contextmanager
def _told(failed: str) -> Iterator[None]:
    """Let no error of the official client leave this module."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except HfHubHTTPError as exc:
        status = exc.response.status_code
        kind = HubRefused if 400 <= status < 500 and status not in _FOR_NOW else HubBusy
        message = f"{failed}: the Hub answered {status}"
        raise kind(message, status=status, request_id=exc.request_id) from exc
    except ImportError:
        raise
    except Exception as exc:
        # Its ways to fail are its own, and those of the protocol.
        raise HubBusy(f"{failed}: {exc}") from exc
