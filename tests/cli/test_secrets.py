"""What commands print that have secrets in their environment, and a Hub that says all back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import canaries
from commands import Run


class _Echo(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        told = f"{self.headers} {self.path} {body.decode()}".encode()
        self.send_response(400)
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def echoing_hub() -> Iterator[str]:
    """A Hub that refuses everything, and says what it was asked."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def secrets_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, echoing_hub: str) -> None:
    """Secrets in the environment, and in files that may be handed over."""
    monkeypatch.setenv("HF_ENDPOINT", echoing_hub)
    monkeypatch.setenv("HF_TOKEN", canaries.HUB)
    monkeypatch.setenv("JOBHOOK_WEBHOOK_SECRETS", f"{canaries.ODD_WEBHOOK},{canaries.WEBHOOK}")
    monkeypatch.setenv("JOBHOOK_SIGNING_KEYS", canaries.SIGNING)
    monkeypatch.setenv("JOBHOOK_ADMIN_TOKEN", canaries.ADMIN)
    monkeypatch.setenv("JOBHOOK_SECRET_ODD", canaries.ODD_FOR_JOBS)
    monkeypatch.setenv("JOBHOOK_PUBLIC_URL", "https://jobhook.test")
    monkeypatch.setenv("GIVEN", canaries.ODD_FOR_JOBS)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text(
        "id: a\nwatch: [user:dev]\non: [commit.pushed]\n"
        "run: {image: x, command: [y], secrets: [ODD, LACKING]}\n"
    )
    (tmp_path / "good").write_text(f"A='{canaries.GIVEN}'\n")
    (tmp_path / "no-name").write_text(f"A=b\n{canaries.GIVEN}\n")
    (tmp_path / "open-quote").write_text(f'A="{canaries.GIVEN}\n{canaries.GIVEN}"\n')
    (tmp_path / "no-text").write_bytes(canaries.GIVEN.encode() + b"\xff")
    (tmp_path / "script.py").write_text("# /// script\n# dependencies = []\n# ///\n")


RUN = ("jobs", "run", "--namespace", "dev")
WATCH = ("--watch", "user:dev")


