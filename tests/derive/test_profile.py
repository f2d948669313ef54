"""Profiles: the golden vectors of the definitions, and the value area against a literal reading of its rule."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.derive.profile import PocBar, ValueArea, median_twice, naked, nodes, poc_of, value_area

TOTALS = st.lists(st.integers(0, 5) | st.integers(0, 2**70), min_size=1, max_size=40)
GOLDEN = [
    ("1 2 4 8 16 10 6 3 1", (4, 3, 6, 40), (4, 2, 6, 44)),
    ("2 20 3 1 1 1 4 30 6 2", (7, 1, 9, 68), (7, 1, 9, 68)),
    ("40 12 6 3 2 1 1 0 1 2 3", (0, 0, 1, 52), (0, 0, 2, 58)),
    ("5 5 5 5 5 5 5 5 5 5", (4, 3, 9, 35), (4, 2, 8, 35)),
    ("50 10 10 10 10 5 5", (0, 0, 2, 70), (0, 0, 2, 70)),
]


@pytest.mark.parametrize(("rows", "by_one", "by_two"), GOLDEN)
def test_value_areas_equal_the_golden_vectors(rows, by_one, by_two):
    totals = [int(text) for text in rows.split()]
    assert value_area(totals, rows_per_step=1) == ValueArea(*by_one)
    assert value_area(totals, rows_per_step=2) == ValueArea(*by_two)


def literal_value_area(totals: list[int], share: Fraction, step: int) -> ValueArea:
    """The rule, row by row, over a set of rows."""
    middle = Fraction(len(totals) - 1, 2)
    poc = min(range(len(totals)), key=lambda i: (-totals[i], abs(i - middle), i))
    held = {poc}
    while sum(totals[i] for i in held) < share * sum(totals):
        above = [i for i in range(max(held) + 1, max(held) + 1 + step) if i < len(totals)]
        below = [i for i in range(min(held) - step, min(held)) if i >= 0]
        up = sum(totals[i] for i in above) >= sum(totals[i] for i in below)
        held.update((above or below) if up else (below or above))
    return ValueArea(poc, min(held), max(held), sum(totals[i] for i in held))


@given(TOTALS, st.integers(1, 100), st.integers(1, 3))
def test_value_areas_equal_a_literal_reading(totals, percent, step):
    area = value_area(totals, percent=percent, rows_per_step=step)
    assert area == literal_value_area(totals, Fraction(percent, 100), step)
    assert 0 <= area.low <= area.poc <= area.high < len(totals)
    assert 100 * area.volume >= percent * sum(totals)


def test_the_share_is_judged_exactly_where_floats_are_equal():
    assert value_area([1, 7 * 10**18, 3 * 10**18], rows_per_step=1) == ValueArea(1, 1, 2, 10**19)
    assert value_area([0, 7 * 10**18, 3 * 10**18], rows_per_step=1) == ValueArea(1, 1, 1, 7 * 10**18)


@pytest.mark.parametrize(
    ("totals", "poc"),
    [
        ([9], 0),
        ([5, 5], 0),
        ([5, 1, 5, 1, 1], 2),
        ([5, 1, 1, 5, 1], 3),
        ([5, 1, 5], 0),
        ([1, 5, 1, 5, 1], 1),
        ([0, 0], 0),
    ],
)
def test_a_tied_point_of_control_is_nearest_the_middle_then_the_lower(totals, poc):
    assert poc_of(totals) == poc


def test_nodes_are_local_extremes_of_the_three_row_mean_beyond_their_thresholds():
    totals = [1, 2, 30, 2, 1, 0, 0, 0, 1, 6, 7, 6, 1]  # mean 57 / 13; 3-row sums 3 33 34 33 3 1 0 1 7 14 19 14 7
    assert nodes(totals) == ([2, 10], [6])
    assert nodes(totals, high_percent=150) == ([2], [6])
    assert nodes([5, 5, 5, 5]) == ([], [])


def test_a_node_exactly_at_its_threshold_counts():
    hill = [6, 12, 15, 12, 5]  # mean 10, and 13 over the three rows at the top
    assert [nodes(hill, high_percent=percent) for percent in (130, 131)] == [([2], []), ([], [])]
    valley = [8, 9, 3, 3, 3, 8, 9, 5]  # mean 6, and 3 over the three rows at the bottom
    assert [nodes(valley, low_percent=percent) for percent in (50, 49)] == [([], [3]), ([], [])]


def test_a_plateau_is_one_node_at_its_lower_middle():
    assert nodes([0, 0, 0, 9, 9, 9, 9, 0, 0, 0, 0])[0] == [4]


def test_a_point_of_control_stays_naked_until_a_later_range_touches_it():
    bars = [PocBar(10, 8, 12), PocBar(20, 18, 25), None, PocBar(30, 26, 33), PocBar(15, 13, 20)]
    assert naked(bars) == [0, 3, 4]
    assert naked([*bars, PocBar(11, 11, 12)]) == [0, 3, 4, 5]
    assert naked([*bars, PocBar(11, 11, 12)], height=2) == [3, 4, 5]
    assert naked([*bars, PocBar(9, 5, 30)]) == [5]


@given(
    st.lists(st.none() | st.tuples(st.integers(0, 30), st.integers(0, 5), st.integers(0, 5)), max_size=25),
    st.integers(1, 4),
)
def test_naked_points_of_control_equal_a_look_at_every_later_bar(shapes, height):
    bars = [shape and PocBar(shape[0], shape[0] - shape[1], shape[0] + shape[2]) for shape in shapes]
    expected = [
        i
        for i, bar in enumerate(bars)
        if bar and not any(later and later.low < bar.poc + height and later.high >= bar.poc for later in bars[i + 1 :])
    ]
    assert naked(bars, height=height) == expected


def test_medians_of_even_counts_stay_exact():
    assert [median_twice(v) for v in ([3], [1, 2], [9, 1, 5], [2**70 + 1, 1, 2**70, 2])] == [6, 3, 10, 2**70 + 2]
