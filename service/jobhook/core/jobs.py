"""
What a Hub Job is: its specification and the wire's rules about it.

The rules are those of the Hub's OpenAPI document for `POST /api/jobs/{namespace}`
(`environment`, `secrets`, `labels` and `timeoutSeconds` of JobSpec).
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
LABEL_VALUE = re.compile(r"[a-zA-Z0-9._-]{0,100}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

# Linux lets one environment string hold 131,072 bytes, with `NAME=` and the final NUL.
ENV_STRING_MAX_BYTES = 131_072

# The Hub takes these prefixes of an image to mean a Space.
_SPACE_PREFIXES = tuple(
    f"{scheme}{host}/spaces/" for scheme in ("https://", "") for host in ("huggingface.co", "hf.co")
)

# Names with a published price (the Hub's Jobs guide, August 2026); the Hub may know more.
FLAVORS = (
    "cpu-basic cpu-upgrade cpu-xl cpu-performance t4-small t4-medium "
    "l4x1 l4x4 l40sx1 l40sx4 l40sx8 "
    "a10g-small a10g-large a10g-largex2 a10g-largex4 a100-large a100x4 a100x8 "
    "h200 h200x2 h200x4 h200x8 rtx-pro-6000 rtx-pro-6000x2 rtx-pro-6000x4 rtx-pro-6000x8"
).split()


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
class JobSpec:
    """
    What to run, where and for how long: the body of `POST /api/jobs/{namespace}`.

    Attributes:
        image: A Docker image, or the URL of a Space whose image is used.
        command: What runs in the container, in place of the image's entry point.
        flavor: The Hub's name for the hardware.
        timeout: Seconds after which the Hub stops the job; always sent.
        env: Values that everybody who may see the job can read.
        secrets: Values that the Hub never gives back; their names it does.
        labels: For finding the job again.
    """

    image: str
    command: tuple[str, ...]
    flavor: str = "cpu-basic"
    timeout: int = 1800
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for problem in problems_of(self):
            raise UsageError(problem)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON body; optional keys are absent when empty, as the Hub expects."""
        body: dict[str, Any] = {
            **_image_to_wire(self.image),
            "command": list(self.command),
            "arguments": [],
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
    yield from _name_problems("env", ENV_NAME, spec.env)
    yield from _name_problems("secrets", SECRET_NAME, spec.secrets)
    for name, value in spec.env.items():
        # "surrogatepass", so that half a character is counted here and told below.
        size = len(f"{name}={value}\0".encode(errors="surrogatepass"))
        if "\0" in value or size > ENV_STRING_MAX_BYTES:
            yield f"env {name} holds a NUL or is over {ENV_STRING_MAX_BYTES:,} bytes with its name"
        if any("\ud800" <= char <= "\udfff" for char in value):
            yield f"env {name} holds half a character"
    for key, value in spec.labels.items():
        if not (LABEL_KEY.fullmatch(key) and LABEL_VALUE.fullmatch(value)):
            shown = f"{key[:120]}={value[:120]}"
            yield f"label {shown!r}: only letters, digits, `.`, `_` and `-`, 100 of each at most"


def _name_problems(what: str, pattern: re.Pattern[str], names: Mapping[str, str]) -> Iterator[str]:
    for name in names:
        if not pattern.fullmatch(name):
            yield f"{what} name {name[:120]!r} will not do: the Hub wants {pattern.pattern}"


def _image_to_wire(image: str) -> dict[str, str]:
    for prefix in _SPACE_PREFIXES:
        if image.startswith(prefix):
            return {"spaceId": image.removeprefix(prefix)}
    return {"dockerImage": image}
