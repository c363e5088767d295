"""
The values of all secrets in the tests, and where any of them is seen.

Each holds the same word at its beginning and at its end, so that a piece of one is found as well,
and the whole in whatever form it got somewhere.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

WORD = "kanarie7Qx2"


def _canary(name: str) -> str:
    return f"{WORD}-{name}-{WORD}"


WEBHOOK = _canary("webhook")
OLD_WEBHOOK = _canary("webhook-before")
SIGNING = _canary("signing-key")
OLD_SIGNING = _canary("signing-key-before")
FOR_JOBS = _canary("for-jobs")
GIVEN = _canary("given-to-one-run")
DATABASE = _canary("database")
ADMIN = _canary("admin-token")
CALLER = _canary("token-of-a-caller")
# With the letters that forms of writing have trouble with.
ODD_WEBHOOK = f"""{WORD} "'\\%/+&=?#$`{WORD}"""
ODD_FOR_JOBS = f"""{WORD}"'\\%/+&=?#$ü鳥\n\t{WORD}"""
# In the shape of a token of the Hub.
HUB = f"hf_{WORD}AndOtherLettersOfAToken{WORD}"
SAVED_HUB = f"hf_{WORD}AndOtherLettersOfASavedOne{WORD}"

# By the name of the setting that is theirs.
OF_SETTINGS = {
    "DATABASE": f"postgresql://jobhook:{DATABASE}@127.0.0.1:1/jobhook",
    "WEBHOOK_SECRETS": f"{WEBHOOK},{OLD_WEBHOOK}",
    "SIGNING_KEYS": f"{SIGNING},{OLD_SIGNING}",
    "ADMIN_TOKEN": ADMIN,
    "TOKEN": CALLER,
}
# What every service of the suite has beside what its test gives it.
FOR_EVERY_SERVICE = {"JOBHOOK_SECRET_CANARY": FOR_JOBS}

# What tests leave behind that holds no secret.
_LEFT_BEHIND = ("*.db", "*.db-wal", "*.db-shm", "*.log")
_AROUND = 80


def _forms() -> Iterator[str]:
    yield WORD
    yield WORD.encode().hex()
    yield WORD.encode().hex().upper()
    # Quoted in a URL, escaped in JSON and by repr() it is the same; here it depends on what
    # stands before it, and its first and last letters on their neighbours.
    for before in range(3):
        letters = base64.b64encode(b"\0" * before + WORD.encode()).decode().rstrip("=")
        yield letters[{0: 0, 1: 2, 2: 3}[before] : -1]


_SEEN = re.compile("|".join(re.escape(form) for form in _forms()).encode())


def seen_in(content: bytes | str) -> list[str]:
    """What stands around every secret in *content*; a secret begins and ends with the word."""
    told = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return [
        told[max(0, found.start() - _AROUND) : found.end() + _AROUND].decode(errors="replace")
        for found in _SEEN.finditer(told)
    ]


def seen_below(folder: Path, patterns: Iterable[str] = _LEFT_BEHIND) -> list[str]:
    """Every secret in the databases and logs below *folder*, with the file that it stands in."""
    paths = (path for pattern in patterns for path in folder.rglob(pattern) if path.is_file())
    return [f"{path.name}: {seen}" for path in paths for seen in seen_in(path.read_bytes())]
