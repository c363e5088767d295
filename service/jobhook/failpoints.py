"""
Named places at which a test ends the process or lets the code fail; in production they do nothing.

Nothing but a call of `arm` can set one off: no setting and no variable of the environment does.
"""

from __future__ import annotations

from collections.abc import Callable

# Crash points of the fault model, in the order in which a delivery passes them.
NAMES = frozenset(
    {
        "receive.secret_checked",  # C1
        "receive.body_begun",  # C2
        "store.inserted",  # C3: inside the transaction that records a delivery
        "store.committed",  # C5: on disk, not yet answered
        "receive.answered",  # C6
        "routing.begun",  # C6, C18: the try is counted, nothing is decided
        "store.routing",  # C7: inside the transaction that keeps the decision
        "routing.decided",  # C8
        "enriching.begun",  # the look is counted, nothing is asked
        "enriching.found",  # the Hub has answered, nothing is decided
        "enriching.decided",
        "direct.begun",  # C9: what a person asked for, committed as sending
        "dispatch.claimed",  # C9: committed as sending, no byte has left
        "dispatch.sending",  # F40: right before the request leaves
        "dispatch.answered",  # C12: the answer is in memory only
        "dispatch.recorded",  # C13
        "tracking.listed",  # C14
        "reaping.cancelled",  # C15
        "store.migrating",  # C16: after each statement of a migration
        "store.pruning",  # C17: inside the transaction that forgets old deliveries
    }
)

_armed: dict[str, Callable[[], object]] = {}


def failpoint(name: str) -> None:
    """Do nothing, unless a test has armed *name*."""
    if _armed and name in _armed:
        _armed[name]()


def arm(name: str, act: Callable[[], object]) -> None:
    """Let *act* happen whenever the code passes *name*; `KeyError` if there is no such place."""
    if name not in NAMES:
        raise KeyError(name)
    _armed[name] = act


def disarm() -> None:
    """Let nothing happen anywhere any more."""
    _armed.clear()
