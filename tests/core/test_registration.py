"""Registration: the one webhook that all the rules need."""

from __future__ import annotations

import pytest

from factories import make_rule
from jobhook.core.events import EVENTS, RAW
from jobhook.core.registration import WantedWebhook, domain_of, wanted_webhook
from jobhook.core.rules import Rule
from jobhook.core.samples import sample_payload
from jobhook.core.watches import Watch

URL = "https://acme-hooks.hf.space"


def wanted(*rules: Rule, me: str = "ada", public_url: str = URL) -> WantedWebhook | None:
    return wanted_webhook(iter(rules), public_url=public_url, me=me, secret="s" * 16)


def watched(*rules: Rule, me: str = "ada") -> list[str]:
    webhook = wanted(*rules, me=me)
    return [str(watch) for watch in webhook.watched] if webhook else []


DISCUSSION = {
    "discussion", "discussion.comment",
    "pr.opened", "pr.merged", "pr.closed", "pr.updated", "pr.deleted",
    "discussion.opened", "discussion.closed", "discussion.updated", "discussion.deleted",
    "comment.created", "comment.edited", "comment.hidden",
}  # fmt: skip


@pytest.mark.parametrize("event", [*EVENTS, *RAW])
def test_the_domain_of_an_event(event: str) -> None:
    assert domain_of(event) == ("discussion" if event.partition("/")[0] in DISCUSSION else "repo")


@pytest.mark.parametrize("event", [*EVENTS, *RAW])
def test_the_domain_of_an_event_is_that_of_the_scope_it_comes_by(event: str) -> None:
    scope = sample_payload(event)["event"]["scope"]
    assert domain_of(event) == scope.partition(".")[0]


@pytest.mark.parametrize(
    ("on", "domains"),
    [
        pytest.param(["commit.pushed"], ("repo",), id="repo"),
        pytest.param(["comment.created"], ("discussion",), id="discussion"),
        pytest.param(["pr.pushed"], ("repo",), id="a-pr-s-ref-is-the-repo-s"),
        pytest.param(["comment.created", "repo.created"], ("repo", "discussion"), id="both"),
        pytest.param(["repo.content", "repo"], ("repo",), id="raw"),
    ],
)
def test_the_domains_are_those_that_the_events_need(
    on: list[str], domains: tuple[str, ...]
) -> None:
    webhook = wanted(make_rule(on=on))
    assert webhook
    assert webhook.domains == domains


def test_the_domains_of_all_rules_are_asked_for() -> None:
    webhook = wanted(make_rule(id="a", on=["comment.created"]), make_rule(id="b"))
    assert webhook
    assert webhook.domains == ("repo", "discussion")


def test_a_rule_that_watches_nothing_asks_for_nothing() -> None:
    webhook = wanted(make_rule(id="a", watch=[], on=["comment.created"]), make_rule(id="b"))
    assert webhook
    assert webhook.domains == ("repo",)


@pytest.mark.parametrize("rules", [[], [make_rule(watch=[])]], ids=["no-rules", "no-watch"])
def test_rules_that_watch_nothing_need_no_webhook(rules: list[Rule]) -> None:
    assert wanted(*rules) is None


def test_the_tokens_user_is_named() -> None:
    assert watched(make_rule(watch=["user:@me"]), me="ada") == ["user:ada"]


def test_what_is_watched_twice_is_named_once_and_in_order() -> None:
    rules = (
        make_rule(id="a", watch=["user:@me", "org:acme", "model:b/m"]),
        make_rule(id="b", watch=["user:ada", "org:acme", "dataset:b/m", "model:a/m"]),
    )
    expected = ["dataset:b/m", "model:a/m", "model:b/m", "org:acme", "user:ada"]
    assert watched(*rules) == watched(*reversed(rules)) == expected


def test_a_user_and_an_org_of_one_name_are_two() -> None:
    assert watched(make_rule(watch=["user:@me", "org:ada"]), me="ada") == ["org:ada", "user:ada"]


@pytest.mark.parametrize("public_url", [URL, f"{URL}/", f"{URL}//"])
def test_the_webhook_points_at_the_receiver(public_url: str) -> None:
    webhook = wanted(make_rule(), public_url=public_url)
    assert webhook
    assert webhook.url == f"{URL}/webhooks/hub"


def test_the_full_state_is_wanted() -> None:
    assert wanted(make_rule(watch=["org:acme", "model:a/m"])) == WantedWebhook(
        url=f"{URL}/webhooks/hub",
        watched=(Watch("model", "a/m"), Watch("org", "acme")),
        domains=("repo",),
        secret="s" * 16,
    )


def test_a_wanted_webhook_does_not_print_its_secret() -> None:
    assert "ssss" not in repr(wanted(make_rule()))
