"""
YAML as rule files use it, with the place of everything.

The types are those of YAML 1.2's core schema, where `on` is a key and no truth value. What YAML
offers beyond plain data (tags, anchors, aliases) and keys that stand twice are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]
_PLAIN_TAGS = frozenset({"str", "seq", "map", "int", "float", "bool", "null"})
_PREFIX = "tag:yaml.org,2002:"


class YamlFault(Exception):
    """Text that cannot be used; *line* and *column* count from 1."""

    def __init__(self, message: str, mark: yaml.Mark | None) -> None:
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


class _Loader(yaml.CSafeLoader):
    """Resolves plain scalars as YAML 1.2 does."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own class attribute


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]{1,18}", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]{1,18}(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,2})?",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(_PREFIX + _tag, re.compile(f"^(?:{_pattern})$"), list(_first))


def read_yaml(text: str) -> Document:
    """Return what *text* says; raises `YamlFault` where it cannot be read."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as exc:
        raise YamlFault(exc.problem or "this is not YAML", exc.problem_mark) from exc
    except (yaml.YAMLError, RecursionError) as exc:
        raise YamlFault(f"this is not YAML: {str(exc).splitlines()[0]}", None) from exc
    finally:
        loader.dispose()
    document = Document(None)
    if node is None:
        return document
    value = _Builder(document.places).build(node, ())
    return Document(value, document.places)


class _Builder:
    def __init__(self, places: dict[Path, tuple[int, int]]) -> None:
        self._places = places
        self._seen: set[int] = set()

    def build(self, node: yaml.Node, path: Path) -> Any:
        kind = node.tag.removeprefix(_PREFIX)
        if kind not in _PLAIN_TAGS:
            raise YamlFault(
                f"the tag {node.tag!r} is not allowed: write plain data", node.start_mark
            )
        # The composer gives an alias the very node that its anchor has.
        if id(node) in self._seen:
            raise YamlFault("aliases are not allowed: write it out", node.start_mark)
        self._seen.add(id(node))
        self._places.setdefault(path, _place(node.start_mark))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return _scalar(kind, node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlFault("a key must be plain text", key_node.start_mark)
            if key in result:
                raise YamlFault(f"the key {key!r} stands twice", key_node.start_mark)
            self._places[*path, key] = _place(key_node.start_mark)
            result[key] = self.build(value_node, (*path, key))
        return result


def _scalar(kind: str, node: yaml.Node) -> Any:
    text = node.value
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
    except ValueError as exc:
        raise YamlFault(f"{text!r} is no number", node.start_mark) from exc
    if kind == "bool":
        return text.lower() == "true"
    return None if kind == "null" else text


def _place(mark: yaml.Mark) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1
