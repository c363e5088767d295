"""Make the Hub's webhook equal what the rules watch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from jobhook.core.health import Finding, fail, ok, warn
from jobhook.core.registration import RECEIVER_PATH, WantedWebhook, wanted_webhook
from jobhook.flows.identity import Identity
from jobhook.flows.rulebook import Rulebook
from jobhook.flows.worker import Worker
from jobhook.hub.models import WebhookInfo, WebhookWatchedItem
from jobhook.ports import Hub

SUSPENDED = "suspended-after-failure"

Step = Literal["create", "update", "enable", "keep", "remove"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Change:
    """One step towards the wanted state, and why in one line."""

    step: Step
    webhook_id: str | None
    reason: str


class Registrar(Worker):
    """Registers the service's webhook at its start, and anew when the rules watch other things."""

    idle = 3600.0

    def __init__(
        self,
        hub: Hub,
        *,
        rulebook: Rulebook,
        identity: Identity,
        public_url: str,
        secret: str,
    ) -> None:
        super().__init__()
        self._hub = hub
        self._rulebook = rulebook
        self._identity = identity
        self._public_url = public_url
        self._secret = secret
        self._registered: tuple[WantedWebhook | None, ...] = ()

    def reset(self) -> None:
        super().reset()
        # Whoever led meanwhile may have registered something else.
        self._registered = ()

    async def step(self) -> bool:
        wanted = self.wanted()
        if self._registered != (wanted,):
            await register(self._hub, wanted, url=self._public_url + RECEIVER_PATH)
            self._registered = (wanted,)
        return False

    def wanted(self) -> WantedWebhook | None:
        """Return the webhook that the rules need; the identity must be known."""
        return wanted_webhook(
            self._rulebook.rules.rules,
            public_url=self._public_url,
            me=self._identity.me or "",
            secret=self._secret,
        )


def plan_registration(
    wanted: WantedWebhook | None, existing: Iterable[WebhookInfo], *, url: str
) -> tuple[Change, ...]:
    """Return the steps from *existing* to *wanted*; webhooks with another URL are left alone."""
    ours = sorted((hook for hook in existing if hook.url == url), key=lambda hook: hook.id)
    if wanted is None:
        return tuple(Change("remove", hook.id, "no rule watches anything") for hook in ours)
    if not ours:
        watched = ", ".join(map(str, wanted.watched))
        return (Change("create", None, f"{' and '.join(wanted.domains)} events of {watched}"),)
    first, *extra = ours
    removals = (Change("remove", hook.id, f"{first.id} has the same URL") for hook in extra)
    return (*_towards(wanted, first), *removals)


def judged_registration(changes: Iterable[Change], existing: Iterable[WebhookInfo]) -> Finding:
    """Judge the Hub's webhooks by the *changes* that would be made to them."""
    steps = {change.step: change for change in changes}
    mend = "`jobhook apply` mends it"
    if enable := steps.get("enable"):
        told = f"{enable.webhook_id} is suspended after failed deliveries, and gets none: {mend}"
        return fail("webhook", told)
    if create := steps.get("create"):
        return fail("webhook", f"there is none for {create.reason}: `jobhook apply` makes it")
    kept = {change.webhook_id for change in steps.values() if change.step in {"update", "keep"}}
    if any(hook.id in kept and hook.disabled for hook in existing):
        return fail("webhook", "ours is disabled: `hf webhooks enable` lets it deliver again")
    if update := steps.get("update"):
        return fail("webhook", f"{update.webhook_id} is not as the rules want it: {mend}")
    if remove := steps.get("remove"):
        return warn("webhook", f"{remove.webhook_id} is not needed ({remove.reason}): {mend}")
    if keep := steps.get("keep"):
        return ok("webhook", f"{keep.webhook_id} is as the rules want it")
    return warn("webhook", "no rule watches anything, so there is none")


async def register(hub: Hub, wanted: WantedWebhook | None, *, url: str) -> tuple[Change, ...]:
    """
    Bring the Hub's webhooks with *url* to what is wanted and return the steps that were taken.

    Raises:
        HubError: A step failed; those before it stand, and the whole may be done again.
    """
    changes = plan_registration(wanted, await hub.list_webhooks(), url=url)
    for change in changes:
        await _take(hub, change, wanted)
        log.info("webhook.registered", step=change.step, url=url, reason=change.reason)
    return changes


async def _take(hub: Hub, change: Change, wanted: WantedWebhook | None) -> None:
    if wanted is not None and change.step == "create":
        await hub.create_webhook(**_state(wanted))
    elif wanted is not None and change.step in {"update", "keep"}:
        await hub.update_webhook(change.webhook_id or "", **_state(wanted))
    elif change.step == "enable":
        await hub.enable_webhook(change.webhook_id or "")
    else:
        await hub.delete_webhook(change.webhook_id or "")


def _state(wanted: WantedWebhook) -> dict[str, Any]:
    return {
        "url": wanted.url,
        "watched": [WebhookWatchedItem(watch.type, watch.name) for watch in wanted.watched],
        "domains": wanted.domains,
        "secret": wanted.secret,
    }


def _towards(wanted: WantedWebhook, hook: WebhookInfo) -> Iterable[Change]:
    differences = [
        f"{name} {_listed(old)} → {_listed(new)}"
        for name, old, new in (
            ("watched", [*map(str, hook.watched)], [*map(str, wanted.watched)]),
            ("domains", hook.domains, wanted.domains),
        )
        if set(old) != set(new)
    ]
    if differences:
        yield Change("update", hook.id, "; ".join(differences))
    else:
        # The Hub never tells the secret, so whether it is still ours cannot be seen.
        yield Change("keep", hook.id, "as the rules want it; the secret is sent again")
    if hook.disabled == SUSPENDED:
        yield Change("enable", hook.id, "the Hub suspended it after failed deliveries")


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items)) or "nothing"
