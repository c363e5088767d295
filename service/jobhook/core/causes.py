"""
What set off a launch that the guard against loops holds: a launch of ours, or somebody else.

The guard only presumes (`link_after`), so that claiming a launch costs no call of the Hub. What is
known of the cause is judged here, and whoever is not the cause of a loop is let go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from jobhook.core.deliveries import Unreadable, load_json, read_delivery
from jobhook.core.launches import Launch, LaunchState, moved
from jobhook.core.names import is_repo, is_sha

# What a job may write into the message of its commit, with the id of its launch.
TRAILER = "Jobhook-Launch"
# Launches whose jobs may have pushed something.
SENT = frozenset(
    {
        LaunchState.SENDING,
        LaunchState.UNKNOWN,
        LaunchState.LAUNCHED,
        LaunchState.RUNNING,
        LaunchState.COMPLETED,
        LaunchState.FAILED,
        LaunchState.CANCELLED,
        LaunchState.GONE,
    }
)

_TRAILER = re.compile(rf"^{TRAILER}:[ \t]*(\S{{1,64}})[ \t\r]*$", re.MULTILINE | re.IGNORECASE)
_TRAILERS_MAX = 4
_WITH_COMMITS = {"model", "dataset", "space"}
# Git dates commits in whole seconds, and by the clock of another machine.
_CLOCKS_MS = 5_000
# A push takes its time, and so does hearing of a job's end.
_AFTER_END_MS = 60_000


@dataclass(frozen=True, slots=True)
class Push:
    """A commit that came to a repo of a type that has a history; all of it is fit for a URL."""

    repo_type: str
    repo: str
    sha: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether it is a loop, and who or what says so."""

    is_loop: bool
    why: str


def push_of(launch: Launch) -> Push | None:
    """Return the push that set *launch* off, or None if it was something else."""
    kind, _, name = launch.repo.partition(":")
    sha = (launch.subject or "").rpartition("@")[2]
    if kind in _WITH_COMMITS and is_repo(name) and is_sha(sha):
        return Push(kind, name, sha)
    return None


def opening_push(launch: Launch, body: bytes) -> Push | None:
    """Return the first commit of the pull request whose opening set *launch* off, or None."""
    delivery = read_delivery(body)
    if isinstance(delivery, Unreadable):
        return None
    ref = (launch.subject or "").rpartition("@")[0]
    for change in delivery.updated_refs or ():
        if change.ref == ref and change.new_sha:
            return push_of(replace(launch, subject=f"{ref}@{change.new_sha}"))
    return None


def named_launches(message: str) -> tuple[str, ...]:
    """Return the ids of launches that the trailers of a commit's *message* name, the last few."""
    return tuple(_TRAILER.findall(message)[-_TRAILERS_MAX:])


def finding_of_push(
    launch: Launch,
    *,
    authors: Sequence[str],
    pushed_at: int | None,
    me: str | None,
    sent: Iterable[Launch],
    now: int,
) -> Finding:
    """
    Judge by the *authors* and the date of the commit whether one of *sent* set *launch* off.

    *me* is the name of the user whose token we have, and whose token jobs are likely to have.
    """
    pushed = f"pushed by {', '.join(authors) or 'nobody that the Hub names'}"
    if authors and me not in authors:
        return Finding(is_loop=False, why=pushed)
    for earlier in sent:
        if _may_be_cause(earlier, launch) and _was_at_work(earlier, pushed_at, now):
            return Finding(is_loop=True, why=f"{pushed} while launch {earlier.id} ran")
    return Finding(is_loop=False, why=f"{pushed} while no launch ran")


def _may_be_cause(earlier: Launch, launch: Launch) -> bool:
    return 0 < earlier.claimed_at < launch.created_at and earlier.delivery != launch.delivery


def _was_at_work(launch: Launch, at: int | None, now: int) -> bool:
    if at is None:
        return True
    end = launch.updated_at if launch.state.is_final else now
    return launch.claimed_at - _CLOCKS_MS <= at <= end + _AFTER_END_MS


def finding_of_delivery(body: bytes, *, my_id: str | None) -> Finding:
    """
    Judge by who wrote the comment or opened the discussion that *body* tells of.

    Where nobody is named, nobody can be acquitted.
    """
    author = _author_id(body)
    if author is None or my_id is None:
        return Finding(is_loop=True, why="and nothing tells who set it off")
    if author == my_id:
        return Finding(is_loop=True, why="set off by the user of our own token")
    return Finding(is_loop=False, why="set off by another user than that of our token")


def _author_id(body: bytes) -> str | None:
    try:
        payload = load_json(body)
    except (ValueError, RecursionError):
        return None
    for part in ("comment", "discussion"):
        author = _inner(_inner(payload, part), "author")
        identity = _inner(author, "id")
        if isinstance(identity, str) and identity:
            return identity
    return None


def _inner(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def as_found(launch: Launch, finding: Finding, *, now: int) -> Launch:
    """
    Return the held *launch* as *finding* leaves it: held for good, or ready to begin a new chain.

    The guards for money, rates and fan-out still judge what is ready.
    """
    if finding.is_loop:
        return replace(launch, reason=f"loop, {finding.why}", updated_at=now)
    ready = moved(launch, LaunchState.READY, now=now, reason=f"no loop: {finding.why}")
    return replace(ready, root=launch.delivery, depth=0)
