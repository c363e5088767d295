"""What all calls that go on to the Hub share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from jobhook.core.planning import OUR_LABELS
from jobhook.web.api.faults import Fault
from jobhook.web.api.given import Given
from jobhook.web.api.job_kinds import Namespace
from jobhook.web.api.operations import Call

# With every call of the Hub; and with those that name a namespace, which may not be there.
HUB = (Fault.HUB_REFUSED, Fault.HUB_FORBIDDEN, Fault.HUB_UNAUTHORIZED, Fault.HUB_BUSY)
FOUND = (*HUB, Fault.NOT_FOUND)
CHANGED = (*FOUND, Fault.OUTCOME_UNKNOWN)
LAUNCHED = (
    *CHANGED,
    Fault.LIMIT_REACHED,
    Fault.PAUSED,
    Fault.NOT_POSSIBLE,
    Fault.STILL_RUNNING,
    Fault.KEY_REUSED,
)

NamespaceAsked = Annotated[
    Namespace | None,
    Field(description="The user or org that it is in; the service's own if not given."),
]


class Somewhere(Given):
    """In which namespace."""

    namespace: NamespaceAsked = None


def home(call: Call) -> str | None:
    """Return the namespace that a call is about: the one that it names, or the service's own."""
    said = getattr(call.body, "namespace", None) or getattr(call.query, "namespace", None)
    return said or call.services.namespace


def key_of(call: Call) -> str | None:
    """Return the Idempotency-Key as one that no other caller can have, now or later."""
    caller = call.caller
    return None if call.key is None else f"{caller.token_id or caller.who}\0{call.key}"


def ours(labels: Mapping[str, str] | None) -> dict[str, str]:
    """Return those of *labels* by which the ledger knows a job: nobody else takes them away."""
    told = (labels or {}).items()
    return {name: value for name, value in told if name.startswith(OUR_LABELS)}
