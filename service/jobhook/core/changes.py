"""What the journal of changes tells: that a delivery or a launch came, or is not what it was."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jobhook.core.pages import Place


class ChangeKind(StrEnum):
    """What changed."""

    DELIVERY = "delivery"
    LAUNCH = "launch"


@dataclass(frozen=True, slots=True)
class Change:
    """That something came or changed; not how, because what it is now can be looked up."""

    place: Place
    kind: ChangeKind
    id: str
