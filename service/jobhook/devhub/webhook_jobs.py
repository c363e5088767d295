"""The job that a webhook runs in the place of sending a request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from .accounts import Namespace
from .jobspec import JobBody

if TYPE_CHECKING:
    from collections.abc import Mapping

# The rest of a job, above all its volumes and secrets, is not carried over.
_KEPT = {
    "docker_image",
    "space_id",
    "command",
    "arguments",
    "environment",
    "flavor",
    "arch",
    "timeout_seconds",
    "labels",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookJob:
    """
    What a webhook runs, and where.

    Attributes:
        body: The job as it was when the webhook was told of it, with the webhook's own secrets.
        owner: The namespace that it runs in.
        source_id: The job that it was taken from, if it was.
    """

    body: JobBody
    owner: Namespace
    source_id: str | None = None

    @classmethod
    def of(cls, body: JobBody, owner: Namespace, source_id: str | None = None) -> WebhookJob:
        """Return the job that a webhook makes of *body*, which has no secrets yet."""
        kept = {name: getattr(body, name) for name in _KEPT}
        plain = JobBody.model_construct(**kept)
        return cls(body=plain, owner=owner, source_id=source_id)

    @property
    def secrets(self) -> Mapping[str, str]:
        """Return the secrets that it runs with."""
        return self.body.secrets

    def with_secrets(self, *sources: Mapping[str, str]) -> WebhookJob:
        """Return it with the secrets of *sources*: the later count, and empty ones are none."""
        merged = {name: value for source in sources for name, value in source.items()}
        secrets = {name: value for name, value in merged.items() if value}
        return replace(self, body=self.body.model_copy(update={"secrets": secrets}))

    def body_for(self, delivery_id: str, payload: bytes, secret: str) -> JobBody:
        """Return the job to run for one delivery; what the Hub adds wins over what was given."""
        repo = orjson.loads(payload)["repo"]
        told = {
            "WEBHOOK_PAYLOAD": payload.decode(),
            "WEBHOOK_REPO_ID": repo["name"],
            "WEBHOOK_REPO_TYPE": repo["type"],
            "WEBHOOK_ID": delivery_id,
        }
        changes: dict[str, Any] = {"environment": {**self.body.environment, **told}}
        if secret:
            # Among the secrets, so that whoever may look at the job does not read it.
            changes["secrets"] = {**self.secrets, "WEBHOOK_SECRET": secret}
        return self.body.model_copy(update=changes)

    def to_wire(self) -> dict[str, Any]:
        """Return what the Hub tells of it: of the secrets the names."""
        wire = self.body.model_dump(by_alias=True, exclude_none=True, include=_KEPT)
        wire["timeoutSeconds"] = self.body.timeout_seconds
        if not self.body.labels:
            del wire["labels"]
        if self.secrets:
            wire["secrets"] = list(self.secrets)
        return wire

    def to_stored(self) -> dict[str, Any]:
        """Return what `from_stored` reads."""
        return {
            "body": self.body.to_stored(),
            "owner": {"name": self.owner.name, "type": self.owner.type},
            "sourceId": self.source_id,
        }

    @classmethod
    def from_stored(cls, stored: dict[str, Any]) -> WebhookJob:
        """Return what `to_stored` described."""
        return cls(
            body=JobBody.model_validate(stored["body"]),
            owner=Namespace(**stored["owner"]),
            source_id=stored["sourceId"],
        )
