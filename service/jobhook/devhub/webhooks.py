"""The webhooks of a devhub: what one may ask for, what is kept, what is told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import httpx2
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from .jobspec import JobBody, Secrets
from .webhook_jobs import WebhookJob
from .wire import Refusal, new_id, now, stamp

if TYPE_CHECKING:
    from .accounts import User
    from .storage import Workspace

SUSPENDED = "suspended-after-failure"


def _web_address(text: str) -> str:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        url = httpx2.URL("")
    if url.scheme not in {"http", "https"} or not url.host or not text.isprintable():
        raise ValueError("must be an http:// or https:// URL with a host")
    return text


class Watched(BaseModel):
    """Something whose events a webhook wants."""

    model_config = ConfigDict(frozen=True)

    type: Literal["dataset", "model", "space", "bucket", "kernel", "user", "org"]
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]


_Url = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_web_address)]
_Secret = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7F]*$", max_length=4096)]
_Watched = Annotated[list[Watched], Field(min_length=1)]
_Domains = Annotated[list[Literal["repo", "discussion"]], Field(min_length=1)]


class WebhookChange(BaseModel):
    """What an update may hold; what is absent stays as it was."""

    url: _Url | None = None
    job_source_id: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = Field(
        default=None, alias="jobSourceId"
    )
    job: JobBody | None = Field(default=None, repr=False)
    secrets: Secrets | None = Field(default=None, repr=False)
    watched: _Watched | None = None
    domains: _Domains | None = None
    secret: _Secret | None = Field(default=None, repr=False)

    @property
    def aims(self) -> int:
        """Return how many things it says are to be done with an event."""
        return sum(aim is not None for aim in (self.url, self.job_source_id, self.job))

    @model_validator(mode="after")
    def _one_aim(self) -> WebhookChange:
        if self.aims > 1:
            raise ValueError("only one of url, jobSourceId and job can be given")
        if self.secrets and self.job_source_id is None and self.job is None:
            raise ValueError("secrets can only be given together with jobSourceId or job")
        return self


class WebhookBody(WebhookChange):
    """What a new webhook must hold."""

    watched: _Watched
    domains: _Domains

    @model_validator(mode="after")
    def _some_aim(self) -> WebhookBody:
        if not self.aims:
            raise ValueError("one of url, jobSourceId and job must be given")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """
    Where one user wants which events to go.

    Attributes:
        url: Where they are sent; empty where a job is run.
        runs: The job that is run, if one is.
    """

    id: str
    user_id: str
    url: str = ""
    runs: WebhookJob | None = None
    watched: tuple[Watched, ...]
    domains: tuple[str, ...]
    secret: str = field(default="", repr=False)
    disabled: bool | Literal["suspended-after-failure"] = False
    failures: int = 0
    last_trigger_at: datetime | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the webhook as the Hub tells it: never the secret, only whether there is one."""
        wire: dict[str, Any] = {
            "id": self.id,
            **self._aim(),
            "watched": [item.model_dump() for item in self.watched],
            "domains": list(self.domains),
            "hasSecret": bool(self.secret),
            "disabled": self.disabled,
        }
        if self.last_trigger_at:
            wire["lastTriggerAt"] = stamp(self.last_trigger_at)
        return wire

    def _aim(self) -> dict[str, Any]:
        if self.runs is None:
            return {"url": self.url}
        source = {"jobSourceId": self.runs.source_id} if self.runs.source_id else {}
        return {**source, "job": self.runs.to_wire()}

    def to_stored(self) -> dict[str, Any]:
        """Return what `from_stored` reads."""
        return {
            **self.to_wire(),
            "runs": self.runs and self.runs.to_stored(),
            "userId": self.user_id,
            "secret": self.secret,
            "failures": self.failures,
        }

    @classmethod
    def from_stored(cls, stored: dict[str, Any]) -> Webhook:
        """Return the webhook that `to_stored` described."""
        last, runs = stored.get("lastTriggerAt"), stored.get("runs")
        return cls(
            id=stored["id"],
            user_id=stored["userId"],
            url=stored["url"] if runs is None else "",
            runs=WebhookJob.from_stored(runs) if runs else None,
            watched=tuple(Watched(**item) for item in stored["watched"]),
            domains=tuple(stored["domains"]),
            secret=stored["secret"],
            disabled=stored["disabled"],
            failures=stored["failures"],
            last_trigger_at=datetime.fromisoformat(last) if last else None,
        )


