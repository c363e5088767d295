"""What the Hub delivered, over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from jobhook.core.access import Role
from jobhook.core.deliveries import DeliveryState
from jobhook.core.filters import DeliveryFilter
from jobhook.core.operations import Deed, Outcome
from jobhook.core.views import DeliveryDetail, DeliverySummary
from jobhook.web.api.faults import Fault
from jobhook.web.api.given import Paged, Repo, When, milliseconds, repo_parts
from jobhook.web.api.operations import BYTES, Call, Operation
from jobhook.web.api.orders import carried_out


class WantedDeliveries(Paged):
    """Which deliveries are wanted."""

    state: Annotated[DeliveryState | None, Field(description="In this state.")] = None
    type: Annotated[
        str | None,
        Field(
            pattern=r"^[a-z._-]{1,64}$",
            description="Of this scope, such as `repo.content`, or meaning this event, such as "
            "`commit.pushed`.",
        ),
    ] = None
    repo: Annotated[
        Repo | None, Field(description="Of this repo, as `owner/name` or `type:owner/name`.")
    ] = None
    since: Annotated[When | None, Field(description="Received then or later.")] = None
    until: Annotated[When | None, Field(description="Received before then.")] = None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """
    A page of deliveries.

    Attributes:
        items: The newest first.
        next_cursor: For the next page; null if this is the last.
    """

    items: tuple[DeliverySummary, ...]
    next_cursor: str | None


async def _list(call: Call) -> DeliveryPage:
    asked = call.query
    kind, name = repo_parts(asked.repo)
    wanted = DeliveryFilter(
        state=asked.state,
        event=asked.type,
        repo_type=kind,
        repo=name,
        since=milliseconds(asked.since),
        until=milliseconds(asked.until),
    )
    page = await call.services.records.delivery_page(wanted, limit=asked.limit, after=asked.cursor)
    return DeliveryPage(page.items, page.next)


async def _one(call: Call) -> DeliveryDetail:
    return await call.services.records.delivery(call.params["delivery_id"])


async def _body(call: Call) -> bytes:
    return await call.services.records.body(call.params["delivery_id"])


async def _replay(call: Call) -> Outcome:
    delivery_id = call.params["delivery_id"]
    await call.services.records.delivery(delivery_id)
    return await carried_out(call, Deed.REPLAY, delivery_id)


OPERATIONS = (
    Operation(
        name="deliveries.list",
        method="GET",
        path="/deliveries",
        summary="List deliveries.",
        description="The newest come first.",
        role=Role.VIEWER,
        handle=_list,
        query=WantedDeliveries,
        answer=DeliveryPage,
    ),
    Operation(
        name="deliveries.show",
        method="GET",
        path="/deliveries/{delivery_id}",
        summary="Show a delivery.",
        description="With its payload, and what every rule said of it.",
        role=Role.VIEWER,
        handle=_one,
        answer=DeliveryDetail,
    ),
    Operation(
        name="deliveries.body",
        method="GET",
        path="/deliveries/{delivery_id}/body",
        summary="Get the body of a delivery.",
        description="The bytes are as they came.",
        role=Role.VIEWER,
        handle=_body,
        media=BYTES,
    ),
    Operation(
        name="deliveries.replay",
        method="POST",
        path="/deliveries/{delivery_id}/replay",
        summary="Decide a delivery again.",
        description="With the rules as they are now; what fires is launched anew.",
        role=Role.OPERATOR,
        handle=_replay,
        answer=Outcome,
        faults=(Fault.NOT_POSSIBLE,),
        takes_key=True,
    ),
)
