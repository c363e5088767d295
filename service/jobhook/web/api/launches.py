"""What deliveries and callers led to, over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from jobhook.core.access import Role
from jobhook.core.filters import LaunchFilter
from jobhook.core.launches import LaunchState
from jobhook.core.operations import Deed, Outcome
from jobhook.core.views import LaunchDetail, LaunchSummary
from jobhook.core.watches import REPO_TYPES
from jobhook.web.api.faults import Fault
from jobhook.web.api.given import Paged, Repo, Text, When, milliseconds, repo_parts
from jobhook.web.api.operations import Call, Operation
from jobhook.web.api.orders import carried_out


class WantedLaunches(Paged):
    """Which launches are wanted."""

    state: Annotated[
        tuple[LaunchState, ...], Field(max_length=20, description="In any of these states.")
    ] = ()
    rule: Annotated[
        str | None,
        Field(
            pattern=r"^[a-z0-9.-]{1,100}$",
            description="Of this rule; `api.run`, `api.rerun`, `api.trigger` and `api.schedule` "
            "are what callers asked for.",
        ),
    ] = None
    repo: Annotated[
        Repo | None, Field(description="For this repo, as `owner/name` or `type:owner/name`.")
    ] = None
    delivery: Annotated[
        str | None, Field(pattern=r"^[a-z0-9]{1,64}$", description="Caused by this delivery.")
    ] = None
    reason: Annotated[Text | None, Field(description="How the reason begins.")] = None
    since: Annotated[When | None, Field(description="Planned then or later.")] = None
    until: Annotated[When | None, Field(description="Planned before then.")] = None


@dataclass(frozen=True, slots=True)
class LaunchPage:
    """
    A page of launches.

    Attributes:
        items: The newest first.
        next_cursor: For the next page; null if this is the last.
    """

    items: tuple[LaunchSummary, ...]
    next_cursor: str | None


async def _list(call: Call) -> LaunchPage:
    asked = call.query
    kind, name = repo_parts(asked.repo)
    kinds = [kind] if kind else REPO_TYPES
    wanted = LaunchFilter(
        states=asked.state or None,
        rule=asked.rule,
        repos=[f"{kind}:{name}" for kind in kinds] if name else None,
        delivery=asked.delivery,
        reason=asked.reason,
        since=milliseconds(asked.since),
        until=milliseconds(asked.until),
    )
    page = await call.services.records.launch_page(wanted, limit=asked.limit, after=asked.cursor)
    return LaunchPage(page.items, page.next)


async def _one(call: Call) -> LaunchDetail:
    return await call.services.records.launch(call.params["launch_id"])


def _order(deed: Deed) -> Callable[[Call], Awaitable[Outcome]]:
    async def handle(call: Call) -> Outcome:
        launch_id = call.params["launch_id"]
        await call.services.records.launch(launch_id)
        return await carried_out(call, deed, launch_id)

    return handle


def _ordered(deed: Deed, summary: str, description: str) -> Operation:
    return Operation(
        name=f"launches.{deed}",
        method="POST",
        path=f"/launches/{{launch_id}}/{deed}",
        summary=summary,
        description=description,
        role=Role.OPERATOR,
        handle=_order(deed),
        answer=Outcome,
        faults=(Fault.NOT_POSSIBLE,),
        takes_key=True,
    )


OPERATIONS = (
    Operation(
        name="launches.list",
        method="GET",
        path="/launches",
        summary="List launches.",
        description="The newest come first.",
        role=Role.VIEWER,
        handle=_list,
        query=WantedLaunches,
        answer=LaunchPage,
    ),
    Operation(
        name="launches.show",
        method="GET",
        path="/launches/{launch_id}",
        summary="Show a launch.",
        description="With its job, what has become of it, and what a person can do.",
        role=Role.VIEWER,
        handle=_one,
        answer=LaunchDetail,
    ),
    _ordered(
        Deed.RETRY, "Launch once more.", "What was rejected, has expired, failed, ended or is gone."
    ),
    _ordered(Deed.RELEASE, "Let a held launch go.", "In spite of what held it."),
    _ordered(
        Deed.CANCEL,
        "Cancel a launch.",
        "One that waits is not sent; the job of another one is stopped.",
    ),
)
