"""What callers say of the jobs and schedules that they want: the arguments of the Python client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from pydantic import ConfigDict, Field

from jobhook.core.errors import UsageError
from jobhook.core.inlining import LocalFile, inlined, names_in_job
from jobhook.core.job_names import name_from_script
from jobhook.core.jobs import JobSpec, Volume
from jobhook.core.uv_runs import UV_IMAGE, uv_run
from jobhook.core.volumes import LocalFolder, read_volume
from jobhook.hub.asking import spec_from
from jobhook.hub.local_files import is_meant
from jobhook.hub.uv import check_files_variable
from jobhook.web.api.given import Given, said
from jobhook.web.api.job_kinds import (
    Alias,
    Attempts,
    Env,
    Files,
    FullLine,
    GivenVolume,
    Group,
    HubId,
    Labels,
    LabelValue,
    Line,
    Namespace,
    Ports,
    Secrets,
    Timeout,
    Times,
    Volumes,
    Word,
    Words,
)

_FILES_MAX = 50
# As `spec_from` calls them, where a body has them.
_SAID = (
    "env",
    "secrets",
    "flavor",
    "timeout",
    "attempts",
    "name",
    "labels",
    "expose",
    "expose_public",
    "ssh",
    "network_group",
    "network_aliases",
    "resource_group_id",
)


class _Image(Given):
    image: FullLine = Field(
        description="A Docker image, or a Space's as `hf.co/spaces/owner/name`."
    )
    command: Words = Field(min_length=1, description="What runs in it, word by word.")


class _Script(Given):
    script: Word = Field(description="A URL, a command such as `lighteval`, or a name in `files`.")
    script_args: Words | None = Field(
        None, description="What it is called with; a word that is a name in `files` is that file."
    )


class _Uv(Given):
    dependencies: Words | None = Field(
        None, description="What it needs beside what its own header says."
    )
    python: Line | None = Field(
        None, description="The version of Python; the image's if null.", examples=["3.12"]
    )
    image: Line | None = Field(
        None,
        description="One that has `uv`, and `sh`, `base64`, `gzip` and `mktemp` for `files`; "
        "the one of uv with Python 3.12 if null.",
    )


class _Files(Given):
    files: Files | None = Field(
        None,
        max_length=_FILES_MAX,
        description="Texts of files, by the words of `script` and `script_args` that stand for "
        "them. They travel with the job, up to about 96 KiB when packed. Nothing is read from "
        "the machine of the service.",
    )


class _When(Given):
    schedule: Times = Field(
        description="A word such as `@daily`, or a cron expression, in UTC.",
        examples=["@daily", "0 6 * * 1"],
    )
    suspend: bool | None = Field(None, description="Whether it is paused from the start.")
    concurrency: bool | None = Field(
        None, description="Whether it may start a job while its last one runs."
    )


class _Job(Given):
    env: Env | None = Field(
        None, description="Variables that everybody who may see the job can read."
    )
    secrets: Secrets | None = Field(
        None,
        repr=False,
        description="Variables that are never given back, neither by the Hub nor here.",
    )
    flavor: Line | None = Field(
        None, description="The hardware, `cpu-basic` if null; see `GET /hardware`."
    )
    timeout: Timeout | None = Field(
        None,
        description='Seconds, or a text such as "90m" or "1.5h"; the Hub\'s 30 minutes if null.',
    )
    attempts: Attempts | None = Field(
        None, description="How often the Hub tries, the first time included."
    )
    name: LabelValue | None = Field(
        None,
        description="The label `name`, in place of that in `labels`; if null and not there, one "
        "made of what runs.",
    )
    labels: Labels | None = Field(None, description="For finding the job again.")
    volumes: Volumes | None = Field(
        None,
        description="What is mounted: objects, or texts as the command line takes them: "
        "`hf://datasets/acme/corpus:/data:ro`.",
    )
    expose: Ports | None = Field(None, description="Ports that whoever may see the job can reach.")
    expose_public: Ports | None = Field(
        None, description="Ports that everybody can reach; 20 at most in both lists together."
    )


class _Network(Given):
    model_config = ConfigDict(
        json_schema_extra={
            "if": {
                "required": ["network_aliases"],
                "properties": {"network_aliases": {"type": "array", "minItems": 1}},
            },
            "then": said("network_group", "string"),
        }
    )

    ssh: bool = Field(False, description="Whether one may log in to it.")
    network_group: Group | None = Field(None, description="The jobs that reach one another.")
    network_aliases: tuple[Alias, ...] | None = Field(
        None, description="The names that this one answers to in its `network_group`."
    )


class _Payer(Given):
    resource_group_id: HubId | None = Field(None, description="The group of the org that pays.")
    namespace: Namespace | None = Field(
        None, description="The user or org that it runs in; the service's own if null."
    )


# The bases are read from the right: that is the order of the arguments.
class RunJob(_Payer, _Network, _Job, _Image):
    """A job to start."""


class RunUvJob(_Payer, _Network, _Job, _Files, _Uv, _Script):
    """A job to start in which `uv run` runs a script."""


class CreateScheduledJob(_Payer, _Job, _When, _Image):
    """A job to start at set times."""


class CreateScheduledUvJob(_Payer, _Job, _Files, _Uv, _When, _Script):
    """A job to start at set times, in which `uv run` runs a script."""


class NewLabels(Given):
    """Labels in place of those that are there."""

    labels: Labels = Field(description="All of them; `{}` takes all away.")


class NewPorts(Given):
    """Ports in place of those that are exposed."""

    expose: Ports | None = Field(None, description="Ports that whoever may see the job can reach.")
    expose_public: Ports | None = Field(None, description="Ports that everybody can reach.")


class NewTimes(Given):
    """Another schedule."""

    schedule: Times = Field(
        description="A word such as `@daily`, or a cron expression, in UTC.",
        examples=["@daily", "0 6 * * 1"],
    )


def job_of(body: RunJob | CreateScheduledJob) -> JobSpec:
    """Return the job that *body* asks for; raises `UsageError` if there can be none."""
    return spec_from(**_said(body), image=body.image, command=body.command)


async def uv_job_of(body: RunUvJob | CreateScheduledUvJob) -> JobSpec:
    """
    Return the job that *body* asks for; nothing is read from this machine.

    Raises:
        FilesTooLong: The files do not fit its environment.
        UsageError: There can be no such job.
    """
    job, script, args = _said(body), body.script, body.script_args or ()
    if body.name is None and "name" not in (body.labels or {}):
        job["name"] = name_from_script(script, args)
    uv = uv_run(body.dependencies or (), body.python)
    command, carried = await asyncio.to_thread(_packed, uv, (script, *args), body.files or {})
    if carried:
        check_files_variable({**(body.env or {}), **(body.secrets or {})})
    job["env"] = {**(body.env or {}), **carried}
    return spec_from(**job, image=body.image or UV_IMAGE, command=command)


def _packed(
    uv: tuple[str, ...], run: tuple[str, ...], files: Mapping[str, str]
) -> tuple[tuple[str, ...], Mapping[str, str]]:
    unused = next((name for name in files if name not in run), None)
    if unused is not None:
        raise UsageError(f"files: {unused[:200]!r} is neither the script nor one of its arguments")
    missing = next((word for word in run if word not in files and is_meant(word)), None)
    if missing is not None:
        raise UsageError(f"{missing[:200]!r} is no name in `files`: give its text there, or a URL")
    if not files:
        return (*uv, *run), {}
    # In the order of the words, as the Python client does it.
    found = {word: PurePosixPath(word).name for word in run if word in files}
    there = {
        word: LocalFile(name, files[word].encode()) for word, name in names_in_job(found).items()
    }
    return inlined([*uv, *(there.get(word, word) for word in run)])


def _said(body: _Job) -> dict[str, Any]:
    job = {name: getattr(body, name) for name in _SAID if name in type(body).model_fields}
    return {**job, "volumes": tuple(map(_volume, body.volumes or ()))}


def _volume(given: GivenVolume | str) -> Volume:
    if isinstance(given, GivenVolume):
        return Volume(**given.model_dump())
    read = read_volume(given)
    if isinstance(read, LocalFolder):
        raise UsageError("a folder of another machine cannot be mounted: give a volume of the Hub")
    return read
