"""Options that several commands share, and the settings that they end up in."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from jobhook.settings import PREFIX, Settings

_OF_THIS_MACHINE = ("database", "rules")

RulesFolder = Annotated[
    Path | None, typer.Option("--rules", help="The folder with the rule files (JOBHOOK_RULES).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Database = Annotated[
    str | None, typer.Option("--database", help="Where it is kept (JOBHOOK_DATABASE).")
]


def settings_with(**given: object) -> Settings:
    """
    Return the settings of the environment, with the options that were *given* on top.

    Whoever names a database or a folder of rules means this machine, and no service elsewhere.
    """
    options = {f"{PREFIX}{name.upper()}": str(v) for name, v in given.items() if v is not None}
    settings = Settings.from_env({**os.environ, **options})
    is_here = any(given.get(name) is not None for name in _OF_THIS_MACHINE)
    return replace(settings, elsewhere=None) if is_here else settings


def settings_here(**given: object) -> Settings:
    """Return the same, for what is about files of this machine wherever the service is."""
    return replace(settings_with(**given), elsewhere=None)


def local_values() -> dict[str, str]:
    """Return what names stand for on this machine: its environment, and the token of the login."""
    token = settings_with().hf_token
    return {**os.environ, **({"HF_TOKEN": token} if token else {})}


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """
    Return *command* as Typer can read it, which knows no groups of options.

    A parameter that is a dataclass is taken apart: each of its fields is an option.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    @functools.wraps(command)
    def taken_apart(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{each.name: given.pop(each.name) for each in _options(group)})
        command(**given)

    single = (option for option in _options(command) if option.name not in groups)
    options = [*(each for group in groups.values() for each in _options(group)), *single]
    taken_apart.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    return taken_apart


def _options(of: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(of, include_extras=True)
    for each in inspect.signature(of).parameters.values():
        yield each.replace(annotation=hints[each.name], kind=inspect.Parameter.KEYWORD_ONLY)
