from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from jobhook.adapters.logs import configure_logs


@pytest.fixture
def stream() -> Iterator[io.BytesIO]:
    yield io.BytesIO()
    structlog.reset_defaults()
    logging.basicConfig(handlers=[], force=True)


@contextlib.contextmanager
def structlog_exceptions() -> Iterator[None]:
    """Log whatever goes wrong inside, with its traceback."""
    try:
        yield
    except RuntimeError:
        structlog.get_logger().exception("a.failed")
        raise


def lines(stream: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_which_request_it_is_of(stream: io.BytesIO) -> None:
    configure_logs(stream=stream)
    with bound_contextvars(request_id="r1"):
        structlog.get_logger().info("api.changed")
    structlog.get_logger().info("service.drained")
    assert [line.get("request_id") for line in lines(stream)] == ["r1", None]


def test_a_line_is_an_event_and_facts(stream: io.BytesIO) -> None:
    configure_logs(stream=stream)
    structlog.get_logger().bind(delivery="d1").info("delivery.stored", bytes=3)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "delivery.stored", "level": "info", "delivery": "d1", "bytes": 3}


def test_no_secret_leaves_in_any_text(stream: io.BytesIO) -> None:
    configure_logs(secrets=["s3cret-value", ""], stream=stream)
    with contextlib.suppress(RuntimeError), structlog_exceptions():
        raise RuntimeError("it was s3cret-value")
    structlog.get_logger().info("a.told", told="s3cret-value!")
    assert b"s3cret-value" not in stream.getvalue()
    assert [line.get("told") for line in lines(stream)] == [None, "***!"]


def test_a_secret_is_found_in_quotes_and_within_lists(stream: io.BytesIO) -> None:
    secret = 'quoted "word" \\ and ü'
    configure_logs(secrets=[secret], stream=stream)
    structlog.get_logger().info("a.told", told=[f"it is {secret}!"])
    (line,) = lines(stream)
    assert line["told"] == ["it is ***!"]


def test_a_value_too_short_to_be_a_secret_is_left_alone(stream: io.BytesIO) -> None:
    configure_logs(secrets=["1"], stream=stream)
    structlog.get_logger().info("a.told", url="http://127.0.0.1:1")
    assert lines(stream)[0]["url"] == "http://127.0.0.1:1"


def test_what_libraries_log_has_our_shape(stream: io.BytesIO) -> None:
    configure_logs(stream=stream)
    logging.getLogger("uvicorn.error").warning("Invalid %s", "request")
    logging.getLogger("uvicorn.error").info("of no interest")
    (line,) = lines(stream)
    assert (line["event"], line["logger"], line["message"], line["level"]) == (
        "library.logged",
        "uvicorn.error",
        "Invalid request",
        "warning",
    )
    assert "exc_info" not in line


def test_a_value_that_is_no_json_is_logged_as_text(stream: io.BytesIO) -> None:
    configure_logs(stream=stream)
    structlog.get_logger().info("a.happened", value=object)
    assert "object" in lines(stream)[0]["value"]
