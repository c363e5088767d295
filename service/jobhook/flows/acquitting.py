"""
Find out who set off the launches that are held because a loop is presumed.

The guard inside the claim cannot ask the Hub, so it takes whoever pushes often for a loop. Here the
Hub is asked, a few times a minute, and only while something is held for that.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from jobhook.core.causes import (
    SENT,
    Finding,
    Push,
    as_found,
    finding_of_delivery,
    finding_of_push,
    named_launches,
    opening_push,
    push_of,
)
from jobhook.core.errors import HubError, HubForbidden, HubNotFound, LaunchMoved
from jobhook.core.filters import LaunchFilter
from jobhook.core.launches import LOOP_PRESUMED, Launch, LaunchState
from jobhook.flows.identity import Identity
from jobhook.flows.worker import Worker
from jobhook.hub.models import CommitInfo
from jobhook.ports import Clock, Hub, Store

_AT_ONCE = 50
_SENT_MAX = 200
# With a step every six seconds, that is 20 calls a minute; ten times that while plenty are left.
_CALLS = 2
_CALLS_OF_PLENTY = 20
_NO_REPO = "RepoNotFound"
_PRESUMED = LaunchFilter(states=(LaunchState.HELD,), reason=LOOP_PRESUMED)

log = structlog.get_logger()


class Acquitter(Worker):
    """Lets go what somebody else than a launch set off, and says of the others what did."""

    idle = 6.0

    def __init__(
        self,
        store: Store,
        hub: Hub,
        clock: Clock,
        *,
        identity: Identity,
        on_acquitted: Callable[[], None],
    ) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        self._clock = clock
        self._identity = identity
        self._on_acquitted = on_acquitted
        self._looked_in_vain: dict[str, int] = {}

    async def step(self) -> bool:
        held = await self._store.launches(_PRESUMED, limit=_AT_ONCE, oldest_first=True)
        self._looked_in_vain = {each.id: self._looked_in_vain.get(each.id, 0) for each in held}
        commits = _Commits(self._hub)
        failure: HubError | None = None
        # What cannot be looked up does not keep the others from it.
        for launch in sorted(held, key=lambda each: self._looked_in_vain[each.id]):
            try:
                await self._judge(launch, commits)
            except HubError as exc:
                self._looked_in_vain[launch.id] += 1
                failure = exc
        if failure:
            raise failure
        return False

    def _pause_after_failures(self) -> float:
        # A Hub that fails is not asked more often than one that answers.
        return max(super()._pause_after_failures(), self.idle)

    async def _judge(self, launch: Launch, commits: _Commits) -> None:
        push, body = push_of(launch), b""
        if push is None:
            body = await self._store.body(launch.delivery) or b""
            push = opening_push(launch, body)
        if push is None:
            finding = finding_of_delivery(body, my_id=self._identity.id)
        elif commits.may_ask(push):
            finding = await self._finding_of(launch, await commits.of(push))
        else:
            return
        await self._keep(launch, as_found(launch, finding, now=self._clock()))

    async def _finding_of(self, launch: Launch, commit: CommitInfo | None) -> Finding:
        if commit is None:
            return Finding(is_loop=False, why="the Hub does not show us the commit")
        for named in named_launches(f"{commit.title}\n{commit.message}"):
            if await self._store.launch(named):
                return Finding(is_loop=True, why=f"set off by launch {named}")
        # An adopted launch may be younger here than what it set off: its claim counts.
        sent = LaunchFilter(rule=launch.rule, repos=[launch.repo], states=SENT)
        return finding_of_push(
            launch,
            authors=commit.authors,
            pushed_at=int(commit.date.timestamp() * 1000) if commit.date else None,
            me=self._identity.me,
            sent=await self._store.launches(sent, limit=_SENT_MAX),
            now=self._clock(),
        )

    async def _keep(self, launch: Launch, found: Launch) -> None:
        try:
            await self._store.replace(launch, found)
        except LaunchMoved:
            return
        log.warning(
            "launch.judged",
            delivery=launch.delivery,
            rule=launch.rule,
            launch=launch.id,
            state=found.state,
            reason=found.reason,
        )
        if found.state == LaunchState.READY:
            self._on_acquitted()


class _Commits:
    """The commits that one step looks up: each once, and not more than a few."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._answers: dict[Push, CommitInfo | HubError | None] = {}
        self._unseen: set[tuple[str, str]] = set()
        self._left = _CALLS_OF_PLENTY if hub.quota.is_plenty else _CALLS

    def may_ask(self, push: Push) -> bool:
        """Whether it was looked up already, or still can be in this step."""
        known = push in self._answers or (push.repo_type, push.repo) in self._unseen
        return known or (self._left > 0 and not self._hub.quota.shortage)

    async def of(self, push: Push) -> CommitInfo | None:
        """Return the commit, or None if the Hub does not show it; each failure is told again."""
        if (push.repo_type, push.repo) in self._unseen:
            return None
        if push not in self._answers:
            self._left -= 1
            self._answers[push] = await self._ask(push)
        answer = self._answers[push]
        if isinstance(answer, HubError):
            raise answer
        return answer

    async def _ask(self, push: Push) -> CommitInfo | HubError | None:
        try:
            return await self._hub.commit(push.repo, push.sha, repo_type=push.repo_type)
        except (HubNotFound, HubForbidden) as exc:
            if exc.code == _NO_REPO:
                self._unseen.add((push.repo_type, push.repo))
            return None
        except HubError as exc:
            return exc