class Webhooks:
    """All webhooks; each is its user's own."""

    def __init__(self, workspace: Workspace) -> None:
        self._shelf = workspace.shelf("webhooks")
        self._webhooks: dict[str, Webhook] = {}

    def open(self) -> None:
        """Read what an earlier devhub kept."""
        for webhook in self._shelf.read(Webhook.from_stored):
            self._webhooks[webhook.id] = webhook

    def create(self, user: User, body: WebhookBody, job: WebhookJob | None) -> Webhook:
        """Make a webhook of *user*, enabled, which runs *job* if there is one."""
        return self._keep(
            Webhook(
                id=new_id(),
                user_id=user.namespace.id,
                url=body.url or "",
                runs=job and job.with_secrets(job.secrets, body.secrets or {}),
                watched=tuple(body.watched),
                domains=tuple(body.domains),
                secret=body.secret or "",
            )
        )

    def of(self, user: User) -> list[Webhook]:
        """Return the webhooks of *user*, the oldest first."""
        return [hook for hook in self._webhooks.values() if hook.user_id == user.namespace.id]

    def find(self, user: User, webhook_id: str) -> Webhook:
        """Return this webhook of *user*; those of others are as if there were none."""
        webhook = self._webhooks.get(webhook_id)
        if webhook is None or webhook.user_id != user.namespace.id:
            raise Refusal(404, "There is no such webhook among yours")
        return webhook

    def update(self, webhook: Webhook, change: WebhookChange, job: WebhookJob | None) -> Webhook:
        """Change what *change* holds; *job* is run from now on, with the secrets known so far."""
        if job:
            known = webhook.runs.secrets if webhook.runs else {}
            job = job.with_secrets(known, job.secrets, change.secrets or {})
        if change.aims:
            webhook = replace(webhook, url=change.url or "", runs=job)
        changes: dict[str, Any] = {
            "watched": tuple(change.watched or ()) or None,
            "domains": tuple(change.domains or ()) or None,
            "secret": change.secret,
        }
        given = {name: value for name, value in changes.items() if value is not None}
        return self._keep(replace(webhook, **given))

    def enable(self, webhook: Webhook) -> Webhook:
        """Let events reach *webhook*, with its failures forgotten."""
        return self._keep(replace(webhook, disabled=False, failures=0))

    def disable(self, webhook: Webhook) -> Webhook:
        """Let no event reach *webhook*."""
        return self._keep(replace(webhook, disabled=True))

    def delete(self, webhook: Webhook) -> None:
        """Forget *webhook*."""
        del self._webhooks[webhook.id]
        self._shelf.drop(webhook.id)

    def enabled(self) -> list[Webhook]:
        """Return all webhooks, of whomever, that events may reach."""
        return [hook for hook in self._webhooks.values() if not hook.disabled]

    def reachable(self, webhook_id: str) -> Webhook | None:
        """Return this webhook as it is now, None if nothing may be sent to it any more."""
        webhook = self._webhooks.get(webhook_id)
        return webhook if webhook and not webhook.disabled else None

    def triggered(self, webhook_id: str) -> None:
        """Note that an event is for this webhook."""
        self._note(webhook_id, last_trigger_at=now())

    def delivered(self, webhook_id: str) -> None:
        """Note that this webhook works."""
        webhook = self._webhooks.get(webhook_id)
        if webhook and webhook.failures:
            self._note(webhook_id, failures=0)

    def failed(self, webhook_id: str, limit: int) -> None:
        """Note a delivery that failed for good; the *limit*-th in a row suspends the webhook."""
        webhook = self._webhooks.get(webhook_id)
        if webhook:
            failures = webhook.failures + 1
            disabled = SUSPENDED if failures >= limit else webhook.disabled
            self._note(webhook_id, failures=failures, disabled=disabled)

    def _note(self, webhook_id: str, **changes: Any) -> None:
        webhook = self._webhooks.get(webhook_id)
        if webhook:
            self._keep(replace(webhook, **changes))

    def _keep(self, webhook: Webhook) -> Webhook:
        self._webhooks[webhook.id] = webhook
        self._shelf.put(webhook.id, webhook.to_stored())
        return webhook
