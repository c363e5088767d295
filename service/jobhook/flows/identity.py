"""Learn who we are on the Hub: whose token it is, and where jobs run."""

from __future__ import annotations

import structlog

from jobhook.flows.worker import Worker
from jobhook.ports import Hub

log = structlog.get_logger()


class Identity(Worker):
    """
    Asks the Hub until it answers; `run` returns when the answer is known.

    Attributes:
        me: The name of the token's user, once it is known.
        id: What deliveries call that user by, if the Hub tells it.
    """

    def __init__(self, hub: Hub, namespace: str | None) -> None:
        super().__init__()
        self._hub = hub
        self._namespace = namespace
        self.me: str | None = None
        self.id: str | None = None

    @property
    def namespace(self) -> str:
        """The user or org that jobs run in; only to be asked once `me` is known."""
        return self._namespace or self.me or ""

    async def step(self) -> bool:
        account = await self._hub.whoami()
        self.me, self.id = account.name, account.id
        log.info("identity.learned", user=self.me, namespace=self.namespace)
        self.stop()
        return False
