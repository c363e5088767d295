"""Logs: one JSON object a line, an event name and facts, on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, BinaryIO

import orjson
import structlog

_HIDDEN = "***"
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
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _hide(tuple(secret for secret in secrets if len(secret) >= _HIDE_FROM_LENGTH)),
            structlog.processors.JSONRenderer(serializer=orjson.dumps, default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(stream or sys.stderr.buffer),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=logging.WARNING, force=True)


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


def _hide(secrets: tuple[str, ...]) -> structlog.typing.Processor:
    def hide(_: Any, __: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in facts.items():
            if isinstance(value, str):
                for secret in secrets:
                    value = value.replace(secret, _HIDDEN)
                facts[name] = value
        return facts

    return hide
