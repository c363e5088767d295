"""The index over rules: nothing that fires is missing, and little else is there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factories import NOON, make_rule
from jobhook.core.deliveries import Delivery, read_delivery
from jobhook.core.events import EVENTS, SCOPES
from jobhook.core.indexing import RuleIndex
from jobhook.core.matching import decide
from jobhook.core.occasions import occasions_of
from jobhook.core.rules import Rule
from jobhook.core.samples import merged, sample_payload

ME = "ada"


def delivery_of(event: str, repo: dict[str, Any]) -> Delivery:
    delivery = read_delivery(json.dumps(merged(sample_payload(event), {"repo": repo})).encode())
    assert isinstance(delivery, Delivery)
    return delivery


def near(rules: list[Rule], delivery: Delivery, me: str | None = ME) -> list[str]:
    return [rule.id for rule in RuleIndex(rules).near(occasions_of(delivery, me=me, now=NOON))]


names = st.sampled_from(["a", "ab", "ada", "b", "ba", "abc"])
parts = st.sampled_from(["a", "ab", "ada", "*", "a*", "*b", "a*c", "?", "?b", "b*a"])
kinds = st.sampled_from(["model", "dataset", "space"])
globs = st.builds(
    "{}{}:{}/{}".format,
    st.sampled_from(["", "", "", "!"]),
    st.one_of(kinds, st.sampled_from(["*", "data*", "*e*"])),
    parts,
    st.one_of(
        parts, st.just("**"), st.builds("**/{}".format, parts), st.builds("{}/**".format, parts)
    ),
)
watches = st.one_of(
    st.just("user:@me"),
    st.builds("org:{}".format, names),
    st.builds("{}:{}/{}".format, kinds, names, names),
)
# A few old models have no owner.
repo_names = st.one_of(names, st.builds("{}/{}".format, names, names))
events = st.sampled_from([*EVENTS, *SCOPES])
rules_given = st.fixed_dictionaries(
    {"on": st.lists(events, min_size=1, max_size=3), "watch": st.lists(watches, max_size=2)},
    optional={"repos": st.lists(globs, min_size=1, max_size=4)},
)


@settings(deadline=None, max_examples=400)
@given(
    st.lists(rules_given, max_size=8),
    events,
    st.fixed_dictionaries({"type": kinds, "name": repo_names}),
    st.sampled_from([ME, None]),
)
def test_every_rule_that_fires_is_near(
    given_rules: list[dict[str, Any]], event: str, repo: dict[str, str], me: str | None
) -> None:
    rules = [make_rule(id=f"r{n}", **parts) for n, parts in enumerate(given_rules)]
    delivery = delivery_of(event, repo)
    firing = [r.id for r in rules if decide(occasions_of(delivery, me=me, now=NOON), r).fired]
    found = near(rules, delivery, me)
    assert [rule for rule in found if rule in firing] == firing
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("given_parts", "is_near"),
    [
        pytest.param({"repos": ["dataset:acme/corpus"]}, True, id="the-repo"),
        pytest.param({"repos": ["model:acme/corpus"]}, False, id="another-type"),
        pytest.param({"repos": ["dataset:acme/cor*"]}, True, id="its-start"),
        pytest.param({"repos": ["dataset:acme/web*"]}, False, id="another-start"),
        pytest.param({"repos": ["dataset:other/*"]}, False, id="another-owner"),
        pytest.param({"repos": ["dataset:*/corpus-*"]}, False, id="a-longer-name-of-anybody"),
        pytest.param({"repos": ["dataset:*/web-*"]}, False, id="another-name-of-anybody"),
        pytest.param({"repos": ["dataset:*/*-web"]}, False, id="another-end"),
        pytest.param({"repos": ["*:acme/*"]}, True, id="any-type"),
        pytest.param({"repos": ["*:other/*"]}, False, id="any-type-of-another-owner"),
        pytest.param({"repos": ["dataset:*/*"]}, True, id="any-of-the-type"),
        pytest.param({"repos": ["model:*/*"]}, False, id="any-of-another-type"),
        pytest.param({"repos": [f"id:{'a' * 24}"]}, True, id="its-id"),
        pytest.param({"repos": [f"id:{'b' * 24}"]}, False, id="another-id"),
        pytest.param({"repos": ["!dataset:acme/tmp"]}, True, id="all-but"),
        pytest.param({"watch": ["user:@me"]}, False, id="mine"),
        pytest.param({"watch": ["org:acme"]}, True, id="watched-owner"),
        pytest.param({"watch": ["org:other"]}, False, id="another-owner-watched"),
        pytest.param({"watch": ["dataset:acme/corpus"]}, True, id="watched-repo"),
        pytest.param({"watch": []}, True, id="nothing-said"),
        pytest.param({"watch": [], "on": ["tag.created"]}, False, id="another-event"),
        pytest.param({"watch": [], "on": ["repo.content"]}, True, id="the-raw-scope"),
        pytest.param({"watch": [], "on": ["pr.opened", "commit.pushed"]}, True, id="one-of-two"),
    ],
)
def test_what_cannot_fire_is_not_near(given_parts: dict[str, Any], *, is_near: bool) -> None:
    delivery = delivery_of("commit.pushed", {"type": "dataset", "name": "acme/corpus"})
    assert near([make_rule(**given_parts)], delivery) == (["retrain"] if is_near else [])


def test_what_is_of_the_token_user_is_near_rules_that_watch_it() -> None:
    delivery = delivery_of("commit.pushed", {"type": "dataset", "name": f"{ME}/corpus"})
    assert near([make_rule(watch=["user:@me"])], delivery) == ["retrain"]
