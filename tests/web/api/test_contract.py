"""
What the OpenAPI document says is so: schemathesis calls every operation of a whole service.

As an admin, as a viewer and as a stranger; a larger one is `make campaign NAMES=contract`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from conforming import ADMIN, Tally, conform, quiet_service, viewer_token, with_things
from jobhook.core.access import Role
from jobhook.web.api import openapi
from jobhook.web.api.operations import Operation
from jobhook.web.api.table import OPERATIONS

DOCUMENT = openapi.document(OPERATIONS)
SEED = 5
SHORT = ("fuzzing",)
LONG = ("examples", "coverage", "fuzzing")
NAMED = [pytest.param(each, id=each.name) for each in OPERATIONS]
# What they are asked of must be a launch that waits, and here none does.
NOT_AS_THINGS_STAND = {"launches_cancel", "launches_release"}
# Most cases that cover a schema are bodies of jobs: all but one of these are left to the campaign.
LEFT_OUT = {"jobs_run_uv", "schedules_create_uv", "schedules_create"}


def operation_id(operation: Operation) -> str:
    return operation.name.replace(".", "_")


# What takes something away, or stops it, would leave nothing to see of all else.
LAST = [
    operation_id(each)
    for each in OPERATIONS
    if each.tag == "pauses" or each.method == "DELETE" or each.name == "tokens.revoke"
]


@dataclass(frozen=True, slots=True)
class Seen:
    """What three callers saw; the admin at first, and at last."""

    stranger: Tally
    viewer: Tally
    first: Tally
    last: Tally

    @property
    def tallies(self) -> tuple[Tally, ...]:
        return self.stranger, self.viewer, self.first, self.last


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    with quiet_service(tmp_path_factory.mktemp("contract")) as url:
        document = with_things(DOCUMENT, url)
        look = partial(conform, url, document, examples=1, seed=SEED, phases=SHORT)
        ask = partial(conform, url, document, ADMIN, examples=1, seed=SEED, phases=LONG)
        left_out = [*LAST, *LEFT_OUT]
        yield Seen(
            stranger=look(None),
            viewer=look(viewer_token(url)),
            first=ask(narrowed=lambda schema: schema.exclude(operation_id=left_out)),
            last=ask(narrowed=lambda schema: schema.include(operation_id=LAST)),
        )


@pytest.mark.parametrize("operation", NAMED)
def test_an_operation_takes_and_answers_what_the_document_says(
    seen: Seen, operation: Operation
) -> None:
    for tally in seen.tallies:
        assert not tally.broken.get(operation_id(operation))


def test_nothing_that_is_asked_is_a_server_error(seen: Seen) -> None:
    assert [tally.server_errors for tally in seen.tallies] == [0, 0, 0, 0]
    assert sum(tally.cases for tally in seen.tallies) > 2000


@pytest.mark.parametrize("operation", NAMED)
def test_a_stranger_is_answered_401_by_an_operation_whatever_is_asked(
    seen: Seen, operation: Operation
) -> None:
    assert set(seen.stranger.answers[operation_id(operation)]) == {401}


@pytest.mark.parametrize("operation", NAMED)
def test_a_viewer_is_answered_by_an_operation_that_changes_nothing(
    seen: Seen, operation: Operation
) -> None:
    answers = set(seen.viewer.answers[operation_id(operation)])
    assert (answers - {401} == {403}) is (operation.role != Role.VIEWER)


@pytest.mark.parametrize("operation", NAMED)
def test_an_operation_does_what_it_is_for_and_without_the_token_it_does_not(
    seen: Seen, operation: Operation
) -> None:
    name = operation_id(operation)
    if name in NOT_AS_THINGS_STAND | LEFT_OUT:
        return
    answers = seen.first.answers[name] + seen.last.answers[name]
    assert any(200 <= status < 300 for status in answers)
    # What it did once was asked again without a token, or with a wrong one.
    assert answers[401]
