"""What a job tells of the launch that it was started for."""

from __future__ import annotations

import math
from dataclasses import replace

from jobhook.core.launches import Launch, moved, state_of_stage
from jobhook.hub.models import JobInfo


def as_job_says(launch: Launch, job: JobInfo, *, now: int) -> Launch:
    """Return *launch* in the state that its *job* is in; itself if there is nothing new."""
    state = state_of_stage(job.status.stage)
    if state is None or state == launch.state:
        return launch
    # What was known before, such as who cancelled it, stays where the Hub has nothing to say.
    reason = job.status.message or launch.reason
    return settled(moved(launch, state, now=now, reason=reason), job)


def settled(launch: Launch, job: JobInfo) -> Launch:
    """Return *launch* with what its job cost in truth, once it is over and the times are told."""
    if not (launch.state.is_final and job.created_at and job.finished_at):
        return launch
    # Starting is billed as well; whole minutes are.
    seconds = (job.finished_at - job.created_at).total_seconds()
    minutes = math.ceil(max(seconds, 1) / 60)
    most = math.ceil(launch.spec.seconds / 60) * (launch.spec.attempts or 1)
    return replace(launch, micro_usd=launch.micro_usd * min(minutes, most) // most)
