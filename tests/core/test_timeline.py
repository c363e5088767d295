from __future__ import annotations

from typing import Any

import pytest

from factories import NOON, make_launch
from jobhook.core.launches import LaunchState
from jobhook.core.timeline import Moment, timeline

S = LaunchState
PLANNED = "planned, as rule retrain fired on commit.pushed"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param({}, [(0, PLANNED), (0, "waits to be sent")], id="planned"),
        pytest.param(
            {"state": S.SENDING, "attempts": 2, "claimed_at": 1, "updated_at": 1},
            [(0, PLANNED), (1, "claimed to be sent, attempt 2"), (1, "is being sent")],
            id="on its way",
        ),
        pytest.param(
            {
                "state": S.COMPLETED,
                "job_id": "j1",
                "attempts": 1,
                "claimed_at": 1,
                "updated_at": 9,
            },
            [(0, PLANNED), (1, "claimed and sent, attempt 1"), (9, "completed")],
            id="over",
        ),
        pytest.param(
            {"state": S.HELD, "updated_at": 2, "reason": "secret: X is not there"},
            [(0, PLANNED), (2, "held: secret: X is not there")],
            id="held",
        ),
        pytest.param(
            {"state": S.READY, "updated_at": 2, "reason": "rate: 6 an hour", "due_at": 5},
            [(0, PLANNED), (2, "waits to be sent: rate: 6 an hour"), (5, "is looked at again")],
            id="waits for a limit",
        ),
        pytest.param(
            {
                "state": S.UNKNOWN,
                "attempts": 1,
                "claimed_at": 1,
                "unknown_since": 2,
                "looks": 3,
                "updated_at": 4,
                "due_at": 6,
            },
            [
                (0, PLANNED),
                (1, "claimed to be sent, attempt 1"),
                (2, "a request was sent, and its outcome was not known"),
                (4, "nobody knows whether it has a job; 3 looks found none"),
                (6, "its job is looked for again"),
            ],
            id="looked for",
        ),
        pytest.param(
            {"state": S.LAUNCHED, "claimed_at": -5},
            [
                (-5, "its job was made"),
                (0, "its job was found on the Hub, and nobody here knew of it"),
                (0, "the Hub has its job"),
            ],
            id="an orphan",
        ),
        pytest.param(
            {"state": S.CANCELLED, "generation": 1, "asked_by": "ana", "reason": "cancelled by bo"},
            [(0, "planned again, asked for by ana"), (0, "cancelled by bo")],
            id="a retry",
        ),
        pytest.param(
            {"state": S.SKIPPED, "generation": 1},
            [(0, "planned again, asked for by a replay of its delivery"), (0, "skipped")],
            id="a replay",
        ),
    ],
)
def test_a_launch_tells_what_happened_to_it(
    given: dict[str, Any], told: list[tuple[int, str]]
) -> None:
    times = ("claimed_at", "unknown_since", "updated_at", "due_at")
    at = {name: given[name] + NOON for name in times if name in given}
    moments = timeline(make_launch(**{**given, **at}), NOON - 10)
    assert moments == (
        Moment(NOON - 10, "its delivery came in"),
        *(Moment(NOON + after, what) for after, what in told),
    )


def test_a_launch_whose_delivery_is_forgotten_begins_with_its_plan() -> None:
    assert timeline(make_launch(), None)[0] == Moment(NOON, PLANNED)
