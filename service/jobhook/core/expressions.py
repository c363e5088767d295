"""
CEL, the language of `if:`, and RE2, the regular expressions of `matches:`.

Both come with Google's CEL for C++. What a rule can ask about is declared as messages, so that a
misspelt field or a wrong type is found when the rule is loaded, and a field that did not come reads
as empty. Neither can be made to run for long: iterations have a budget, and RE2 is linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from jobhook.core.errors import UsageError
from jobhook.core.texts import holds_half_a_character

EXPRESSION_MAX = 4096
# Each is parsed when its rule is checked, and again when it is made ready to be asked.
_KEPT = 1024
_PACKAGE = "jobhook"
# What a rule can ask about, in the words of the payload.
CONTEXT: Mapping[str, Mapping[str, str]] = {
    "event": {"name": "string", "scope": "string", "action": "string"},
    "repo": {
        "id": "string",
        "type": "string",
        "name": "string",
        "owner": "string",
        "private": "bool",
        "headSha": "string",
        "tags": "string*",
    },
    "ref": {"name": "string", "short": "string", "oldSha": "string", "newSha": "string"},
    "discussion": {
        "title": "string",
        "num": "int64",
        "status": "string",
        "isPullRequest": "bool",
        "authorId": "string",
        "headSha": "string",
    },
    "comment": {"content": "string", "hidden": "bool", "authorId": "string"},
    "file": {"path": "string", "action": "string", "size": "int64"},
    "actor": {"name": "string", "role": "string"},
    "commit": {"message": "string", "authors": "string*"},
}
# Those of which there are several, and what each of them is.
LISTS = {"refs": "ref", "files": "file"}
# What the Hub is asked about, after the answer, if an expression asks for it.
LOOKED_UP = ("files", "commit", "actor", "actor.role", "repo.tags", "discussion.headSha")
_KIND = re.compile("[A-Z_]+: ")
_LITERAL = re.compile("'[^']*'|\"[^\"]*\"")
_HARD_TO_READ = re.compile(r"\\|//|\'\'\'|\"\"\"")
# What no event can make good.
_HOPELESS = ("regular expression", "budget exceeded")
_PLACE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")


class BadExpression(UsageError):
    """An expression that cannot be; *place* is its line and column, from 1, where that is known."""

    def __init__(self, message: str, place: tuple[int, int] | None = None) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True, slots=True)
class Expression:
    """
    A condition that was found to be sound.

    Attributes:
        text: As it was written.
        asks: Those of `LOOKED_UP` that it cannot do without.
        is_of_delivery: Whether it says the same of all events of a delivery.
    """

    text: str
    asks: frozenset[str]
    _compiled: Any
    is_of_delivery: bool = False

    def holds(self, context: Mapping[str, Any]) -> bool | str:
        """
        Return whether it is true of *context*, as `context_of` makes it; or why that fails.

        What no check at load can find fails here: a division by zero, an index beyond a list.
        """
        try:
            value = self._compiled.eval(data=context).value()
        except RuntimeError as exc:
            return _without_kind(str(exc))
        return value if isinstance(value, bool) else _without_kind(str(value))


@lru_cache(_KEPT)
def parse_expression(text: str) -> Expression:
    """
    Return *text* as an expression.

    Raises:
        BadExpression: If it names what is not there, mixes types, is not true or false in the end,
            or takes too long even on an event whose every field is empty.
    """
    _refuse(text)
    compiled = _compile(text)
    asks = frozenset(name for name in LOOKED_UP if _asks(text, name))
    if compiled.return_type() != _cel().Type.BOOL:
        kind = compiled.return_type().name().lower()
        raise BadExpression(f"it gives {kind}, and not true or false")
    is_of_delivery = not asks and not any(_asks(text, name) for name in ("event", "ref"))
    expression = Expression(text, asks, compiled, is_of_delivery)
    tried = expression.holds(_nothing())
    if isinstance(tried, str) and any(sign in tried for sign in _HOPELESS):
        raise BadExpression(tried)
    return expression


def constant_of(text: str) -> bool | None:
    """Return what the expression *text* is whatever happens, or None if that may differ."""
    if any(re.search(rf"\b{name}\b", text) for name in _variables()):
        return None
    value = Expression(text, frozenset(), _cel().NewEnv().compile(text)).holds({})
    return value if isinstance(value, bool) else None


@lru_cache(_KEPT)
def parse_pattern(pattern: str) -> Callable[[str], bool]:
    """
    Return what tells whether a text holds a match of *pattern*, an RE2 regular expression.

    Raises:
        BadExpression: If it is none.
    """
    _refuse(pattern)
    compiled = _text_env().compile("text.matches(pattern)")
    expression = Expression(pattern, frozenset(), compiled)

    def matches(text: str) -> bool:
        found = expression.holds({"text": text, "pattern": pattern})
        if isinstance(found, str):
            raise BadExpression(found)
        return found

    matches("")
    return matches


def context_of(
    parts: Mapping[str, Any], *, now: int, lists: Mapping[str, list[Any]] | None = None
) -> dict[str, Any]:
    """
    Return what expressions are evaluated on.

    *parts* holds a mapping for each name of `CONTEXT` that is known, and a list of them for each
    of `LISTS`; the others read as empty. *lists* holds those that `list_of` made already, for
    several contexts. *now* is in milliseconds since 1970.
    """
    classes = _classes()
    context: dict[str, Any] = {name: classes[name](**parts.get(name, {})) for name in CONTEXT}
    made = {
        plural: list_of(plural, parts.get(plural, ())) for plural in LISTS.keys() - (lists or {})
    }
    return {**context, **made, **(lists or {}), "now": datetime.fromtimestamp(now / 1000, UTC)}


def list_of(plural: str, parts: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return *parts* as expressions read `refs` or `files`; many contexts may share it."""
    make = _classes()[LISTS[plural]]
    return [make(**each) for each in parts]


