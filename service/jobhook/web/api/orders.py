"""What callers order: to pause, to go on, to stop everything; and how any order is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from jobhook.core.access import Role
from jobhook.core.errors import JobHookError, NoSuchRecord, UsageError
from jobhook.core.operations import Deed, Order, Outcome
from jobhook.core.records import EVERYTHING
from jobhook.core.views import PauseView
from jobhook.web.api.faults import ApiError, Fault
from jobhook.web.api.given import Given, TypedRepo, said, unsaid
from jobhook.web.api.operations import Call, Operation


class Scope(Given):
    """What is paused or goes on: a rule, a repo, or everything."""

    model_config = ConfigDict(
        json_schema_extra={"if": said("rule", "string"), "then": unsaid("repo")}
    )

    rule: Annotated[
        str | None, Field(pattern=r"^[a-z0-9-]{1,63}$", description="Only this rule.")
    ] = None
    repo: Annotated[TypedRepo | None, Field(description="Only this repo: `type:owner/name`.")] = (
        None
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Scope:
        if self.rule and self.repo:
            raise ValueError("name a rule or a repo, not both")
        return self

    @property
    def scope(self) -> str:
        """What is meant, see `Pause`."""
        return (
            f"rule:{self.rule}" if self.rule else f"repo:{self.repo}" if self.repo else EVERYTHING
        )


class PauseGiven(Scope):
    """What is to launch nothing."""

    reason: Annotated[str, Field(max_length=500, description="Why, for whoever looks later.")] = ""


@dataclass(frozen=True, slots=True)
class PauseList:
    """
    What is paused.

    Attributes:
        items: Each thing that launches nothing for now.
        next_cursor: Always null: all of them are here.
    """

    items: tuple[PauseView, ...]
    next_cursor: None = None


@dataclass(frozen=True, slots=True)
class StoppedJob:
    """
    A job that was to be cancelled.

    Attributes:
        job_id: Its id on the Hub.
        error: Why it could not be; null if it was.
    """

    job_id: str
    error: str | None


@dataclass(frozen=True, slots=True)
class StopReport:
    """
    What stopping everything did.

    Attributes:
        not_paused: Why launching goes on; null if it is paused.
        jobs: Every job of this service that the Hub listed as active.
        unread: Namespaces whose jobs may still run, because the Hub did not list them.
    """

    not_paused: str | None
    jobs: tuple[StoppedJob, ...]
    unread: tuple[str, ...]


async def carried_out(
    call: Call, deed: Deed, about: str | None = None, *, scope: str = EVERYTHING, reason: str = ""
) -> Outcome:
    """
    Carry out what the caller orders, and return what came of it.

    Raises:
        ApiError: It cannot be done as things stand.
    """
    order = Order(
        deed=deed,
        by=call.caller.who,
        ids=(about,) if about else (),
        scope=scope,
        reason=reason,
    )
    (outcome,) = await call.services.hub_side.operations.carry_out(order)
    if not outcome.done:
        raise ApiError(fault=Fault.NOT_POSSIBLE, message=outcome.told)
    return outcome


async def _pauses(call: Call) -> PauseList:
    return PauseList(await call.services.records.pauses())


async def _pause(call: Call) -> Outcome:
    if call.body.rule:
        # Whoever pauses must not believe that something stopped.
        try:
            await call.services.rules.rule(call.body.rule)
        except NoSuchRecord as exc:
            raise UsageError(str(exc)) from exc
    return await carried_out(call, Deed.PAUSE, scope=call.body.scope, reason=call.body.reason)


async def _resume(call: Call) -> Outcome:
    return await carried_out(call, Deed.RESUME, scope=call.body.scope)


async def _look_first(call: Call) -> Outcome:
    return await carried_out(call, Deed.LOOK_FIRST)


async def _stop_all(call: Call) -> StopReport:
    not_paused = None
    try:
        await carried_out(call, Deed.PAUSE, reason="stop-all")
    except (JobHookError, ApiError) as exc:
        # What runs costs money now: a broken database must not stand in the way.
        not_paused = str(exc)
    jobs: list[StoppedJob] = []
    unread: list[str] = []
    async for job_id, error in call.services.hub_side.stop_all(unread.append):
        jobs.append(StoppedJob(job_id, error))
    return StopReport(not_paused, tuple(jobs), tuple(unread))


OPERATIONS = (
    Operation(
        name="pauses.list",
        method="GET",
        path="/pauses",
        summary="List what is paused.",
        role=Role.VIEWER,
        handle=_pauses,
        answer=PauseList,
    ),
    Operation(
        name="pauses.pause",
        method="POST",
        path="/pause",
        summary="Stop launching.",
        description="For a rule, for a repo, or altogether; deliveries are still taken in, and "
        "schedules that are on the Hub go on.",
        role=Role.OPERATOR,
        handle=_pause,
        body=PauseGiven,
        body_is_optional=True,
        answer=Outcome,
        example={"rule": "retrain-on-data", "reason": "the data is being cleaned"},
    ),
    Operation(
        name="pauses.resume",
        method="POST",
        path="/resume",
        summary="End a pause.",
        description="What waited for it is launched, within the limits.",
        role=Role.OPERATOR,
        handle=_resume,
        body=Scope,
        body_is_optional=True,
        answer=Outcome,
        faults=(Fault.NOT_POSSIBLE,),
        example={"rule": "retrain-on-data"},
    ),
    Operation(
        name="pauses.stop_all",
        method="POST",
        path="/stop-all",
        summary="Pause everything and cancel all jobs.",
        description="Every job of this service that the Hub lists; it is looked for until none is "
        "listed any more.",
        role=Role.OPERATOR,
        handle=_stop_all,
        answer=StopReport,
        faults=(Fault.HUB_BUSY, Fault.HUB_UNAUTHORIZED),
    ),
    Operation(
        name="launches.look_first",
        method="POST",
        path="/look-first",
        summary="Look on the Hub before each launch.",
        description="For 48 hours, because the database was restored and knows too little.",
        role=Role.OPERATOR,
        handle=_look_first,
        answer=Outcome,
    ),
)
