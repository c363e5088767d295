"""Webhooks as the official client and plain HTTP see them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import WebhookWatchedItem
from huggingface_hub.errors import BadRequestError, HfHubHTTPError

from jobhook.devhub.webhooks import WebhookBody
from jobhook.devhub.wire import Refusal, checked

if TYPE_CHECKING:
    from devhub.conftest import Running

pytestmark = pytest.mark.anyio

ALL = "/api/settings/webhooks"
BODY: dict[str, Any] = {
    "url": "https://example.invalid/hook",
    "watched": [{"type": "user", "name": "dev"}],
    "domains": ["repo"],
}


async def test_the_official_client_keeps_webhooks(devhub: Running) -> None:
    def use() -> None:
        api = devhub.api
        made = api.create_webhook(
            url="https://example.invalid/hook",
            watched=[{"type": "org", "name": "acme"}],
            secret="s3cret",
        )
        assert re.fullmatch("[0-9a-f]{24}", made.id)
        assert made.domains == ["repo", "discussion"]
        assert made.secret is None
        assert made.disabled is False
        assert api.get_webhook(made.id) == made
        assert api.list_webhooks() == [made]
        changed = api.update_webhook(
            made.id, url="http://localhost:1/x", watched=[WebhookWatchedItem("model", "dev/m")]
        )
        assert changed.url == "http://localhost:1/x"
        assert changed.watched == [WebhookWatchedItem(type="model", name="dev/m")]
        assert changed.domains == made.domains
        assert api.disable_webhook(made.id).disabled is True
        assert api.enable_webhook(made.id).disabled is False
        with pytest.raises(BadRequestError, match="watched"):
            api.update_webhook(made.id, url="http://localhost:1/y")
        api.delete_webhook(made.id)
        assert api.list_webhooks() == []
        with pytest.raises(HfHubHTTPError, match="404"):
            api.get_webhook(made.id)

    await devhub.call(use)


async def test_a_secret_is_never_told(shared: Running) -> None:
    made = (await shared.http.post(ALL, json={**BODY, "secret": "hunter2"})).json()["webhook"]
    assert made == {**BODY, "id": made["id"], "hasSecret": True, "disabled": False}
    assert "hunter2" not in (await shared.http.get(ALL)).text
    url = f"{ALL}/{made['id']}"
    kept = await shared.http.post(url, json={"watched": BODY["watched"]})
    assert kept.json()["webhook"]["hasSecret"] is True
    gone = await shared.http.post(url, json={"watched": BODY["watched"], "secret": ""})
    assert gone.json()["webhook"]["hasSecret"] is False
    assert (await shared.http.delete(url)).json() == {}


async def test_webhooks_of_others_are_as_if_there_were_none(devhub: Running) -> None:
    made = await devhub.call(
        devhub.eve.create_webhook,
        url="http://localhost:1/",
        watched=[{"type": "user", "name": "dev"}],
    )
    assert (await devhub.http.get(ALL)).json() == []
    url = f"{ALL}/{made.id}"
    for method, path in [
        ("GET", url),
        ("POST", url),
        ("DELETE", url),
        ("POST", f"{url}/enable"),
        ("POST", f"{url}/disable"),
    ]:
        answer = await devhub.http.request(method, path)
        assert answer.status_code == 404
    assert (await devhub.http.get(ALL, headers={"Authorization": ""})).status_code == 401


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"watched": []}, "watched", id="nothing-watched"),
        pytest.param({"watched": None}, "watched", id="no-watched"),
        pytest.param({"watched": [{"type": "paper", "name": "x"}]}, "watched.0.type", id="type"),
        pytest.param({"watched": [{"type": "user", "name": ""}]}, "watched.0.name", id="name"),
        pytest.param({"domains": []}, "domains", id="no-domain"),
        pytest.param({"domains": ["discussions"]}, "domains.0", id="plural"),
        pytest.param({"url": ""}, "url", id="no-url"),
        pytest.param({"url": "ftp://h/"}, "url", id="ftp"),
        pytest.param({"url": "http://"}, "url", id="no-host"),
        pytest.param({"url": "http://h/\n"}, "url", id="line-feed"),
        pytest.param({"url": "http://[::1"}, "url", id="broken"),
        pytest.param({"url": "/hook"}, "url", id="relative"),
        pytest.param({"secret": "é"}, "secret", id="secret-not-ascii"),
        pytest.param({"secret": "a\n"}, "secret", id="secret-line-feed"),
    ],
)
def test_a_wrong_webhook_is_refused_with_the_field_named(
    change: dict[str, Any], named: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        checked(WebhookBody, {**BODY, **change})
    assert str(refusal.value).startswith(f"{named}: ")
