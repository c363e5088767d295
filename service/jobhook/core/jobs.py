"""
What a Hub Job is: its specification and the wire's rules about it.

The rules are those of the Hub's OpenAPI document for `POST /api/jobs/{namespace}`, and those of the
official client (`huggingface_hub` 2.4) for what that document does not know yet: `network`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from jobhook.core.errors import UsageError

ENV_NAME = re.compile(r"[a-zA-Z][_a-zA-Z0-9]+")
SECRET_NAME = re.compile(r"[a-zA-Z][_a-zA-Z0-9]*")
LABEL_KEY = re.compile(r"[a-zA-Z0-9._-]{1,100}")
LABEL_MAX = 100
LABEL_VALUE = re.compile(rf"[a-zA-Z0-9._-]{{0,{LABEL_MAX}}}")
NAMESPACE = re.compile(r"[A-Za-z0-9._-]{1,96}")
PORTS_MAX = 20
VOLUME_TYPES = ("bucket", "model", "dataset", "space")
ARCHITECTURES = ("amd64", "arm64")
_RESOURCE_GROUP = re.compile("[0-9a-f]{24}")
_NETWORK_GROUP = re.compile("[a-z0-9-]{1,46}")
_NETWORK_ALIAS = re.compile("[a-z0-9-]{1,34}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

# Linux lets one environment string hold 131,072 bytes, with `NAME=` and the final NUL.
ENV_STRING_MAX_BYTES = 131_072

# The Hub takes these prefixes of an image to mean a Space.
_SPACE_PREFIXES = tuple(
    f"{scheme}{host}/spaces/" for scheme in ("https://", "") for host in ("huggingface.co", "hf.co")
)


@dataclass(frozen=True, slots=True)
class Flavor:
    """What a kind of hardware costs and holds: *accelerator* is None where there is none."""

    usd_per_hour: float
    accelerator: str | None = None


# As published (the Hub's Jobs guide, August 2026); the Hub may know more, and says what is paid.
FLAVORS: Mapping[str, Flavor] = {
    "cpu-basic": Flavor(0.01),
    "cpu-upgrade": Flavor(0.03),
    "cpu-xl": Flavor(1.0),
    "cpu-performance": Flavor(1.9),
    "t4-small": Flavor(0.4, "1 T4"),
    "t4-medium": Flavor(0.6, "1 T4"),
    "l4x1": Flavor(0.8, "1 L4"),
    "l4x4": Flavor(3.8, "4 L4"),
    "l40sx1": Flavor(1.8, "1 L40S"),
    "l40sx4": Flavor(8.3, "4 L40S"),
    "l40sx8": Flavor(23.5, "8 L40S"),
    "a10g-small": Flavor(1.0, "1 A10G"),
    "a10g-large": Flavor(1.5, "1 A10G"),
    "a10g-largex2": Flavor(3.0, "2 A10G"),
    "a10g-largex4": Flavor(5.0, "4 A10G"),
    "a100-large": Flavor(2.5, "1 A100"),
    "a100x4": Flavor(10.0, "4 A100"),
    "a100x8": Flavor(20.0, "8 A100"),
    "h200": Flavor(5.0, "1 H200"),
    "h200x2": Flavor(10.0, "2 H200"),
    "h200x4": Flavor(20.0, "4 H200"),
    "h200x8": Flavor(40.0, "8 H200"),
    "rtx-pro-6000": Flavor(2.75, "1 RTX PRO 6000"),
    "rtx-pro-6000x2": Flavor(5.5, "2 RTX PRO 6000"),
    "rtx-pro-6000x4": Flavor(11.0, "4 RTX PRO 6000"),
    "rtx-pro-6000x8": Flavor(22.0, "8 RTX PRO 6000"),
}


class Stage(StrEnum):
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


ACTIVE_STAGES = (Stage.SCHEDULING, Stage.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A bucket or repo that the job finds at *mount_path*; what is None the Hub decides."""

    type: str
    source: str
    mount_path: str
    revision: str | None = None
    read_only: bool | None = None
    path: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return its JSON."""
        optional = {"revision": self.revision, "readOnly": self.read_only, "path": self.path}
        told = {"type": self.type, "source": self.source, "mountPath": self.mount_path}
        return {**told, **{key: value for key, value in optional.items() if value is not None}}


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
        timeout: Seconds after which the Hub stops the job; always sent.
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
    timeout: int = 1800
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

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON body; optional keys are absent when empty, as the Hub expects."""
        body: dict[str, Any] = {
            **_image_to_wire(self.image),
            "command": list(self.command),
            "arguments": list(self.args),
            "environment": dict(self.env),
            "flavor": self.flavor,
            "timeoutSeconds": self.timeout,
            # The platform must not run a job a second time on its own account.
            "attempts": 1,
        }
        if self.secrets:
            body["secrets"] = dict(self.secrets)
        if self.labels:
            body["labels"] = dict(self.labels)
        return {**body, **self._seldom()}

    def _seldom(self) -> dict[str, Any]:
        body: dict[str, Any] = {}
        if self.volumes:
            body["volumes"] = [volume.to_wire() for volume in self.volumes]
        if self.expose or self.expose_public:
            public = list(dict.fromkeys(self.expose_public))
            # The Hub wants the public ones in both lists.
            ports = list(dict.fromkeys((*self.expose, *public)))
            body["expose"] = {"ports": ports, "portsPublic": public}
        if self.ssh:
            body["ssh"] = {"enabled": True}
        if self.resource_group_id:
            body["resourceGroupId"] = self.resource_group_id
        if self.network:
            body["network"] = self.network.to_wire()
        if self.arch:
            body["arch"] = self.arch
        return body


