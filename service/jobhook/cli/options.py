"""Options that several commands share, and the settings that they end up in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from jobhook.settings import PREFIX, Settings

RulesFolder = Annotated[
    Path | None, typer.Option("--rules", help="The folder with the rule files (JOBHOOK_RULES).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Database = Annotated[
    str | None, typer.Option("--database", help="Where it is kept (JOBHOOK_DATABASE).")
]


def settings_with(**given: object) -> Settings:
    """Return the settings of the environment, with the options that were *given* on top."""
    options = {f"{PREFIX}{name.upper()}": str(v) for name, v in given.items() if v is not None}
    return Settings.from_env({**os.environ, **options})
