"""Logs: one JSON object a line, an event name and facts, on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, MutableMapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO

import orjson
import structlog
from structlog.contextvars import merge_contextvars

_FORMAT = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
_HIDDEN = b"***"
# A shorter value is no secret worth the name, and would be found in everything.
_HIDE_FROM_LENGTH = 8


def configure_logs(
    *, secrets: Iterable[str] = (), stream: BinaryIO | None = None, level: int = logging.INFO
) -> None:
    """
    Send every log line of this process to *stream* (stderr when not given) as JSON.

    None of *secrets* leaves in a line, whatever text it got into. Only the command that starts a
    process calls this.
    """
    structlog.configure(
        processors=[_Renderer(secrets)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=partial(_Lines, stream or sys.stderr.buffer),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=logging.WARNING, force=True)
    # Whatever the driver of PostgreSQL meets is told in one line by whoever asked it.
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)


class _ToStructlog(logging.Handler):
    """What libraries say through the standard library's logging, in our own shape."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno,
            "library.logged",
            logger=record.name,
            message=record.getMessage(),
            exc_info=record.exc_info,
        )


class _Lines:
    """Writes each line at once."""

    def __init__(self, stream: BinaryIO) -> None:
        self._write = stream.write
        self._flush = stream.flush

    def msg(self, line: bytes) -> None:
        self._write(line)
        self._flush()

    debug = info = warning = error = critical = msg


class _Renderer:
    """
    The only processor: one line of JSON with level, time and traceback, and without secrets.

    It is on the way of every delivery; with structlog's own four a line costs half as much again.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        # As they stand in JSON, where a quote has a backslash before it.
        self._secrets = [
            orjson.dumps(secret)[1:-1] for secret in secrets if len(secret) >= _HIDE_FROM_LENGTH
        ]

    def __call__(self, logger: Any, level: str, facts: MutableMapping[str, Any]) -> bytes:
        if "exc_info" in facts:
            facts = structlog.processors.format_exc_info(logger, level, facts)
        # The id of the request that is answered, where one is.
        facts = merge_contextvars(logger, level, facts)
        facts["level"] = level
        facts["timestamp"] = datetime.now(UTC)
        line = orjson.dumps(facts, default=str, option=_FORMAT)
        for secret in self._secrets:
            line = line.replace(secret, _HIDDEN)
        return line
