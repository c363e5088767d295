from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhook.core.pacing import (
    LONGEST,
    QUICK,
    Purse,
    Quota,
    pages_worth,
    pause_after,
    unchanged_for,
)

FREE = Quota()
EMPTY = Purse(saved=0.0)
HOUR = 3600.0


@pytest.mark.parametrize(
    ("calls", "purse", "unchanged", "pause"),
    [
        pytest.param(1, Purse(), 0, QUICK, id="just launched"),
        pytest.param(1, Purse(), 24, 3, id="an eighth of its age"),
        pytest.param(1, Purse(), HOUR, 8.571, id="for long: what the call costs"),
        pytest.param(1, EMPTY, 0, QUICK, id="nothing saved, nothing owed"),
        pytest.param(1, Purse(saved=-0.5), 0, 4.286, id="half a call owed"),
        pytest.param(1, Purse(saved=-20), 0, 8.571, id="a look that was dear is not paid twice"),
        pytest.param(3, Purse(), 0, QUICK, id="still cheap"),
        pytest.param(4, Purse(), 0, 34.286, id="dear: nothing young makes it sooner"),
        pytest.param(11, Purse(), 0, 94.286, id="a thousand jobs"),
        pytest.param(500, Purse(), HOUR, LONGEST, id="never longer than the reaper may wait"),
        pytest.param(0, Purse(), HOUR, QUICK, id="no call was made"),
    ],
)
def test_a_look_is_paid_for_by_the_pause_after_it(
    calls: int, purse: Purse, unchanged: float, pause: float
) -> None:
    assert pause_after(calls, purse, FREE, unchanged=unchanged) == pytest.approx(pause, abs=0.001)


def test_a_larger_quota_lets_it_look_sooner() -> None:
    quota = Quota(limit=2500)
    assert pause_after(10, Purse(), quota, unchanged=HOUR) == pytest.approx(34.286, abs=0.001)


@pytest.mark.parametrize(
    ("purse", "now", "saved"),
    [
        pytest.param(Purse(), 0.0, 49, id="full at first"),
        pytest.param(Purse(saved=10), 60.0, 16, id="filled by time"),
        pytest.param(Purse(saved=40), HOUR, 49, id="never over the brim"),
        pytest.param(Purse(saved=10, counted_at=60), 0.0, 9, id="no time that runs back"),
    ],
)
def test_calls_are_saved_up_while_time_goes_by(purse: Purse, now: float, saved: float) -> None:
    spent = purse.spend(1, now=now, quota=FREE)
    assert spent.saved == pytest.approx(saved)
    assert spent.counted_at == now


@given(
    st.lists(st.tuples(st.integers(0, 15), st.floats(0, 1000), st.booleans()), max_size=300),
)
def test_no_five_minutes_cost_more_than_what_was_saved_and_the_share(
    looks: list[tuple[int, float, bool]],
) -> None:
    purse, now, spent, all_dear = Purse(), 0.0, [], True
    for calls, unchanged, news in looks:
        purse = purse.spend(calls, now=now, quota=FREE)
        spent.append((now, calls))
        all_dear = all_dear and calls > 3
        pause = pause_after(calls, purse, FREE, unchanged=0 if news else unchanged)
        assert QUICK <= pause <= LONGEST
        now += pause
    for begin, _ in spent:
        cost = sum(calls for at, calls in spent if begin <= at < begin + 300)
        assert cost <= (50 if all_dear else 50 + 35 + 15)


@pytest.mark.parametrize(
    ("quota", "seconds"),
    [
        pytest.param(Quota(), 0, id="nothing known"),
        pytest.param(Quota(left=200, resets_in=55), 0, id="enough"),
        pytest.param(Quota(left=199, resets_in=55), 56, id="little"),
        pytest.param(Quota(left=0, resets_in=55).aged(50), 6, id="little, for some time"),
        pytest.param(Quota(left=0, resets_in=55).aged(55), 0, id="a new window"),
        pytest.param(Quota(limit=100, left=20, resets_in=55), 0, id="enough of a small quota"),
    ],
)
def test_looking_waits_while_others_need_what_is_left(quota: Quota, seconds: float) -> None:
    assert quota.shortage == seconds


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        pytest.param([1000, 4000, 2000], 6, id="the youngest counts"),
        pytest.param([999_000], 0, id="a clock that was set back"),
        pytest.param([], 10, id="nothing ever changed"),
    ],
)
def test_the_time_since_the_last_change(changes: list[int], seconds: float) -> None:
    assert unchanged_for(10_000, changes) == seconds


@pytest.mark.parametrize(
    ("missing", "pages"),
    [
        pytest.param(0, 0, id="none"),
        pytest.param(5, 0, id="few: ask singly"),
        pytest.param(6, 3, id="more"),
        pytest.param(1000, 12, id="many"),
        pytest.param(100_000, 50, id="never more than five minutes allow"),
    ],
)
def test_a_list_is_read_when_it_costs_less_than_asking_singly(missing: int, pages: int) -> None:
    assert pages_worth(missing) == pages


@pytest.mark.parametrize(
    ("left", "plenty"),
    [
        pytest.param(None, False, id="not known"),
        pytest.param(499, False, id="less than half"),
        pytest.param(500, True, id="half"),
    ],
)
def test_half_of_the_quota_is_plenty(left: int | None, plenty: bool) -> None:
    assert Quota(left=left).is_plenty is plenty
