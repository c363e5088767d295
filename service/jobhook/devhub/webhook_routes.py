"""`/api/settings/webhooks`: one's own webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from .requests import known_asker, param
from .webhook_jobs import WebhookJob
from .webhooks import Webhook, WebhookBody, WebhookChange
from .wire import Json, Refusal, checked, read_object

if TYPE_CHECKING:
    from starlette.requests import Request

    from .accounts import Accounts, User
    from .limits import Limits
    from .running import Jobs
    from .webhooks import Webhooks

_ALL = "/api/settings/webhooks"
_ONE = f"{_ALL}/{{webhook_id}}"


class WebhookRoutes:
    """The routes of webhooks."""

    def __init__(self, accounts: Accounts, webhooks: Webhooks, jobs: Jobs, limits: Limits) -> None:
        self._accounts = accounts
        self._jobs = jobs
        self._webhooks = webhooks
        self._limits = limits

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(_ALL, self.list, name="webhooks.list"),
            Route(_ALL, self.create, methods=["POST"], name="webhooks.create"),
            Route(_ONE, self.show, name="webhooks.inspect"),
            Route(_ONE, self.update, methods=["POST"], name="webhooks.update"),
            Route(_ONE, self.delete, methods=["DELETE"], name="webhooks.delete"),
            Route(f"{_ONE}/enable", self.enable, methods=["POST"], name="webhooks.enable"),
            Route(f"{_ONE}/disable", self.disable, methods=["POST"], name="webhooks.disable"),
        ]

    async def list(self, request: Request) -> Response:
        """Tell all webhooks of who asks, as a bare array."""
        user = known_asker(request, self._accounts)
        return Json([webhook.to_wire() for webhook in self._webhooks.of(user)])

    async def create(self, request: Request) -> Response:
        """Make a webhook."""
        user = known_asker(request, self._accounts)
        body = checked(WebhookBody, await read_object(request, self._limits.body_bytes))
        return _told(self._webhooks.create(user, body, self._job(user, body)))

    async def show(self, request: Request) -> Response:
        """Tell one webhook."""
        return _told(self._webhook(request))

    async def update(self, request: Request) -> Response:
        """Change a webhook."""
        self._webhook(request)
        change = checked(WebhookChange, await read_object(request, self._limits.body_bytes))
        job = self._job(known_asker(request, self._accounts), change)
        # Looked up again: it may have been deleted while the body came.
        return _told(self._webhooks.update(self._webhook(request), change, job))

    async def delete(self, request: Request) -> Response:
        """Forget a webhook."""
        self._webhooks.delete(self._webhook(request))
        return Json({})

    async def enable(self, request: Request) -> Response:
        """Let events reach a webhook."""
        return _told(self._webhooks.enable(self._webhook(request)))

    async def disable(self, request: Request) -> Response:
        """Let no event reach a webhook."""
        return _told(self._webhooks.disable(self._webhook(request)))

    def _webhook(self, request: Request) -> Webhook:
        user = known_asker(request, self._accounts)
        return self._webhooks.find(user, param(request, "webhook_id"))

    def _job(self, user: User, change: WebhookChange) -> WebhookJob | None:
        """Return what is to be run, if anything is; of a job its secrets stay behind."""
        if change.job is not None:
            own = WebhookJob.of(change.job, user.namespace)
            return own.with_secrets(change.job.secrets)
        if change.job_source_id is None:
            return None
        source = self._jobs.get(change.job_source_id)
        if source is None or not self._accounts.may_write(user, source.owner.name):
            raise Refusal(404, "jobSourceId: there is no such job among those that you may run")
        return WebhookJob.of(source.body, source.owner, source.id)


def _told(webhook: Webhook) -> Response:
    return Json({"webhook": webhook.to_wire()})
