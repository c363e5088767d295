"""What breaks a rule of the wire is told to the caller in a sentence, and nothing is sent."""

from __future__ import annotations

import pytest

from agreement.functions import FUNCTIONS
from agreement.recorder import Recorder
from agreement.refused import HIDDEN, refused
from agreement.samples import BESIDES, BESIDES_OF, needed
from agreement.sides import Side, outcome
from jobhook.core.errors import UsageError


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_sent_of_what_cannot_be(recorder: Recorder, ours: Side, function: str) -> None:
    passed = []
    for name, value in [(name, value) for each, name, value in refused() if each == function]:
        besides = {**BESIDES.get(function, {}), **BESIDES_OF.get((function, name), {})}
        args = {**needed(function), **besides, name: value}
        result = outcome(ours, recorder, function, args)
        told = str(result.error)
        if not isinstance(result.error, UsageError) or "\n" in told or HIDDEN in told:
            passed.append(f"{name}={value!r:.60}: {result.error!r}")
        if recorder.asked:
            passed.append(f"{name}={value!r:.60}: {recorder.asked.pop()}")
    assert passed == []
