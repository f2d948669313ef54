"""The days that a disk lasts, against a day by day account."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.tape.room import days_left

kinds = st.lists(st.tuples(st.integers(0, 50), st.one_of(st.none(), st.integers(0, 20))), max_size=4)


@given(kinds, st.integers(1, 5_000))
def test_it_lasts_until_the_sum_of_what_came_and_stayed_is_the_room(growing, free):
    left = days_left(growing, free)
    if left is None:
        assert sum(rate * until for rate, until in growing if rate and until is not None) < free
        assert not any(rate and until is None for rate, until in growing)
        return
    used = sum(rate * (left if until is None else min(left, until)) for rate, until in growing)
    assert used == pytest.approx(free)


def test_a_full_disk_has_no_day_left():
    assert days_left([(10, None)], 0) == 0
    assert days_left([(10, 3)], -5) == 0
