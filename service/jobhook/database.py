"""Where everything is kept: the URL of a database, whose password nobody may see."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from jobhook.core.errors import SettingsError

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]*)(:(?P<port>[0-9]{0,5}))?")
_PASSWORD = re.compile("(?:^|&)password=([^&]*)")


@dataclass(frozen=True, slots=True)
class Database:
    """
    Where everything is kept.

    Attributes:
        url: As it was given; that of PostgreSQL may hold a password.
        path: The file of SQLite, or None for PostgreSQL.
        force: Whether the file may lie where its locks and syncs may not hold.
    """

    url: str = field(repr=False)
    path: Path | None
    force: bool = False

    @property
    def passwords(self) -> tuple[str, ...]:
        """The passwords in the URL, as they stand there and as they are meant."""
        if self.path:
            return ()
        address, rest = _cut(self.url.partition("://")[2])
        single = address.rpartition("@")[0].partition(":")[2]
        written = [single, *_PASSWORD.findall(rest.partition("?")[2])]
        return tuple(each for text in written if text for each in {text, unquote(text)})

    def __str__(self) -> str:
        scheme, _, rest = self.url.partition("://")
        shown = rest if self.path else rest.partition("?")[0]
        return f"{scheme}://{shown.rpartition('@')[2]}"


def read_database(url: str, *, force: bool) -> Database:
    """
    Return what *url* (`JOBHOOK_DATABASE`) means.

    Raises:
        SettingsError: It is none, or a password in it makes another one of it; nothing of the
            password is told.
    """
    scheme, separator, path = url.partition(":///")
    if scheme == "sqlite" and separator and path:
        return Database(url, Path(path), force)
    if url.startswith(("postgresql://", "postgres://")):
        _check_address(url)
        return Database(url, None)
    # A password may stand anywhere in what is not understood.
    kind, separator, _ = url.partition("://")
    shown = f" ({kind}://…)" if separator else ""
    raise SettingsError(
        f"JOBHOOK_DATABASE{shown} cannot be used: write sqlite:///jobhook.db or postgresql://…"
    )


def _check_address(url: str) -> None:
    """Refuse what a password that holds a `@` or `/` makes of a URL, without showing any of it."""
    address, rest = _cut(url.partition("://")[2])
    user, _, hosts = address.rpartition("@")
    odd_user = any(character in user for character in "@[]")
    odd_hosts = not all(map(_is_host, hosts.split(",")))
    if odd_user or _holds_the_at(rest) or (odd_hosts and "@" in url):
        raise SettingsError(
            "JOBHOOK_DATABASE cannot be read: in the user and the password of its URL write %40 "
            "for @, %2F for /, %3A for :, %3F for ?, %23 for #, %5B for [, %5D for ] and %25 for %"
        )
    if odd_hosts:
        raise SettingsError(
            "JOBHOOK_DATABASE has an odd host or port: write postgresql://user:password@host/name"
        )


def _is_host(text: str) -> bool:
    found = _HOST.fullmatch(text)
    return found is not None and int(found["port"] or 0) <= 65535


def _cut(text: str) -> tuple[str, str]:
    """Return what a URL says before its path, and the rest."""
    address = re.split("[/?#]", text, maxsplit=1)[0]
    return address, text[len(address) :]


def _holds_the_at(rest: str) -> bool:
    """Whether a password that holds `/`, `?` or `#` left its `@` behind the address."""
    path, _, query = rest.partition("?")
    return "@" in path or "#" in rest or ("@" in query and "=" not in query)
