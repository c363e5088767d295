"""Who a token is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """
    Whose token it is and what it may do, as the Hub says it.

    Attributes:
        id: What deliveries call an author by, if it is told.
        role: `read`, `write`, `god` (a user's own), `fineGrained`, or None if it is not told.
        orgs: The role in each org that the user is a member of.
        scoped: What a fine-grained token may do to each user, org or repo.
        everywhere: What it may do wherever its user may.
        told_at: When the Hub said so by its own clock, in milliseconds since 1970, if it did.
    """

    name: str
    id: str | None = None
    role: str | None = None
    orgs: Mapping[str, str] = field(default_factory=dict)
    scoped: Mapping[str, frozenset[str]] = field(default_factory=dict)
    everywhere: frozenset[str] = frozenset()
    told_at: int | None = None
