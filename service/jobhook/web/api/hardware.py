"""What jobs can run on, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from jobhook.core.access import Role
from jobhook.hub.models import JobHardwareInfo
from jobhook.web.api.hub_calls import HUB
from jobhook.web.api.operations import Call, Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwarePage:
    """
    All flavors.

    Attributes:
        items: What jobs can run on, and what it costs.
        next_cursor: Null: there is one page.
    """

    items: list[JobHardwareInfo]
    next_cursor: str | None = None


async def list_hardware(call: Call) -> HardwarePage:
    """Return the flavors."""
    return HardwarePage(items=await call.services.hub.list_jobs_hardware())


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="hardware.list",
        method="GET",
        path="/hardware",
        summary="The flavors that jobs can run on, and what they cost.",
        role=Role.VIEWER,
        handle=list_hardware,
        answer=HardwarePage,
        faults=HUB,
    ),
)
