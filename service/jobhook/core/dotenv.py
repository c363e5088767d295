r"""
Env files, and the `NAME=VALUE` of options, in the syntax of the official command line.

A line is `NAME=VALUE`, with `export` before it or not, or a `NAME` alone, which takes the value
that it has where it is read. Values may be quoted: `'…'` is taken as it stands, in `"…"` the
escapes `\n`, `\t`, `\"`, `\\` and `\$` are read. `#` begins a comment on a line of its own, after
white space, or after a quote. What the official client drops without a word is an error here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from jobhook.core.errors import UsageError

_BREAK = re.compile(r"\r\n|\r|\n")
_BLANK = re.compile(r"\s*(#.*)?", re.DOTALL)
_NAME = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*(=?)")
_QUOTED = re.compile(r"""('(?:\\'|[^'])*'|"(?:\\"|[^"])*")\s*(?:#.*)?""", re.DOTALL)
_TRAILING = re.compile(r"\s+#.*", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def read_dotenv(text: str, here: Mapping[str, str]) -> dict[str, str | None]:
    """
    Return what *text* sets; None is the value of a name alone that has none *here*.

    Raises:
        UsageError: A line is neither; it is told by its number only, because it may hold a secret.
    """
    values: dict[str, str | None] = {}
    for number, line in enumerate(_BREAK.split(text), start=1):
        if _BLANK.fullmatch(line):
            continue
        name, value = _assignment(line.strip(), number)
        if value is not None:
            values[name] = value
        else:
            values[name] = here.get(name, values.get(name))
    return values


def _assignment(line: str, number: int) -> tuple[str, str | None]:
    named = _NAME.match(line)
    rest = line[named.end() :] if named else line
    if not named or not (named[2] or _BLANK.fullmatch(rest)):
        raise UsageError(
            f"line {number} is no NAME=VALUE: a name has letters, digits and `_`, and begins with "
            "no digit"
        )
    return named[1], _value(rest, number) if named[2] else None


def _value(text: str, number: int) -> str:
    quoted = _QUOTED.fullmatch(text.strip())
    value = quoted[1] if quoted else _TRAILING.sub("", text, count=1).strip()
    if value[:1] in {"'", '"'} and value[0] not in value[1:]:
        # What it goes on with on the next line would pass for names, which everybody may read.
        raise UsageError(f"line {number}: the quote is not closed on this line")
    if value.startswith("'") and value.endswith("'"):
        return value[1:-1]
    if value.startswith('"') and value.endswith('"'):
        return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[0]), value[1:-1])
    return value
