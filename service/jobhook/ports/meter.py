"""What is counted and timed for whoever runs the service."""

from __future__ import annotations

from typing import Literal, Protocol

from jobhook.core.deliveries import DeliveryState
from jobhook.core.launches import Launch

# What a request to the receiver ended with.
Answered = Literal[
    "stored",
    "repeated",
    "unauthorized",
    "too_large",
    "encoding_refused",
    "method_not_allowed",
    "not_stored",
    "broken",
    "cut_off",
]


class Meter(Protocol):
    """
    Counts what happens in this process; nothing of it may fail, wait or be felt.

    *since* is always what `moment` gave when it began.
    """

    def moment(self) -> float:
        """Return now, for what is told with its length when it has ended."""

    def received(self) -> float:
        """Say that a request to the receiver has begun; return `moment`."""

    def answered(self, outcome: Answered, since: float) -> None:
        """Say what became of it."""

    def refused(self, status: int) -> None:
        """Say that a connection was closed for what it sent, or did not send in time."""

    def holding(self, size: int) -> None:
        """Say that so many bytes of deliveries are in memory more than before, or fewer."""

    def matched(self, since: float) -> None:
        """Say that the rules were asked about a delivery."""

    def decided(self, state: DeliveryState) -> None:
        """Say that what they said is kept."""

    def moved(self, launch: Launch) -> None:
        """Say that *launch* is in another state than before, or is new."""

    def moved_many(self, state: str, count: int) -> None:
        """Say that so many launches are in this state now, all for the same reason."""

    def committed(self, size: int, since: float) -> None:
        """Say that a transaction with so many writes is on disk; from any one thread."""

    def not_committed(self) -> None:
        """Say that one failed."""

    def asked_hub(self, method: str, endpoint: str, status: str, seconds: float) -> None:
        """Say what the Hub answered; *endpoint* and *status* are of few kinds."""

    def failed(self, worker: str, *, broken: bool) -> None:
        """Say that a step failed; *broken* if it is a fault of ours."""


class NoMeter:
    """Counts nothing."""

    def moment(self) -> float:
        return 0.0

    def received(self) -> float:
        return 0.0

    def answered(self, outcome: Answered, since: float) -> None:
        return

    def refused(self, status: int) -> None:
        return

    def holding(self, size: int) -> None:
        return

    def matched(self, since: float) -> None:
        return

    def decided(self, state: DeliveryState) -> None:
        return

    def moved(self, launch: Launch) -> None:
        return

    def moved_many(self, state: str, count: int) -> None:
        return

    def committed(self, size: int, since: float) -> None:
        return

    def not_committed(self) -> None:
        return

    def asked_hub(self, method: str, endpoint: str, status: str, seconds: float) -> None:
        return

    def failed(self, worker: str, *, broken: bool) -> None:
        return


NO_METER: Meter = NoMeter()
