"""What a rule runs: one Hub Job, as data that no stranger can shape."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from jobhook.core.errors import UsageError
from jobhook.core.jobs import JobSpec, parse_timeout
from jobhook.core.strict import Strict, fault, tuple_of

INJECTED_PREFIXES = ("WEBHOOK_", "JOBHOOK_")

_LOOKS_LIKE_TOKEN = re.compile(r"\bhf_(?:[a-z]+_)?[A-Za-z0-9]{20,}")


def _seconds(value: object) -> object:
    if isinstance(value, str | int) and not isinstance(value, bool):
        try:
            return parse_timeout(value)
        except UsageError as exc:
            raise fault(str(exc)) from exc
    return value


Timeout = Annotated[
    int,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["2h"]}),
]


class Action(Strict):
    """One Hub Job that a rule launches."""

    image: str = Field(
        description="A Docker image, or the URL of a Space.", examples=["python:3.12"]
    )
    command: tuple[str, ...] = tuple_of("What runs, word by word; no shell, no templates.", least=1)
    flavor: str = Field(default="cpu-basic", description="The Hub's name for the hardware.")
    timeout: Timeout = Field(default=1800, description="Seconds, or a number with s, m, h or d.")
    env: dict[str, str] = Field(default={}, description="Readable by all who may see the job.")
    secrets: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="Names; the service hands over its JOBHOOK_SECRET_<NAME>.",
    )

    @model_validator(mode="after")
    def _fits_the_hub(self) -> Self:
        for text in (self.image, *self.command, self.flavor, *self.secrets, *self.env.values()):
            if "${{" in text:
                raise fault("`${{ … }}` is not supported yet: the job finds all in WEBHOOK_PAYLOAD")
        for name in (*self.env, *self.secrets):
            if name.startswith(INJECTED_PREFIXES):
                where = "env" if name in self.env else "secrets"
                prefixes = " or ".join(INJECTED_PREFIXES)
                raise fault(f"{where} {name}: names with {prefixes} are injected")
        for name, value in self.env.items():
            if name in self.secrets:
                raise fault(f"{name} stands in env and in secrets: keep one")
            if _LOOKS_LIKE_TOKEN.search(value):
                raise fault(f"env {name} looks like a token, and env can be read: use `secrets`")
        try:
            self.spec()
        except UsageError as exc:
            raise fault(str(exc)) from exc
        return self

    def spec(self) -> JobSpec:
        """Return the job as the rule asks for it; the secrets have names only."""
        return JobSpec(
            image=self.image,
            command=self.command,
            flavor=self.flavor,
            timeout=self.timeout,
            env=self.env,
            secrets=dict.fromkeys(self.secrets, ""),
        )
