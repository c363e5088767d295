"""Options that say what a job is like: those of `hf jobs run`, and those of its kin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from jobhook.cli.variables import VariableOptions
from jobhook.core.errors import UsageError

NAME_LABEL = "name"

NameOption = Annotated[
    str | None, typer.Option("--name", help="Its name: kept as the label `name`.")
]
LabelsOption = Annotated[
    list[str] | None, typer.Option("-l", "--label", help="KEY=VALUE, or KEY. Repeat it.")
]
FilterOption = Annotated[
    list[str] | None, typer.Option("-l", "--label", help="With this KEY=VALUE. Repeat it: all.")
]
WithNameOption = Annotated[str | None, typer.Option("--name", help="With this name.")]
Detach = Annotated[bool, typer.Option("-d", "--detach", help="Print its id, and do not follow it.")]
Clear = Annotated[bool, typer.Option("--clear", help="Take all away.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions(VariableOptions):
    """What a job and a scheduled job are like."""

    name: NameOption = None
    label: LabelsOption = None
    volume: Annotated[
        list[str] | None,
        typer.Option(
            "-v",
            "--volume",
            help="hf://[models|datasets|spaces|buckets/]OWNER/NAME[@REVISION][/PATH]:/MOUNT[:ro|:rw]"
            ", or FOLDER:/MOUNT, which is copied to a bucket. Repeat it.",
        ),
    ] = None
    flavor: Annotated[
        str | None, typer.Option("--flavor", help="The hardware: see `jobs hardware` (cpu-basic).")
    ] = None
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", help="The longest it may run: 90s, 30m, 1.5h, 2d."),
    ] = None
    attempts: Annotated[
        int | None, typer.Option("--attempts", min=1, help="How often it is tried, with the first.")
    ] = None
    expose: Annotated[
        list[int] | None,
        typer.Option("--expose", help="A port that users of the namespace reach. Repeat it."),
    ] = None
    expose_public: Annotated[
        list[int] | None, typer.Option("--expose-public", help="A port that everybody reaches.")
    ] = None
    resource_group_id: Annotated[
        str | None, typer.Option("--resource-group-id", help="The group of the org that pays.")
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be sent.")] = (
        False
    )

    def request(self) -> dict[str, Any]:
        """Return the keyword arguments that these options are; raises `UsageError`."""
        return {
            "env": self.env_values(),
            "secrets": self.secret_values(may_lack=self.dry_run),
            "labels": labels_of(self.label, self.name),
            "volumes": list(self.volume or ()),
            "flavor": self.flavor,
            "timeout": self.timeout,
            "attempts": self.attempts,
            "expose": self.expose,
            "expose_public": self.expose_public,
            "resource_group_id": self.resource_group_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(JobOptions):
    """What only a job that runs at once can be like."""

    detach: Detach = False
    ssh: Annotated[bool, typer.Option("--ssh", help="Let one log in to it.")] = False
    network_group: Annotated[
        str | None, typer.Option("--network-group", help="The jobs that reach one another.")
    ] = None
    network_alias: Annotated[
        list[str] | None,
        typer.Option("--network-alias", help="What they know this one by. Repeat it."),
    ] = None

    def request(self) -> dict[str, Any]:
        """Return the keyword arguments that these options are; raises `UsageError`."""
        return {
            **JobOptions.request(self),
            "ssh": self.ssh,
            "network_group": self.network_group,
            "network_aliases": self.network_alias,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class UvOptions:
    """What `uv run` needs beside the script."""

    image: Annotated[str | None, typer.Option("--image", help="An image that has uv.")] = None
    with_: Annotated[
        list[str] | None, typer.Option("--with", help="A package that it needs. Repeat it.")
    ] = None
    python: Annotated[
        str | None, typer.Option("-p", "--python", help="The version of Python, such as 3.12.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleOptions:
    """When a scheduled job runs, and when not."""

    suspend: Annotated[
        bool | None, typer.Option("--suspend/--no-suspend", help="Whether it begins suspended.")
    ] = None
    concurrency: Annotated[
        bool | None,
        typer.Option("--concurrency/--no-concurrency", help="Whether it may run beside itself."),
    ] = None

    def request(self) -> dict[str, Any]:
        """Return the keyword arguments that these options are."""
        return {"suspend": self.suspend, "concurrency": self.concurrency}


def labels_of(given: Sequence[str] | None, name: str | None) -> dict[str, str]:
    """Return labels by key, the *name* among them; raises `UsageError` if it is said twice."""
    labels = {key: value for key, _, value in (each.partition("=") for each in given or ())}
    return _with_name(labels, name)


def label_filter(given: Sequence[str] | None, name: str | None) -> dict[str, str]:
    """Return the labels that are looked for; raises `UsageError` for one without a value."""
    for each in given or ():
        if "=" not in each:
            raise UsageError(f"--label {each[:120]!r}: write KEY=VALUE to look for it")
    return labels_of(given, name)


async def new_labels(
    given: Sequence[str] | None,
    name: str | None,
    current: Callable[[], Awaitable[Mapping[str, str] | None]],
) -> dict[str, str]:
    """Return what the labels become: a name alone lets the *current* ones be, and asks for them."""
    labels = labels_of(given, name)
    return labels if given or name is None else {**(await current() or {}), **labels}


def check_labels(given: Sequence[str] | None, name: str | None, *, clear: bool) -> None:
    """Raise `UsageError` unless either labels, which can be, or *clear* are given."""
    if clear == bool(given or name is not None):
        raise UsageError("give the labels with --label and --name, or take all away with --clear")
    labels_of(given, name)


def statuses_of(given: Sequence[str] | None, *, show_all: bool) -> list[str]:
    """Return the words of `--status`, which may be separated by commas; raises `UsageError`."""
    if given and show_all:
        raise UsageError("--all and --status exclude each other")
    return [word for each in given or () for word in map(str.strip, each.split(",")) if word]


def _with_name(labels: dict[str, str], name: str | None) -> dict[str, str]:
    if name is None:
        return labels
    if NAME_LABEL in labels:
        raise UsageError("--name and --label name=… say the same: keep one")
    return {**labels, NAME_LABEL: name}