def _refuse(text: str) -> None:
    if len(text) > EXPRESSION_MAX:
        raise BadExpression(f"it may have {EXPRESSION_MAX:,} characters at most")
    # YAML can write them, and CEL cannot take them.
    if holds_half_a_character(text):
        raise BadExpression("it holds half a character")


def _asks(text: str, name: str) -> bool:
    """Whether *text* makes no sense where there is no *name*."""
    if name.rpartition(".")[2] not in _without_literals(text):
        return False
    try:
        _env(without=name).compile(text)
    except RuntimeError:
        return True
    return False


def _without_literals(text: str) -> str:
    # Where a quotation mark may stand for something else, nothing is taken out.
    return text if _HARD_TO_READ.search(text) else _LITERAL.sub("''", text)


def _compile(text: str) -> Any:
    try:
        return _env().compile(text)
    except RuntimeError as exc:
        found = _PLACE.search(str(exc))
        if found is None:
            raise BadExpression(_without_kind(str(exc).splitlines()[0])) from exc
        line, column, message = found.groups()
        raise BadExpression(_readable(message), (int(line), int(column))) from exc


def _readable(message: str) -> str:
    if message.startswith("undeclared reference to"):
        known = ", ".join(sorted(_variables()))
        return f"{message.partition(' (in')[0]}: there are {known}"
    return message.partition(" expecting {")[0].replace(f"{_PACKAGE}.", "")


def _without_kind(message: str) -> str:
    return message.partition(": ")[2].partition(" [")[0] if _KIND.match(message) else message


@cache
def _nothing() -> dict[str, Any]:
    return context_of({}, now=0)


@cache
def _cel() -> Any:
    # 10 MiB and 30 ms that only those pay whose rules have an expression.
    from cel_expr_python import cel

    return cel


@cache
def _variables(without: str = "") -> dict[str, Any]:
    cel = _cel()
    kinds = {name: cel.Type(f"{_PACKAGE}.{name}") for name in CONTEXT if name != "file"}
    lists = {name: cel.Type.List(cel.Type(f"{_PACKAGE}.{one}")) for name, one in LISTS.items()}
    known = {**kinds, **lists, "now": cel.Type.TIMESTAMP}
    return {name: kind for name, kind in known.items() if name != without}


@cache
def _env(without: str = "") -> Any:
    """Return what compiles expressions; *without* one of `LOOKED_UP`, to see who asks for it."""
    return _cel().NewEnv(descriptor_pool=_pool(without), variables=_variables(without))


@cache
def _text_env() -> Any:
    text = _cel().Type.STRING
    return _cel().NewEnv(variables={"text": text, "pattern": text})


@cache
def _classes() -> dict[str, Any]:
    from google.protobuf import message_factory

    return {
        name: message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in CONTEXT
    }


@cache
def _pool(without: str = "") -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    field = descriptor_pb2.FieldDescriptorProto
    kinds = {"string": field.TYPE_STRING, "bool": field.TYPE_BOOL, "int64": field.TYPE_INT64}
    file = descriptor_pb2.FileDescriptorProto(
        name="context.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in CONTEXT.items():
        message = file.message_type.add(name=name)
        told = {key: kind for key, kind in fields.items() if f"{name}.{key}" != without}
        for number, (key, kind) in enumerate(told.items(), 1):
            label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
            message.field.add(
                name=key, number=number, type=kinds[kind.removesuffix("*")], label=label
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool
