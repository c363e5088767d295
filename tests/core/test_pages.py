from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhook.core.errors import UsageError
from jobhook.core.pages import Place, cursor_of, place_at, place_in

LARGEST = 2**63 - 1


@given(st.integers(-LARGEST, LARGEST), st.integers(0, LARGEST))
def test_a_cursor_is_read_as_it_was_written(major: int, minor: int) -> None:
    place = Place(major, minor)
    assert place_at("launch", cursor_of("launch", place)) == place


@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("", id="empty"),
        pytest.param("nonsense", id="nonsense"),
        pytest.param("launch-1.1", id="of another list"),
        pytest.param("delivery-1", id="half of one"),
        pytest.param("delivery-1.-1", id="before the first"),
        pytest.param("delivery-1.1 ", id="with more behind it"),
        pytest.param("delivery-1.1\n", id="with a line behind it"),
        pytest.param("delivery-01.1", id="not as it is written"),
        pytest.param("delivery--0.1", id="less than nothing"),
        pytest.param("delivery-1.9223372036854775808", id="more than a store counts"),
        pytest.param("delivery--9223372036854775808.1", id="less than a store counts"),
        pytest.param("delivery-\u0661.1", id="other digits"),
        pytest.param("delivery-1.1'; DROP TABLE delivery; --", id="something else"),
    ],
)
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    with pytest.raises(UsageError, match="is none of this list: give the `next_cursor`"):
        place_at("delivery", cursor)


def test_however_long_a_wrong_cursor_is_little_of_it_is_told() -> None:
    with pytest.raises(UsageError) as caught:
        place_at("delivery", "x" * 100_000)
    assert len(str(caught.value)) < 300


def test_places_are_ordered_by_the_first_number_and_then_by_the_second() -> None:
    assert Place(1, 9) < Place(2, 0) < Place(2, 1)


@given(st.text())
def test_whatever_is_given_is_a_place_or_none(text: str) -> None:
    place = place_in(text)
    assert place is None or str(place) == text
