"""The OpenAPI 3.1 document of the API, made from the table of its operations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jobhook import __version__
from jobhook.web.api.faults import Fault
from jobhook.web.api.given import Given
from jobhook.web.api.operations import BYTES, EVENTS, JSON, PARAMETERS, PREFIX, Operation
from jobhook.web.api.schemas import TEMPLATE, Json, references, schemas

_ALWAYS = (
    Fault.MALFORMED,
    Fault.UNAUTHORIZED,
    Fault.FORBIDDEN,
    Fault.INVALID,
    Fault.HEADERS_TOO_LARGE,
    Fault.INTERNAL,
    Fault.UNAVAILABLE,
)
_OF_A_BODY = (Fault.TOO_LATE, Fault.TOO_LARGE, Fault.NOT_JSON)
_OF_A_KEY = (Fault.KEY_REUSED, Fault.STILL_RUNNING)
_ABOUT = """\
Everything that this service knows and does: what came in and what it led to, and the jobs,
schedules and webhooks of the Hub.

**Tokens.** Each call carries `Authorization: Bearer jh_…`. A token is a `viewer`, who sees, an
`operator`, who starts and stops as well, or an `admin`; each operation says in `x-role` whom it
needs.

**Lists** come in pages: as long as `next_cursor` is not null, give it as `cursor` for the next
one. A page may hold fewer items than `limit`, even none, and have a next one.

**Errors** are `{"error": {"code", "message", "details"}}`; the codes are listed below. Answers
carry `X-Request-Id`, under which the service's log has them.

**Asking once.** Give a POST that makes something an `Idempotency-Key` of your own: asked again with
the same key, the service answers what it answered first, and makes nothing.

