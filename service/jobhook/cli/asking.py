"""Whoever gives an order: who it is, and whether it is meant."""

from __future__ import annotations

import os
import pwd
import sys
from typing import Annotated

import typer

from jobhook.core.errors import UsageError

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def confirm(question: str) -> None:
    """
    Ask a person at a terminal, and end the command unless they agree.

    Raises:
        UsageError: There is no terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to ask at: repeat it with --yes")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)


def who() -> str:
    """Return the name of whoever runs this process."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user need not have a name
        return f"user {os.getuid()}"


def count(number: int, one: str, many: str) -> str:
    """Return a number with the word that fits it."""
    return f"{number} {one if number == 1 else many}"
