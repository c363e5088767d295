"""The whole of a devhub: opens and closes its parts in the right order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from starlette.middleware import Middleware

from .accounts import BUILT_IN, Accounts, read_users
from .app import make_app
from .chaos import Chaos
from .chaos_routes import ChaosRoutes
from .content_routes import ContentRoutes
from .deliveries import Deliveries
from .discussion_routes import DiscussionRoutes
from .job_routes import JobRoutes
from .limits import Limits
from .page import PageRoutes
from .repo_routes import RepoRoutes
from .repo_store import Repos
from .running import Jobs
from .schedule_routes import ScheduleRoutes
from .scheduling import Schedules
from .storage import Workspace
from .strikes import LateRequests, Strikes
from .webhook_routes import WebhookRoutes
from .webhooks import Webhooks
from .wire import now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from starlette.routing import Route
    from starlette.types import ASGIApp


class DevHub:
    """
    A Hub on this machine. Not a sandbox: jobs run as this user.

    It is to be entered before `app` is served at *url*. With *data*, what it holds is there again
    the next time; *users* is a JSON file with users beside the built-in ones; *faults* go wrong on
    demand, and more can be set through `chaos`. Schedules go by *clock*, which tells UTC.

    Raises:
        UsageError: If the users file or a fault cannot be used, or, when entered, the data folder.
    """

    app: ASGIApp
    routes: list[Route]
    chaos: Chaos

    def __init__(
        self,
        url: str,
        *,
        data: Path | None = None,
        users: Path | None = None,
        limits: Limits | None = None,
        faults: Sequence[str] = (),
        seed: int | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        url = url.rstrip("/")
        limits = limits or Limits()
        accounts = Accounts((*BUILT_IN, *(read_users(users) if users else ())))
        self._workspace = Workspace(data)
        self._webhooks = Webhooks(self._workspace)
        self._jobs = Jobs(self._workspace, limits)
        self._deliveries = Deliveries(url, self._webhooks, accounts, self._jobs, limits)
        self._repos = Repos(url, self._workspace, self._deliveries.emit)
        self._schedules = Schedules(self._workspace, self._jobs, limits, clock)
        self._late = LateRequests(limits.late_requests)
        self.chaos = Chaos(limits.faults)
        self.chaos.add(*faults, seed=seed)
        self.routes = [
            *PageRoutes(url, accounts).routes(),
            *JobRoutes(url, accounts, self._jobs, limits, self.chaos).routes(),
            *ScheduleRoutes(url, accounts, self._schedules, limits).routes(),
            *WebhookRoutes(accounts, self._webhooks, self._jobs, limits).routes(),
            *RepoRoutes(url, accounts, self._repos, limits).routes(),
            *ContentRoutes(url, accounts, self._repos, limits).routes(),
            *DiscussionRoutes(url, accounts, self._repos, limits).routes(),
        ]
        strikes = Middleware(
            Strikes, chaos=self.chaos, routes=self.routes, late=self._late, limits=limits
        )
        admin = ChaosRoutes(accounts, self.chaos, self._jobs, limits).routes()
        self.app = make_app([*self.routes, *admin], [strikes])

    async def __aenter__(self) -> Self:
        self._workspace.open()
        try:
            self._webhooks.open()
            self._repos.open()
            self._jobs.open()
            self._schedules.open()
        except BaseException:
            self._workspace.close()
            raise
        self._deliveries.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # All that changes is written when it changes: there is nothing to save here.
        try:
            await self._late.close()
            # Last the jobs: nothing is left that could launch another one.
            await self._schedules.close()
            await self._deliveries.close()
            await self._jobs.close()
        finally:
            self._workspace.close()
