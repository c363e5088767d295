"""
What a script says of the job that runs it: `[tool.hf-jobs]` in its PEP 723 block.

The keys, and what goes before what, are those of `hf jobs uv run`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from jobhook.core.errors import UsageError, did_you_mean

_TABLE = "[tool.hf-jobs]"
_OPENING = re.compile(rb"# /// ([a-zA-Z0-9-]+)")
_CLOSING = b"# ///"
# Of the timeout; whether it is a length of time is for whoever starts the job to say.
_SECONDS_MAX = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptHeader:
    """
    How a script wants to be run; what it does not say is None or empty.

    Attributes:
        timeout: As `--timeout` takes it.
        name: The same as the label `name`, and goes before it.
        secrets: Names only: the values are with whoever runs the script.
        volumes: As `--volume` takes them.
    """

    image: str | None = None
    flavor: str | None = None
    python: str | None = None
    timeout: str | None = None
    name: str | None = None
    namespace: str | None = None
    network_group: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    network_aliases: tuple[str, ...] = ()

    def beneath(self, options: ScriptHeader) -> ScriptHeader:
        """
        Return what *options* say, and where they say nothing, what the script says.

        Of env, secrets and labels each entry counts by itself, and of volumes what is mounted at
        one path. The aliases are the options' alone if they name any. A name ends up in the labels.
        """
        single = {key: _first(getattr(options, key), getattr(self, key)) for key in _SINGLE}
        taken = {_mount_of(volume) for volume in options.volumes}
        return replace(
            options,
            **single,
            name=None,
            env={**self.env, **options.env},
            secrets=tuple(dict.fromkeys((*self.secrets, *options.secrets))),
            labels={**self._all_labels, **options._all_labels},
            volumes=(*(v for v in self.volumes if _mount_of(v) not in taken), *options.volumes),
            network_aliases=options.network_aliases or self.network_aliases,
        )

    @property
    def _all_labels(self) -> Mapping[str, str]:
        return self.labels if self.name is None else {**self.labels, "name": self.name}


KEYS = tuple(each.name for each in fields(ScriptHeader))
_SINGLE = ("image", "flavor", "python", "timeout", "namespace", "network_group")


def read_header(script: bytes, name: str) -> ScriptHeader:
    """
    Return what *script* says in `[tool.hf-jobs]`; nothing, if it has no such table.

    A block without that table is uv's own business, and is not judged.

    Raises:
        UsageError: It cannot be read or says what cannot be; the sentence begins with *name*.
    """
    block = _block(script)
    if b"hf-jobs" not in block:
        return ScriptHeader()
    try:
        return ScriptHeader(**dict(_said(_table(block))))
    except UsageError as exc:
        raise UsageError(f"{name}: {exc}") from exc


def _block(script: bytes) -> bytes:
    """Return the TOML of the first block of the type `script`, found in time linear in its size."""
    lines = script.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    at = 0
    while at < len(lines):
        opening, start = _OPENING.fullmatch(lines[at]), at + 1
        at = start
        if not opening:
            continue
        while at < len(lines) and (lines[at] == b"#" or lines[at].startswith(b"# ")):
            at += 1
        # Of several lines that could close the block the last one does, and it is never empty.
        ends = [n for n in range(start + 1, at) if lines[n] == _CLOSING]
        if ends:
            at = ends[-1] + 1
            if opening[1] == b"script":
                return b"\n".join(line[2:] for line in lines[start : ends[-1]])
    return b""


def _table(block: bytes) -> dict[str, Any]:
    try:
        tool = tomllib.loads(block.decode()).get("tool", {})
    except (ValueError, RecursionError) as exc:
        what = "no UTF-8" if isinstance(exc, UnicodeDecodeError) else f"no TOML: {exc}"
        raise UsageError(f"the block `# /// script` is {what}") from exc
    table = tool.get("hf-jobs", {}) if isinstance(tool, dict) else tool
    if not isinstance(table, dict):
        raise UsageError(f"write `{_TABLE}` as a table, in a line of its own")
    return table


def _said(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if key not in _READERS:
            known = f"it knows {', '.join(KEYS)}"
            raise UsageError(f"{_TABLE} has no key {key[:60]!r}{did_you_mean(key, KEYS)}; {known}")
        yield key, _READERS[key](key, value)


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(key, "a text", value)
    return value


def _timeout(key: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _SECONDS_MAX:
        return str(value)
    if not isinstance(value, str):
        raise _wrong(key, 'a text such as "30m", or a whole number of seconds', value)
    return value


def _texts(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _wrong(key, "a list of texts", value)
    return tuple(_text(f"{key}[{index}]", each) for index, each in enumerate(value))


def _secrets(key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, dict):
        raise UsageError(
            f"`secrets` in {_TABLE} must be a list of names, without values: "
            "anybody may read a script, and whoever runs it has the values"
        )
    return _texts(key, value)


def _entries(key: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _wrong(key, "a table of texts", value)
    return {name: _text(f"{key}.{name[:60]}", each) for name, each in value.items()}


_READERS: Mapping[str, Callable[[str, object], object]] = {
    **dict.fromkeys((*_SINGLE, "name"), _text),
    "timeout": _timeout,
    "env": _entries,
    "secrets": _secrets,
    "labels": _entries,
    "volumes": _texts,
    "network_aliases": _texts,
}
_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}


def _wrong(key: str, wanted: str, value: object) -> UsageError:
    # What kind of thing it is and not what: it may be of any length.
    kind = _KINDS.get(type(value), "a time or date")
    return UsageError(f"`{key}` in {_TABLE} must be {wanted}, and is {kind}")


def _first(*values: str | None) -> str | None:
    return next((value for value in values if value is not None), None)


def _mount_of(volume: str) -> str:
    """Return the path at which *volume*, `SOURCE:/PATH[:ro|:rw]`, is mounted."""
    body = volume.removesuffix(":ro").removesuffix(":rw")
    return body.rpartition(":/")[2]
