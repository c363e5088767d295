"""Webhooks on the Hub, as a service elsewhere makes and tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jobhook.core.errors import UsageError
from jobhook.hub.arguments import an_id
from jobhook.hub.models import WebhookInfo
from jobhook.hub.streams import Listing
from jobhook.hub.transport import CallToken
from jobhook.hub.webhooks import Watched
from jobhook.remote.calls import RemoteCalls
from jobhook.remote.jobs import given


class RemoteWebhooks(RemoteCalls):
    """The calls of `WebhooksApi`: the webhooks are those of the user of the service's Hub token."""

    def list_webhooks(self, *, token: CallToken = None) -> Listing[WebhookInfo]:
        """Return every webhook of the user of the service's token."""
        return Listing(self._pages(WebhookInfo, "/webhooks"))

    async def get_webhook(self, webhook_id: str, *, token: CallToken = None) -> WebhookInfo:
        """Return one webhook; raises `HubNotFound` when there is none."""
        return await self._get(WebhookInfo, _path(webhook_id))

    async def create_webhook(
        self,
        *,
        url: str | None = None,
        job_id: str | None = None,
        watched: Watched,
        domains: Iterable[str] | None = None,
        secret: str | None = None,
        secrets: Mapping[str, str] | None = None,
        token: CallToken = None,
    ) -> WebhookInfo:
        """Have what happens sent to *url*, or a job started; raises as `WebhooksApi` does."""
        if (url is None) == (job_id is None):
            raise UsageError("a webhook needs either a url or a job_id, and not both")
        body = given(
            url=url, job_id=job_id, watched=watched, domains=domains, secret=secret, secrets=secrets
        )
        return await self._change(WebhookInfo, "POST", "/webhooks", body)

    async def update_webhook(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        job_id: str | None = None,
        watched: Watched | None = None,
        domains: Iterable[str] | None = None,
        secret: str | None = None,
        secrets: Mapping[str, str] | None = None,
        token: CallToken = None,
    ) -> WebhookInfo:
        """Change a webhook; what is None stays as it is."""
        body = given(
            url=url, job_id=job_id, watched=watched, domains=domains, secret=secret, secrets=secrets
        )
        return await self._change(WebhookInfo, "PUT", _path(webhook_id), body)

    async def enable_webhook(self, webhook_id: str, *, token: CallToken = None) -> WebhookInfo:
        """Let a disabled or suspended webhook deliver again."""
        return await self._change(WebhookInfo, "POST", f"{_path(webhook_id)}/enable")

    async def disable_webhook(self, webhook_id: str, *, token: CallToken = None) -> WebhookInfo:
        """Let a webhook deliver nothing."""
        return await self._change(WebhookInfo, "POST", f"{_path(webhook_id)}/disable")

    async def delete_webhook(self, webhook_id: str, *, token: CallToken = None) -> None:
        """Delete a webhook."""
        await self.service.change("DELETE", _path(webhook_id))


def _path(webhook_id: str) -> str:
    return f"/webhooks/{an_id('webhook', webhook_id)}"
