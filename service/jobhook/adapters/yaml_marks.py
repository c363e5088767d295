"""
YAML as rule files use it, with the place of everything.

The types are those of YAML 1.2's core schema, where `on` is a key and no truth value. What YAML
offers beyond plain data (tags, anchors, aliases), keys that stand twice and deep nesting are
refused. The parser's events are read one by one, because PyYAML's own composer ends the whole
process when a file is nested deeply.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]

_DEPTH_MAX = 32
_BOOL = re.compile("true|True|TRUE|false|False|FALSE")
_INT = re.compile("[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]{1,18}(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,2})?")
_NULL = re.compile("~|null|Null|NULL|")


class YamlFault(Exception):
    """Text that cannot be used; *line* and *column* count from 1."""

    def __init__(self, message: str, mark: Any) -> None:
        super().__init__(message)
        self.line, self.column = _place(mark) if mark else (1, 1)


@dataclass(frozen=True, slots=True)
class Document:
    """
    What a file says, and where.

    Attributes:
        value: Plain data.
        places: (line, column) of every key and list item, by its path.
    """

    value: Any
    places: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def place(self, path: Path) -> tuple[int, int]:
        """Return where *path* stands, or the nearest thing above it that stands somewhere."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


def read_yaml(text: str) -> Document:
    """Return what *text* says; raises `YamlFault` where it cannot be read."""
    try:
        # Loading, with the C parser, as far as events: nothing is constructed.
        loader = yaml.CSafeLoader(text)
        try:
            return _Reader(loader).document()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as exc:
        raise YamlFault(exc.problem or "this is not YAML", exc.problem_mark) from exc
    except yaml.YAMLError as exc:
        raise YamlFault(f"this is not YAML: {str(exc).splitlines()[0]}", None) from exc


class _Reader:
    def __init__(self, loader: yaml.CSafeLoader) -> None:
        self._loader = loader
        self._places: dict[Path, tuple[int, int]] = {}

    def document(self) -> Document:
        self._next()  # the stream starts
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            return Document(None)
        value = self._value(self._next(), ())
        self._next()  # the document ends
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise YamlFault("there is another document: one rule a file", event.start_mark)
        return Document(value, self._places)

    def _next(self) -> Any:
        return self._loader.get_event()

    def _value(self, event: Any, path: Path) -> Any:
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise YamlFault("anchors and aliases are not allowed: write it out", event.start_mark)
        if event.tag is not None:
            raise YamlFault(f"the tag {event.tag!r} is not allowed", event.start_mark)
        if len(path) > _DEPTH_MAX:
            raise YamlFault(f"nested over {_DEPTH_MAX} levels", event.start_mark)
        self._places.setdefault(path, _place(event.start_mark))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        plain, _ = event.implicit
        return _plain_scalar(event.value) if plain else event.value

    def _mapping(self, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise YamlFault("a key must be plain text", event.start_mark)
            key = event.value
            if key in result:
                raise YamlFault(f"the key {key!r} stands twice", event.start_mark)
            self._places[*path, key] = _place(event.start_mark)
            result[key] = self._value(self._next(), (*path, key))
        return result

    def _sequence(self, path: Path) -> list[Any]:
        result: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            result.append(self._value(event, (*path, len(result))))
        return result


def _plain_scalar(text: str) -> Any:
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return None if _NULL.fullmatch(text) else text


def _place(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1
