"""The rows about taking deliveries in: jobhook's door beside other servers."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.payload import SECRET
from bench.postgres import MISSING, database
from bench.processes import python
from bench.ratios import Comparison, Side, compare, installed
from bench.service import rules_that_rest, service_environ
from bench.stub_hub import StubHub
from bench.table import Row, Scale


def accepting(folder: Path, scale: Scale) -> Iterable[Row]:
    """Return the rows; *folder* is for databases and the like."""
    with StubHub() as hub, database() as postgres:
        return list(compare(_comparisons(folder, scale, hub.url, postgres), scale))


def _comparisons(
    folder: Path, scale: Scale, hub_url: str, postgres: str | None
) -> list[Comparison]:
    raw = Side(name="raw ASGI", argv=python("bench.sides.raw", "{port}"), ready="/")
    accept = _receiver("accept", folder)
    wrong = _receiver("wrong secret", folder, secret="wrong" * 8, answer=401)
    slow = _slow_fsync(folder)
    return [
        Comparison("durable accept on SQLite, against raw ASGI 202", 0.5, accept, raw),
        Comparison(
            f"the same while {scale.rules:,} rules are matched in the process",
            0.33,
            _matching(folder, scale, hub_url),
            raw,
        ),
        Comparison(
            "durable accept with 2 ms more per fsync, against a commit per request",
            18,
            _receiver("accept, slow fsync", folder, **slow),
            _receiver("commit each, slow fsync", folder, "single", **slow),
        ),
        Comparison(
            "durable accept on PostgreSQL, against raw ASGI 202",
            0.55,
            Side(
                name="accept on PostgreSQL",
                argv=python("bench.sides.receiver", "{port}", postgres),
                missing="" if postgres else MISSING,
            ),
            raw,
        ),
        Comparison(
            "durable accept, against adnanh/webhook (Go), which stores nothing",
            1.0,
            accept,
            _go_webhook(folder),
        ),
        Comparison(
            "durable accept, against WebhooksServer, which stores nothing",
            6,
            accept,
            _webhooks_server(),
        ),
        Comparison("refuse a wrong secret, against raw ASGI 202", 0.8, wrong, raw),
    ]


def _receiver(name: str, folder: Path, *mode: str, **given: Any) -> Side:
    path = folder / f"{name.replace(' ', '-')}.db"
    return Side(name=name, argv=python("bench.sides.receiver", "{port}", path, *mode), **given)


def _matching(folder: Path, scale: Scale, hub_url: str) -> Side:
    rules_that_rest(folder / "rules", scale.rules)
    environ = service_environ(folder, folder / "rules", hub_url)
    return Side(name="serve", argv=python("jobhook", "serve", "--port", "{port}"), environ=environ)


def _slow_fsync(folder: Path) -> dict[str, Any]:
    if missing := installed("gcc"):
        return {"missing": missing}
    library = folder / "slowsync.so"
    source = Path(__file__).with_name("slowsync.c")
    gcc = shutil.which("gcc") or "gcc"
    subprocess.run([gcc, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return {"environ": {"LD_PRELOAD": str(library)}}


def _go_webhook(folder: Path) -> Side:
    hooks = folder / "hooks.json"
    hooks.write_text(json.dumps([_HOOK]))
    program = shutil.which("webhook") or "webhook"
    return Side(
        name="webhook",
        argv=[program, "-hooks", str(hooks), "-ip", "127.0.0.1", "-port", "{port}"],
        environ={"GOMAXPROCS": "1"},
        ready="/",
        path="/hooks/hub",
        answer=200,
        missing=installed("webhook"),
    )


# It looks at the secret and at one field of the payload, which never fits: it runs nothing.
_HOOK = {
    "id": "hub",
    "execute-command": "/bin/true",
    "trigger-rule": {
        "and": [
            {
                "match": {
                    "type": "value",
                    "value": SECRET,
                    "parameter": {"source": "header", "name": "X-Webhook-Secret"},
                }
            },
            {
                "match": {
                    "type": "value",
                    "value": "nobody/nothing",
                    "parameter": {"source": "payload", "name": "repo.name"},
                }
            },
        ]
    },
}


def _webhooks_server() -> Side:
    gradio = importlib.util.find_spec("gradio")
    return Side(
        name="WebhooksServer",
        argv=python("bench.sides.webhooks_server", "{port}"),
        environ={"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"},
        ready="/",
        path="/webhooks/hub",
        answer=200,
        missing="" if gradio else "gradio is not installed (`make bench` installs it)",
    )
