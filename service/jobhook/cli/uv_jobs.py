"""What `uv run` of `jobhook jobs` and `jobhook schedules` asks of the Hub."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Annotated
from urllib.parse import urlsplit

import typer

from jobhook.cli.client import Where
from jobhook.cli.job_options import UvOptions
from jobhook.cli.launching import Request, named_for_script
from jobhook.cli.output import warn
from jobhook.cli.variables import values_here
from jobhook.core.errors import UsageError
from jobhook.core.inlining import FILES_MAX_BYTES
from jobhook.core.script_headers import ScriptHeader, read_header
from jobhook.hub.downloads import download, is_private

Script = Annotated[
    str,
    typer.Argument(
        help="A file, a URL, or a command. What `[tool.hf-jobs]` in the script says of its job "
        "counts where no option does."
    ),
]
ScriptArgs = Annotated[
    list[str] | None, typer.Argument(metavar="[ARGS]...", help="What it is called with.")
]


@contextmanager
def local_script(script: str) -> Iterator[str]:
    """
    Give *script* as it is to be sent: if it has a URL, a copy of it that travels with the job.

    Raises:
        UsageError: It cannot be fetched.
    """
    if not script.startswith(("https://", "http://")):
        yield script
        return
    if not is_private(script):
        warn("jobhook: the job fetches the script: what comes by http:// is not read here")
        yield script
        return
    with TemporaryDirectory(prefix="jobhook-") as folder:
        name = PurePosixPath(urlsplit(script).path).name
        copy = Path(folder, name if name.endswith(".py") else "script.py")
        copy.write_bytes(asyncio.run(download(script, most=FILES_MAX_BYTES)))
        yield str(copy)


def uv_request(
    script: str,
    local: str,
    args: list[str] | None,
    given: Request,
    uv: UvOptions,
    where: Where,
    *,
    dry_run: bool,
) -> Request:
    """
    Return what is asked for: the options that were *given*, and beneath them the script's own.

    What is read is *local*; the job is named after *script*.

    Raises:
        UsageError: What the script says cannot be, or a secret that it asks for has no value here.
    """
    options = ScriptHeader(
        image=uv.image,
        flavor=given["flavor"],
        python=uv.python,
        timeout=given["timeout"],
        namespace=where.namespace,
        network_group=given.get("network_group"),
        env=given["env"],
        secrets=tuple(given["secrets"]),
        labels=given["labels"],
        volumes=tuple(given["volumes"]),
        network_aliases=tuple(given.get("network_aliases") or ()),
    )
    said = _header_of(script, local).beneath(options)
    only_there = [name for name in said.secrets if name not in options.secrets]
    _tell_what_it_adds(said, options, only_there)
    network = {"network_group": said.network_group, "network_aliases": list(said.network_aliases)}
    request = {
        "script": script,
        "script_args": args or [],
        **given,
        "dependencies": uv.with_,
        "python": said.python,
        "image": said.image,
        "flavor": said.flavor,
        "timeout": said.timeout,
        "namespace": said.namespace or where.home,
        "env": dict(said.env),
        "secrets": {**values_here(only_there, may_lack=dry_run), **given["secrets"]},
        "labels": dict(said.labels),
        "volumes": list(said.volumes),
        **{key: value or None for key, value in network.items() if key in given or value},
    }
    return named_for_script(request)


def _header_of(script: str, local: str) -> ScriptHeader:
    path = Path(local)
    try:
        if not path.is_file():
            return ScriptHeader()
        with path.open("rb") as file:
            content = file.read(FILES_MAX_BYTES)
    except (OSError, ValueError) as exc:
        raise UsageError(f"script {script[:200]!r} cannot be read") from exc
    return read_header(content, script)


def _tell_what_it_adds(said: ScriptHeader, options: ScriptHeader, secrets: Sequence[str]) -> None:
    added = [
        f"{key} {value}" if isinstance(value, str) else key
        for key, value in ((each.name, getattr(said, each.name)) for each in fields(said))
        if value != getattr(options, key)
    ]
    if added:
        warn(f"jobhook: the script's header says: {', '.join(added)}")
    if secrets:
        warn(f"jobhook: the script asks for {', '.join(secrets)}, and gets what is set here")
