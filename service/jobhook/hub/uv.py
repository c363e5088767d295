"""
Jobs in which `uv run` runs a script.

A URL and a command go to the Hub as the official client sends them. Local files travel with the
job as long as they fit, so that no other call is needed; longer ones go through a bucket, as all
of them do there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from jobhook.core.errors import FilesTooLong, UsageError
from jobhook.core.inlining import FILES_VARIABLE, inlined
from jobhook.core.job_names import name_from_script
from jobhook.core.schedules import check_schedule
from jobhook.core.uv_runs import UV_IMAGE, uv_run
from jobhook.hub.arguments import a_flag, a_line_or_none, texts, words
from jobhook.hub.asking import spec_from
from jobhook.hub.buckets import MOUNT_PATH, new_folder, upload
from jobhook.hub.jobs import JobsApi
from jobhook.hub.local_files import local_files, with_contents
from jobhook.hub.models import JobInfo, ScheduledJobInfo
from jobhook.hub.schedules import SchedulesApi
from jobhook.hub.transport import CallToken


class UvCalls:
    """The calls of the official client that take a script; they come down to those for jobs."""

    run_job: Callable[..., Coroutine[Any, Any, JobInfo]]
    create_scheduled_job: Callable[..., Coroutine[Any, Any, ScheduledJobInfo]]

    async def run_uv_job(
        self,
        script: str,
        *,
        script_args: Sequence[str] | None = None,
        dependencies: Sequence[str] | None = None,
        python: str | None = None,
        image: str | None = None,
        env: Mapping[str, Any] | None = None,
        secrets: Mapping[str, Any] | None = None,
        flavor: str | None = None,
        timeout: float | str | None = None,
        attempts: int | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        volumes: Iterable[Any] | None = None,
        expose: Iterable[int] | None = None,
        expose_public: Iterable[int] | None = None,
        ssh: bool = False,
        network_group: str | None = None,
        network_aliases: Sequence[str] | None = None,
        resource_group_id: str | None = None,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> JobInfo:
        """
        Start a job in which `uv run` runs *script*; the request is sent once.

        Local files travel in the job's environment, up to about 96 KiB when packed. Beyond that
        they go through a bucket: that takes `huggingface_hub`, and as long as it takes.

        Args:
            script: A URL, a local file, or a command such as `lighteval`.
            script_args: What it is called with; a word that is a local file goes to the job too,
                and is replaced by its path there.
            dependencies: What it needs beside what its own header says.
            python: The version of Python; the image's if None.
            image: One that has `uv`, and `sh`, `base64`, `gzip` and `mktemp` for local files; the
                one of uv with Python 3.12 if None.
            name: The label `name`; if None, one made of *script* and *script_args*.

        The rest is as `run_job` takes it. What the script's header says of its job is not heeded.

        Raises:
            MissingFile: A word called like a script or its settings is no file; nothing was sent.
            UsageError: The Hub would not take it; nothing was sent.
            HubError: As of `run_job`, or the files did not get into the bucket, and nothing runs.
        """
        run, uv = _run(script, script_args), _uv(dependencies, python)
        job: dict[str, Any] = {
            "image": a_line_or_none("image", image) or UV_IMAGE,
            "env": env,
            "secrets": secrets,
            "flavor": flavor,
            "timeout": timeout,
            "attempts": attempts,
            "name": _name(run, name, labels),
            "labels": labels,
            "volumes": volumes,
            "expose": expose,
            "expose_public": expose_public,
            "ssh": ssh,
            "network_group": network_group,
            "network_aliases": network_aliases,
            "resource_group_id": resource_group_id,
        }
        job = await self._with_files(uv, run, job, namespace, token)
        return await self.run_job(**job, namespace=namespace, token=token)

    async def create_scheduled_uv_job(
        self,
        script: str,
        *,
        script_args: Sequence[str] | None = None,
        schedule: str,
        suspend: bool | None = None,
        concurrency: bool | None = None,
        dependencies: Sequence[str] | None = None,
        python: str | None = None,
        image: str | None = None,
        env: Mapping[str, Any] | None = None,
        secrets: Mapping[str, Any] | None = None,
        flavor: str | None = None,
        timeout: float | str | None = None,
        attempts: int | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        volumes: Iterable[Any] | None = None,
        expose: Iterable[int] | None = None,
        expose_public: Iterable[int] | None = None,
        resource_group_id: str | None = None,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> ScheduledJobInfo:
        """
        Have `uv run` run *script* at set times; the request is sent once.

        The arguments are those of `run_uv_job` and `create_scheduled_job`. Local files are carried
        as they are now.

        Raises:
            MissingFile: A word called like a script or its settings is no file; nothing was sent.
            UsageError: The Hub would not take it; nothing was sent.
            HubError: As of `create_scheduled_job`, or the files did not get into the bucket, and
                nothing was made.
        """
        run, uv = _run(script, script_args), _uv(dependencies, python)
        check_schedule(schedule)
        suspend, concurrency = _flag("suspend", suspend), _flag("concurrency", concurrency)
        job: dict[str, Any] = {
            "image": a_line_or_none("image", image) or UV_IMAGE,
            "env": env,
            "secrets": secrets,
            "flavor": flavor,
            "timeout": timeout,
            "attempts": attempts,
            "name": _name(run, name, labels),
            "labels": labels,
            "volumes": volumes,
            "expose": expose,
            "expose_public": expose_public,
            "resource_group_id": resource_group_id,
        }
        job = await self._with_files(uv, run, job, namespace, token)
        return await self.create_scheduled_job(
            **job,
            schedule=schedule,
            suspend=suspend,
            concurrency=concurrency,
            namespace=namespace,
            token=token,
        )

    async def _with_files(
        self,
        uv: Sequence[str],
        run: Sequence[str],
        job: Mapping[str, Any],
        namespace: str | None,
        token: CallToken,
    ) -> dict[str, Any]:
        """Return *job* with the command that runs *run*, and with what its local files take."""
        names = await asyncio.to_thread(local_files, run)
        if not names:
            return {**job, "command": [*uv, *run]}
        env = texts("env", job["env"])
        check_files_variable({**env, **texts("secrets", job["secrets"])})
        try:
            command, carried = await asyncio.to_thread(_packed, uv, run, names)
        except FilesTooLong:
            return await self._through_bucket(uv, run, job, names, namespace, token)
        return {**job, "command": command, "env": {**env, **carried}}

    async def _through_bucket(
        self,
        uv: Sequence[str],
        run: Sequence[str],
        job: Mapping[str, Any],
        names: Mapping[str, str],
        namespace: str | None,
        token: CallToken,
    ) -> dict[str, Any]:
        """Return *job* as `_with_files` does, with files that are too long to travel with it."""
        raise NotImplementedError


class UvApi(JobsApi, SchedulesApi, UvCalls):
    """The calls that take a script, on the Hub."""

    async def _through_bucket(
        self,
        uv: Sequence[str],
        run: Sequence[str],
        job: Mapping[str, Any],
        names: Mapping[str, str],
        namespace: str | None,
        token: CallToken,
    ) -> dict[str, Any]:
        # Nothing is uploaded for a job that the Hub would not take.
        volumes = spec_from(**job, command=[*uv, *run]).volumes
        if any(volume.mount_path.rstrip("/") == MOUNT_PATH for volume in volumes):
            raise UsageError(
                f"the files are too long to travel with the job and go to {MOUNT_PATH}, "
                "where a volume is mounted: mount that elsewhere"
            )
        folder = new_folder(await self._namespace(namespace, token))
        await asyncio.to_thread(
            upload,
            names,
            folder,
            endpoint=self.transport.endpoint,
            token=self.transport.token_of(token),
        )
        there = [f"{MOUNT_PATH}/{names[word]}" if word in names else word for word in run]
        return {**job, "command": [*uv, *there], "volumes": [*volumes, folder]}


def check_files_variable(names: Container[str]) -> None:
    """Raise `UsageError` if *names* of variables hold the one that files travel in."""
    if FILES_VARIABLE in names:
        raise UsageError(f"{FILES_VARIABLE} is what local files travel in: name yours otherwise")


def _packed(
    uv: Sequence[str], run: Sequence[str], names: Mapping[str, str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    return inlined([*uv, *with_contents(run, names)])


def _run(script: str, args: Sequence[str] | None) -> tuple[str, ...]:
    return (*words("script", [script]), *words("script_args", () if args is None else args))


def _uv(dependencies: Sequence[str] | None, python: str | None) -> tuple[str, ...]:
    told = words("dependencies", () if dependencies is None else dependencies)
    return uv_run(told, a_line_or_none("python", python))


def _flag(what: str, value: bool | None) -> bool | None:
    return None if value is None else a_flag(what, value)


def _name(run: Sequence[str], name: str | None, labels: Mapping[str, str] | None) -> str | None:
    if name is not None or "name" in texts("labels", labels):
        return name
    return name_from_script(run[0], run[1:])
