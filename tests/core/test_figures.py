from __future__ import annotations

import pytest

from jobhook.core.figures import OTHER_REASON, REASON_CHARACTERS, REASONS, reason_class
from jobhook.core.launches import (
    DAMAGED,
    IDENTITY,
    LOOP_PRESUMED,
    PRICE_UNKNOWN,
    SOURCE_MISSING,
)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("", "none"),
        (f"{PRICE_UNKNOWN}the Hub names no price for x", "price"),
        (f"{LOOP_PRESUMED}launches of this rule seem …", "loop"),
        ("loop, the push was made with our token", "loop"),
        (f"{IDENTITY}dataset:a/b has the id x now", "identity"),
        (f"{SOURCE_MISSING}it is gone", "source"),
        (DAMAGED, "damaged"),
        ("budget-upstream: the Hub answered 402", "budget-upstream"),
        ("released by mallory", "other"),
        ("mallory: says hello", "other"),
    ],
)
def test_a_reason_is_of_a_kind_that_stands_here_or_of_none(reason: str, kind: str) -> None:
    assert reason_class(reason) == kind
    assert reason_class(reason[:REASON_CHARACTERS]) == kind


@pytest.mark.parametrize("kind", sorted(REASONS))
def test_the_beginning_of_a_reason_is_enough(kind: str) -> None:
    assert reason_class(f"{kind}: and more"[:REASON_CHARACTERS]) == kind
    assert reason_class(f"{kind}s: and more"[:REASON_CHARACTERS]) == OTHER_REASON