@pytest.mark.parametrize("json", [(), ("--json",)], ids=["plain", "json"])
@pytest.mark.parametrize(
    "words",
    [
        pytest.param((*RUN, "-s", f"A={canaries.GIVEN}"), id="a value on the command line"),
        pytest.param((*RUN, "-s", "GIVEN", "-s", "HF_TOKEN"), id="a value of the environment"),
        pytest.param((*RUN, "-s", f"A={canaries.GIVEN}\0"), id="a value that cannot be"),
        pytest.param((*RUN, "-s", canaries.GIVEN), id="a value in the place of a name"),
        pytest.param((*RUN, "-s", canaries.HUB), id="a token in the place of a name"),
        pytest.param((*RUN, "--token", f"{canaries.HUB} "), id="a token that cannot be"),
        pytest.param((*RUN, "--token", canaries.SAVED_HUB), id="another token"),
        *(
            pytest.param((*RUN, "--secrets-file", name), id=f"a file: {name}")
            for name in ("good", "no-name", "open-quote", "no-text")
        ),
        pytest.param(("jobs", "uv", "run", "-s", "GIVEN", "script.py"), id="a script"),
        pytest.param(("schedules", "run", "-s", "GIVEN", "@daily"), id="a schedule"),
        pytest.param(
            ("webhooks", "create", *WATCH, "--url", "https://a.test", "--secret", canaries.WEBHOOK),
            id="a webhook",
        ),
        pytest.param(
            ("webhooks", "create", *WATCH, "--job-id", "j1", "-s", "GIVEN"), id="a webhook's job"
        ),
        pytest.param(
            ("webhooks", "update", "w" * 24, "--secret", f"{canaries.WEBHOOK}ü"), id="no ASCII"
        ),
        pytest.param(("jobs", "ls"), id="a list"),
        pytest.param(("jobs", "inspect", "dev/j1"), id="a job"),
        pytest.param(("jobs", "logs", "dev/j1"), id="a log"),
        pytest.param(("webhooks", "ls"), id="webhooks"),
        pytest.param(("apply",), id="apply"),
        pytest.param(("doctor",), id="doctor"),
        pytest.param(("rules", "check"), id="rules"),
        pytest.param(("rules", "list"), id="a list of rules"),
        pytest.param(("deliveries", "ls"), id="no database"),
    ],
)
def test_no_command_tells_a_secret(
    run: Run, secrets_here: None, words: tuple[str, ...], json: tuple[str, ...]
) -> None:
    # `run` looks through all that is printed.
    job = ("x", "y") if words[:2] in (("jobs", "run"), ("schedules", "run")) else ()
    split = 2 if words[1:2] != ("uv",) else 3
    ran = run(*words[:split], *json, *words[split:], *job)
    assert ran.out or ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "command", [("serve", "--port", "0"), ("doctor", "--json"), ("jobs", "ls")]
)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("JOBHOOK_WEBHOOK_SECRETS", canaries.WORD, id="too short"),
        pytest.param("JOBHOOK_WEBHOOK_SECRETS", canaries.WEBHOOK * 50, id="too long"),
        pytest.param("WEBHOOK_SECRET", f"{canaries.WEBHOOK}ü", id="no ASCII"),
        pytest.param("JOBHOOK_WEBHOOK_SECRETS_FILE", canaries.WEBHOOK, id="no name of a file"),
        pytest.param("JOBHOOK_WEBHOOK_SECRET", canaries.WEBHOOK, id="a name that is misspelt"),
        pytest.param("JOBHOOK_SIGNING_KEYS", canaries.WORD, id="a short key"),
        pytest.param("JOBHOOK_SECRET_A-B", canaries.FOR_JOBS, id="a name that the Hub refuses"),
        pytest.param("JOBHOOK_SECRET_A", f"{canaries.FOR_JOBS}\udce9", id="half a character"),
        pytest.param("HF_TOKEN", f"{canaries.HUB} {canaries.HUB}", id="two tokens"),
        pytest.param("JOBHOOK_ADMIN_TOKEN", canaries.WORD, id="a short token"),
        pytest.param("JOBHOOK_ADMIN_TOKEN", f"{canaries.ADMIN} x", id="a token with a space"),
        pytest.param("JOBHOOK_TOKEN", canaries.CALLER, id="a token and no URL"),
        pytest.param("JOBHOOK_DATABASE", f"mysql://a:{canaries.DATABASE}@h/d", id="MySQL"),
        pytest.param("JOBHOOK_DATABASE", f"mysql://h/d?password={canaries.DATABASE}", id="a query"),
        pytest.param("JOBHOOK_DATABASE", f"host=h password={canaries.DATABASE}", id="a DSN"),
        pytest.param("JOBHOOK_DATABASE", f"postgres//a:{canaries.DATABASE}@h", id="no colon"),
        pytest.param("JOBHOOK_DATABASE", f"postgresql://a:{canaries.DATABASE}/@h/d", id="a slash"),
        pytest.param("JOBHOOK_DATABASE", canaries.OF_SETTINGS["DATABASE"], id="nobody there"),
        pytest.param("HF_ENDPOINT", f"https://a:{canaries.HUB}@hub.test", id="a Hub with a login"),
    ],
)
def test_a_setting_that_cannot_be_is_told_without_its_value(
    run: Run,
    secrets_here: None,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    command: tuple[str, ...],
) -> None:
    if name.startswith("JOBHOOK_WEBHOOK_SECRETS"):
        monkeypatch.delenv("JOBHOOK_WEBHOOK_SECRETS")
    monkeypatch.setenv(name, value)
    ran = run(*command)
    assert ran.code in (1, 2)
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("command", [("jobs", "ls"), ("launches", "ls", "--json"), ("pause",)])
def test_a_service_elsewhere_that_says_everything_back_makes_no_command_tell_its_token(
    run: Run,
    secrets_here: None,
    monkeypatch: pytest.MonkeyPatch,
    echoing_hub: str,
    command: tuple[str, ...],
) -> None:
    monkeypatch.setenv("JOBHOOK_URL", echoing_hub)
    monkeypatch.setenv("JOBHOOK_TOKEN", canaries.CALLER)
    ran = run(*command)
    assert ran.code == 1
    assert f"{echoing_hub} answered 400" in ran.err
