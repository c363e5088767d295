"""Jobs on the Hub: what starts one goes through the ledger, all else to the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from pydantic import Field

from jobhook.core.access import Role
from jobhook.core.errors import WaitTimeout
from jobhook.core.jobs import JobStage
from jobhook.hub.models import JobInfo
from jobhook.web.api.given import Digits, Given
from jobhook.web.api.hub_calls import (
    CHANGED,
    FOUND,
    LAUNCHED,
    NamespaceAsked,
    Somewhere,
    home,
    key_of,
    ours,
)
from jobhook.web.api.hub_lists import OfTheHub, page_of
from jobhook.web.api.job_bodies import NewLabels, NewPorts, RunJob, RunUvJob, job_of, uv_job_of
from jobhook.web.api.job_kinds import Label
from jobhook.web.api.operations import Call, Operation

WAIT_MAX_SECONDS = 60
# Each look is a call of the Hub, of which a token has a thousand in five minutes.
_LOOK_AGAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """
    Jobs, the newest first.

    Attributes:
        items: In the Hub's order.
        next_cursor: What the next page is asked for with; null if this is the last.
    """

    items: list[JobInfo]
    next_cursor: str | None


class JobsAsked(OfTheHub):
    """Which jobs."""

    status: tuple[JobStage, ...] = Field((), description="In any of these stages.")
    label: tuple[Label, ...] = Field((), description="Carrying all of these, as `key=value`.")
    namespace: NamespaceAsked = None


class WaitAsked(Given):
    """For what is waited."""

    timeout: Annotated[
        int, Field(ge=0, le=WAIT_MAX_SECONDS, description="Seconds, 60 at most."), Digits
    ] = 30
    stages: tuple[JobStage, ...] = Field((), description="Any of these will do as well as the end.")
    namespace: NamespaceAsked = None


async def run(call: Call) -> JobInfo:
    """Start a job through the ledger."""
    done = await call.services.runs.run(
        job_of(call.body), namespace=home(call), asked_by=call.caller.who, key=key_of(call)
    )
    return done.job


async def run_uv(call: Call) -> JobInfo:
    """Start a job in which `uv run` runs a script, through the ledger."""
    done = await call.services.runs.run(
        await uv_job_of(call.body), namespace=home(call), asked_by=call.caller.who, key=key_of(call)
    )
    return done.job


async def list_jobs(call: Call) -> JobPage:
    """Return one page of the jobs of a namespace; one call of the Hub."""
    asked: JobsAsked = call.query
    labels = [(key, value) for key, _, value in (each.partition("=") for each in asked.label)]
    hub, where = call.services.hub, home(call)
    read = partial(hub.job_page, namespace=where, labels=labels, stages=asked.status)
    items, cursor = await page_of(lambda beyond: read(beyond=beyond), asked)
    return JobPage(items=items, next_cursor=cursor)


async def inspect(call: Call) -> JobInfo:
    """Return one job."""
    return await call.services.hub.inspect_job(call.params["job_id"], namespace=home(call))


async def wait(call: Call) -> JobInfo:
    """Return a job once it has ended, or as it is after a while."""
    hub, where, job_id = call.services.hub, home(call), call.params["job_id"]
    asked: WaitAsked = call.query
    try:
        return await hub.wait_for_job(
            job_id,
            timeout=asked.timeout,
            poll_interval=_LOOK_AGAIN_SECONDS,
            stages=asked.stages,
            namespace=where,
        )
    except WaitTimeout:
        return await hub.inspect_job(job_id, namespace=where)


async def cancel(call: Call) -> JobInfo:
    """Cancel a job."""
    return await call.services.hub.cancel_job(call.params["job_id"], namespace=home(call))


async def rerun(call: Call) -> JobInfo:
    """Run a job once more, through the ledger."""
    done = await call.services.runs.rerun(
        call.params["job_id"], namespace=home(call), asked_by=call.caller.who, key=key_of(call)
    )
    return done.job


async def relabel(call: Call) -> JobInfo:
    """Give a job other labels."""
    body: NewLabels = call.body
    hub, job_id, where = call.services.hub, call.params["job_id"], home(call)
    job = await hub.inspect_job(job_id, namespace=where)
    return await hub.update_job_labels(
        job_id, labels={**body.labels, **ours(job.labels)}, namespace=where
    )


async def expose(call: Call) -> JobInfo:
    """Give a running job other ports."""
    body: NewPorts = call.body
    return await call.services.hub.update_job_expose(
        call.params["job_id"],
        expose=body.expose,
        expose_public=body.expose_public,
        namespace=home(call),
    )


_STARTED = (
    "It goes through the ledger of launches: limits, dollars and pauses hold for it, it is sent "
    "once, and the values of its secrets are kept nowhere."
)
_LAUNCH = {
    "image": "python:3.12",
    "command": ["python", "-c", "print('hello')"],
    "env": {"EPOCHS": "3"},
    "flavor": "cpu-basic",
    "timeout": "10m",
    "labels": {"team": "data"},
}
_SCRIPT = {
    "script": "train.py",
    "script_args": ["--epochs", "3"],
    "files": {"train.py": "import sys\n\nprint(sys.argv)\n"},
    "dependencies": ["numpy"],
    "timeout": "1h",
}

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="jobs.run",
        method="POST",
        path="/jobs",
        summary="Start a job.",
        description=_STARTED,
        role=Role.OPERATOR,
        handle=run,
        answer=JobInfo,
        status=201,
        body=RunJob,
        example=_LAUNCH,
        faults=LAUNCHED,
        takes_key=True,
        in_ledger=True,
    ),
    Operation(
        name="jobs.run_uv",
        method="POST",
        path="/jobs/uv",
        summary="Start a job in which `uv run` runs a script.",
        description=_STARTED,
        role=Role.OPERATOR,
        handle=run_uv,
        answer=JobInfo,
        status=201,
        body=RunUvJob,
        example=_SCRIPT,
        faults=LAUNCHED,
        takes_key=True,
        in_ledger=True,
    ),
    Operation(
        name="jobs.list",
        method="GET",
        path="/jobs",
        summary="The jobs of a namespace, the newest first.",
        role=Role.VIEWER,
        handle=list_jobs,
        answer=JobPage,
        query=JobsAsked,
        faults=FOUND,
    ),
    Operation(
        name="jobs.inspect",
        method="GET",
        path="/jobs/{job_id}",
        summary="One job.",
        role=Role.VIEWER,
        handle=inspect,
        answer=JobInfo,
        query=Somewhere,
        faults=FOUND,
    ),
    Operation(
        name="jobs.wait",
        method="GET",
        path="/jobs/{job_id}/wait",
        summary="One job, once it has ended.",
        description="It is answered as it is then if it takes longer than `timeout`; ask again.",
        role=Role.VIEWER,
        handle=wait,
        answer=JobInfo,
        query=WaitAsked,
        faults=FOUND,
    ),
    Operation(
        name="jobs.cancel",
        method="POST",
        path="/jobs/{job_id}/cancel",
        summary="Cancel a job.",
        description="One that has ended is left as it is.",
        role=Role.OPERATOR,
        handle=cancel,
        answer=JobInfo,
        query=Somewhere,
        faults=CHANGED,
    ),
    Operation(
        name="jobs.rerun",
        method="POST",
        path="/jobs/{job_id}/rerun",
        summary="Run a job once more, with its secrets.",
        description=_STARTED,
        role=Role.OPERATOR,
        handle=rerun,
        answer=JobInfo,
        status=201,
        query=Somewhere,
        faults=LAUNCHED,
        takes_key=True,
        in_ledger=True,
    ),
    Operation(
        name="jobs.labels",
        method="PUT",
        path="/jobs/{job_id}/labels",
        summary="Give a job other labels.",
        description="Those that it had are gone, but for those by which the service knows it.",
        role=Role.OPERATOR,
        handle=relabel,
        answer=JobInfo,
        query=Somewhere,
        body=NewLabels,
        example={"labels": {"team": "data", "kept": "yes"}},
        faults=CHANGED,
    ),
    Operation(
        name="jobs.expose",
        method="PUT",
        path="/jobs/{job_id}/expose",
        summary="Give a running job other ports.",
        description="Those that are in neither list are closed.",
        role=Role.OPERATOR,
        handle=expose,
        answer=JobInfo,
        query=Somewhere,
        body=NewPorts,
        example={"expose": [8000], "expose_public": []},
        faults=CHANGED,
    ),
)
