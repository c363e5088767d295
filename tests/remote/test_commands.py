"""Commands with `JOBHOOK_URL`: what goes to the service, and what stays here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from canned import CannedServer, answer, raw
from commands import Run
from elsewhere import TOKEN
from factories import BODY, ROOT

RULES = ROOT / "rules"


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch) -> Iterator[CannedServer]:
    """A service elsewhere that says what it is told to."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(CannedServer()) as server,
    ):
        monkeypatch.setenv("JOBHOOK_URL", server.url)
        monkeypatch.setenv("JOBHOOK_TOKEN", TOKEN)
        yield server


@pytest.mark.parametrize(
    ("not_paused", "jobs", "unread", "code", "out"),
    [
        (None, [("j1", None)], [], 0, "j1: cancelled\n1 job was cancelled\n"),
        ("the disk is full", [], [], 0, "0 jobs were cancelled\n"),
        (
            None,
            [("j1", "it is stuck")],
            [],
            1,
            "j1: it is stuck\n0 jobs were cancelled, and 1 could not be\n",
        ),
        (None, [], ["acme"], 1, "0 jobs were cancelled\n"),
    ],
    ids=["all is well", "not paused", "a job goes on", "a list is missing"],
)
def test_stopping_everything_is_told_as_here(
    canned: CannedServer,
    run: Run,
    not_paused: str | None,
    jobs: list[tuple[str, str | None]],
    unread: list[str],
    code: int,
    out: str,
) -> None:
    told = [{"job_id": job, "error": error} for job, error in jobs]
    canned.answers = [answer(200, {"not_paused": not_paused, "jobs": told, "unread": unread})]
    ran = run("stop-all", "--yes")
    assert (ran.code, ran.out) == (code, out)
    assert ("NOT paused (the disk is full)" if not_paused else "; `jobhook resume`") in ran.err
    assert all(f"jobs in {each} may still run" in ran.err for each in unread)


def test_stopping_everything_is_asked_about_first(
    canned: CannedServer, run: Run, nobody_there: None
) -> None:
    ran = run("stop-all")
    assert ran.code == 2
    assert f"all jobs of the service at {canned.url}? There is no terminal" in ran.err
    assert canned.asked == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(
            ["jobs", "ls", "--token", "hf_x"],
            "--token is for the Hub, which the service at JOBHOOK_URL asks",
            id="a token of the Hub",
        ),
        pytest.param(
            ["jobs", "run", "-v", ".:/data", "python:3.12", "true"],
            "a folder of this machine does not go through JOBHOOK_URL",
            id="a folder",
        ),
        pytest.param(
            ["rules", "explain", "payload.json", "--me", "dev"],
            "--me is for rules of this machine",
            id="who we are",
        ),
    ],
)
def test_what_a_service_elsewhere_does_not_take_is_not_sent(
    canned: CannedServer, run: Run, tmp_path: Path, words: list[str], sentence: str
) -> None:
    (tmp_path / "payload.json").write_bytes(BODY)
    ran = run(*words)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err
    assert canned.asked == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(["deliveries", "ls", "--database", "sqlite:///none.db"], 1, id="a database"),
        pytest.param(["rules", "list", "--rules", str(RULES)], 0, id="a folder of rules"),
        pytest.param(["rules", "check", str(next(RULES.rglob("*.yaml")))], 0, id="rules check"),
        pytest.param(["rules", "test", "payload.json", "--offline"], 0, id="rules test"),
    ],
)
def test_what_is_about_this_machine_stays_here(
    canned: CannedServer,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
) -> None:
    monkeypatch.setenv("JOBHOOK_RULES", str(RULES))
    (tmp_path / "payload.json").write_bytes(BODY)
    ran = run(*words)
    assert ran.code == code, ran.err
    assert canned.asked == []


def test_a_pause_of_a_rule_that_is_not_there_says_where_it_is_not(
    canned: CannedServer, run: Run
) -> None:
    canned.answers = [answer(200, {"items": [], "next_cursor": None})]
    ran = run("pause", "--rule", "retrain")
    assert ran.code == 2
    assert f"there is no rule retrain in {canned.url}; `jobhook pause` without" in ran.err


@pytest.mark.parametrize(
    ("told", "code"),
    [
        pytest.param(raw(b"<html>Sign in", "200 OK", "content-type: text/html"), 1, id="a page"),
        pytest.param(raw(b"", "302 Found", "location: https://x.test"), 1, id="a redirect"),
        pytest.param(
            answer(401, {"error": {"code": "unauthorized", "message": "no"}}), 1, id="401"
        ),
        pytest.param(answer(500, {"error": {"code": "internal", "message": "ours"}}), 1, id="500"),
        pytest.param(answer(422, {"error": {"code": "invalid", "message": "no"}}), 2, id="422"),
    ],
)
@pytest.mark.parametrize("words", ["jobs ls --json", "launches ls --json", "rules list --json"])
def test_what_goes_wrong_is_one_sentence_without_the_token(
    canned: CannedServer, run: Run, words: str, told: bytes, code: int
) -> None:
    canned.answers = [told]
    ran = run(*words.split())
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("jobhook: ")
    assert ran.err.count("\n") == 1
    assert TOKEN not in ran.err


def test_an_address_without_a_token_is_wrong_use(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBHOOK_URL", "https://ops.test")
    ran = run("jobs", "ls")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "jobhook: JOBHOOK_URL is set without JOBHOOK_TOKEN: set both, or neither\n"
