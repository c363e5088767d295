"""What happened to a launch and when, as far as what is kept of it tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobhook.core.launches import Launch, LaunchState

_S = LaunchState
# What it means that a launch came to stand where it stands.
_CAME_TO: Mapping[LaunchState, str] = {
    _S.READY: "waits to be sent",
    _S.SENDING: "is being sent",
    _S.UNKNOWN: "nobody knows whether it has a job",
    _S.LAUNCHED: "the Hub has its job",
    _S.RUNNING: "its job was seen running",
    _S.GONE: "its job was deleted on the Hub",
}
_LOOKED_AT_AGAIN = {
    _S.READY: "is looked at again",
    _S.UNKNOWN: "its job is looked for again",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, or will; *at* is milliseconds since 1970, UTC."""

    at: int
    what: str


def timeline(launch: Launch, received_at: int | None) -> tuple[Moment, ...]:
    """
    Return what is known of the life of *launch*, in the order of time.

    *received_at* is when its delivery came, if that is known. Of what happened more than once, such
    as a claim, the last time is kept.
    """
    looked_at_again = _LOOKED_AT_AGAIN.get(launch.state, "")
    moments = (
        (received_at, "its delivery came in"),
        (launch.created_at, _planned(launch)),
        (launch.claimed_at, _claimed(launch)),
        (launch.unknown_since, "a request was sent, and its outcome was not known"),
        (launch.updated_at, _came_to(launch)),
        (launch.due_at if launch.due_at > launch.updated_at else 0, looked_at_again),
    )
    known = [Moment(at, what) for at, what in moments if at and what]
    return tuple(sorted(known, key=lambda moment: moment.at))


def _is_found(launch: Launch) -> bool:
    return 0 < launch.claimed_at < launch.created_at


def _planned(launch: Launch) -> str:
    if _is_found(launch):
        return "its job was found on the Hub, and nobody here knew of it"
    if launch.is_direct:
        return f"asked for by {launch.asked_by or 'nobody knows whom'}"
    if launch.generation:
        return f"planned again, asked for by {launch.asked_by or 'a replay of its delivery'}"
    return f"planned, as rule {launch.rule} fired on {launch.event}"


def _claimed(launch: Launch) -> str:
    if _is_found(launch):
        return "its job was made"
    claimed = "claimed and sent" if launch.job_id else "claimed to be sent"
    return f"{claimed}, attempt {launch.attempts}"


def _came_to(launch: Launch) -> str:
    what = _CAME_TO.get(launch.state, str(launch.state))
    looks = f"{what}; {launch.looks} looks found none" if launch.looks else what
    if launch.reason.startswith(what):  # "cancelled by ana"
        return launch.reason
    return f"{looks}: {launch.reason}" if launch.reason else looks
