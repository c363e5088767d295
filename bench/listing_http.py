"""Pages of lists as a caller of the API gets them."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from bench.processes import ServerFailed
from bench.service import ADMIN_TOKEN, service_environ, serving
from bench.stub_hub import StubHub
from bench.table import Scale

# As filters are named, with values that may have spaces in them.
_PAIR = re.compile(r"(\w+)=(.*?)(?= \w+=|$)")
_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


def over_http(
    database: str, folder: Path, filters: Mapping[str, Sequence[str]], scale: Scale
) -> Mapping[str, Mapping[str, list[float]]]:
    """
    Return how long each page took of each list, by what is listed and by its filter.

    Each is read on from one page to the next, on one connection to a service on *database*.
    """
    rules = folder / "no-rules"
    rules.mkdir(exist_ok=True)
    with StubHub() as hub:
        environ = {
            **service_environ(folder, rules, hub.url),
            "JOBHOOK_DATABASE": database,
            # What is stored is years old.
            "JOBHOOK_RETENTION": "36500d",
        }
        with serving(environ) as server:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            # The first call of all loads what answers it.
            _page(connection, "/api/v1/me")
            return {
                what: {name: list(_pages(connection, what, name, scale)) for name in names}
                for what, names in filters.items()
            }


def _pages(
    connection: http.client.HTTPConnection, what: str, name: str, scale: Scale
) -> Iterator[float]:
    asked = _query(name)
    for _ in range(scale.rounds + 2):
        begun = time.perf_counter()
        told = _page(connection, f"/api/v1/{what}?{urlencode(asked)}")
        yield time.perf_counter() - begun
        cursor = json.loads(told)["next_cursor"]
        asked = {**_query(name), **({"cursor": cursor} if cursor else {})}


def _page(connection: http.client.HTTPConnection, target: str) -> bytes:
    connection.request("GET", target, headers=_HEADERS)
    answer = connection.getresponse()
    told = answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise ServerFailed(f"{target} was answered {answer.status}: {told.decode()[:200]}")
    return told


def _query(name: str) -> dict[str, str]:
    """Return what the API is asked for a filter of that *name*."""
    asked = dict(_PAIR.findall(name))
    if "until" in asked:
        until = datetime.fromtimestamp(int(asked["until"]) / 1000, UTC)
        asked["until"] = until.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return asked
