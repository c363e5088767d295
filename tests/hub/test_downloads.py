from __future__ import annotations

import pytest

from canned import CannedServer, answer, raw
from jobhook.core.errors import UsageError
from jobhook.hub.downloads import download, is_private, redirected

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://example.com/a.py", True),
        ("http://127.0.0.1:80/a.py", True),
        ("http://localhost/a.py", True),
        ("http://example.com/a.py", False),
        ("http://127.0.0.1.example.com/a.py", False),
        ("file:///etc/passwd", False),
        ("https://[", False),
    ],
)
async def test_what_comes_in_the_clear_is_not_private(url: str, private: bool) -> None:
    assert is_private(url) is private


async def test_a_file_is_fetched_without_a_token_and_with_its_query() -> None:
    async with CannedServer() as server:
        server.answers = [raw(b"print(1)")]
        assert await download(f"{server.url}/a.py?raw=1", most=100) == b"print(1)"
    assert server.asked[0].target == "/a.py?raw=1"
    assert "authorization" not in server.asked[0].headers


async def test_redirects_are_followed_but_not_on_and_on() -> None:
    async with CannedServer() as server:
        server.answers = [raw(b"", "307 Moved", "location: b.py"), None, raw(b"x")]
        assert await download(f"{server.url}/a/a.py", most=100) == b"x"
        assert server.asked[1].target == "/a/b.py"
        server.answers = [raw(b"", "302 Moved", "location: /a.py"), None] * 9
        with pytest.raises(UsageError, match="it leads on and on"):
            await download(f"{server.url}/a.py", most=100)
    assert len(server.asked) < 10


@pytest.mark.parametrize(
    "location", ["http://example.com/a.py", "file:///etc/passwd", "https://u:p@example.com/"]
)
async def test_no_redirect_leads_into_the_clear(location: str) -> None:
    async with CannedServer() as server:
        server.answers = [raw(b"", "302 Moved", f"location: {location}")]
        with pytest.raises(UsageError, match="write an https URL without a user"):
            await download(f"{server.url}/a.py", most=100)


async def test_the_web_does_not_lead_to_this_machine() -> None:
    assert redirected("https://a.example/a/b.py", "c.py") == "https://a.example/a/c.py"
    for location in ("http://127.0.0.1:7860/metrics", "file:///etc/passwd"):
        with pytest.raises(UsageError, match="it leads to"):
            redirected("https://a.example/b.py", location)


async def test_what_cannot_be_had_is_one_sentence() -> None:
    async with CannedServer() as server:
        server.answers = [answer(404), None, raw(b"x" * 101), None, None]
        for why in ("404 Told", "over 100 bytes", "cannot be fetched: "):
            with pytest.raises(UsageError, match=why) as told:
                await download(f"{server.url}/a.py", most=100)
            assert server.url in str(told.value)
    with pytest.raises(UsageError, match="cannot be fetched"):
        await download(f"{server.url}/a.py", most=100)


@pytest.mark.parametrize("url", ["http://example.com/a.py", "https://u:p@example.com/", "https:a"])
async def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="write an https URL"):
        await download(url, most=100)


@pytest.mark.parametrize("url", ["https://u:hush@example.com/a.py?token=hush", "https://["])
async def test_what_may_open_something_is_not_told(url: str) -> None:
    with pytest.raises(UsageError, match="cannot be fetched") as told:
        await download(url, most=100)
    assert "hush" not in str(told.value)
