"""
What can be asked of the API: the one table from which everything else is made.

Routing, roles, validation, the audit log, the OpenAPI document and the page of documentation all
read the same `Operation`; nothing is said twice.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobhook.core.access import Caller, Role
from jobhook.web.api.faults import Fault
from jobhook.web.api.given import Given, NoQuery

if TYPE_CHECKING:
    from jobhook.web.api.services import Services

PREFIX = "/api/v1"
JSON = "application/json"
EVENTS = "text/event-stream"
BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Event:
    """
    One event of a stream.

    Attributes:
        id: What `Last-Event-ID` says to go on behind it; None where nobody can.
        data: What it tells, as JSON.
    """

    data: Any
    id: str | None = None
    kind: str = "message"


# What comes together may be handed over together, and is then sent at once; also as it is written.
Told = Event | tuple[Event, ...] | bytes
Events = AsyncIterator[Told]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of a path that names something."""

    pattern: str
    meaning: str
    example: str

    def __post_init__(self) -> None:
        re.compile(self.pattern)


_HUB_ID = "^[0-9a-f]{24}$"
# Of everything that stands in braces in a path.
PARAMETERS: Mapping[str, Parameter] = {
    "job_id": Parameter(_HUB_ID, "The id of a job on the Hub.", "687f911eaea852de79c4a50a"),
    "schedule_id": Parameter(_HUB_ID, "The id of a scheduled job.", "687f911eaea852de79c4a50b"),
    "webhook_id": Parameter(_HUB_ID, "The id of a webhook on the Hub.", "687f911eaea852de79c4a50c"),
    "delivery_id": Parameter("^[a-z0-9]{1,64}$", "Our id of a delivery.", "d0f3b2a1c4"),
    "launch_id": Parameter("^[a-z0-9]{1,64}$", "The id of a launch.", "l0f3b2a1c4"),
    "rule_id": Parameter("^[a-z0-9-]{1,63}$", "The id of a rule.", "retrain-on-data"),
    "token_id": Parameter("^t[0-9a-f]{12}$", "The id of an API token.", "t0f3b2a1c4d5e"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """
    One call that may be carried out: who asks for what, all of it checked.

    Attributes:
        params: The parts of the path that are in braces.
        query: An instance of the operation's *query*; *body* of its *body*.
        source: The address that it came from.
        key: Its Idempotency-Key.
        last_event_id: After which event a stream goes on.
    """

    services: Services
    caller: Caller
    params: Mapping[str, str]
    query: Any
    body: Any
    request_id: str
    source: str
    key: str | None = None
    last_event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """
    One thing that can be asked for.

    Attributes:
        name: Its name in the OpenAPI document and the audit log, such as `jobs.run`.
        path: Below `/api/v1`; what is in braces stands in `PARAMETERS`.
        role: The least that a caller must be.
        answer: The type of what is answered, in JSON, and of each event of a stream; None for an
            answer without a body.
        media: What the answer is.
        query, body: What callers give.
        faults: What can go wrong, beside what can with every call of its kind.
        takes_key: Whether it makes something, and an Idempotency-Key is heeded.
        is_question: Whether it changes nothing, although its method may.
        in_ledger: Whether the ledger of launches knows what became of a call with a key.
        example: Of a body.
    """

    name: str
    method: str
    path: str
    summary: str
    role: Role
    handle: Callable[[Call], Awaitable[Any]]
    answer: Any = None
    status: int = 200
    media: str = JSON
    description: str = ""
    query: type[Given] = NoQuery
    body: type[Given] | None = None
    body_is_optional: bool = False
    faults: tuple[Fault, ...] = ()
    takes_key: bool = False
    in_ledger: bool = False
    is_question: bool = False
    example: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether it may change something, so that it is noted in the audit log."""
        return self.method != "GET" and not self.is_question

    @property
    def is_told_by_hub(self) -> bool:
        """Whether the Hub is asked and nothing else, which may take long and may be broken off."""
        return Fault.HUB_BUSY in self.faults and not self.changes

    @property
    def tag(self) -> str:
        """The group that it stands in."""
        return self.name.partition(".")[0]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in braces in its path."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))
