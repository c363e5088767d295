"""The head of a README: from it the Hub takes the tags of a repo."""

from __future__ import annotations

import re
from typing import Any

import yaml

from jobhook.core.errors import JobHookError

_HEAD = re.compile(rb"\A---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_HEAD_MAX_BYTES = 64 * 1024
_TAGS_MAX = 1000
# What becomes a tag as it is, and what gets its key in front.
_PLAIN = {
    "model": ("library_name", "pipeline_tag", "language", "tags"),
    "dataset": ("tags",),
    "space": ("sdk", "tags"),
}
_KEYED = {
    "model": {"datasets": "dataset", "base_model": "base_model", "license": "license"},
    "dataset": {
        "task_categories": "task_categories",
        "language": "language",
        "license": "license",
        "size_categories": "size_categories",
    },
    "space": {"license": "license"},
}


class CardError(JobHookError):
    """The head of a README that is no YAML, or no mapping."""


def tags_of(readme: bytes, repo_type: str) -> list[str]:
    """Return the tags that *readme* gives a repo; a head that cannot be read gives none."""
    try:
        head = read_head(readme)
    except CardError:
        head = {}
    tags = [tag for key in _PLAIN[repo_type] for tag in _words(head.get(key))]
    for key, prefix in _KEYED[repo_type].items():
        tags += [f"{prefix}:{word}" for word in _words(head.get(key))]
    return list(dict.fromkeys([*tags[:_TAGS_MAX], "region:us"]))


def read_head(readme: bytes) -> dict[str, Any]:
    """Return what the head of *readme* says, nothing if it has none; `CardError` if it is wrong."""
    found = _HEAD.match(readme[:_HEAD_MAX_BYTES])
    try:
        head = yaml.safe_load(found[1]) if found else {}
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise CardError("the head of the README is not YAML") from exc
    if not isinstance(head, dict | None):
        raise CardError("the head of the README must be a mapping")
    return head or {}


def _words(value: Any) -> list[str]:
    """Return what is written at a key: one word, or a list of them."""
    words = value if isinstance(value, list) else [value]
    return [word for word in words if isinstance(word, str) and word]
