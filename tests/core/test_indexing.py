"""The index over rules: little is near that cannot fire. `test_agreement` shows the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from factories import NOON, make_rule
from jobhook.core.deliveries import Delivery, read_delivery
from jobhook.core.indexing import RuleIndex
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
