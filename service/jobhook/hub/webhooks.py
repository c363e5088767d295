"""Webhooks on the Hub: the settings of the token's user."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from jobhook.core.errors import HubBusy, OutcomeUnknown
from jobhook.core.registration import WantedWebhook
from jobhook.hub.models import WebhookInfo, read_webhook
from jobhook.hub.transport import HubTransport
from jobhook.hub.wire import items

_PATH = "/api/settings/webhooks"


class WebhooksApi:
    """The calls under `/api/settings/webhooks`."""

    transport: HubTransport

    async def list_webhooks(self) -> list[WebhookInfo]:
        """Return every webhook of the token's user."""
        answer = await self.transport.get(_PATH)
        try:
            return list(map(read_webhook, items(answer.body)))
        except (KeyError, TypeError, AttributeError) as exc:
            raise HubBusy("the Hub's list of webhooks cannot be read") from exc

    async def create_webhook(self, wanted: WantedWebhook) -> WebhookInfo:
        """Create a webhook; raises `OutcomeUnknown` if nobody can tell whether it was."""
        return await self._write(_PATH, wanted.to_wire())

    async def update_webhook(self, webhook_id: str, wanted: WantedWebhook) -> WebhookInfo:
        """Give a webhook its full state: what an update leaves out may be emptied by the Hub."""
        return await self._write(_own_path(webhook_id), wanted.to_wire())

    async def enable_webhook(self, webhook_id: str) -> WebhookInfo:
        """Let a disabled or suspended webhook deliver again."""
        return await self._write(f"{_own_path(webhook_id)}/enable", None)

    async def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook."""
        await self.transport.change("DELETE", _own_path(webhook_id))

    async def _write(self, path: str, body: dict[str, Any] | None) -> WebhookInfo:
        answer = await self.transport.change("POST", path, json_body=body)
        try:
            return read_webhook(answer.body["webhook"])
        except (KeyError, TypeError, AttributeError) as exc:
            raise OutcomeUnknown(f"the Hub's answer to POST {path} names no webhook") from exc


def _own_path(webhook_id: str) -> str:
    return f"{_PATH}/{quote(webhook_id, safe='')}"
