"""
What looks like a secret, where everybody who may see a job can read it (reliability T20).

A wrong alarm keeps a rule from being loaded, so what is merely long, such as a commit, a hash or a
URL, is let pass unless the name beside it says that it is a secret.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from jobhook.core.strict import fault

_TOKENS = re.compile(
    r"\b(?:hf_(?:[a-z]+_)?[A-Za-z0-9]{20,}"  # the Hub
    r"|jh_[A-Za-z0-9_-]{43}"  # our own
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"
    r"|glpat-[A-Za-z0-9_-]{20,}"
    r"|sk-(?:[a-z0-9]{1,12}-){0,3}[A-Za-z0-9_]{20,}"  # OpenAI, Anthropic
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}\b"  # AWS
    r"|AIza[A-Za-z0-9_-]{35}"  # Google
    r"|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{32,}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}"  # Slack
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})"  # JSON web tokens
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|://[^/\s:@]+:[^/\s@]+@"  # a password in a URL
)
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|APIKEY|KEY)$", re.IGNORECASE
)
# Keys that open nothing.
_HARMLESS_NAME = re.compile(
    r"(?:^|_)(?:CACHE|PRIMARY|PUBLIC|PARTITION|SORT|FOREIGN)_KEY$", re.IGNORECASE
)
# Letters and digits in one go, as nobody writes words.
_RUN = re.compile(r"[A-Za-z0-9]{16,}")
_ENTROPY_MIN_BITS = 3.0


def holds_token(text: str) -> bool:
    """Whether *text* holds something in the shape of a well-known kind of token or key."""
    return _TOKENS.search(text) is not None


def masked(text: str) -> str:
    """Return *text*, as long as it is, without what is in the shape of a token or key."""
    return _TOKENS.sub(lambda found: found[0][:3] + "*" * (len(found[0]) - 3), text)


def without_token(text: str) -> str:
    """Return *text*, which all who may see the job can read, or refuse it for what it holds."""
    if holds_token(text):
        raise fault(
            "it holds what looks like a token, and can be read by all who may see the job: hand "
            "that over in `secrets`",
            code="secret-in-env",
        )
    return text


def looks_secret(name: str, value: str) -> bool:
    """Whether *value* is a token by its shape, or by its *name* and its being like drawn by lot."""
    if holds_token(value):
        return True
    if not _SECRET_NAME.search(name) or _HARMLESS_NAME.search(name):
        return False
    return any(_is_random(run) for run in _RUN.findall(value))


def _is_random(run: str) -> bool:
    has_both = any(map(str.isdigit, run)) and any(map(str.isalpha, run))
    return has_both and _bits_a_character(run) >= _ENTROPY_MIN_BITS


def _bits_a_character(text: str) -> float:
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)
