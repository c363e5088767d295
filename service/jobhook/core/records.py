"""What is kept of deliveries and of what was decided about them."""

from __future__ import annotations

from dataclasses import dataclass

from jobhook.core.deliveries import DeliveryKey, DeliveryState

# A second delivery without an id and with the same body counts as a copy for this long.
WEAK_WINDOW_MS = 10 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """
    A delivery that passed the secret, to be stored as it came.

    Attributes:
        received_at: Milliseconds since 1970, UTC.
    """

    source: str
    key: DeliveryKey
    body: bytes
    received_at: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What storing a delivery gave: our id for it, and whether it was known already."""

    delivery: str
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """
    How a launch stands, as far as it says whether it may go on, and what is paused at that moment.

    Attributes:
        paused: The scopes of all pauses.
    """

    state: str
    attempts: int
    reason: str
    paused: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDelivery:
    """
    A delivery in the database, without its body.

    Attributes:
        key: What it is deduplicated by; `webhook_id` is None if that is only its body.
        events: Names of the semantic events, once it was read.
        generation: How often a person asked for it to be decided again.
        due_at: While it is `enriching`, when the Hub is asked next, in milliseconds since 1970.
        looks: How often that was begun.
        is_damaged: Whether it is not as it came, as far as that was looked at.
    """

    id: str
    source: str
    key: str
    webhook_id: str | None
    received_at: int
    state: DeliveryState
    reason: str = ""
    scope: str | None = None
    action: str | None = None
    repo_type: str | None = None
    repo_name: str | None = None
    events: tuple[str, ...] = ()
    generation: int = 0
    due_at: int = 0
    looks: int = 0
    is_damaged: bool = False


# A delivery, and the ids of the launches that it led to.
DeliveryWithLaunches = tuple[StoredDelivery, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """
    A person's word that nothing is launched for now.

    Attributes:
        scope: `everything`, `rule:<id>` or `repo:<type>:<owner>/<name>`.
        since: Milliseconds since 1970, UTC.
    """

    scope: str
    since: int
    by: str
    reason: str = ""

    @property
    def ended_by(self) -> str:
        """The command that ends it."""
        kind, _, name = self.scope.partition(":")
        return f"`jobhook resume --{kind} {name}`" if name else "`jobhook resume`"


EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class Backlog:
    """
    Deliveries that nobody has decided yet, and those that nobody will.

    Attributes:
        oldest: When the first of those that wait came, in milliseconds since 1970.
    """

    waiting: int
    oldest: int | None
    quarantined: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    One rule's word on one delivery.

    Attributes:
        rule: The id of the rule.
        fired: Whether it fires.
        reason: Why, in one line.
    """

    rule: str
    fired: bool
    reason: str
