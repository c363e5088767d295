"""Which webhook the rules need on the Hub."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from jobhook.core.events import SCOPES
from jobhook.core.rules import Rule
from jobhook.core.watches import TOKEN_USER, Watch

RECEIVER_PATH = "/webhooks/hub"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedWebhook:
    """The full state of the webhook that a service wants to have."""

    url: str
    watched: tuple[Watch, ...]
    domains: tuple[str, ...]
    secret: str = field(repr=False)


def wanted_webhook(
    rules: Iterable[Rule], *, public_url: str, me: str, secret: str
) -> WantedWebhook | None:
    """Return the one webhook that serves all *rules*, or None if they watch nothing."""
    watching = [rule for rule in rules if rule.watch]
    watched = {
        Watch(watch.type, me) if watch.name == TOKEN_USER else watch
        for rule in watching
        for watch in rule.watch
    }
    if not watched:
        return None
    return WantedWebhook(
        url=public_url.rstrip("/") + RECEIVER_PATH,
        watched=tuple(sorted(watched)),
        domains=tuple(
            sorted({domain_of(name) for rule in watching for name in rule.on}, reverse=True)
        ),
        secret=secret,
    )


def domain_of(event: str) -> str:
    """Return the Hub's domain whose webhooks carry *event*: `repo` or `discussion`."""
    scope = event.partition("/")[0]
    if scope in SCOPES:
        return scope.partition(".")[0]
    subject, _, verb = event.partition(".")
    if subject in {"discussion", "comment"}:
        return "discussion"
    # A pull request is a discussion; only its git ref belongs to the repo.
    return "discussion" if subject == "pr" and verb not in {"ref_created", "pushed"} else "repo"
