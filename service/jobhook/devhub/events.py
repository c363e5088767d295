"""What happens on a devhub, and the payload (version 3) that tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .discussions import Discussion, Happening
    from .repos import Repo
    from .webhooks import Webhook

PAYLOAD_VERSION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    One thing that happened to a repo.

    Attributes:
        repo: The repo as it was right after; for a deleted one, right before.
        parts: The top-level keys of the payload that only this kind of event has.
    """

    repo: Repo
    scope: str
    action: str
    parts: Mapping[str, Any] = field(default_factory=dict)

    def concerns(self, webhook: Webhook) -> bool:
        """Whether *webhook* watches the domain and the repo, or its owner."""
        # `repo.content` is of the domain `repo`, `discussion.comment` of `discussion`.
        if self.scope.partition(".")[0] not in webhook.domains:
            return False
        repo = self.repo
        names = {(repo.type, repo.full_name), (repo.owner.type, repo.owner.name)}
        return any((item.type, item.name) in names for item in webhook.watched)

    def payload(self, url: str, webhook: Webhook) -> dict[str, Any]:
        """Return the body that is sent to *webhook*."""
        return {
            "event": {"action": self.action, "scope": self.scope},
            "repo": self._repo(url),
            **self.parts,
            "webhook": {"id": webhook.id, "version": PAYLOAD_VERSION},
        }

    def _repo(self, url: str) -> dict[str, Any]:
        repo = self.repo
        wire: dict[str, Any] = {
            "type": repo.type,
            "name": repo.full_name,
            "id": repo.id,
            "private": repo.private,
            "url": {"web": repo.web_url(url), "api": repo.api_url(url)},
            "owner": {"id": repo.owner.id},
        }
        if repo.type == "space":
            wire["subdomain"] = f"{repo.owner.name}-{repo.name}".lower()
        if self.scope.startswith("repo") and self.action != "delete":
            wire["headSha"] = repo.head
        return wire


def refs_changed(repo: Repo, *changes: tuple[str, str | None, str | None]) -> Event:
    """Return the event of refs that went from one commit to another; None: there is none."""
    refs = [{"ref": ref, "oldSha": old, "newSha": new} for ref, old, new in changes]
    return Event(repo=repo, scope="repo.content", action="update", parts={"updatedRefs": refs})


def discussed(
    repo: Repo,
    discussion: Discussion,
    url: str,
    *,
    scope: str = "discussion",
    action: str,
    comment: Happening | None = None,
) -> Event:
    """Return the event of something done to *discussion*, or to a *comment* in it."""
    web, api = (
        f"{base}/discussions/{discussion.num}" for base in (repo.web_url(url), repo.api_url(url))
    )
    parts: dict[str, Any] = {
        "discussion": {
            "id": discussion.id,
            "title": discussion.title,
            "url": {"web": web, "api": api},
            "status": discussion.status,
            "author": {"id": discussion.author_id},
            "num": discussion.num,
            "isPullRequest": discussion.base is not None,
        }
    }
    if discussion.base is not None:
        parts["discussion"]["changes"] = discussion.changes()
    if comment is not None:
        parts["comment"] = _comment(comment, web)
    return Event(repo=repo, scope=scope, action=action, parts=parts)


def _comment(comment: Happening, web: str) -> dict[str, Any]:
    hidden = comment.data["hidden"]
    return {
        "id": comment.id,
        "author": {"id": comment.author_id},
        **({} if hidden else {"content": comment.data["latest"]["raw"]}),
        "hidden": hidden,
        "url": {"web": f"{web}#{comment.id}"},
    }
