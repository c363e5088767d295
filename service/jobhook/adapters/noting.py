"""A guard that remembers what it decided, so that it can be counted once the claim is on disk."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from jobhook.core.guards import Guard, Permission, Spent, judged
from jobhook.core.launches import Launch, LaunchState
from jobhook.ports import Meter


@dataclass(frozen=True)
class NotingGuard(Guard):
    """
    Decides as the guard that it is made of.

    Attributes:
        judged: Each launch as it was left; a claim that is run again judges it again.
    """

    judged: dict[str, Launch] = field(default_factory=dict, kw_only=True)

    @classmethod
    def of(cls, guard: Guard) -> NotingGuard:
        """Return one that decides as *guard* does."""
        return cls(**{each.name: getattr(guard, each.name) for each in fields(guard)})

    def permit(self, launch: Launch, spent: Spent) -> Permission:
        permission = Guard.permit(self, launch, spent)
        self.judged[launch.id] = judged(launch, permission, self.now)
        return permission

    def tell(self, meter: Meter) -> None:
        """Tell *meter* which launches are not `ready` any more."""
        for launch in self.judged.values():
            if launch.state != LaunchState.READY:
                meter.moved(launch)
