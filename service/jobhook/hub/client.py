"""One object for all that the Hub can be asked."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from jobhook.core.errors import HubBusy
from jobhook.core.health import Account
from jobhook.core.pacing import Quota
from jobhook.hub.jobs import JobsApi
from jobhook.hub.looking import LookingApi
from jobhook.hub.models import read_account
from jobhook.hub.repos import ReposApi
from jobhook.hub.transport import DEADLINE_SECONDS, HubTransport, Token
from jobhook.hub.webhooks import WebhooksApi


class AsyncHub(JobsApi, WebhooksApi, ReposApi, LookingApi):
    """The Hub at *endpoint*, asked with *token*; an async context manager."""

    def __init__(self, endpoint: str, token: Token, *, deadline: float = DEADLINE_SECONDS) -> None:
        self.transport = HubTransport(endpoint, token, deadline=deadline)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.transport.__aexit__(kind, error, trace)

    @property
    def quota(self) -> Quota:
        """What the Hub last said of the calls that the token may make; nothing is asked."""
        return self.transport.quota

    async def whoami(self) -> Account:
        """Return the token's user, what the token may do, and the Hub's time."""
        answer = await self.transport.get("/api/whoami-v2")
        try:
            return read_account(answer.body, answer.headers.get("date"))
        except (KeyError, TypeError, AttributeError) as exc:
            raise HubBusy("the Hub does not say whose token this is") from exc
