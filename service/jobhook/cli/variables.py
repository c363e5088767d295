"""The environment and the secrets of a job, from options, files and this machine's environment."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from jobhook.cli.options import local_values
from jobhook.cli.output import warn
from jobhook.core.dotenv import read_dotenv
from jobhook.core.errors import UsageError
from jobhook.core.tokens import masked

# A job's environment is far below that.
_FILE_MAX_BYTES = 4 * 1024 * 1024
_STDIN = "-"

Values = dict[str, str | None]


def _with_a_warning(secrets: list[str] | None) -> list[str] | None:
    if any("=" in secret for secret in secrets or ()):
        warn("jobhook: others can read a command line: --secrets NAME takes the value from here")
    return secrets


SecretsOption = Annotated[
    list[str] | None,
    typer.Option(
        "-s",
        "--secrets",
        help="NAME (its value here; HF_TOKEN: that of the login) or NAME=VALUE. Repeat it.",
        callback=_with_a_warning,
    ),
]
SecretsFileOption = Annotated[
    str | None, typer.Option("--secrets-file", help="A file of NAME=VALUE; `-` is stdin.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretOptions:
    """Values that the Hub never gives back."""

    secrets: SecretsOption = None
    secrets_file: SecretsFileOption = None

    def secret_values(self, *, may_lack: bool = False) -> Values:
        """
        Return the secrets by name; where they *may_lack*, one that has no value here is None.

        Raises:
            UsageError: Something is no NAME=VALUE, cannot be read, or has no value here.
        """
        told = _values("--secrets", self.secrets, self.secrets_file)
        return told if may_lack else _complete("--secrets", told)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableOptions(SecretOptions):
    """The secrets and the environment of a job."""

    env: Annotated[
        list[str] | None,
        typer.Option("-e", "--env", help="NAME=VALUE, or NAME (its value here). Repeat it."),
    ] = None
    env_file: Annotated[
        str | None, typer.Option("--env-file", help="A file of NAME=VALUE; `-` is stdin.")
    ] = None

    def env_values(self) -> Values:
        """Return the environment by name; raises as `secret_values` does."""
        if self.env_file == self.secrets_file == _STDIN:
            raise UsageError("--env-file and --secrets-file cannot both be read from stdin")
        return _complete("--env", _values("--env", self.env, self.env_file))


def values_here(names: Iterable[str], *, may_lack: bool) -> Values:
    """Return what *names*, which a script asks for, stand for here; raises as `secret_values`."""
    here = local_values()
    told = {name: here.get(name) for name in names}
    return told if may_lack else _complete("the script's secrets", told)


def _values(option: str, given: Sequence[str] | None, file: str | None) -> Values:
    if not given and file is None:
        return {}
    here = local_values()
    values: Values = {}
    if file is not None:
        values |= _whole(f"{option}-file {file}", _text_of(option, file), here)
    for text in given or ():
        values |= _read(option, text, here)
    return values


def _whole(where: str, text: str, here: Mapping[str, str]) -> Values:
    values = _read(where, text, here)
    if lacking := sum(value is None for value in values.values()):
        # What stands there may be a value whose name was forgotten: it is not told.
        raise UsageError(
            f"{where}: {lacking} of its lines name what has no value here: write NAME=VALUE, or "
            "export it"
        )
    return values


def _read(where: str, text: str, here: Mapping[str, str]) -> Values:
    try:
        return read_dotenv(text, here)
    except UsageError as exc:
        raise UsageError(f"{where}: {exc}") from exc


def _text_of(option: str, file: str) -> str:
    try:
        if file == _STDIN:
            content = sys.stdin.buffer.read(_FILE_MAX_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(_FILE_MAX_BYTES + 1)
        # Windows' tools begin a file with a mark.
        text = content.decode("utf-8-sig")
    except OSError as exc:
        raise UsageError(f"{option}-file {file} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise UsageError(f"{option}-file {file} is no UTF-8 text") from exc
    if len(content) > _FILE_MAX_BYTES:
        raise UsageError(f"{option}-file {file} is over {_FILE_MAX_BYTES:,} bytes")
    return text


def _complete(what: str, values: Values) -> Values:
    # A value that was typed in the place of a name is not told.
    missing = [masked(name) for name, value in values.items() if value is None]
    if missing:
        raise UsageError(
            f"{what}: there is no value here for {', '.join(missing)}: "
            "export it, or write NAME=VALUE"
        )
    return values
