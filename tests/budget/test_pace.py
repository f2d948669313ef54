"""Attempts spread over time: never more than a venue counts, and the first ones at once."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gapless.budget.pace import Pace, Paced, taken
from gapless.model import HOUR, MINUTE, SECOND

T0 = 1_000_000 * HOUR
FIVE = 5 * MINUTE


def taken_by(pace: Pace, until: int) -> list[int]:
    """When attempts leave if somebody always wants one."""
    paced, now, times = Paced(), T0, []
    while now < until:
        paced, wait = taken(pace, paced, now)
        if not wait:
            times.append(now)
        now += wait
    return times


def test_a_third_leaves_at_once_and_the_rest_evenly() -> None:
    times = taken_by(Pace(300, FIVE), T0 + FIVE)
    assert times.count(T0) == 100
    assert len(times) == 299  # the next one would share a stretch of five minutes with the first
    assert all(b - a == 3 * SECOND // 2 + 1 for a, b in pairwise(times[99:]))


def test_after_a_rest_a_third_may_leave_at_once_again() -> None:
    pace, paced = Pace(30, FIVE), Paced(whole_at=T0)
    for _ in range(10):
        paced, wait = taken(pace, paced, T0 + HOUR)
        assert wait == 0
    assert taken(pace, paced, T0 + HOUR)[1] == pace.every


def test_a_clock_that_was_set_back_costs_one_interval_and_not_the_jump() -> None:
    pace = Pace(30, FIVE)
    assert 0 < taken(pace, Paced(whole_at=T0 + 24 * HOUR), T0)[1] <= pace.every


@given(st.integers(1, 12), st.lists(st.integers(0, 200), max_size=120))
def test_no_stretch_of_time_holds_more_attempts_than_allowed(most: int, steps: list[int]) -> None:
    pace, paced, now, times = Pace(most, 100 * SECOND), Paced(), T0, list[int]()
    for step in steps:
        now += step * SECOND // 4
        paced, wait = taken(pace, paced, now)
        if not wait:
            times.append(now)
    for at in times:
        assert sum(at <= other <= at + pace.per for other in times) <= most
