"""What a request says, read within bounds and checked before anything is done."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_origin
from urllib.parse import parse_qsl

import orjson
from pydantic import ValidationError

from jobhook.web.api.faults import ApiError, Fault
from jobhook.web.api.given import Given
from jobhook.web.api.operations import JSON, PARAMETERS, Operation

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

BODY_MAX_BYTES = 1024 * 1024
_QUERY_MAX_FIELDS = 64
_PROBLEMS_TOLD = 20
_HEADER_MAX = 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class CallerGone(Exception):
    """The caller closed the connection before the request was complete."""


class Headers:
    """The headers of a request, by their name in small letters."""

    def __init__(self, scope: Scope) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            self._values.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))

    def one(self, name: str) -> str | None:
        """
        Return the only value of a header.

        Raises:
            ApiError: It is there several times, or is over 1 KiB.
        """
        values = self._values.get(name, [])
        if len(values) > 1 or any(len(value) > _HEADER_MAX for value in values):
            raise ApiError(
                fault=Fault.MALFORMED, message=f"the header {name} must be there once, and short"
            )
        return values[0].strip() if values else None

    def several(self, name: str) -> str:
        """Return all values of a header, with commas between them."""
        return ",".join(self._values.get(name, ()))

    def request_id(self) -> str | None:
        """Return the id that the caller gave to the request, if it is a short word."""
        given = self.several("x-request-id")
        return given if _REQUEST_ID.fullmatch(given) else None


def read_query(operation: Operation, query: bytes) -> Given:
    """
    Return the parameters of *query*, checked.

    Raises:
        ApiError: One is not known, is there twice, or cannot be.
    """
    model = operation.query
    told: dict[str, Any] = {}
    for name, value in _pairs(query):
        if name in model.model_fields and _is_list(model, name):
            told.setdefault(name, []).append(value)
        elif name in told:
            raise _invalid([{"where": f"query.{name[:120]}", "problem": "given twice"}])
        else:
            told[name] = value
    try:
        return model.model_validate(told)
    except ValidationError as exc:
        raise _invalid(_problems("query", exc)) from None


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_QUERY_MAX_FIELDS,
        )
    except ValueError:
        raise ApiError(
            fault=Fault.INVALID,
            message=f"the query must be UTF-8 with at most {_QUERY_MAX_FIELDS} parameters",
        ) from None


def _is_list(model: type[Given], name: str) -> bool:
    return get_origin(model.model_fields[name].annotation) is tuple


async def read_body(
    operation: Operation, headers: Headers, receive: Receive
) -> tuple[Given | None, bytes]:
    """
    Return the body of a request, checked, and as it came; None where none is expected.

    Raises:
        ApiError: It is too large, encoded, no JSON, or says what cannot be.
        CallerGone: The rest of it does not come.
    """
    for header, plain in (("content-encoding", "identity"), ("transfer-encoding", "chunked")):
        if headers.several(header).strip().lower() not in ("", plain):
            raise ApiError(fault=Fault.NOT_JSON, message="the body must not be encoded")
    raw = await _bounded(receive)
    if operation.body is None:
        if raw.strip() not in (b"", b"{}"):
            raise ApiError(fault=Fault.INVALID, message="this takes no body")
        return None, raw
    if not raw and operation.body_is_optional:
        return operation.body(), raw
    if not _is_json(headers.several("content-type")):
        raise ApiError(fault=Fault.NOT_JSON, message=f"the body must be {JSON}, in UTF-8")
    return checked(operation.body, raw), raw


async def _bounded(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise CallerGone
        piece = message.get("body", b"")
        size += len(piece)
        if size > BODY_MAX_BYTES:
            raise ApiError(fault=Fault.TOO_LARGE, message=f"over {BODY_MAX_BYTES:,} bytes")
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


def _is_json(content_type: str) -> bool:
    kind, _, parameter = content_type.lower().partition(";")
    return kind.strip() == JSON and parameter.strip() in ("", "charset=utf-8", 'charset="utf-8"')


def checked(model: type[Given], raw: bytes) -> Given:
    """Return what *raw* says, as *model* has it; raises `ApiError`."""
    try:
        # What pydantic takes beyond JSON (NaN) ends here.
        orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise ApiError(
            fault=Fault.MALFORMED,
            message=f"the body is no JSON: line {exc.lineno}, column {exc.colno}",
        ) from None
    try:
        return model.model_validate_json(raw, strict=True)
    except ValidationError as exc:
        raise _invalid(_problems("body", exc)) from None


def _problems(part: str, exc: ValidationError) -> list[dict[str, str]]:
    # The value itself is not told: it may be a secret.
    told = exc.errors(include_url=False, include_input=False, include_context=False)
    return [
        {
            "where": ".".join((part, *_place(each["loc"]))),
            "problem": each["msg"].removeprefix("Value error, "),
        }
        for each in told[:_PROBLEMS_TOLD]
    ]


def _place(loc: tuple[int | str, ...]) -> Iterator[str]:
    return (str(step)[:120] for step in loc)


def _invalid(problems: list[dict[str, str]]) -> ApiError:
    first = problems[0]
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return ApiError(
        fault=Fault.INVALID,
        message=f"{first['where']}: {first['problem']}{more}",
        details=problems,
    )


def check_named(given: Mapping[str, str]) -> None:
    """
    Check the parts of the path that name something.

    Raises:
        ApiError: One cannot be the name of such a thing, so there is none.
    """
    for name, value in given.items():
        if not re.fullmatch(PARAMETERS[name].pattern, value):
            what = name.removesuffix("_id")
            raise ApiError(fault=Fault.NOT_FOUND, message=f"there is no such {what}")
