"""`jobhook webhooks` against a devhub."""

from __future__ import annotations

from typing import Any

import pytest

from commands import Run

pytestmark = pytest.mark.usefixtures("at_devhub")

URL = "https://example.com/hook"


def created(run: Run, *words: str) -> Any:
    ran = run("webhooks", "create", "--json", "--watch", "org:acme", *words)
    assert ran.code == 0, ran.err
    return ran.json


def info(run: Run, webhook: str) -> Any:
    return run("webhooks", "info", webhook, "--json").json


def test_a_webhook_is_what_the_options_say(run: Run) -> None:
    words = ["--url", URL, "--watch", "model:acme/bert", "--domain", "repo", "--secret", "hidden"]
    told = created(run, *words)
    assert (told["url"], told["domains"]) == (URL, ["repo"])
    assert [(each["type"], each["name"]) for each in told["watched"]] == [
        ("org", "acme"),
        ("model", "acme/bert"),
    ]
    assert created(run, "--url", URL)["domains"] == ["repo", "discussion"]


def test_a_webhook_can_run_a_job(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "hidden")
    job = run("jobs", "run", "-d", "python:3.12", "true").out.strip()
    told = created(run, "--job-id", job, "-s", "KEY")
    assert told["url"] is None
    assert told["job"]["command"] == ["true"]
    assert "(a job)" in run("webhooks", "ls").out


def test_webhooks_are_listed(run: Run) -> None:
    webhook = created(run, "--url", URL)["id"]
    assert webhook in run("webhooks", "ls", "-q").out.split()
    assert webhook in [each["id"] for each in run("webhooks", "list", "--json").json]
    line = next(line for line in run("webhooks", "ls").out.splitlines() if webhook in line)
    assert all(word in line for word in (URL, "org:acme", "repo discussion"))
    assert URL in run("webhooks", "info", webhook).out


def test_a_webhook_changes_rests_goes_on_and_goes(run: Run) -> None:
    webhook = created(run, "--url", URL)["id"]
    told = run("webhooks", "update", webhook, "--watch", "dataset:acme/corpus", "--json").json
    assert [each["name"] for each in told["watched"]] == ["acme/corpus"]
    assert run("webhooks", "disable", webhook).out == f"disabled: {webhook}\n"
    assert info(run, webhook)["disabled"] is True
    assert run("webhooks", "enable", webhook, "--json").json["disabled"] is False
    assert run("webhooks", "delete", webhook, "-y").out == f"deleted: {webhook}\n"
    ran = run("webhooks", "info", webhook)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
