"""What `POST /api/jobs/{namespace}` accepts, and how it is told again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel

from jobhook.core.jobs import ENV_NAME, LABEL_KEY, LABEL_VALUE, SECRET_NAME

from .hardware import HARDWARE, Hardware

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_TIMEOUT = 1800


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    return text


def _matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{what} {text[:120]!r} must match {pattern.pattern}")
        return text

    return AfterValidator(check)


def _known_flavor(name: str) -> str:
    if name not in HARDWARE:
        raise ValueError(f"{name[:40]!r} is no hardware: one of {', '.join(HARDWARE)}")
    return name


_Text = Annotated[str, AfterValidator(_without_nul)]
_Word = Annotated[_Text, StringConstraints(min_length=1)]
_Port = Annotated[int, Field(ge=1, le=65535)]
_Environment = dict[Annotated[str, _matching(ENV_NAME, "the name")], _Text]
Secrets = dict[Annotated[str, _matching(SECRET_NAME, "the name")], _Text]
Labels = dict[
    Annotated[str, _matching(LABEL_KEY, "the key")],
    Annotated[str, _matching(LABEL_VALUE, "the value")],
]


class Body(BaseModel):
    """What comes over the wire in camel case, with nothing converted."""

    # Unknown fields are let pass: newer clients send what we do not know yet.
    model_config = ConfigDict(strict=True, frozen=True, alias_generator=to_camel)


class Expose(Body):
    """Ports of the job that others may reach."""

    ports: list[_Port] = Field(max_length=20)
    ports_public: list[_Port] | None = Field(default=None, max_length=20)

    @model_validator(mode="after")
    def _public_ones_are_exposed(self) -> Expose:
        if not set(self.ports_public or ()) <= set(self.ports):
            raise ValueError("portsPublic must be among ports")
        return self


class Ssh(Body):
    """Whether one may log in to the job."""

    enabled: bool = False


class Volume(Body):
    """A repo or bucket that a job finds as a folder."""

    type: Literal["bucket", "model", "dataset", "space"]
    source: _Word
    mount_path: Annotated[_Text, StringConstraints(pattern="^/")]
    revision: _Word | None = None
    read_only: bool | None = None
    path: _Text | None = None


class Network(Body):
    """The group of jobs that reach one another, and what this one is called in it."""

    group: Annotated[str, StringConstraints(pattern="^[a-z0-9-]{1,46}$")]
    aliases: (
        Annotated[
            list[Annotated[str, StringConstraints(pattern="^[a-z0-9-]{1,34}$")]],
            Field(max_length=20),
        ]
        | None
    ) = None


class LabelsBody(Body):
    """The labels that something is to have, in the place of all others."""

    labels: Labels


class JobBody(Body):
    """A job as it is asked for."""

    docker_image: _Word | None = None
    space_id: _Word | None = None
    command: list[_Word] = Field(min_length=1)
    arguments: list[_Text] = []
    environment: _Environment = {}
    secrets: Secrets = Field(default={}, repr=False)
    flavor: Annotated[str, AfterValidator(_known_flavor)]
    arch: Literal["amd64", "arm64"] | None = None
    timeout_seconds: Annotated[int, Field(gt=0)] | None = None
    attempts: int = Field(default=1, ge=1)
    labels: Labels = {}
    volumes: list[Volume] | None = Field(default=None, min_length=1)
    expose: Expose | None = None
    ssh: Ssh | None = None
    resource_group_id: Annotated[str, StringConstraints(pattern="^[0-9a-f]{24}$")] | None = None
    network: Network | None = None

    @model_validator(mode="after")
    def _one_image(self) -> JobBody:
        if (self.docker_image is None) == (self.space_id is None):
            raise ValueError("exactly one of dockerImage and spaceId must be given")
        return self

    @property
    def hardware(self) -> Hardware:
        """Return the machine that the flavor means."""
        return HARDWARE[self.flavor]

    @property
    def timeout(self) -> int:
        """Return after how many seconds the job is stopped."""
        return self.timeout_seconds or DEFAULT_TIMEOUT

    @property
    def argv(self) -> list[str]:
        """Return the words to run; they replace the image's entry point."""
        return [*self.command, *self.arguments]

    def lacking(self) -> Iterator[str]:
        """Yield a sentence for all that is asked for and that this machine does not give."""
        for volume in self.volumes or ():
            yield (
                f"no volume is mounted here: {volume.mount_path} is not "
                f"{volume.type} {volume.source}"
            )
        if self.ssh and self.ssh.enabled:
            yield "nobody listens at the address for SSH: the job runs on this machine"
        if self.network:
            yield "there are no names of network groups here: all jobs share 127.0.0.1"

    def to_env(self) -> dict[str, str]:
        """Return what the job is told about where it runs."""
        env = self.hardware.to_env()
        if self.network:
            env["HF_NETWORK_GROUP_HOSTNAME"] = "localhost"
            env["HF_NETWORK_GROUP_PREFIX"] = f"{self.network.group}-"
        return env

    def to_stored(self) -> dict[str, Any]:
        """Return all of it, to be read again by this class."""
        return self.model_dump(by_alias=True, exclude_none=True)

    def to_wire(self) -> dict[str, Any]:
        """Return what the Hub tells about the job again: secrets as names only."""
        wire = self.model_dump(
            by_alias=True,
            exclude_none=True,
            exclude={"secrets", "timeout_seconds", "attempts", "ssh", "labels"},
        )
        wire |= {"timeout": self.timeout, "retry": self.attempts - 1}
        if self.secrets:
            wire["secrets"] = list(self.secrets)
        if self.labels:
            wire["labels"] = self.labels
        return wire
