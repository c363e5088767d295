"""What the Hub's answers make of a launch: a clear no is told from an unknown outcome."""

from __future__ import annotations

from jobhook.core.errors import (
    HubBusy,
    HubForbidden,
    HubRefused,
    HubUnauthorized,
    OutcomeUnknown,
)
from jobhook.core.launches import LONGEST_WAIT_MS, Launch, LaunchState, moved
from jobhook.flows.worker import backoff

# How the reason begins while the Hub refuses the token.
AUTH = "auth: "
_LONGEST_BACKOFF = 5 * 60.0
_PAYMENT_REQUIRED = 402


def after_sending(
    exc: HubBusy | HubRefused | OutcomeUnknown, launch: Launch, *, now: int
) -> Launch:
    """Return what *launch* becomes, whose request the Hub answered with *exc*."""
    match exc:
        case OutcomeUnknown():
            return moved(launch, LaunchState.UNKNOWN, now=now, reason=str(exc))
        case HubBusy():
            return put_off(launch, str(exc), now=now, retry_after=exc.retry_after)
        case HubUnauthorized() | HubForbidden():
            return moved(launch, LaunchState.HELD, now=now, reason=f"{AUTH}{exc}")
        case HubRefused(status=status) if status == _PAYMENT_REQUIRED:
            return moved(launch, LaunchState.HELD, now=now, reason=f"budget-upstream: {exc}")
    return moved(launch, LaunchState.REJECTED, now=now, reason=str(exc))


def after_look(exc: HubBusy | HubRefused, launch: Launch, *, now: int) -> Launch:
    """Return what *launch* becomes, whose job could not be looked for before it was sent."""
    if isinstance(exc, HubBusy | HubUnauthorized | HubForbidden):
        return after_sending(exc, launch, now=now)
    # What is refused here is the list: of the launch nobody has said a word.
    return put_off(launch, f"its job could not be looked for: {exc}", now=now)


def put_off(launch: Launch, reason: str, *, now: int, retry_after: float | None = None) -> Launch:
    """Return *launch*, of which nothing was sent, to be sent later and later."""
    seconds = backoff(launch.attempts, _LONGEST_BACKOFF) if retry_after is None else retry_after
    due_at = now + min(int(seconds * 1000), LONGEST_WAIT_MS)
    return moved(launch, LaunchState.READY, now=now, reason=reason, due_at=due_at)