**Streams** are server-sent events. Where they carry ids, `Last-Event-ID` goes on behind one. They
close with an event `end`, or `error` with an error in its data."""


def document(operations: Sequence[Operation]) -> Json:
    """Return the document."""
    by_type, definitions = schemas(_given(operations), _answered(operations))
    paths: dict[str, Json] = defaultdict(dict)
    for each in operations:
        paths[PREFIX + each.path][each.method.lower()] = _operation(each, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "jobhook",
            "version": __version__,
            "summary": "What happens on the Hugging Face Hub, turned into Hub Jobs.",
            "description": f"{_ABOUT}\n\n{_codes()}",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(each.tag for each in operations)],
        "paths": dict(paths),
        "components": {
            "schemas": _used({**definitions, **_errors()}, paths),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "jh_…"}
            },
        },
    }


def _used(definitions: Mapping[str, Json], paths: Mapping[str, Json]) -> dict[str, Json]:
    """Return what *paths* refer to, and what that refers to."""
    waiting, used = references(paths), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += references(definitions[name])
    return {name: schema for name, schema in definitions.items() if name in used}


def _codes() -> str:
    rows = [f"| `{each.code}` | {each.status} | {each.value.meaning} |" for each in Fault]
    return "\n".join(("| code | status | meaning |", "|---|---|---|", *rows))


def _given(operations: Iterable[Operation]) -> list[type[Given]]:
    # What queries are made of is described beside them, but words that they share are schemas.
    bodies = [each.body for each in operations if each.body]
    return list(dict.fromkeys([*bodies, *(each.query for each in operations)]))


def _answered(operations: Iterable[Operation]) -> list[Any]:
    return list(dict.fromkeys(each.answer for each in operations if each.answer))


def _operation(operation: Operation, by_type: Mapping[Any, Json]) -> Json:
    told: Json = {
        "operationId": operation.name.replace(".", "_"),
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": " ".join(
            (operation.description, f"Needs the role {operation.role}.")
        ).strip(),
        "x-role": operation.role.value,
        "parameters": [*_parameters(operation)],
        "responses": _responses(operation, by_type),
    }
    if operation.body:
        told["requestBody"] = _body(operation, by_type)
    return told


def _body(operation: Operation, by_type: Mapping[Any, Json]) -> Json:
    content: Json = {"schema": by_type[operation.body]}
    if operation.example:
        content["example"] = dict(operation.example)
    return {"required": not operation.body_is_optional, "content": {JSON: content}}


def _parameters(operation: Operation) -> Iterator[Json]:
    for name in operation.parameters:
        known = PARAMETERS[name]
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": known.meaning,
            "schema": {"type": "string", "pattern": known.pattern},
            "example": known.example,
        }
    yield from _of_the_query(operation.query)
    if operation.takes_key:
        yield _header(
            "Idempotency-Key", "A word of your own, once for each thing to make.", "^[!-~]{1,255}$"
        )
    if operation.media == EVENTS:
        yield _header("Last-Event-ID", "Go on behind this event, whose `id` it is.")


def _of_the_query(query: type[Given]) -> Iterator[Json]:
    schema = query.model_json_schema(ref_template=TEMPLATE)
    for name, each in schema.get("properties", {}).items():
        description = each.pop("description", "")
        each.pop("title", None)
        optional = [one for one in each.get("anyOf", ()) if one != {"type": "null"}]
        if len(optional) == 1:
            each = optional[0]
        if each.get("default", ...) in (None, [], ()):
            del each["default"]
        yield {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": description,
            "schema": each,
        }


def _header(name: str, meaning: str, pattern: str | None = None) -> Json:
    schema = {"type": "string"} | ({"pattern": pattern} if pattern else {})
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": meaning,
        "schema": schema,
    }


def _responses(operation: Operation, by_type: Mapping[Any, Json]) -> Json:
    told: Json = {str(operation.status): _success(operation, by_type)}
    if operation.method == "GET" and operation.media != EVENTS:
        told["304"] = {"description": "Nothing has changed since the ETag in `If-None-Match`."}
    codes: dict[int, list[Fault]] = defaultdict(list)
    for fault in _faults(operation):
        codes[fault.status].append(fault)
    for status, faults in sorted(codes.items()):
        meanings = " ".join(f"`{each.code}`: {each.value.meaning}" for each in faults)
        told[str(status)] = _failure(meanings)
    told["default"] = _failure("Any other error.")
    return told


def _faults(operation: Operation) -> list[Fault]:
    faults = [*_ALWAYS, *operation.faults]
    if operation.parameters:
        faults.append(Fault.NOT_FOUND)
    if operation.method != "GET":
        faults += _OF_A_BODY
    if operation.takes_key:
        faults += _OF_A_KEY
    return list(dict.fromkeys(faults))


def _success(operation: Operation, by_type: Mapping[Any, Json]) -> Json:
    told: Json = {"description": operation.summary}
    if operation.media == BYTES:
        told["content"] = {BYTES: {"schema": {"type": "string", "format": "binary"}}}
    elif operation.media == EVENTS:
        told["description"] += " The data of each event is JSON."
        item = _event(by_type[operation.answer])
        told["content"] = {EVENTS: {"schema": {"type": "string"}, "x-itemSchema": item}}
    elif operation.answer is not None:
        told["content"] = {JSON: {"schema": by_type[operation.answer]}}
    return told


def _event(told: Json) -> Json:
    """Return the schema of one event of a stream that *told* describes: OpenAPI 3.2 has a word."""

    def kind(event: Json, data: Json) -> Json:
        json = {"type": "string", "contentMediaType": JSON, "contentSchema": data}
        return {"properties": {"event": event, "data": json}}

    nothing = {"type": "object", "maxProperties": 0}
    return {
        "type": "object",
        "required": ["data"],
        "properties": {"id": {"type": "string"}, "event": {"type": "string"}},
        "oneOf": [
            kind({"not": {"enum": ["end", "error"]}}, told),
            {"required": ["event"], **kind({"const": "end"}, nothing)},
            {"required": ["event"], **kind({"const": "error"}, _ref("Error"))},
        ],
    }


def _failure(meaning: str) -> Json:
    return {"description": meaning, "content": {JSON: {"schema": _ref("Error")}}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _errors() -> Json:
    """Return the schemas of what is answered to a call that went wrong."""
    code = {
        "type": "string",
        "enum": [each.code for each in Fault],
        "description": "What went wrong, for programs.",
    }
    told = {
        "code": {**_ref("ErrorCode"), "description": "For programs."},
        "message": {"type": "string", "description": "One sentence for a person."},
        "details": {"description": "What more there is to say; null if nothing."},
    }
    error = {"error": {**_ref("ErrorTold"), "description": "What went wrong."}}
    return {
        "Error": {"type": "object", "required": [*error], "properties": error},
        "ErrorTold": {"type": "object", "required": [*told], "properties": told},
        "ErrorCode": code,
    }
