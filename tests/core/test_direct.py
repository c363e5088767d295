"""What people ask for themselves: which launch it is, and that it is never queued."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from factories import NOON, make_direct, make_launch, make_spec
from jobhook.core.direct import (
    SPEC_MAX,
    check_size,
    is_same,
    not_queued,
    orphaned_run,
    refusal,
    request_id,
    with_secrets,
)
from jobhook.core.errors import LimitReached, NotLaunched, Paused, UsageError
from jobhook.core.guards import most_of
from jobhook.core.jobs import Volume
from jobhook.core.launches import (
    DAMAGED,
    LaunchState,
    launch_id,
    next_step,
    spec_from_json,
    spec_to_json,
)
from jobhook.core.planning import job_of
from jobhook.core.timeline import timeline


def test_the_same_request_is_the_same_launch_everywhere() -> None:
    request = request_id("k1")
    ids = [make_direct(generation=number).id for number in range(3)]
    assert ids == [launch_id("test", "api", request, "api.run", 0, number) for number in range(3)]
    assert make_direct("k2").id not in ids


def test_a_launch_has_the_names_of_its_secrets_and_its_job_the_values() -> None:
    launch = make_direct(secrets={"TOKEN": "canary"})
    assert launch.spec.secrets == {"TOKEN": ""}
    assert with_secrets(launch, {"TOKEN": "canary"}).secrets == {"TOKEN": "canary"}
    assert "canary" not in spec_to_json(launch.spec)


def test_what_is_kept_of_a_job_knows_its_attempts() -> None:
    for attempts in (1, 3):
        spec = make_spec(attempts=attempts)
        assert spec_from_json(spec_to_json(spec)) == spec


@pytest.mark.parametrize(
    ("attempts", "cost"), [(None, 5000), (1, 5000), (4, 20_000)], ids=["left open", "one", "four"]
)
def test_the_most_that_a_job_costs_is_all_of_its_attempts(attempts: int | None, cost: int) -> None:
    assert most_of(0.01, make_spec(attempts=attempts)) == cost


def test_a_request_is_the_same_if_all_but_values_of_secrets_is() -> None:
    launch = make_direct(secrets={"A": "x"})
    assert is_same(launch, make_direct(secrets={"A": "y"}))
    assert not is_same(launch, make_direct(secrets={"B": "x"}))
    assert not is_same(replace(launch, rule="api.rerun"), launch)


@pytest.mark.parametrize("state", list(LaunchState))
def test_what_would_wait_ends(state: LaunchState) -> None:
    launch = replace(make_direct(), state=state, reason="why", due_at=NOON)
    ended = not_queued(launch)
    if state in {LaunchState.READY, LaunchState.HELD}:
        assert ended == replace(launch, state=LaunchState.SKIPPED, due_at=0)
    else:
        assert ended is launch


@pytest.mark.parametrize(
    ("reason", "attempts", "error"),
    [
        pytest.param("paused: everything", 0, Paused, id="paused"),
        pytest.param("paused: everything", 1, Paused, id="paused meanwhile"),
        pytest.param("budget: no", 0, LimitReached, id="a limit"),
        pytest.param("sent too late", 1, NotLaunched, id="called back"),
    ],
)
def test_who_asked_is_told_why_it_does_not_go(
    reason: str, attempts: int, error: type[NotLaunched]
) -> None:
    launch = replace(make_direct(), reason=reason, attempts=attempts)
    told = refusal(launch)
    assert (type(told), str(told), told.launch_id) == (error, reason, launch.id)


@pytest.mark.parametrize("generation", [0, 15])
def test_a_job_tells_which_launch_it_was_started_for(generation: int) -> None:
    launch = make_direct(generation=generation, secrets={"A": "x"})
    found = orphaned_run(launch.spec, instance="test", now=NOON)
    reason = "found on the Hub, and not in this database"
    assert found == replace(launch, state=LaunchState.LAUNCHED, reason=reason, asked_by="")


@pytest.mark.parametrize(
    ("instance", "env"),
    [
        pytest.param("other", {}, id="another instance"),
        pytest.param("test", {"JOBHOOK_REQUEST": "d-forged"}, id="another request"),
    ],
)
def test_a_job_that_does_not_prove_it_belongs_to_no_request(
    instance: str, env: dict[str, str]
) -> None:
    spec = make_direct().spec
    spec = replace(spec, env={**spec.env, **env})
    assert orphaned_run(spec, instance=instance, now=NOON) is None


def test_what_a_person_asked_for_is_sent_as_it_is() -> None:
    launch = replace(make_direct(), depth=1)
    assert job_of(launch, b"{}", {}) == launch.spec


def test_nothing_of_the_services_secrets_reaches_what_a_person_asked_for() -> None:
    launch = make_direct(secrets={"HF_TOKEN": "x"})
    with pytest.raises(UsageError, match="ask for it anew"):
        job_of(launch, b"", {"HF_TOKEN": "of the service"})
    # A rule's job gets it.
    job = job_of(make_launch(spec=make_spec(secrets={"HF_TOKEN": ""})), b"", {"HF_TOKEN": "y"})
    assert job.secrets == {"HF_TOKEN": "y"}


@pytest.mark.parametrize(
    ("state", "reason", "secrets", "step"),
    [
        (
            "rejected",
            "no such flavor",
            {},
            "then `jobhook launches retry",
        ),
        (
            "rejected",
            "no such flavor",
            {"A": "x"},
            "then ask for it anew",
        ),
        ("failed", "", {"A": "x"}, "ask for it anew"),
        ("held", "ambiguous: ", {"A": "x"}, "gives it up; then ask for it anew"),
        ("held", "ambiguous: ", {}, "lets it go all the same"),
        ("held", DAMAGED, {}, "gives it up; then ask for it anew"),
    ],
)
def test_the_next_step_is_one_that_can_be_done(
    state: str, reason: str, secrets: dict[str, str], step: str
) -> None:
    launch = replace(make_direct(secrets=secrets), state=LaunchState(state), reason=reason)
    assert step in (next_step(launch) or "")


def test_its_life_begins_with_whoever_asked() -> None:
    asked, *_ = timeline(make_direct(), None)
    assert (asked.at, asked.what) == (NOON, "asked for by ana")
    asked, *_ = timeline(replace(make_direct(), asked_by=""), None)
    assert asked.what == "asked for by nobody knows whom"


@pytest.mark.parametrize(
    "much",
    [
        pytest.param({"command": ("x",) * 60_000}, id="words"),
        pytest.param({"command": ("x" * SPEC_MAX,)}, id="a long word"),
        pytest.param({"env": {f"K{number}": "x" * 100_000 for number in range(3)}}, id="env"),
        pytest.param({"volumes": (Volume(source="a/b", mount_path="/c"),) * 2_000}, id="volumes"),
    ],
)
def test_what_is_kept_of_a_job_has_a_bound(much: dict[str, Any]) -> None:
    check_size(make_spec())
    with pytest.raises(UsageError, match="put what is longer into a repo"):
        check_size(make_spec(**much))
