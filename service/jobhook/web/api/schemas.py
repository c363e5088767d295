"""JSON schemas of what is given and answered, made from the types themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter

TEMPLATE = "#/components/schemas/{model}"
_ATTRIBUTE = re.compile(r"^        (\w+(?:, \w+)*): ", re.MULTILINE)
Json = dict[str, Any]


def schemas(given: Iterable[type], answered: Iterable[Any]) -> tuple[Mapping[Any, Json], Json]:
    """Return the schema of each type, by the type, and all the definitions that they use."""
    inputs: list[Any] = [(each, "validation", TypeAdapter(each)) for each in given]
    outputs = [(each, "serialization", TypeAdapter(each)) for each in answered]
    found, all_of_them = TypeAdapter.json_schemas(
        [*inputs, *outputs],  # type: ignore[list-item]
        ref_template=TEMPLATE,
    )
    definitions = all_of_them.get("$defs", {})
    for each in _dataclasses(answered):
        if each.__name__ in definitions:
            _describe(definitions[each.__name__], each)
    return {key: schema for (key, _), schema in found.items()}, _untitled(definitions)


def references(schema: Any) -> list[str]:
    """Return the names of the definitions that *schema* refers to."""
    if isinstance(schema, Mapping):
        own = [schema["$ref"].rpartition("/")[2]] if isinstance(schema.get("$ref"), str) else []
        return own + [each for value in schema.values() for each in references(value)]
    if isinstance(schema, list):
        return [each for value in schema for each in references(value)]
    return []


def _dataclasses(types: Iterable[Any]) -> Iterator[type]:
    """Yield every dataclass that *types* are made of."""
    waiting, seen = list(types), set[Any]()
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        waiting += get_args(each)
        if is_dataclass(each) and isinstance(each, type):
            yield each
            waiting += get_type_hints(each).values()


def _describe(schema: Json, kind: type) -> None:
    """Say of an answer that all of it is there, and what its docstring says of each part."""
    properties = schema["properties"]
    for each in fields(kind):
        # What is made of other fields is answered too, though nobody gives it.
        properties.setdefault(each.name, {"type": "string"})
    if isinstance(getattr(kind, "url", None), property):
        properties.setdefault("url", {"type": "string"})
    schema["required"] = list(properties)
    told, described = _docstring(kind)
    schema["description"] = told
    for name, text in described.items():
        if name in properties:
            properties[name]["description"] = text
    for each in properties.values():
        each.pop("default", None)


def _docstring(kind: type) -> tuple[str, dict[str, str]]:
    """Return what a dataclass is, and what each of its attributes is, the inherited ones too."""
    described: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        described |= _attributes(each.__doc__ or "")
    told, _, _ = (kind.__doc__ or "").partition("Attributes:\n")
    return " ".join(told.split()), described


def _attributes(docstring: str) -> dict[str, str]:
    _, _, told = docstring.partition("Attributes:\n")
    pieces = _ATTRIBUTE.split("\n" + told)
    described: dict[str, str] = {}
    for names, meaning in zip(pieces[1::2], pieces[2::2], strict=True):
        described |= dict.fromkeys(names.split(", "), " ".join(meaning.split()))
    return described


def _untitled(schema: Any) -> Any:
    """Return *schema* without the titles that only say the names again."""
    if isinstance(schema, list):
        return [_untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _untitled(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
