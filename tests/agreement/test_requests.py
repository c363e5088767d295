"""Every function sends what the official client sends, whatever it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from agreement import differences
from agreement.answers import WEBHOOK, reset
from agreement.comparing import disagreements
from agreement.functions import FUNCTIONS, parameters
from agreement.recorder import Recorder
from agreement.samples import Args, calls
from agreement.sides import Official, Outcome, Side, outcome

# The official client says it of every call with a script.
pytestmark = pytest.mark.filterwarnings("ignore:.*experimental")

Calls = Sequence[tuple[Args, Outcome]]
_WATCHED = WEBHOOK["watched"]


@pytest.fixture(scope="module")
def done() -> dict[str, Calls]:
    """What the official client did, by function: it is asked once for all tests."""
    return {}


@pytest.fixture
def official(
    recorder: Recorder, theirs: Official, done: dict[str, Calls]
) -> Callable[[str], Calls]:
    def call(function: str, args: Args) -> Outcome:
        reset(recorder)
        return outcome(theirs, recorder, function, args)

    def calls_of(function: str) -> Calls:
        if function not in done:
            done[function] = [(args, call(function, args)) for args in calls(function)]
        return done[function]

    return calls_of


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_sent_and_what_comes_back(
    recorder: Recorder, official: Callable[[str], Calls], ours: Side, function: str
) -> None:
    expected = differences.of(function)
    seen: set[int] = set()
    unexpected: dict[str, str] = {}
    for args, theirs in official(function):
        reset(recorder)
        for what, how in disagreements(theirs, outcome(ours, recorder, function, args)):
            covering = [n for n, each in enumerate(expected) if each.covers(what, args)]
            seen.update(covering)
            if not covering:
                unexpected.setdefault(what, f"{function}({args}): {how}")
    assert unexpected == {}
    assert [each for n, each in enumerate(expected) if n not in seen] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_parameter_has_reached_the_hub(
    official: Callable[[str], Calls], function: str
) -> None:
    reached = {
        name
        for args, theirs in official(function)
        if not theirs.error and (theirs.asked or theirs.tokens_asked_about)
        for name, value in args.items()
        if value is not None
    }
    assert reached == {*parameters(function)}


def test_what_is_not_said_of_a_webhook_is_sent_as_it_was(
    recorder: Recorder, official: Callable[[str], Calls], ours: Side
) -> None:
    for args, theirs in official("update_webhook"):
        if theirs.error:
            continue
        reset(recorder)
        said = theirs.asked[-1].body
        sent = outcome(ours, recorder, "update_webhook", args).asked[-1].body
        kept = {
            "watched": [{key: each[key] for key in ("type", "name")} for each in _WATCHED],
            "domains": WEBHOOK["domains"],
        } | {key: said[key] for key in ("watched", "domains") if args.get(key) is not None}
        assert {key: sent[key] for key in kept} == kept
        assert sent.keys() == said.keys() | kept.keys()