def parse_timeout(value: str | int) -> int:
    """
    Return the seconds that *value* means: `90`, `"90"`, `"90s"`, `"1.5h"`, `"2d"`.

    Raises:
        UsageError: If it is no positive number of seconds, minutes, hours or days.
    """
    # A number with more than 15 digits is no timeout; str() and float() of very long ones fail.
    too_long = isinstance(value, int) and abs(value) >= 10**16
    text = "" if too_long else str(value).strip()
    match = _DURATION.fullmatch(text) if not isinstance(value, bool) else None
    seconds = float(match[1]) * _SECONDS[match[2]] if match and len(text) <= 16 else math.nan
    if not seconds >= 1:
        raise UsageError(
            f"timeout {text[:40]!r} is no length of time: "
            "write seconds, or a number with s, m, h or d"
        )
    return int(seconds)


def problems_of(spec: JobSpec) -> Iterator[str]:
    """Yield a sentence for every rule of the wire that *spec* breaks; no secret is told."""
    if not spec.image:
        yield "image is empty: name a Docker image such as python:3.12"
    if not spec.command or not all(spec.command):
        yield "command needs at least one word, and no word may be empty"
    if spec.timeout < 1:
        yield f"timeout {spec.timeout} must be at least 1 second"
    if any("\0" in word or _is_broken(word) for word in (*spec.command, *spec.args)):
        yield "command and args may hold no NUL and no half of a character"
    if spec.namespace is not None and not NAMESPACE.fullmatch(spec.namespace):
        yield f"namespace {spec.namespace[:120]!r} is no name of a user or org"
    yield from _name_problems("env", ENV_NAME, spec.env)
    yield from _name_problems("secrets", SECRET_NAME, spec.secrets)
    for name, value in spec.env.items():
        # "surrogatepass", so that half a character is counted here and told below.
        size = len(f"{name}={value}\0".encode(errors="surrogatepass"))
        if "\0" in value or size > ENV_STRING_MAX_BYTES:
            yield f"env {name} holds a NUL or is over {ENV_STRING_MAX_BYTES:,} bytes with its name"
        if _is_broken(value):
            yield f"env {name} holds half a character"
    for key, value in spec.labels.items():
        if not (LABEL_KEY.fullmatch(key) and LABEL_VALUE.fullmatch(value)):
            shown = f"{key[:120]}={value[:120]}"
            yield f"label {shown!r}: only letters, digits, `.`, `_` and `-`, 100 of each at most"
    yield from _seldom_problems(spec)


def _seldom_problems(spec: JobSpec) -> Iterator[str]:
    for volume in spec.volumes:
        if volume.type not in VOLUME_TYPES:
            yield f"volume type {volume.type[:40]!r}: one of {', '.join(VOLUME_TYPES)}"
        if not volume.source or not volume.mount_path.startswith("/"):
            yield "a volume needs a source, and a mountPath that begins with `/`"
    ports = {*spec.expose, *spec.expose_public}
    if len(ports) > PORTS_MAX or not all(1 <= port <= 65535 for port in ports):
        yield f"a job exposes {PORTS_MAX} ports at most, each from 1 to 65535"
    group = spec.resource_group_id
    if group is not None and not _RESOURCE_GROUP.fullmatch(group):
        yield f"resource_group_id {group[:40]!r} must be 24 hexadecimal digits"
    if spec.network:
        if not _NETWORK_GROUP.fullmatch(spec.network.group):
            yield "network group: lower-case letters, digits and `-`, 46 at most"
        if not all(map(_NETWORK_ALIAS.fullmatch, spec.network.aliases)):
            yield "network aliases: lower-case letters, digits and `-`, 34 at most"
    if spec.arch is not None and spec.arch not in ARCHITECTURES:
        yield f"arch {spec.arch[:40]!r}: one of {', '.join(ARCHITECTURES)}"


def _is_broken(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _name_problems(what: str, pattern: re.Pattern[str], names: Mapping[str, str]) -> Iterator[str]:
    for name in names:
        if not pattern.fullmatch(name):
            yield f"{what} name {name[:120]!r} will not do: the Hub wants {pattern.pattern}"


def _image_to_wire(image: str) -> dict[str, str]:
    for prefix in _SPACE_PREFIXES:
        if image.startswith(prefix):
            return {"spaceId": image.removeprefix(prefix)}
    return {"dockerImage": image}
