"""Folders of this machine as volumes of a job: they are copied into a bucket."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path

from jobhook.core.errors import MissingFile, UsageError
from jobhook.core.jobs import Volume
from jobhook.core.volumes import LocalFolder
from jobhook.hub.arguments import a_flag, a_line
from jobhook.hub.buckets import sync
from jobhook.hub.calls import HubCalls, a_namespace
from jobhook.hub.transport import CallToken


class FoldersApi(HubCalls):
    """What goes through a bucket, with the arguments of the official client."""

    async def sync_job_volume(
        self,
        source: str | Path,
        mount_path: str,
        *,
        remote_name: str | None = None,
        read_only: bool = True,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> Volume:
        """
        Copy what is new of a folder into a bucket, and return it as a volume for a job.

        It goes by the official client, which must be installed, and takes as long as it takes.
        *remote_name* is the folder in the bucket; one made of this machine and *source* if None.

        Raises:
            MissingFile: There is no such folder.
            UsageError: It cannot be mounted there, or `huggingface_hub` is not installed.
            HubRefused: The Hub said no.
            HubBusy: It could not be copied this time.
        """
        copied = functools.partial(
            sync,
            _folder(source, mount_path, read_only=read_only),
            namespace=None if namespace is None else a_namespace(namespace),
            endpoint=self.transport.endpoint,
            token=self.transport.token_of(token),
            remote_name=None if remote_name is None else a_line("remote_name", remote_name),
        )
        return await asyncio.to_thread(copied)


def _folder(source: str | Path, mount_path: str, *, read_only: bool) -> LocalFolder:
    if not a_line("mount_path", mount_path).startswith("/") or mount_path == "/":
        raise UsageError(f"mount_path {mount_path[:120]!r}: a path in the container, but not /")
    told = a_line("source", str(source) if isinstance(source, Path) else source)
    if not is_folder(told):
        raise MissingFile(f"there is no folder {told}")
    return LocalFolder(source=told, mount_path=mount_path, read_only=a_flag("read_only", read_only))


def is_folder(source: str) -> bool:
    """Return whether *source*, which may begin with `~`, is a folder of this machine."""
    try:
        return Path(source).expanduser().is_dir()
    except (OSError, RuntimeError):  # too long a name, a home of nobody
        return False
