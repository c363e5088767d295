"""What is asked of the API when it is fuzzed, and by whom."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from campaign.exchanges import Header, Resource
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.core.access import ApiToken, Role, digest_of
from jobhook.core.deliveries import delivery_id

# No canaries: what is broken may well put a header into a body, which is then kept as it came.
ADMIN = "the-admin-token-of-a-service-that-is-fuzzed"
VIEWER = "jh_" + "v" * 43
# The delivery that everybody asks for.
KNOWN_WEBHOOK_ID = "the-one-that-is-asked-for"
KNOWN = delivery_id("hub", KNOWN_WEBHOOK_ID)

_ORIGIN = "https://ops.example.org"
SETTINGS = {"JOBHOOK_ADMIN_TOKEN": ADMIN, "JOBHOOK_CORS_ORIGINS": _ORIGIN}

_JSON: Header = (b"Content-Type", b"application/json")


def _bearer(token: str) -> tuple[Header, ...]:
    return ((b"Authorization", b"Bearer " + token.encode()),)


_MAY_ALL, _MAY_SEE = _bearer(ADMIN), _bearer(VIEWER)
_MAY_NOTHING: tuple[tuple[Header, ...], ...] = (_bearer("jh_" + "w" * 43), ())
_CALLERS = (_MAY_ALL, _MAY_SEE, *_MAY_NOTHING)

_LISTS = {
    "deliveries": (
        *(
            "",
            "?limit=3",
            "?limit=2&cursor=delivery-99999999999999.9",
            "?state=ignored&limit=2",
            "?repo=acme/corpus-1",
        ),
        "?type=repo.content&repo=dataset:acme/corpus-7&limit=2",
        "?since=2026-01-01T00:00:00Z&until=2099-01-01T00:00:00.5%2B01:00&limit=1",
    ),
    "launches": (
        *("?limit=5", "?state=matched&state=ready&limit=2", "?reason=pause&limit=1"),
        f"?rule=corpus&repo=dataset:acme/corpus-3&delivery={KNOWN}&cursor=launch-0.0",
    ),
    "rules": ("", "/corpus", "/no-such"),
    "pauses": ("",),
    "me": ("",),
    "tokens": ("",),
    "audit": ("?limit=2", "?who=a&did=jobs.run&about=b&cursor=7&since=2026-01-01T00:00:00Z"),
    "jobs": ("?status=RUNNING&label=a%3Db&limit=2",),
    "webhooks": ("",),
}
_NOTHING = "0" * 24
_SINGLE = (
    *(f"deliveries/{KNOWN}", f"deliveries/{KNOWN}/body", "deliveries/d1", "launches/l1"),
    *(f"jobs/{_NOTHING}", f"schedules/{_NOTHING}", f"webhooks/{_NOTHING}"),
)
_STREAMS = ("feed", f"jobs/{_NOTHING}/logs?follow=true&tail=3", f"jobs/{_NOTHING}/metrics")
_RULE = (
    "on: [commit.pushed]\nrepos: ['dataset:acme/*']\nrun: {image: i, command: [c], timeout: 60s}\n"
)
_CHECKED = (
    {"files": {"a.yaml": _RULE, "b.yaml": _RULE.replace("60s", "1y")}},
    {"files": {"a.yaml": "&a [*a, !!python/name:os.system x]", "s/run.py": "import os"}},
)
_EXPLAINED = (
    {
        "payload": {
            "event": {"action": "update", "scope": "repo.content"},
            "repo": {"type": "dataset", "name": "acme/corpus-1", "private": False},
            "updatedRefs": [{"ref": "refs/heads/main", "oldSha": "a" * 40, "newSha": "b" * 40}],
        },
        "rule": "corpus",
        "files": ["data/a.csv"],
        "actor": "ann:user",
        "message": "more data",
        "offline": True,
    },
    {"delivery": KNOWN, "offline": True},
)
# Of what starts and stops something, only callers are asked who may not.
_ORDERS = (
    *("jobs", "jobs/uv", "schedules", "webhooks", "tokens", "pause", "stop-all"),
    *(f"deliveries/{KNOWN}/replay", "launches/l1/retry", "tokens/t000000000000/revoke"),
)
_TOKEN = {"name": "ci", "role": "admin", "expires_at": "2027-01-01T00:00:00Z"}


def _asked(path: str, **more: Any) -> Resource:
    return Resource(f"/api/v1/{path}".encode(), **more)


def _said(values: Sequence[Any]) -> tuple[bytes, ...]:
    return tuple(json.dumps(value).encode() for value in values)


def _with(callers: Sequence[tuple[Header, ...]], *more: Header) -> tuple[tuple[Header, ...], ...]:
    return tuple((*caller, *more) for caller in callers)


_PREFLIGHT = ((b"Origin", _ORIGIN.encode()), (b"Access-Control-Request-Method", b"PUT"))
API = (
    *(
        _asked(name + more, methods=(b"GET", b"HEAD"), callers=_CALLERS)
        for name, lists in _LISTS.items()
        for more in lists
    ),
    *(_asked(path, methods=(b"GET", b"HEAD"), callers=_CALLERS) for path in _SINGLE),
    *(_asked(path, callers=_with(_CALLERS, (b"Last-Event-ID", b"1.0"))) for path in _STREAMS),
    _asked(
        "rules/check",
        methods=(b"POST",),
        callers=_with(_CALLERS, _JSON),
        bodies=_said(_CHECKED),
    ),
    _asked(
        "rules/explain",
        methods=(b"POST",),
        callers=_with(_CALLERS, _JSON),
        bodies=_said(_EXPLAINED),
        often=2,
    ),
    *(
        _asked(
            path,
            methods=(b"POST",),
            callers=_with((_MAY_SEE, *_MAY_NOTHING), _JSON, (b"Idempotency-Key", b"k")),
            bodies=_said([_TOKEN]),
        )
        for path in _ORDERS
    ),
    *(_asked(path, methods=(b"OPTIONS",), callers=(_PREFLIGHT, ())) for path in ("jobs", "feed")),
    *(
        Resource(path, (b"GET", b"HEAD"), ((), ((b"If-None-Match", b"*"),)))
        for path in (b"/api/v1/openapi.json", b"/api/docs", b"/api/", b"/api/v1/x")
    ),
    Resource(b"/metrics", (b"GET", b"HEAD"), _CALLERS),
)


async def let_in(database: Path) -> None:
    """Keep the viewer's token in *database*, which no service has open."""
    token = ApiToken(
        id="t0123456789ab",
        name="viewer",
        role=Role.VIEWER,
        digest=digest_of(VIEWER),
        created_at=0,
        created_by="the fuzz",
    )
    async with sqlite_store(database) as store:
        assert await store.add_token(token, most=1)
