"""
`uv:` of a rule: a Python script that `uv run` runs, from a URL or from a file beside the rules.

The words are those of the official client's `run_uv_job`. It carries a local script in a bucket;
here it travels with the job, in one variable of its environment, so that no other call is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from jobhook.core.errors import FilesTooLong, UsageError
from jobhook.core.inlining import LocalFile, inlined
from jobhook.core.strict import Strict, fault
from jobhook.core.templates import Plain
from jobhook.core.tokens import without_token
from jobhook.core.uv_runs import uv_run

# The key of the validation's context under which scripts are handed in: what their files hold, or
# why they cannot be read, by the name that the rule gives them.
SCRIPTS = "scripts"
Scripts = Mapping[str, bytes | UsageError]


def is_url(script: str) -> bool:
    """Whether *script* is fetched by the job, and no file beside the rules."""
    return "://" in script


# A word of what runs.
Word = Annotated[Plain, AfterValidator(without_token)]


class Uv(Strict):
    """A Python script, and what `uv run` needs to run it."""

    script: Word = Field(
        min_length=1,
        description="An https URL, or a file in the rules folder, by its path from there.",
        examples=["scripts/train.py"],
    )
    args: tuple[Word, ...] = Field(
        default=(), strict=False, description="What the script is called with, word by word."
    )
    dependencies: tuple[Word, ...] = Field(
        default=(), strict=False, description="What it needs beside what its own header says."
    )
    python: Plain | None = Field(default=None, description="The version of Python, such as 3.12.")

    _command: tuple[str, ...] = PrivateAttr(default=())
    _env: Mapping[str, str] = PrivateAttr(default_factory=dict)
    _digest: str = PrivateAttr(default="")

    @field_validator("script")
    @classmethod
    def _is_fetched_safely(cls, script: str) -> str:
        if is_url(script) and not script.startswith("https://"):
            raise fault("the script's URL must begin with https://", code="bad-script")
        if not is_url(script) and not script.endswith(".py"):
            raise fault(
                "a script beside the rules must be a file that ends in .py", code="bad-script"
            )
        return script

    @field_validator("script")
    @classmethod
    def _can_be_read(cls, script: str, info: ValidationInfo) -> str:
        if not is_url(script):
            found = _script(script, info)
            if isinstance(found, UsageError):
                raise fault(str(found), code="bad-script")
        return script

    @field_validator("dependencies")
    @classmethod
    def _are_no_options(cls, dependencies: tuple[str, ...]) -> tuple[str, ...]:
        for each in dependencies:
            if not each or each.startswith("-"):
                raise fault(f"{each[:60]!r} is no dependency: write it as in `uv run --with …`")
        return dependencies

    @field_validator("python")
    @classmethod
    def _is_no_option(cls, python: str | None) -> str | None:
        if python is not None and (not python or python.startswith("-")):
            raise fault(f"{python[:60]!r} is no version of Python: write one such as 3.12")
        return python

    @model_validator(mode="after")
    def _carries_the_script(self, info: ValidationInfo) -> Self:
        uv = uv_run(self.dependencies, self.python)
        found = b"" if is_url(self.script) else _script(self.script, info)
        if is_url(self.script) or isinstance(found, UsageError):
            self._command = (*uv, self.script, *self.args)
            return self
        name = self.script.rpartition("/")[2]
        try:
            self._command, self._env = inlined([*uv, LocalFile(name, found), *self.args])
        except FilesTooLong as exc:
            raise fault(
                f"{self.script} is too long to travel with the job: {exc}; "
                "put it where it has a URL",
                code="bad-script",
                at=("script",),
            ) from exc
        self._digest = hashlib.sha256(found).hexdigest()
        return self

    @property
    def digest(self) -> str:
        """What tells the script from any other, and empty if the job fetches it."""
        return self._digest

    @property
    def command(self) -> tuple[str, ...]:
        """What runs: the official client's words, or those that unpack the script first."""
        return self._command

    @property
    def env(self) -> Mapping[str, str]:
        """The variables that the command needs."""
        return self._env


def _script(script: str, info: ValidationInfo) -> bytes | UsageError:
    context: dict[str, Any] = info.context or {}
    scripts: Scripts = context.get(SCRIPTS, {})
    return scripts.get(script, UsageError(f"there is no file {script} in the rules folder"))
