"""What is about to be asked of the Hub: named, with its volumes, and told beforehand."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobhook.cli.client import Shown, Where
from jobhook.cli.job_options import NAME_LABEL
from jobhook.cli.options import settings_with
from jobhook.cli.output import print_facts, print_json, warn
from jobhook.core.errors import MissingFile, UsageError
from jobhook.core.job_names import name_from_image, name_from_script
from jobhook.core.jobs import Volume
from jobhook.core.jsonable import in_json
from jobhook.core.schedules import check_schedule
from jobhook.core.uv_runs import UV_IMAGE
from jobhook.core.volumes import LocalFolder, read_volume
from jobhook.hub.asking import spec_from
from jobhook.hub.buckets import sync
from jobhook.hub.folders import is_folder

Request = dict[str, Any]

_WORDS = ("command", "script_args")
_CHECKED = (
    "flavor",
    "timeout",
    "attempts",
    "labels",
    "expose",
    "expose_public",
    "resource_group_id",
    "network_group",
    "network_aliases",
)


def named_for_image(request: Request) -> Request:
    """Return *request* with a name: the one that the official command line makes, or its own."""
    attempts = request["attempts"]
    parts = _said_of(request, [str(attempts)] if attempts is not None else [])
    return _named(request, name_from_image(request["image"], [*request["command"], *parts]))


def named_for_script(request: Request) -> Request:
    """Return *request* with a name, as `named_for_image` does."""
    attempts = request["attempts"]
    extra = [
        request["image"] or UV_IMAGE,
        request["python"] or "",
        *(request["dependencies"] or ()),
        *([str(attempts)] if attempts is not None else []),
    ]
    parts = _said_of(request, extra)
    return _named(request, name_from_script(request["script"], [*request["script_args"], *parts]))


def print_request(request: Request, shown: Shown) -> None:
    """Print what would be sent, of secrets the names; raises `UsageError` if it cannot be."""
    _check(request)
    told = {**_without_nothing(request), "secrets": list(request["secrets"])}
    if shown.as_json:
        print_json(in_json(told))
        return
    told["secrets"] = [
        f"{name} (not set here)" if value is None else name
        for name, value in request["secrets"].items()
    ]
    print_facts((key, _in_a_line(key, value)) for key, value in told.items())
    warn("jobhook: a dry run: nothing was sent")


def ready(request: Request, where: Where) -> Request:
    """
    Return *request* as the Hub's client takes it; folders of this machine are copied to a bucket.

    Raises:
        UsageError: The Hub would not take it, and no folder was copied; or one cannot be.
    """
    volumes = _mounted(_check(request), request["namespace"], where)
    return _without_nothing({**request, "volumes": volumes or None})


def _mounted(
    volumes: Sequence[Volume | LocalFolder], namespace: str | None, where: Where
) -> list[Volume]:
    for each in volumes:
        if isinstance(each, LocalFolder) and not is_folder(each.source):
            raise MissingFile(f"there is no folder {each.source}: a volume of the Hub is hf://…")
    settings = settings_with()
    if settings.elsewhere and not all(isinstance(each, Volume) for each in volumes):
        raise UsageError(
            "a folder of this machine does not go through JOBHOOK_URL: copy it into a bucket, and "
            "name that with hf://buckets/…"
        )
    return [
        each
        if isinstance(each, Volume)
        else sync(
            each,
            namespace=namespace,
            endpoint=settings.hf_endpoint,
            token=where.token or settings.hf_token,
        )
        for each in volumes
    ]


def _check(request: Request) -> list[Volume | LocalFolder]:
    """Return the volumes of *request*; raises `UsageError` if the Hub would not take it."""
    volumes = [read_volume(each) for each in request["volumes"]]
    is_uv = "script" in request
    if "schedule" in request:
        check_schedule(request["schedule"])
    spec_from(
        image=request["image"] or (UV_IMAGE if is_uv else ""),
        command=[request["script"], *request["script_args"]] if is_uv else request["command"],
        name=None,
        env=request["env"],
        secrets={name: value or "" for name, value in request["secrets"].items()},
        # What a folder becomes is known only when it has been copied.
        volumes=[each for each in volumes if isinstance(each, Volume)],
        **{key: request[key] for key in _CHECKED if key in request},
    )
    return volumes


def _said_of(request: Mapping[str, Any], extra: Iterable[str]) -> list[str]:
    """Return what an automatic name is made from, beside what runs."""
    return [
        request["flavor"] or "cpu-basic",
        request["timeout"] or "",
        request["namespace"] or "",
        request.get("network_group") or "",
        *extra,
        *(f"{key}={value}" for key, value in sorted(request["env"].items())),
        *sorted(request["secrets"]),
        *request["volumes"],
        *(request.get("network_aliases") or ()),
    ]


def _named(request: Request, name: str) -> Request:
    return {**request, "labels": {NAME_LABEL: name, **request["labels"]}}


def _without_nothing(request: Request) -> Request:
    return {key: value for key, value in request.items() if value is not None}


def _in_a_line(key: str, value: Any) -> object:
    if key in _WORDS:
        return shlex.join(value)
    if isinstance(value, Mapping):
        return " ".join(f"{name}={each}" for name, each in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else value or None
