"""Whatever our client asks for is counted under a name of its own."""

from __future__ import annotations

import pytest

from agreement.functions import FUNCTIONS
from agreement.recorder import Recorder
from agreement.samples import calls
from agreement.sides import Side, outcome
from jobhook.hub.endpoints import OTHER, endpoint_of


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_request_is_to_a_known_endpoint(
    recorder: Recorder, ours: Side, function: str
) -> None:
    asked = (outcome(ours, recorder, function, args).asked for args in calls(function))
    first = next(filter(None, asked))
    assert OTHER not in {endpoint_of(each.path) for each in first}
