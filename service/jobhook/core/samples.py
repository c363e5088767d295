"""Sample payloads for every event: what the cases of a rule are merged over."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

# In samples and cases, the token's user (`user:@me`) has this name.
SAMPLE_USER = "me"
# 15 January 2027, noon in Greenwich: a Friday.
SAMPLE_NOW = 1_800_014_400_000
_OLD = "1" * 40
_NEW = "2" * 40


def sample_payload(event: str) -> dict[str, Any]:
    """
    Return a webhook payload (version 3) that reads as *event*.

    That is a semantic name, or a raw scope, with or without its action.

    It happens on the public model `me/sample`, and on its branch `main` where a ref changes.
    """
    event, slash, asked = event.partition("/")
    scope, action, extra = _shape(event)
    action = asked if slash else action
    repo = {
        "type": "model",
        "name": f"{SAMPLE_USER}/sample",
        "id": "a" * 24,
        "private": False,
        "owner": {"id": "b" * 24},
        "url": {
            "web": f"https://huggingface.co/{SAMPLE_USER}/sample",
            "api": f"https://huggingface.co/api/models/{SAMPLE_USER}/sample",
        },
    }
    if scope.startswith("repo") and event != "files.changed":
        repo["headSha"] = _NEW
    payload = {
        "event": {"action": action, "scope": scope},
        "repo": repo,
        "webhook": {"id": "c" * 24, "version": 3},
    }
    return merged(payload, extra)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return *base* with *over* laid on it: objects are merged key by key, all else is replaced."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return result


def _shape(event: str) -> tuple[str, str, dict[str, Any]]:
    subject, _, verb = event.partition(".")
    if event in _REF_CHANGES:
        ref, old, new = _REF_CHANGES[event]
        change = {"ref": ref, "oldSha": old, "newSha": new}
        return "repo.content", "update", {"updatedRefs": [change]}
    if event in _PLAIN:
        return copy.deepcopy(_PLAIN[event])
    if subject == "comment" or event == "discussion.comment":
        content = {"hidden": True} if verb == "hidden" else {"content": "Hello", "hidden": False}
        comment = {"comment": {"id": "d" * 24, "author": {"id": "e" * 24}, **content}}
        action = "update" if verb in {"edited", "hidden"} else "create"
        return "discussion.comment", action, comment | _discussion(event)
    action = {"opened": "create", "deleted": "delete"}.get(verb, "update")
    return "discussion", action, _discussion(event)


def _discussion(event: str) -> dict[str, Any]:
    subject, _, verb = event.partition(".")
    return {
        "discussion": {
            "id": "f" * 24,
            "title": "A sample",
            "num": 1,
            "status": verb if verb in {"merged", "closed"} else "open",
            "isPullRequest": subject == "pr",
            "author": {"id": "e" * 24},
        }
    }


_REF_CHANGES: dict[str, tuple[str, str | None, str | None]] = {
    "repo.content": ("refs/heads/main", _OLD, _NEW),
    "commit.pushed": ("refs/heads/main", _OLD, _NEW),
    "branch.created": ("refs/heads/main", None, _NEW),
    "branch.deleted": ("refs/heads/main", _OLD, None),
    "tag.created": ("refs/tags/v1", None, _NEW),
    "tag.moved": ("refs/tags/v1", _OLD, _NEW),
    "tag.deleted": ("refs/tags/v1", _OLD, None),
    "pr.ref_created": ("refs/pr/1", None, _NEW),
    "pr.pushed": ("refs/pr/1", _OLD, _NEW),
    "convert.updated": ("refs/convert/parquet", _OLD, _NEW),
}

_PLAIN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "repo": ("repo", "update", {}),
    "repo.created": ("repo", "create", {}),
    "repo.deleted": ("repo", "delete", {}),
    "repo.updated": ("repo", "update", {}),
    "repo.moved": ("repo", "move", {"movedTo": {"name": f"{SAMPLE_USER}/moved"}}),
    "repo.config": ("repo.config", "update", {"updatedConfig": {}}),
    "config.changed": ("repo.config", "update", {"updatedConfig": {}}),
    "repo.made_private": ("repo.config", "update", {"updatedConfig": {"private": True}}),
    "repo.made_public": ("repo.config", "update", {"updatedConfig": {"private": False}}),
    "files.changed": (
        "repo.content",
        "update",
        {"repo": {"type": "bucket"}, "updatedFiles": [{"path": "a.txt", "action": "add"}]},
    ),
}
