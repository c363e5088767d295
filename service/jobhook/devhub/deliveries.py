"""Taking events to webhooks: in the background, again when it fails, and not for ever."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING

import httpx2
import orjson

from .jobs import Initiator

if TYPE_CHECKING:
    from .accounts import Accounts
    from .events import Event
    from .limits import Limits
    from .running import Jobs
    from .webhook_jobs import WebhookJob
    from .webhooks import Webhook, Webhooks

_log = logging.getLogger(__name__)


class Deliveries:
    """What is on its way to webhooks; it is lost when the devhub stops."""

    def __init__(
        self, url: str, webhooks: Webhooks, accounts: Accounts, jobs: Jobs, limits: Limits
    ) -> None:
        self._url = url
        self._jobs = jobs
        self._webhooks = webhooks
        self._accounts = accounts
        self._limits = limits
        self._pending: set[asyncio.Task[None]] = set()
        self._slots: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(limits.deliveries_at_once)
        )
        self._client: httpx2.AsyncClient | None = None

    def open(self) -> None:
        """Get ready to send; proxies of the environment are not for what is on this machine."""
        self._client = httpx2.AsyncClient(
            timeout=self._limits.delivery_timeout,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "jobhook-devhub"},
        )

    async def close(self) -> None:
        """Stop sending."""
        for task in self._pending:
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def emit(self, event: Event) -> None:
        """Have *event* delivered to every webhook it concerns, if its user may know of it."""
        for webhook in self._webhooks.enabled():
            if event.concerns(webhook) and self._may_know(webhook, event):
                self._webhooks.triggered(webhook.id)
                self._send_later(webhook, event)

    def _may_know(self, webhook: Webhook, event: Event) -> bool:
        user = self._accounts.of_id(webhook.user_id)
        return user is not None and event.repo.visible_to(user, self._accounts)

    def _send_later(self, webhook: Webhook, event: Event) -> None:
        if len(self._pending) >= self._limits.deliveries_pending:
            _log.warning("delivery.dropped: too many are pending (webhook %s)", webhook.id)
            return
        body = orjson.dumps(event.payload(self._url, webhook))
        # The same id goes with every attempt, so that a receiver can tell a repeat.
        task = asyncio.create_task(self._deliver(webhook.id, str(uuid.uuid4()), body))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _deliver(self, webhook_id: str, delivery_id: str, body: bytes) -> None:
        for delay in (0.0, *self._limits.retry_delays):
            await asyncio.sleep(delay)
            async with self._slots[webhook_id]:
                # As it is now: its URL may have changed since, or it may be gone.
                webhook = self._webhooks.reachable(webhook_id)
                if webhook is None:
                    return
                if await self._send(webhook, delivery_id, body):
                    self._webhooks.delivered(webhook_id)
                    return
        self._webhooks.failed(webhook_id, self._limits.failures_to_suspend)

    async def _send(self, webhook: Webhook, delivery_id: str, body: bytes) -> bool:
        """Return whether its job was taken on, or the receiver answered 2xx in time."""
        if self._client is None:
            return False
        if webhook.runs is not None:
            return self._launch(webhook, webhook.runs, delivery_id, body)
        return await self._post(self._client, webhook, delivery_id, body)

    def _launch(self, webhook: Webhook, job: WebhookJob, delivery_id: str, payload: bytes) -> bool:
        user = self._accounts.of_id(webhook.user_id)
        if user is None or not self._accounts.may_write(user, job.owner.name):
            _log.info("delivery.failed: its user may not run the job (webhook %s)", webhook.id)
            return False
        body = job.body_for(delivery_id, payload, webhook.secret)
        source = Initiator(type="webhook", id=webhook.id)
        self._jobs.create(body, job.owner, user.namespace, source)
        return True

    async def _post(
        self, client: httpx2.AsyncClient, webhook: Webhook, delivery_id: str, body: bytes
    ) -> bool:
        """Send one request; what the receiver answers is not read further."""
        headers = {"Content-Type": "application/json", "Webhook-Id": delivery_id}
        if webhook.secret:
            headers["X-Webhook-Secret"] = webhook.secret
        try:
            async with (
                asyncio.timeout(self._limits.delivery_timeout),
                client.stream("POST", webhook.url, content=body, headers=headers) as response,
            ):
                return response.is_success
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, TimeoutError) as exc:
            _log.info("delivery.failed: %s (webhook %s)", type(exc).__name__, webhook.id)
            return False
