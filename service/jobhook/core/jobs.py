"""
What a Hub Job is: its specification and the wire's rules about it.

The rules are those of the Hub's OpenAPI document for `POST /api/jobs/{namespace}`, and those of the
official client (`huggingface_hub` 2.4) for what that document does not know yet: `network`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from jobhook.core.errors import UsageError
from jobhook.core.texts import ONE_LINE, holds_half_a_character, is_one_line, shown

ENV_NAME = re.compile(r"[a-zA-Z][_a-zA-Z0-9]+")
SECRET_NAME = re.compile(r"[a-zA-Z][_a-zA-Z0-9]*")
LABEL_KEY = re.compile(r"[a-zA-Z0-9._-]{1,100}")
LABEL_MAX = 100
LABEL_VALUE = re.compile(rf"[a-zA-Z0-9._-]{{0,{LABEL_MAX}}}")
# One of dots only would lead elsewhere in a path.
NAMESPACE = re.compile(r"(?!\.+\Z)[A-Za-z0-9._-]{1,96}")
PORTS_MAX = 20
_PORT_MAX = 65_535
VOLUME_TYPES = ("bucket", "model", "dataset", "space")
ARCHITECTURES = ("amd64", "arm64")
_SPECIAL_REF = re.compile(r"refs/pr/\d+|refs/convert/\w+")
_RESOURCE_GROUP = re.compile("[0-9a-f]{24}")
_NETWORK_GROUP = re.compile("[a-z0-9-]{1,46}")
_NETWORK_ALIAS = re.compile("[a-z0-9-]{1,34}")

# What the Hub takes where a job names none.
HUB_TIMEOUT_SECONDS = 30 * 60
# Linux lets one environment string hold 131,072 bytes, with `NAME=` and the final NUL.
ENV_STRING_MAX_BYTES = 131_072

# The Hub takes these prefixes of an image to mean a Space.
_SPACE_PREFIXES = tuple(
    f"{scheme}{host}/spaces/" for scheme in ("https://", "") for host in ("huggingface.co", "hf.co")
)


class JobStage(StrEnum):
    """The stages of a job, as the Hub spells them."""

    SCHEDULING = "SCHEDULING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    CANCELED = "CANCELED"
    DELETED = "DELETED"

    @property
    def is_final(self) -> bool:
        """Whether a job in this stage stays in it."""
        return self not in ACTIVE_STAGES


ACTIVE_STAGES = (JobStage.SCHEDULING, JobStage.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """
    A bucket or repo that the job finds at *mount_path*; what is None the Hub decides.

    Attributes:
        type: `bucket`, or a type of repo.
        source: Its name, as `owner/name`.
        mount_path: A path in the container.
        revision: A branch, a tag or a commit.
        read_only: Whether the job may not write to it.
        path: What of it is mounted, if not all.
    """

    type: str = "model"
    source: str
    mount_path: str
    revision: str | None = None
    read_only: bool | None = None
    path: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return its JSON on the wire."""
        optional = {"revision": self.revision, "readOnly": self.read_only, "path": self.path}
        told = {"type": self.type, "source": self.source, "mountPath": self.mount_path}
        return {**told, **{key: value for key, value in optional.items() if value is not None}}

    def to_uri(self) -> str:
        """Return it as the command line writes it: `hf://datasets/acme/corpus@main/en:/data:ro`."""
        # A slash of a branch's name would be taken for the path's, but for the Hub's own refs.
        slash = "/" if self.revision and _SPECIAL_REF.fullmatch(self.revision) else "%2F"
        revision = f"@{self.revision.replace('/', slash)}" if self.revision is not None else ""
        path = f"/{self.path}" if self.path else ""
        access = "" if self.read_only is None else ":ro" if self.read_only else ":rw"
        return f"hf://{self.type}s/{self.source}{revision}{path}:{self.mount_path}{access}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The jobs that reach one another, and the names that this one answers to among them."""

    group: str
    aliases: tuple[str, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        """Return its JSON."""
        aliases = {"aliases": list(self.aliases)} if self.aliases else {}
        return {"group": self.group, **aliases}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """
    What to run, where and for how long: the body of `POST /api/jobs/{namespace}`.

    Attributes:
        namespace: The user or org that it runs in; None where that is not part of what is asked.
        image: A Docker image, or the URL of a Space whose image is used.
        command: What runs in the container, in place of the image's entry point.
        args: Words that follow the command.
        flavor: The Hub's name for the hardware.
        timeout: Seconds after which the Hub stops the job; None leaves it to the Hub.
        attempts: How often the Hub tries; None leaves it to the Hub. What a rule launches must not
            be run a second time on the platform's own account.
        env: Values that everybody who may see the job can read.
        secrets: Values that the Hub never gives back; their names it does.
        labels: For finding the job again.
        volumes: What is mounted.
        expose: Ports that whoever may see the job can reach, and *expose_public* everybody.
        ssh: Whether one may log in to it.
        resource_group_id: The group of the org that pays.
        network: How it reaches other jobs.
        arch: The processor's kind, if it matters.
    """

    namespace: str | None = None
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...] = ()
    flavor: str = "cpu-basic"
    timeout: int | None = HUB_TIMEOUT_SECONDS
    attempts: int | None = 1
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[Volume, ...] = ()
    expose: tuple[int, ...] = ()
    expose_public: tuple[int, ...] = ()
    ssh: bool = False
    resource_group_id: str | None = None
    network: Network | None = None
    arch: str | None = None

    def __post_init__(self) -> None:
        for problem in problems_of(self):
            raise UsageError(problem)

    @property
    def seconds(self) -> int:
        """How long it may run: its own timeout, or the Hub's."""
        return HUB_TIMEOUT_SECONDS if self.timeout is None else self.timeout

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON body; optional keys are absent when empty, as the Hub expects."""
        body: dict[str, Any] = {
            **_image_to_wire(self.image),
            "command": list(self.command),
            "arguments": list(self.args),
            "environment": dict(self.env),
            "flavor": self.flavor,
        }
        if self.timeout is not None:
            body["timeoutSeconds"] = self.timeout
        if self.attempts is not None:
            body["attempts"] = self.attempts
        if self.secrets:
            body["secrets"] = dict(self.secrets)
        if self.labels:
            body["labels"] = dict(self.labels)
        return {**body, **self._seldom()}

    def _seldom(self) -> dict[str, Any]:
        body: dict[str, Any] = {}
        if self.volumes:
            body["volumes"] = [volume.to_dict() for volume in self.volumes]
        if self.expose or self.expose_public:
            body["expose"] = ports_to_wire(self.expose, self.expose_public)
        if self.ssh:
            body["ssh"] = {"enabled": True}
        if self.resource_group_id:
            body["resourceGroupId"] = self.resource_group_id
        if self.network:
            body["network"] = self.network.to_wire()
        if self.arch:
            body["arch"] = self.arch
        return body


def ports_to_wire(expose: Sequence[int], expose_public: Sequence[int]) -> dict[str, list[int]]:
    """Return the JSON of the ports of a job; the Hub wants the public ones in both lists."""
    public = list(dict.fromkeys(expose_public))
    return {"ports": list(dict.fromkeys((*expose, *public))), "portsPublic": public}


def problems_of(spec: JobSpec) -> Iterator[str]:
    """Yield a sentence for every rule of the wire that *spec* breaks; no secret is told."""
    if not spec.image:
        yield "image is empty: name a Docker image such as python:3.12"
    for what, line in (("image", spec.image), ("flavor", spec.flavor)):
        if not is_one_line(line):
            yield f"{what} {shown(line)} {ONE_LINE}"
    if not spec.command or not all(spec.command):
        yield "command needs at least one word, and no word may be empty"
    if spec.seconds < 1:
        yield f"timeout {spec.timeout} must be at least 1 second"
    if spec.attempts is not None and spec.attempts < 1:
        yield f"attempts {spec.attempts} must be at least 1"
    if any("\0" in word or holds_half_a_character(word) for word in (*spec.command, *spec.args)):
        yield "command and args may hold no NUL and no half of a character"
    if spec.namespace is not None and not NAMESPACE.fullmatch(spec.namespace):
        yield f"namespace {spec.namespace[:120]!r} is no name of a user or org"
    yield from _name_problems("env", ENV_NAME, spec.env)
    yield from secret_problems(spec.secrets)
    for name, value in spec.env.items():
        # "surrogatepass", so that half a character is counted here and told below.
        size = len(f"{name}={value}\0".encode(errors="surrogatepass"))
        if "\0" in value or size > ENV_STRING_MAX_BYTES:
            yield f"env {name} holds a NUL or is over {ENV_STRING_MAX_BYTES:,} bytes with its name"
        if holds_half_a_character(value):
            yield f"env {name} holds half a character"
    yield from label_problems(spec.labels)
    yield from _seldom_problems(spec)


def _seldom_problems(spec: JobSpec) -> Iterator[str]:
    for volume in spec.volumes:
        yield from [*_field_problems(volume)] or _volume_problems(volume)
    yield from port_problems((*spec.expose, *spec.expose_public))
    group = spec.resource_group_id
    if group is not None and not _RESOURCE_GROUP.fullmatch(group):
        yield f"resource_group_id {group[:40]!r} must be 24 hexadecimal digits"
    if spec.network:
        if not _NETWORK_GROUP.fullmatch(spec.network.group):
            told = shown(spec.network.group, 60)
            yield f"network group {told}: lower-case letters, digits and `-`, 46 at most"
        for alias in spec.network.aliases:
            if not _NETWORK_ALIAS.fullmatch(alias):
                told = shown(alias, 60)
                yield f"network alias {told}: lower-case letters, digits and `-`, 34 at most"
    if spec.arch is not None and spec.arch not in ARCHITECTURES:
        yield f"arch {spec.arch[:40]!r}: one of {', '.join(ARCHITECTURES)}"


def _volume_problems(volume: Volume) -> Iterator[str]:
    if volume.type not in VOLUME_TYPES:
        yield f"volume type {shown(volume.type)}: one of {', '.join(VOLUME_TYPES)}"
    if not volume.source:
        yield "a volume needs a source, such as acme/corpus"
    if not volume.mount_path.startswith("/"):
        told = shown(volume.mount_path, 120)
        yield f"volume mount_path {told}: a path in the container, which begins with `/`"


def _field_problems(volume: Volume) -> Iterator[str]:
    for name in ("type", "source", "mount_path", "revision", "path"):
        value = getattr(volume, name)
        if value is None and name in {"revision", "path"}:
            continue
        if not isinstance(value, str):
            yield f"volume {name} must be a text, not {type(value).__name__}"
        elif not is_one_line(value):
            yield f"volume {name} {shown(value)} {ONE_LINE}"
    read_only: Any = volume.read_only
    if read_only is not None and not isinstance(read_only, bool):
        yield f"volume read_only must be True or False, not {type(read_only).__name__}"


def port_problems(ports: Sequence[int]) -> Iterator[str]:
    """Yield a sentence for every rule of the wire that the *ports* of a job break."""
    for port in ports:
        if type(port) is not int or not 1 <= port <= _PORT_MAX:
            yield f"port {shown(port)} must be a number from 1 to {_PORT_MAX}"
    if len(set(ports)) > PORTS_MAX:
        yield f"a job exposes {PORTS_MAX} ports at most, not {len(set(ports))}"


def label_problems(labels: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for every label that the Hub would not take."""
    for key, value in labels.items():
        if not (LABEL_KEY.fullmatch(key) and LABEL_VALUE.fullmatch(value)):
            told = shown(f"{key[:120]}={value[:120]}", 241)
            yield f"label {told}: only letters, digits, `.`, `_` and `-`, 100 of each at most"


def secret_problems(secrets: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for every secret that the Hub would not take; its value is not told."""
    yield from _name_problems("secrets", SECRET_NAME, secrets)
    for name, value in secrets.items():
        if "\0" in value or holds_half_a_character(value):
            yield f"secret {name} holds a NUL or half a character"


def _name_problems(what: str, pattern: re.Pattern[str], names: Mapping[str, str]) -> Iterator[str]:
    for name in names:
        if not pattern.fullmatch(name):
            yield f"{what} name {name[:120]!r} will not do: the Hub wants {pattern.pattern}"


def space_of(image: str) -> str | None:
    """Return the Space whose image *image* means, or None if it is a Docker image."""
    for prefix in _SPACE_PREFIXES:
        if image.startswith(prefix):
            return image.removeprefix(prefix)
    return None


def _image_to_wire(image: str) -> dict[str, str]:
    space = space_of(image)
    return {"dockerImage": image} if space is None else {"spaceId": space}
