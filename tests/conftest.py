"""What every test may ask for."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

import canaries
from commands import Ran, Run
from factories import ROOT
from jobhook import failpoints
from postgres import (
    MISSING,
    MISSING_POOLER,
    REQUIRED,
    Cluster,
    find_binaries,
    find_pooler,
    running_cluster,
    running_pooler,
)

_COVERAGE = "COVERAGE_PROCESS_CONFIG"
_NOT_THE_TESTS_OWN = ("JOBHOOK_", "HF_", "HUGGING_FACE_", "WEBHOOK_", "SPACE_", "OAUTH_")

# How long an example takes says more of the machine, and of what else runs on it, than of the code.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep whoever runs the tests, with their token and settings, out of them."""
    for name in list(os.environ):
        if name.startswith(_NOT_THE_TESTS_OWN):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("HF_HUB_DISABLE_UPDATE_CHECK", "1")


@pytest.fixture(autouse=True)
def plain_tracebacks() -> Iterator[None]:
    """Print a traceback as a service does: structlog's own shows what the variables hold."""
    shown = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], shown])
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def nothing_told(clean_environment: None, tmp_path: Path) -> Iterator[None]:
    """Find the secrets of the tests in no database and no log that a test leaves behind."""
    yield
    assert not canaries.seen_below(tmp_path)


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    """Leave no fail-point armed."""
    yield
    failpoints.disarm()


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Run]:
    """Run `jobhook` in this process, in an empty folder."""
    from jobhook.cli import main

    monkeypatch.chdir(tmp_path)

    def run_here(*words: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["jobhook", *words])
        code: object = 0
        try:
            main()
        except SystemExit as exc:
            code = exc.code or 0
        out, err = capsys.readouterr()
        assert not canaries.seen_in(out + err)
        return Ran(int(str(code)), out, err)

    yield run_here
    structlog.reset_defaults()


@pytest.fixture
def own_environment(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """The environment of a process that is to be like on a stranger's machine."""

    def environment(**given: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", _COVERAGE)}
        if _COVERAGE in kept:
            # Processes that start elsewhere leave what they measured where it is collected.
            kept["COVERAGE_FILE"] = os.environ.get("COVERAGE_FILE", str(ROOT / ".coverage"))
        # Whatever such a process leaves behind is found, and known for this test's.
        home = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
        return {**kept, **home, **canaries.FOR_EVERY_SERVICE, **given}

    return environment


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let all that is skipped for want of a server be one line of the summary."""
    report = yield
    if report.when == "teardown" and report.passed and (told := _secrets_printed(report)):
        report.outcome, report.longrepr = "failed", f"what it printed holds a secret: {told}"
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason in (MISSING, MISSING_POOLER):
            report.longrepr = (str(ROOT / "tests" / "postgres.py"), 1, reason)
    return report


def _secrets_printed(report: pytest.TestReport) -> list[str]:
    """What tests of a service print is its log, with nothing hidden from it."""
    return [seen for _, text in report.sections for seen in canaries.seen_in(text)]


def _postgres() -> Iterator[Cluster]:
    binaries = find_binaries()
    if binaries is None and os.environ.get(REQUIRED):
        pytest.fail(MISSING, pytrace=False)
    if binaries is None:
        pytest.skip(MISSING)
    with running_cluster(binaries) as cluster:
        yield cluster
        assert not canaries.seen_in((cluster.folder / "log").read_bytes())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL for the whole session; without one, what needs it is skipped."""
    yield from _postgres()


@pytest.fixture(scope="session")
def mortal_postgres() -> Iterator[Cluster]:
    """One to crash: after it, a server syncs every file of every database that it ever had."""
    yield from _postgres()


@pytest.fixture(scope="session")
def _migrated(postgres: Cluster) -> str:
    from jobhook.adapters.postgres_schema import open_database

    name = postgres.create()

    async def migrate() -> None:
        async with open_database(postgres.url(name)):
            pass

    # It may be asked for in the middle of a test, whose loop is running.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(migrate())).result()
    return name


@pytest.fixture
def postgres_url(postgres: Cluster, _migrated: str) -> str:
    """A PostgreSQL database of the test's own, as a service leaves it that did nothing yet."""
    # It goes with the cluster: dropping each would cost more than all else that a test does.
    return postgres.url(postgres.create(template=_migrated))


@pytest.fixture(scope="session")
def pooler(postgres: Cluster) -> Iterator[int]:
    """The port of a pooler before that PostgreSQL; without one, what needs it is skipped."""
    program = find_pooler()
    if program is None:
        pytest.skip(MISSING_POOLER)
    with running_pooler(program, postgres) as port:
        yield port


@pytest.fixture
def pooled_url(postgres_url: str, postgres: Cluster, pooler: int) -> str:
    """The database of `postgres_url`, reached through the pooler."""
    return postgres.url(postgres_url.rpartition("/")[2], pooler)
