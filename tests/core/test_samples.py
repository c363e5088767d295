"""Samples: each reads as the event it is a sample of, and a case is laid over it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhook.core.deliveries import Delivery, read_delivery
from jobhook.core.events import EVENTS, SCOPES, events_of
from jobhook.core.samples import SAMPLE_USER, merged, sample_payload


def read(payload: dict[str, Any]) -> Delivery:
    delivery = read_delivery(json.dumps(payload).encode())
    assert isinstance(delivery, Delivery)
    return delivery


@pytest.mark.parametrize("name", EVENTS)
def test_a_sample_reads_as_its_event(name: str) -> None:
    assert name in [event.name for event in events_of(read(sample_payload(name)))]


@pytest.mark.parametrize("scope", SCOPES)
def test_a_sample_of_a_raw_scope_has_that_scope(scope: str) -> None:
    delivery = read(sample_payload(scope))
    assert delivery.event.scope == scope
    assert {event.scope for event in events_of(delivery)} == {scope}


@pytest.mark.parametrize("name", [*EVENTS, *SCOPES])
def test_a_sample_happens_on_a_public_repo_of_the_tokens_user(name: str) -> None:
    repo = read(sample_payload(name)).repo
    assert (repo.owner, repo.name) == (SAMPLE_USER, "me/sample")
    assert sample_payload(name)["repo"]["private"] is False
    assert repo.type == ("bucket" if name == "files.changed" else "model")


@pytest.mark.parametrize("name", [*EVENTS, *SCOPES])
def test_only_what_happens_to_a_repo_of_git_tells_its_head(name: str) -> None:
    delivery = read(sample_payload(name))
    on_git = delivery.event.scope.startswith("repo") and delivery.repo.type != "bucket"
    assert ("headSha" in sample_payload(name)["repo"]) == on_git


@pytest.mark.parametrize("name", ["commit.pushed", "branch.deleted", "repo.content"])
def test_a_sample_of_a_change_is_on_main(name: str) -> None:
    assert {event.ref for event in events_of(read(sample_payload(name)))} == {"refs/heads/main"}


def test_samples_are_made_anew() -> None:
    sample_payload("repo.moved")["movedTo"]["name"] = "changed"
    sample_payload("commit.pushed")["repo"]["name"] = "changed"
    assert sample_payload("repo.moved")["movedTo"]["name"] == "me/moved"
    assert sample_payload("commit.pushed")["repo"]["name"] == "me/sample"


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        pytest.param({"a": 1}, {"b": 2}, {"a": 1, "b": 2}, id="beside"),
        pytest.param({"a": 1}, {"a": 2}, {"a": 2}, id="in-place"),
        pytest.param({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}, id="inside"),
        pytest.param({"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}}, id="nothing-inside"),
        pytest.param({"a": {"b": 1}}, {"a": None}, {"a": None}, id="null-replaces"),
        pytest.param({"a": {"b": 1}}, {"a": [1]}, {"a": [1]}, id="list-replaces-object"),
        pytest.param({"a": [1, 2]}, {"a": [3]}, {"a": [3]}, id="list-replaces-list"),
        pytest.param({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}, id="object-replaces-text"),
    ],
)
def test_merged(base: dict[str, Any], over: dict[str, Any], expected: dict[str, Any]) -> None:
    assert merged(base, over) == expected


KEYS = st.sampled_from("abc")
OBJECTS = st.recursive(
    st.dictionaries(KEYS, st.integers() | st.none() | st.lists(st.integers(), max_size=2)),
    lambda below: st.dictionaries(KEYS, below | st.integers(), max_size=3),
)


@given(OBJECTS, OBJECTS)
def test_merging_keeps_both_and_changes_neither(base: dict[str, Any], over: dict[str, Any]) -> None:
    before = copy.deepcopy((base, over))
    result = merged(base, over)
    assert (base, over) == before
    assert list(result) == list(dict.fromkeys([*base, *over]))
    assert all(result[key] == base[key] for key in base.keys() - over.keys())
    assert merged(result, over) == result
    assert merged(base, {}) == base
    assert merged({}, over) == over
