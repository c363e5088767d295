"""What may be put into a URL of the Hub: names of users, orgs and repos, and ids."""

from __future__ import annotations

import re

_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}"
_ACCOUNT = re.compile(_PART)
_REPO = re.compile(rf"({_PART}/)?{_PART}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA = re.compile(r"[0-9a-f]{7,64}")


def is_account(text: str) -> bool:
    """Whether *text* may be the name of a user or an org."""
    return _ACCOUNT.fullmatch(text) is not None


def is_repo(text: str) -> bool:
    """Whether *text* may be the full name of a repo."""
    return _REPO.fullmatch(text) is not None


def is_id(text: str) -> bool:
    """Whether *text* may be what the Hub knows a job, a schedule or a webhook by."""
    return _ID.fullmatch(text) is not None


def is_sha(text: str) -> bool:
    """Whether *text* may be the id of a commit, in full or its beginning."""
    return _SHA.fullmatch(text) is not None
