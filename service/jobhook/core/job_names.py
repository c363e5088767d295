"""
The names that jobs are given when nobody names them.

They are those of the official client (`huggingface_hub` 2.4): what runs, and a short hash of the
whole command, so that runs of the same command share a name. A label holds 100 characters: where
the official name is longer, which the Hub refuses, ours is cut.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from jobhook.core.jobs import LABEL_MAX, space_of

_HASH_LENGTH = 8


def name_from_image(image: str, command: Sequence[str]) -> str:
    """Return the name of a job that runs *command* in *image*: `python-3-12-1a2b3c4d`."""
    name = space_of(image) or image.rstrip("/").rpartition("/")[2]
    return _name(name or image, [image, *command])


def name_from_script(script: str, args: Sequence[str]) -> str:
    """Return the name of a job in which `uv run` runs *script*: `train-1a2b3c4d`."""
    path = script.partition("?")[0].partition("#")[0].rstrip("/")
    return _name(path.rpartition("/")[2].removesuffix(".py") or script, [script, *args])


def _name(base: str, parts: Sequence[str]) -> str:
    # "surrogatepass": what is no text is told of elsewhere.
    joined = "\0".join(parts).encode(errors="surrogatepass")
    digest = hashlib.sha256(joined).hexdigest()[:_HASH_LENGTH]
    readable = re.sub(r"[^a-zA-Z0-9_-]", "-", base)[: LABEL_MAX - _HASH_LENGTH - 1]
    return f"{readable}-{digest}"
