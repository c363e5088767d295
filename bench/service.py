"""The whole service as a user runs it, `jobhook serve`, with limits that do not stop the bench."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.payload import SECRET
from bench.processes import Server, free_port, python, running
from jobhook.adapters.sqlite_files import close_writer, open_reader, open_writer

ADMIN_TOKEN = "the-admin-token-of-the-bench-opens-nothing"  # noqa: S105 - it opens nothing
_PLENTY = "100000000"
_THREE_DAYS_MS = 3 * 24 * 3_600_000


def service_environ(folder: Path, rules: Path, hub_url: str) -> dict[str, str]:
    """Return the environment of a service whose database lies in *folder*."""
    limits = ("RULE_REPO_PER_HOUR", "RULE_REPO_PER_DAY", "RULE_USD_PER_DAY", "USD_PER_DAY")
    return {
        "JOBHOOK_DATABASE": f"sqlite:///{folder / 'service.db'}",
        "JOBHOOK_RULES": str(rules),
        "JOBHOOK_WEBHOOK_SECRETS": SECRET,
        "HF_ENDPOINT": hub_url,
        "HF_TOKEN": "hf_bench",
        "JOBHOOK_ADMIN_TOKEN": ADMIN_TOKEN,
        **{f"JOBHOOK_{limit}": _PLENTY for limit in limits},
    }


@contextlib.contextmanager
def serving(environ: Mapping[str, str]) -> Iterator[Server]:
    """Run `jobhook serve` while the block runs."""
    port = free_port()
    argv = python("jobhook", "serve", "--port", port)
    with running(argv, port=port, environ=environ) as server:
        yield server


def rules_that_rest(folder: Path, count: int) -> None:
    """Write rules for other repos than the bench sends: seven in ten exact, the rest with globs."""
    folder.mkdir()
    for number in range(count):
        repo = f"acme/exact-{number}" if number % 10 < 7 else f"team-{number}/*"
        _write_rule(folder, f"rule-{number}", f'["model:{repo}"]')


def rule_that_fires(folder: Path) -> None:
    """Write a rule that every delivery of the bench sets off."""
    folder.mkdir()
    _write_rule(folder, "fires", '["model:acme/*"]')


def _write_rule(folder: Path, name: str, repos: str) -> None:
    (folder / f"{name}.yaml").write_text(
        f"id: {name}\non: [commit.pushed]\nrepos: {repos}\nrefs: [main]\n"
        "run: {image: 'python:3.12', command: [python, -V], timeout: 1m}\n"
    )


def old_database(path: Path) -> None:
    """Make a database past the 48 hours in which each launch is looked for before it is sent."""
    connection = open_writer(path)
    connection.execute("UPDATE epoch SET began_at = began_at - ?", (_THREE_DAYS_MS,))
    # Else it would be taken for one whose log may be lost, and look before it sends.
    close_writer(connection, path)


def count(path: Path, query: str) -> int:
    """Return the one number that *query* gives, beside the running service."""
    connection = open_reader(path)
    try:
        number: int = connection.execute(query).fetchone()[0]
    finally:
        connection.close()
    return number


def wait_for(path: Path, query: str, number: int, *, seconds: float) -> bool:
    """Wait until *query* gives *number*; return whether it did in time."""
    deadline = time.monotonic() + seconds
    while count(path, query) < number:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
