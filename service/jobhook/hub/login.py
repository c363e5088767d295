"""
Where the Hub is and who asks, in the words of the Hub's own tools.

A saved login works here as well: `HF_TOKEN`, or the file that `hf auth login` writes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from jobhook.core.errors import SettingsError

HUB_ENDPOINT = "https://huggingface.co"
# What a header, and an address, can hold.
PRINTABLE = re.compile(r"[\x21-\x7e]+")


def endpoint() -> str:
    """Return the address of the Hub that the environment names."""
    return os.environ.get("HF_ENDPOINT") or HUB_ENDPOINT


def token() -> str | None:
    """
    Return the token that the environment names, or that of the saved login.

    Raises:
        SettingsError: What is there is no token.
    """
    return given_token(os.environ) or saved_token(login_file(os.environ))


def given_token(environ: Mapping[str, str]) -> str | None:
    """Return the token that *environ* holds itself; `SettingsError` if it is none."""
    given = environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN")
    return _token(given.strip()) if given else None


def login_file(environ: Mapping[str, str]) -> Path:
    """Return where the Hub's own tools save a login."""
    home = Path(environ.get("HF_HOME") or _cache(environ) / "huggingface")
    return Path(environ.get("HF_TOKEN_PATH") or home / "token")


def saved_token(login: Path) -> str | None:
    """Return the token in *login*, None if there is no such file; `SettingsError` if it is none."""
    try:
        saved = login.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError, RuntimeError):
        return None
    return _token(saved) if saved else None


def _token(text: str) -> str:
    if not PRINTABLE.fullmatch(text):
        raise SettingsError("the Hub token (HF_TOKEN, or the saved login) is no token")
    return text


def _cache(environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME")
    return Path(environ.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home else "~/.cache"))
