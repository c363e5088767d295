from __future__ import annotations

from typing import Any

import pytest

from factories import make_rule
from fakes import ScriptedHub
from jobhook.core.registration import WantedWebhook
from jobhook.core.rules import RuleSet
from jobhook.core.watches import Watch
from jobhook.flows.identity import Identity
from jobhook.flows.registration import (
    SUSPENDED,
    Change,
    Registrar,
    judged_registration,
    plan_registration,
    register,
)
from jobhook.flows.rulebook import Edition, Rulebook
from jobhook.hub.models import WebhookInfo

pytestmark = pytest.mark.anyio

URL = "https://us.test/webhooks/hub"
WANTED = WantedWebhook(url=URL, watched=(Watch("org", "acme"),), domains=("repo",), secret="s" * 16)


def existing(**given: Any) -> WebhookInfo:
    """A webhook that is just as it is wanted."""
    default = {"id": "1", "url": URL, "watched": WANTED.watched, "domains": WANTED.domains}
    return WebhookInfo(**default | given)


@pytest.mark.parametrize(
    ("hooks", "steps"),
    [
        pytest.param([], [("create", None)], id="none yet"),
        pytest.param([existing()], [("keep", "1")], id="as wanted"),
        pytest.param([existing(domains=("discussion",))], [("update", "1")], id="other domains"),
        pytest.param([existing(watched=())], [("update", "1")], id="watches nothing"),
        pytest.param(
            [existing(disabled="suspended-after-failure")],
            [("keep", "1"), ("enable", "1")],
            id="suspended by the Hub",
        ),
        pytest.param([existing(disabled=True)], [("keep", "1")], id="switched off by a person"),
        pytest.param(
            [existing(id="2"), existing(id="1")], [("keep", "1"), ("remove", "2")], id="two of them"
        ),
        pytest.param([existing(url="https://else.test/x")], [("create", None)], id="not ours"),
    ],
)
async def test_the_hub_is_brought_to_what_is_wanted(
    hub: ScriptedHub, hooks: list[WebhookInfo], steps: list[tuple[str, str | None]]
) -> None:
    changes = plan_registration(WANTED, hooks, url=URL)
    assert [(change.step, change.webhook_id) for change in changes] == steps
    assert all(change.reason for change in changes)
    hub.webhooks = hooks
    assert await register(hub, WANTED, url=URL) == changes
    done = {"create": "create", "keep": "update", "update": "update"}
    wanted_calls = [done.get(step, step).replace("remove", "delete") for step, _ in steps]
    assert [call[0] for call in hub.calls] == wanted_calls


async def test_the_first_secret_is_sent_whenever_the_webhook_is_touched(hub: ScriptedHub) -> None:
    hub.webhooks = [existing()]
    await register(hub, WANTED, url=URL)
    assert hub.calls == [("update", "1", "s" * 16)]


async def test_without_rules_our_webhooks_are_removed_and_others_left_alone(
    hub: ScriptedHub,
) -> None:
    hub.webhooks = [existing(), existing(id="2", url="https://else.test/x")]
    await register(hub, None, url=URL)
    assert hub.calls == [("delete", "1")]


async def test_what_differs_is_told() -> None:
    hook = existing(watched=(Watch("user", "eve"),), domains=())
    (change,) = plan_registration(WANTED, [hook], url=URL)
    assert change.reason == "watched user:eve → org:acme; domains nothing → repo"


def registrar_of(hub: ScriptedHub, rulebook: Rulebook) -> Registrar:
    identity = Identity(hub, None)
    identity.me = "dev"
    return Registrar(
        hub, rulebook=rulebook, identity=identity, public_url="https://us.test", secret="s" * 16
    )


async def test_the_registrar_does_it_once_with_what_the_rules_watch(hub: ScriptedHub) -> None:
    rule = make_rule(watch=["user:@me"], on=["pr.opened", "commit.pushed"])
    registrar = registrar_of(hub, Rulebook(RuleSet((rule,))))
    assert not await registrar.step()
    await registrar.step()
    assert hub.calls == [("create", URL, "s" * 16)]
    wanted = registrar.wanted()
    assert wanted is not None
    assert wanted.watched == (Watch("user", "dev"),)
    assert wanted.domains == ("repo", "discussion")


async def test_other_rules_are_registered_anew_if_they_watch_other_things(hub: ScriptedHub) -> None:
    rulebook = Rulebook(RuleSet())
    registrar = registrar_of(hub, rulebook)
    hub.webhooks = [existing(id="7")]
    await registrar.step()
    assert [call[:2] for call in hub.calls] == [("delete", "7")]
    for rule in (make_rule(), make_rule(description="watches the same")):
        rulebook.replace(Edition.of(RuleSet((rule,))))
        await registrar.step()
    assert [call[0] for call in hub.calls] == ["delete", "update"]


async def test_whoever_leads_again_registers_again(hub: ScriptedHub) -> None:
    registrar = registrar_of(hub, Rulebook(RuleSet((make_rule(),))))
    for _ in range(2):
        registrar.reset()
        await registrar.step()
    assert [call[0] for call in hub.calls] == ["create", "create"]


@pytest.mark.parametrize(
    ("changes", "disabled", "state", "told"),
    [
        pytest.param([], False, "warn", "no rule watches anything", id="nothing"),
        pytest.param([Change("keep", "h1", "")], False, "ok", "h1 is as", id="as wanted"),
        pytest.param([Change("keep", "h1", "")], True, "fail", "disabled", id="disabled"),
        pytest.param(
            [Change("keep", "h1", ""), Change("enable", "h1", "")],
            SUSPENDED,
            "fail",
            "h1 is suspended",
            id="suspended",
        ),
        pytest.param([Change("create", None, "repo")], False, "fail", "apply` makes", id="none"),
        pytest.param([Change("update", "h1", "")], False, "fail", "not as the rules", id="other"),
        pytest.param(
            [Change("keep", "h1", ""), Change("remove", "h2", "same URL")],
            False,
            "warn",
            "h2 is not needed (same URL)",
            id="one too many",
        ),
    ],
)
def test_the_webhook_is_judged_by_what_would_be_changed(
    changes: list[Change], disabled: bool | str, state: str, told: str
) -> None:
    finding = judged_registration(changes, [WebhookInfo(id="h1", url=URL, disabled=disabled)])
    assert (finding.state, told in finding.told) == (state, True)
