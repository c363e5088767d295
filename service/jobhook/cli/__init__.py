"""Floor 5: the command line."""

from __future__ import annotations

import sys


def main() -> None:
    """
    Run the command that the arguments name.

    Exit codes: 0 done, 1 it failed or a check did not hold, 2 wrong use.
    """
    from jobhook.cli.app import app
    from jobhook.cli.output import prepare_streams, warn
    from jobhook.core.errors import JobHookError, SettingsError, UsageError

    prepare_streams()
    try:
        app(prog_name="jobhook")
    except JobHookError as exc:
        for line in f"jobhook: {exc}".split("\n"):
            warn(line)
        sys.exit(2 if isinstance(exc, UsageError | SettingsError) else 1)
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads us any more
        sys.exit(1)
