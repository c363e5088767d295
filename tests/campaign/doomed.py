"""
`python -m campaign.doomed PLACE ACTION NTH COMMAND…`: jobhook that dies, or fails, at a fail-point.

The NTH time that the code passes PLACE, the process gets SIGKILL (`kill`), a SIGSTOP that somebody
else has to end (`stop`), or an error that nobody expects is raised there (`raise`).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from jobhook import failpoints
from jobhook.cli import main

KILL, RAISE, STOP = "kill", "raise", "stop"


class Doom(Exception):
    """The error that a fail-point raises."""


def _raise() -> None:
    raise Doom("a fail-point")


ACTIONS: dict[str, Callable[[], object]] = {
    KILL: lambda: os.kill(os.getpid(), signal.SIGKILL),
    STOP: lambda: os.kill(os.getpid(), signal.SIGSTOP),
    RAISE: _raise,
}


def doom(place: str, action: str, nth: int) -> None:
    """Arm *place*, once."""
    passed = 0

    def act() -> None:
        nonlocal passed
        passed += 1
        if passed == nth:
            ACTIONS[action]()

    failpoints.arm(place, act)


if __name__ == "__main__":
    _, place, action, nth, *command = sys.argv
    doom(place, action, int(nth))
    sys.argv = ["jobhook", *command]
    main()
