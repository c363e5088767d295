"""A Hub on loopback that remembers what it is asked, and answers what it is told to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

# (method, path, which of the answers); the first that fits is taken.
ROUTES = tuple(
    (method, re.compile(path), kind)
    for method, path, kind in (
        ("GET", "/api/whoami-v2", "account"),
        ("GET", "/api/jobs/hardware", "hardware"),
        ("GET", "/api/jobs/[^/]+", "jobs"),
        ("GET", "/api/jobs/[^/]+/[^/]+/logs", "logs"),
        ("GET", "/api/jobs/[^/]+/[^/]+/metrics", "metrics"),
        ("(GET|POST|PUT)", "/api/jobs/.+", "job"),
        ("GET", "/api/scheduled-jobs/[^/]+", "schedules"),
        ("POST", "/api/scheduled-jobs/[^/]+/[^/]+/run", "job"),
        ("POST", "/api/scheduled-jobs/[^/]+/[^/]+/(suspend|resume)", "done"),
        ("(GET|POST|PUT)", "/api/scheduled-jobs/.+", "schedule"),
        ("GET", "/api/settings/webhooks", "webhooks"),
        ("(GET|POST)", "/api/settings/webhooks.*", "webhook"),
        ("DELETE", ".+", "done"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    A request as it came in.

    Attributes:
        query: Its pairs in order of name and value.
        body: Its JSON, or None where there was none.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Any
    authorization: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer; one that is *broken* ends before it is whole."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    broken: bool = False


def say(content: Any, status: int = 200, **headers: str) -> Reply:
    """Answer with JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(
        status=status,
        body=json.dumps(content).encode(),
        headers={"content-type": "application/json; charset=utf-8", **named},
    )


Told = Reply | list[Reply] | Callable[[Asked], Reply]


class Recorder:
    """
    Answers with what `answers` holds for the kind of the request.

    A list of replies is given one after the other, its last one over and over.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, Told] = {}

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, asked: Asked) -> Reply:
        """Remember *asked* and say what is told."""
        self.asked.append(asked)
        for method, path, kind in ROUTES:
            if re.fullmatch(method, asked.method) and path.fullmatch(asked.path):
                return _next(self.answers[kind], asked)
        return say({"error": "no such page"}, 404)


def _next(told: Told, asked: Asked) -> Reply:
    if isinstance(told, Reply):
        return told
    if callable(told):
        return told(asked)
    return told.pop(0) if len(told) > 1 else told[0]


def _handler(recorder: Recorder) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            target = urlsplit(self.path)
            sent = self.rfile.read(int(self.headers.get("content-length") or 0))
            asked = Asked(
                method=self.command,
                path=target.path,
                query=tuple(sorted(parse_qsl(target.query, keep_blank_values=True))),
                body=json.loads(sent) if sent else None,
                authorization=self.headers.get("authorization"),
            )
            self._give(recorder.answer(asked))

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

        def _give(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body) + reply.broken))
            self.end_headers()
            self.wfile.write(reply.body)
            self.wfile.flush()
            self.close_connection = self.close_connection or reply.broken

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    return Handler
