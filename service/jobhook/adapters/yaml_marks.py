"""
YAML as rule files use it, with the place of everything.

The types are those of YAML 1.2's core schema, where `on` is a key and no truth value. What YAML
offers beyond plain data (tags, anchors, aliases), keys that stand twice and deep nesting are
refused, and reading goes on after them. The parser's events are read one by one, because PyYAML's
own composer ends the whole process when a file is nested deeply.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from jobhook.adapters.yaml_faults import YamlFault, fault_at, fault_of, unquoted

Path = tuple[str | int, ...]

_DEPTH_MAX = 32
_BOOL = re.compile("true|True|TRUE|false|False|FALSE")
_INT = re.compile("[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]{1,18}(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,2})?")
_NULL = re.compile("~|null|Null|NULL|")
# With what all that is no text begins.
_FIRST = frozenset("tTfFnN~+-.0123456789")


@dataclass(frozen=True)
class Document:
    """
    What a file says, and where.

    Attributes:
        value: Plain data.
        whole: Whether the text was read to its end.
        faults: Where it is no plain YAML; *value* is then what was most likely meant.
    """

    value: Any
    text: str = ""
    whole: bool = True
    faults: tuple[YamlFault, ...] = ()

    @cached_property
    def _marks(self) -> _Marks:
        # Most files are as they should be, and nobody asks where anything stands.
        return _Marks(self.text)

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")

    def place(self, path: Path) -> tuple[int, int]:
        """Return where *path* stands, or the nearest thing above it that stands somewhere."""
        while path and path not in self._marks.of:
            path = path[:-1]
        mark = self._marks.of.get(path)
        return (mark.line + 1, mark.column + 1) if mark else (1, 1)

    def text_place(self, path: Path) -> tuple[int, int]:
        """Return where the text at *path* begins."""
        scalar = self._marks.scalars.get(path)
        if scalar is None:
            return self.place(path)
        return scalar.start_mark.line + 1, scalar.start_mark.column + 1

    def within(self, path: Path, line: int, column: int) -> tuple[int, int] | None:
        """
        Return where that line and column of the text at *path* stand in the file.

        None if that cannot be told, because the text is folded or has escapes.
        """
        scalar = self._marks.scalars.get(path)
        if scalar is None:
            return None
        start, end = scalar.start_mark, scalar.end_mark
        if scalar.style == "|":
            return start.line + 1 + line, self._indent(scalar) + column
        quote = 1 if scalar.style in {"'", '"'} else 0
        written = self.text[start.index + quote : end.index - quote]
        if "\n" in written:
            return self._unfolded(scalar, written, column)
        return (start.line + 1, start.column + quote + column) if written == scalar.value else None

    def _unfolded(self, scalar: Any, written: str, column: int) -> tuple[int, int] | None:
        lines = written.rstrip().split("\n")
        first = 1 if scalar.style == ">" else 0
        texts = [line.strip() for line in lines[first:]]
        if " ".join(texts) != scalar.value.rstrip("\n"):
            return None
        before = 0
        for number, text in enumerate(texts, scalar.start_mark.line + 1 + first):
            if column <= before + len(text) + 1:
                return number, self.line(number).index(text) + column - before
            before += len(text) + 1
        return None

    def _indent(self, scalar: Any) -> int:
        first = scalar.start_mark.line + 2
        lines = enumerate(scalar.value.split("\n"), first)
        return next((len(self.line(n)) - len(line) for n, line in lines if line.strip()), 0)

    def line(self, number: int) -> str:
        """Return that line of the file, from 1, without its end."""
        return "".join(self._lines[number - 1 : number]).rstrip("\r")


def read_yaml(text: str) -> Document:
    """Return what *text* says, as far as it can be read."""
    # Loading, with the C parser, as far as events: nothing is constructed.
    loader = yaml.CSafeLoader(text)
    reader = _Reader(loader)
    try:
        value = reader.document()
    except yaml.YAMLError as exc:
        return Document(None, text, whole=False, faults=(*reader.faults, fault_of(exc, text)))
    except _TooDeep as exc:
        fault = fault_at(exc.mark, str(exc), "yaml-feature")
        return Document(None, text, whole=False, faults=(*reader.faults, fault))
    finally:
        loader.dispose()
    return Document(value, text, faults=tuple(reader.faults))


class _TooDeep(Exception):
    def __init__(self, mark: Any) -> None:
        super().__init__(f"nested over {_DEPTH_MAX} levels")
        self.mark = mark


class _Reader:
    def __init__(self, loader: yaml.CSafeLoader) -> None:
        self._next: Callable[[], Any] = loader.get_event
        self.faults: list[YamlFault] = []

    def document(self) -> Any:
        self._next()  # the stream starts
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        value = self._value(self._next(), 0)
        self._next()  # the document ends
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            self._refuse(event.start_mark, "there is another document: one rule a file")
        return value

    def _refuse(self, mark: Any, message: str, code: str = "yaml-feature") -> None:
        self.faults.append(fault_at(mark, message, code))

    def _value(self, event: Any, depth: int) -> Any:
        if depth > _DEPTH_MAX:
            raise _TooDeep(event.start_mark)
        if event.anchor is not None:
            if isinstance(event, yaml.AliasEvent):
                self.faults.append(unquoted(event.start_mark, f"*{event.anchor}", "an alias"))
                return f"*{event.anchor}"
            self._refuse(event.start_mark, "anchors and aliases are not allowed: write it out")
        if isinstance(event, yaml.ScalarEvent):
            if event.tag is not None:
                return self._tagged(event)
            return _plain_scalar(event.value) if event.implicit[0] else event.value
        if event.tag is not None:
            self._refuse(event.start_mark, f"the tag {event.tag!r} is not allowed")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(depth + 1)
        return self._sequence(depth + 1)

    def _tagged(self, event: Any) -> str:
        tag, value = event.tag, event.value
        if tag.startswith("!") and not tag.startswith("!!"):
            # Nobody who writes rules means a tag: it is an exclusion, or CEL's "not".
            meant = f"{tag} {value}".rstrip()
            self.faults.append(unquoted(event.start_mark, meant, "a tag"))
            return meant
        self._refuse(event.start_mark, f"the tag {tag!r} is not allowed")
        return str(value)

    def _mapping(self, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._refuse(event.start_mark, "a key must be plain text")
                self._value(event, depth)
                self._value(self._next(), depth)
                continue
            key = event.value
            if key in result:
                message = f"the key {key[:60]!r} stands twice"
                self._refuse(event.start_mark, message, "duplicate-key")
                self._value(self._next(), depth)
            else:
                result[key] = self._value(self._next(), depth)
        return result

    def _sequence(self, depth: int) -> list[Any]:
        result: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            result.append(self._value(event, depth))
        return result


class _Marks:
    """Where everything stands in a text that was read to its end: keys, items, and texts."""

    def __init__(self, text: str) -> None:
        self.of: dict[Path, Any] = {}
        self.scalars: dict[Path, Any] = {}
        loader = yaml.CSafeLoader(text)
        self._next: Callable[[], Any] = loader.get_event
        self._next()
        if not isinstance(self._next(), yaml.StreamEndEvent):
            self._mark(self._next(), ())
        loader.dispose()

    def _mark(self, event: Any, path: Path) -> None:
        self.of.setdefault(path, event.start_mark)
        if isinstance(event, yaml.MappingStartEvent):
            self._mark_mapping(path)
        elif isinstance(event, yaml.SequenceStartEvent):
            index = 0
            while not isinstance(event := self._next(), yaml.SequenceEndEvent):
                self._mark(event, (*path, index))
                index += 1
        elif isinstance(event, yaml.ScalarEvent):
            self.scalars.setdefault(path, event)

    def _mark_mapping(self, path: Path) -> None:
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._mark(event, (*path, ""))
                self._mark(self._next(), (*path, ""))
                continue
            # Of a key that stands twice the first one counts, and it has its place already.
            inner = (*path, event.value)
            self.of.setdefault(inner, event.start_mark)
            self._mark(self._next(), inner)


def _plain_scalar(text: str) -> Any:
    if text and text[0] not in _FIRST:
        return text
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return None if _NULL.fullmatch(text) else text
