from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread
import pytest

from commands import Ran, Run
from factories import ROOT
from jobhook.devhub import TOKEN, DevHub
from jobhook.hub.client import AsyncHub
from jobhook.web.serving import listen, url_of
from jobhook.wiring import running_devhub

pytestmark = pytest.mark.anyio

RULES = str(ROOT / "rules")


@pytest.fixture
async def devhub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The URL of a devhub, which the environment names as the Hub."""
    with listen("127.0.0.1", 0) as listener:
        url = url_of(listener)
        monkeypatch.setenv("HF_ENDPOINT", url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("JOBHOOK_WEBHOOK_SECRETS", "0123456789abcdef")
        monkeypatch.setenv("JOBHOOK_PUBLIC_URL", "https://us.test")
        async with running_devhub(DevHub(url), listener):
            yield url


async def apply(run: Run, *words: str) -> Ran:
    """Run the command in a thread, while the devhub goes on in this one."""
    return await anyio.to_thread.run_sync(lambda: run("apply", *words))


async def test_apply_says_what_it_would_do_and_then_does_it(run: Run, devhub: str) -> None:
    planned = await apply(run, "--dry-run", "--rules", RULES)
    assert planned.out == "would create a webhook: repo events of user:dev\n"
    async with AsyncHub(devhub, TOKEN) as hub:
        assert await hub.list_webhooks() == []
        applied = await apply(run, "--json", "--rules", RULES)
        assert [step["step"] for step in applied.json] == ["create"]
        (webhook,) = await hub.list_webhooks()
    assert webhook.url == "https://us.test/webhooks/hub"
    again = await apply(run, "--rules", RULES)
    assert again.out == f"keep {webhook.id}: as the rules want it; the secret is sent again\n"


async def test_without_anything_to_watch_there_is_nothing_to_do(
    run: Run, devhub: str, tmp_path: Path
) -> None:
    (tmp_path / "rules").mkdir()
    assert "nothing to do" in (await apply(run)).out


async def test_a_token_that_the_hub_does_not_know_is_told(
    run: Run, devhub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    ran = await apply(run, "--rules", RULES)
    assert ran.code == 1
    assert ran.err.startswith("jobhook: the Hub answered 401: ")
    assert "hf_wrong" not in ran.err


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        pytest.param({}, "set JOBHOOK_PUBLIC_URL", id="no URL"),
        pytest.param({"JOBHOOK_PUBLIC_URL": "https://us.test"}, "HF_TOKEN", id="no token"),
        pytest.param(
            {"JOBHOOK_PUBLIC_URL": "https://us.test", "HF_TOKEN": "x"},
            "jobhook secret new",
            id="no secret",
        ),
    ],
)
def test_apply_says_what_it_lacks(
    run: Run, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], message: str
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    ran = run("apply", "--rules", RULES)
    assert ran.code == 2
    assert message in ran.err
