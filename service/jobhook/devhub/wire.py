"""What every answer of a devhub has in common: ids, dates, JSON, errors, pages."""

from __future__ import annotations

import itertools
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import orjson
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from jobhook.core.errors import JobHookError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

Model = TypeVar("Model", bound=BaseModel)
Item = TypeVar("Item")

_PROCESS = secrets.token_hex(5)
_COUNTER = itertools.count()


class Refusal(JobHookError):
    """
    A request that is answered with an error, in the Hub's shape.

    Attributes:
        status: The HTTP status.
        code: The `X-Error-Code`, or None.
        extra: What the body holds beside `error`.
        headers: Further headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.extra = extra or {}
        self.headers = headers or {}


class Json(Response):
    """A JSON answer, with the media type as the Hub writes it."""

    media_type = "application/json; charset=utf-8"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def refused(refusal: Refusal) -> Response:
    """Return the answer that *refusal* means."""
    # A header holds less than a body, and the sentence may quote what a stranger sent.
    message = str(refusal).encode("ascii", "replace").decode()
    headers = {**refusal.headers}
    if message.isprintable():
        headers["X-Error-Message"] = message
    if refusal.code:
        headers["X-Error-Code"] = refusal.code
    return Json({"error": str(refusal), **refusal.extra}, refusal.status, headers)


def now() -> datetime:
    """Return this moment, in UTC."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """Return *moment* as the Hub writes it: milliseconds, and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id() -> str:
    """Return 24 hex digits; those made later by one process sort later."""
    return f"{int(time.time()):08x}{_PROCESS}{next(_COUNTER) % 0xFFFFFF:06x}"


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body, giving up as soon as it is over *limit* bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Refusal(413, f"The body is over {limit:,} bytes")
    return bytes(body)


async def read_object(request: Request, limit: int) -> dict[str, Any]:
    """Return the JSON object in the body."""
    return json_object(await read_body(request, limit))


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that *body* is."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise Refusal(400, "The body must be a JSON object")
    return value


def checked(model: type[Model], value: object) -> Model:
    """Return *value* as *model*; a refusal is one sentence that names the field."""
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        raise Refusal(400, sentence(exc)) from exc


def sentence(error: ValidationError) -> str:
    """Return the first problem of *error*, led by the name of its field."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"] if part != "[key]")[:200]
    message = first["msg"].removeprefix("Value error, ")
    return f"{field}: {message}" if field else message


def page(items: Sequence[Item], start: int, size: int) -> tuple[Sequence[Item], int | None]:
    """Return one page of *items*, and where the next one starts if there is one."""
    end = start + size
    return items[start:end], end if end < len(items) else None


def next_link(request: Request, url: str, at: str, *, name: str = "cursor") -> dict[str, str]:
    """Return the header that leads to the page *at*, with the query else as it was."""
    query = [(key, value) for key, value in request.query_params.multi_items() if key != name]
    target = f"{url}{request.scope['path']}?{urlencode([*query, (name, at)])}"
    return {"Link": f'<{target}>; rel="next"'}
