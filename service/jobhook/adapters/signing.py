"""Sign the links under which a job reads the whole of a payload that was too long for it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from itsdangerous import BadSignature, Signer

from jobhook.core.launches import Launch
from jobhook.core.payloads import PAYLOADS_PATH, link_expires_at

# A token is a delivery's id, a time, and a digest.
TOKEN_MAX = 128
_SALT = "jobhook.payloads"


class PayloadLinks:
    """
    Makes links to payloads, and reads them again.

    What was signed with any of *keys* is read; the first of them signs.
    """

    def __init__(self, keys: Sequence[str], *, public_url: str | None) -> None:
        self._signer = Signer(
            # It signs with its last one.
            list(reversed(keys)),
            salt=_SALT,
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )
        self._public_url = public_url

    def url(self, launch: Launch, now: int) -> str | None:
        """Return where the job of *launch* reads all of its payload; None without a public URL."""
        if not self._public_url:
            return None
        token = self._signer.sign(f"{launch.delivery}.{link_expires_at(launch.spec, now):x}")
        return f"{self._public_url}{PAYLOADS_PATH}{token.decode()}"

    def delivery(self, token: str, now: int) -> str | None:
        """Return the delivery that *token* opens; None if it is not ours, or has expired."""
        if len(token) > TOKEN_MAX:
            return None
        try:
            delivery, _, expires_at = self._signer.unsign(token).decode().partition(".")
        except (BadSignature, UnicodeError):
            return None
        return delivery if now < int(expires_at, 16) else None
