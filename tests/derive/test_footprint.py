"""Footprints: rows, sums, and what is read from them, each threshold from both sides."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.derive.delta import DeltaBar, Divergence, cumulative_delta, divergences
from gapless.derive.footprint import automatic_ticks_per_row, footprint_of, rows_of
from gapless.derive.footprint_settings import FootprintSettings
from gapless.derive.ladder import ladder_of, merge
from gapless.derive.orderflow import absorptions, exhaustions, imbalances, stacked
from gapless.errors import BadInput
from gapless.model.footprint import Finding, Footprint, Imbalance, Ladder, Row, Zone
from gapless.model.tape import Trade

SETTINGS = FootprintSettings()
TRADES = st.lists(
    st.tuples(st.integers(-60, 60), st.integers(1, 9) | st.integers(1, 2**62), st.sampled_from([1, -1, 0])),
    max_size=60,
).map(lambda shapes: [Trade(i, i, *shape, 1, i, 0) for i, shape in enumerate(shapes)])
HEIGHTS = st.sampled_from([(1, 1), (1, 2), (5, 1), (5, 4), (10, 50)])


def rows_from(*sides: tuple[int, int], height: int = 1) -> list[Row]:
    """Rows of (bid, ask), low to high from price 100."""
    return [Row(100 + height * i, bid, ask, 0, 1) for i, (bid, ask) in enumerate(sides)]


def ladder_from(*sides: tuple[int, int]) -> Ladder:
    rows = rows_from(*sides)
    bids, asks = zip(*sides, strict=True)
    return Ladder(tuple(row.price for row in rows), bids, asks, (0,) * len(rows), (1,) * len(rows))


@given(TRADES, HEIGHTS, st.booleans())
def test_rows_sum_to_the_bar_and_its_lines_stand_in_order(trades, height, profile):
    tick, ticks_per_row = height
    footprint = footprint_of(ladder_of(trades), tick=tick, ticks_per_row=ticks_per_row, profile=profile)
    rows = footprint.rows
    assert sum(row.total for row in rows) == footprint.volume == sum(trade.size for trade in trades)
    assert footprint.ask + footprint.bid + footprint.unknown == footprint.volume
    assert sum(row.trades for row in rows) == footprint.trades == len(trades)
    assert footprint.delta == footprint.ask - footprint.bid == sum(row.delta for row in rows)
    assert footprint.max_delta >= max(0, footprint.delta)
    assert footprint.min_delta <= min(0, footprint.delta)
    if not trades:
        assert (rows, footprint.poc, footprint.val, footprint.vah) == ((), None, None, None)
        return
    low, high = min(trade.price for trade in trades), max(trade.price for trade in trades)
    assert rows[0].price <= low < rows[0].price + footprint.row_height
    assert rows[-1].price <= high < rows[-1].price + footprint.row_height
    assert [row.price for row in rows] == list(range(rows[0].price, rows[-1].price + 1, footprint.row_height))
    assert rows[0].price <= footprint.val <= footprint.poc <= footprint.vah <= rows[-1].price
    assert footprint.value_volume == sum(r.total for r in rows if footprint.val <= r.price <= footprint.vah)
    assert 100 * footprint.value_volume >= 70 * footprint.volume


@given(TRADES, HEIGHTS)
def test_each_trade_is_in_the_row_of_its_price(trades, height):
    tick, ticks_per_row = height
    for row in rows_of(ladder_of(trades), height=tick * ticks_per_row):
        inside = [t for t in trades if row.price <= t.price < row.price + tick * ticks_per_row]
        sums = [sum(t.size for t in inside if t.side == side) for side in (-1, 1, 0)]
        assert [row.bid, row.ask, row.unknown, row.trades] == [*sums, len(inside)]


@given(TRADES, st.lists(st.integers(0, 60), max_size=5), HEIGHTS)
def test_merged_ladders_of_any_split_give_the_direct_footprint(trades, cuts, height):
    borders = [0, *sorted(cuts), len(trades)]
    merged = merge(ladder_of(trades[a:b]) for a, b in pairwise(borders))
    shape = {"tick": height[0], "ticks_per_row": height[1], "close": trades[-1].price if trades else None}
    assert footprint_of(merged, **shape) == footprint_of(ladder_of(trades), **shape)


def test_a_bar_without_trades_has_no_rows_and_no_point_of_control():
    footprint = footprint_of(Ladder(), tick=10, ticks_per_row=5, close=None)
    assert (footprint.rows, footprint.poc, footprint.val, footprint.vah) == ((), None, None, None)
    assert (footprint.volume, footprint.value_volume, footprint.value_area_share) == (0, 0, None)
    assert (footprint.imbalances, footprint.findings, footprint.unfinished) == ((), (), None)


def test_rows_name_their_lowest_tick_and_cover_what_did_not_trade():
    ladder = Ladder((199, 200, 241), (1, 2, 3), (4, 0, 6), (0, 7, 0), (1, 2, 3), 4, -1, 5)
    footprint = footprint_of(ladder, tick=1, ticks_per_row=20)
    assert footprint.rows == (Row(180, 1, 4, 0, 1), Row(200, 2, 0, 7, 2), Row(220, 0, 0, 0, 0), Row(240, 3, 6, 0, 3))
    assert (footprint.poc, footprint.val, footprint.vah) == (200, 180, 240)
    assert (footprint.value_volume, footprint.volume, footprint.row_height) == (23, 23, 20)
    assert (footprint.delta, footprint.min_delta, footprint.max_delta) == (4, -1, 5)


@pytest.mark.parametrize(
    ("rows", "profile", "step"), [(20, False, 1), (21, False, 2), (20, True, 2), (1, True, 2), (1, False, 1)]
)
def test_only_a_single_bar_of_few_rows_grows_its_value_area_by_one(rows, profile, step):
    footprint = footprint_of(ladder_from(*[(1, 1)] * rows), tick=1, ticks_per_row=1, profile=profile)
    assert footprint.rows_per_step == step


def test_the_thresholds_that_were_used_stand_in_the_output():
    settings = FootprintSettings(imbalance_percent=250, imbalance_zero_opposite=False)
    thresholds = footprint_of(Ladder(), tick=1, ticks_per_row=1, settings=settings).thresholds
    assert thresholds["imbalance_percent"] == 250
    assert thresholds["imbalance_zero_opposite"] == 0
    assert thresholds["absorption_return_percent"] == 25
    assert set(thresholds) == set(FootprintSettings.__struct_fields__)


def test_a_range_of_far_too_many_rows_is_refused_in_one_sentence():
    ladder = Ladder((1, 10**12), (1, 1), (1, 1), (0, 0), (1, 1))
    with pytest.raises(BadInput, match="1000000000000 rows; 100000 are allowed"):
        footprint_of(ladder, tick=1, ticks_per_row=1)


@pytest.mark.parametrize(
    ("ranges", "ticks"),
    [
        ([], 1),
        ([0], 1),
        ([39], 1),
        ([40], 2),
        ([78], 2),
        ([79], 5),
        ([195], 5),
        ([196], 10),
        ([390], 10),
        ([391], 20),
        ([39_000], 1_000),
        ([39_001], 2_000),
        ([39, 40], 2),
        ([38, 40], 1),
        ([9_999] * 60 + [39] * 50, 1),
        ([9_999] + [38] * 25 + [40] * 25, 1),
        ([39] * 60 + [40] * 26 + [39] * 24, 2),
    ],
)
def test_automatic_rows_show_the_typical_of_the_last_bars_in_at_most_forty(ranges, ticks):
    assert automatic_ticks_per_row(ranges, tick=1) == ticks
    assert automatic_ticks_per_row([25 * r for r in ranges], tick=25) == ticks


@given(st.integers(0, 10**6), st.integers(0, 10**4))
def test_a_typical_bar_fits_wherever_it_begins(size, low):
    step = automatic_ticks_per_row([size], tick=1)
    assert (low + size) // step - low // step + 1 <= 40


def test_imbalances_compare_diagonally_and_need_the_median_row():
    rows = rows_from((10, 1), (10, 30), (2, 29), (40, 10), (5, 13))
    # totals 11 40 31 50 18, median 31: only sides of at least 31 count; asks look one row down, bids one up
    assert imbalances(rows, settings=SETTINGS) == [Imbalance(103, -1, 40, 13)]
    wide = rows_from((10, 1), (4, 30), (2, 29), (40, 10), (5, 13))  # totals 11 34 31 50 18: 30 is below 31
    assert imbalances(wide, settings=SETTINGS) == [Imbalance(103, -1, 40, 13)]
    enough = rows_from((10, 1), (0, 30), (2, 28), (40, 10), (5, 13))  # totals 11 30 30 50 18, median 30
    assert imbalances(enough, settings=SETTINGS) == [Imbalance(101, 1, 30, 10), Imbalance(103, -1, 40, 13)]


def test_an_imbalance_begins_exactly_at_its_ratio():
    at, below = rows_from((10, 0), (0, 30)), rows_from((11, 0), (0, 32))
    assert Imbalance(101, 1, 30, 10) in imbalances(at, settings=SETTINGS)
    assert [found.price for found in imbalances(below, settings=SETTINGS)] == []
    assert Imbalance(101, 1, 32, 11) in imbalances(below, settings=FootprintSettings(imbalance_percent=290))


def test_a_zero_opposite_qualifies_unless_switched_off():
    rows = rows_from((0, 50), (0, 0), (50, 0))
    assert imbalances(rows, settings=SETTINGS) == [Imbalance(100, 1, 50, 0), Imbalance(102, -1, 50, 0)]
    assert imbalances(rows, settings=FootprintSettings(imbalance_zero_opposite=False)) == []


def test_rows_without_a_trade_do_not_lower_the_minimum_of_an_imbalance():
    rows = rows_from((0, 9), (0, 0), (0, 0), (0, 0), (10, 0), (20, 0))  # median of 9 10 20
    assert imbalances(rows, settings=SETTINGS) == [Imbalance(104, -1, 10, 0), Imbalance(105, -1, 20, 0)]


def test_volume_without_a_side_makes_no_imbalance_but_raises_the_median():
    rows = [Row(100, 0, 0, 500, 1), Row(101, 0, 40, 0, 1), Row(102, 0, 0, 500, 1)]
    assert imbalances(rows, settings=SETTINGS) == []


def test_stacked_zones_are_adjacent_rows_of_one_side():
    found = [
        Imbalance(price, side, 9, 1) for price, side in ((100, 1), (105, 1), (110, -1), (110, 1), (120, 1), (125, 1))
    ]
    assert stacked(found, height=5) == [Zone(1, 100, 110, 3)]
    assert stacked(found, height=5, rows=2) == [Zone(1, 100, 110, 3), Zone(1, 120, 125, 2)]
    assert stacked([Imbalance(price, -1, 9, 1) for price in (100, 101, 102, 103)], height=1) == [Zone(-1, 100, 103, 4)]


def test_stacked_zones_stand_in_the_footprint():
    ladder = ladder_from((5, 0), (5, 20), (5, 20), (5, 20), (5, 0), (5, 0), (5, 0))
    footprint = footprint_of(ladder, tick=1, ticks_per_row=1)
    assert footprint.stacked == (Zone(1, 101, 103, 3), Zone(-1, 103, 106, 4))
    settings = FootprintSettings(stacked_rows=4)
    assert footprint_of(ladder, tick=1, ticks_per_row=1, settings=settings).stacked == (Zone(-1, 103, 106, 4),)


def test_an_auction_is_unfinished_where_both_sides_traded_at_the_extreme():
    def judged(*sides, ticks_per_row=1):
        return footprint_of(ladder_from(*sides), tick=1, ticks_per_row=ticks_per_row).unfinished

    assert judged((1, 1), (5, 5), (0, 3)) == ("low",)
    assert judged((3, 0), (5, 5), (1, 1)) == ("high",)
    assert judged((1, 1), (5, 5), (1, 1)) == ("high", "low")
    assert judged((3, 0), (5, 5), (0, 3)) == ()
    assert judged((1, 1), (5, 5), (1, 1), ticks_per_row=2) is None


def test_absorption_needs_volume_at_the_extreme_and_a_close_back_inside():
    rows = rows_from((5, 5), (5, 5), (5, 5), (5, 5), (5, 12), (5, 8))  # median row 10
    shape = {"low": 100, "high": 140}

    def found(close, settings=SETTINGS):
        return absorptions(rows, close=close, settings=settings, **shape)

    assert found(130) == [Finding("absorption", "high", 2, 20)]
    assert found(131) == []
    assert found(130, FootprintSettings(absorption_percent=201)) == [Finding("absorption", "high", 3, 25)]
    assert found(130, FootprintSettings(absorption_rows=1)) == []


def test_absorption_at_the_low_is_the_mirror_and_no_row_belongs_to_both_extremes():
    rows = rows_from((25, 0), (1, 1), (1, 1), (5, 5))
    assert absorptions(rows, low=100, high=103, close=101, settings=SETTINGS) == [Finding("absorption", "low", 1, 25)]
    assert absorptions(rows_from((0, 1), (0, 9), (1, 0)), low=100, high=102, close=101, settings=SETTINGS) == []


def test_absorption_is_not_judged_without_a_close():
    ladder = ladder_from((25, 0), (1, 1), (1, 1), (5, 5))
    assert footprint_of(ladder, tick=1, ticks_per_row=1).findings == ()
    assert footprint_of(ladder, tick=1, ticks_per_row=1, close=101).findings == (Finding("absorption", "low", 1, 25),)


def test_exhaustion_is_an_attack_that_dies_away_row_by_row():
    rows = rows_from((2, 8), (5, 5), (5, 5), (4, 6), (7, 3), (8, 2))  # median row 10, limit 2
    assert exhaustions(rows, settings=SETTINGS) == [Finding("exhaustion", "high", 3, 2)]
    assert exhaustions(rows, settings=FootprintSettings(exhaustion_percent=19)) == []
    assert exhaustions(rows[:3], settings=SETTINGS) == []
    uneven = rows_from((5, 5), (7, 3), (6, 4), (8, 2))
    assert exhaustions(uneven, settings=SETTINGS) == []
    mirror = rows_from((2, 8), (3, 7), (6, 4), (5, 5))
    assert exhaustions(mirror, settings=SETTINGS) == [Finding("exhaustion", "low", 3, 2)]
    assert exhaustions(rows[-2:], settings=SETTINGS) == []


def test_cumulative_delta_begins_anew_with_the_session():
    bars = [DeltaBar(1, 1, delta, session) for delta, session in ((5, 1), (-7, 1), (3, 2), (4, 2))]
    assert cumulative_delta(bars) == [5, -2, 3, 7]


def test_a_new_high_with_a_lower_cumulative_delta_diverges_and_its_mirror_too():
    highs = [DeltaBar(10, 5, 8), DeltaBar(9, 5, -3), DeltaBar(11, 6, 2)]
    assert divergences(highs, window=2) == [Divergence(2, 0, -1, 7, 8)]
    assert divergences([*highs[:2], DeltaBar(11, 6, 3)], window=2) == []
    assert divergences([*highs[:2], DeltaBar(10, 6, 2)], window=2) == []
    lows = [DeltaBar(10, 5, -8), DeltaBar(9, 6, 3), DeltaBar(9, 4, -2)]
    assert divergences(lows, window=2) == [Divergence(2, 0, 1, -7, -8)]
    assert divergences([*lows[:2], DeltaBar(9, 4, -3)], window=2) == []
    assert divergences([*lows[:2], DeltaBar(9, 5, -2)], window=2) == []


def test_a_divergence_never_reaches_over_the_start_of_a_session():
    bars = [DeltaBar(10, 5, 8, 1), DeltaBar(9, 5, -3, 2), DeltaBar(11, 6, 2, 2)]
    assert divergences(bars, window=2) == []
    assert divergences(bars, window=1) == []


def test_of_equal_extremes_the_latest_is_compared():
    highs = [DeltaBar(10, 5, 8), DeltaBar(10, 6, -7), DeltaBar(11, 6, 2)]
    assert divergences(highs, window=2) == []
    lows = [DeltaBar(10, 5, -8), DeltaBar(10, 5, 7), DeltaBar(10, 4, -2)]
    assert divergences(lows, window=2) == []


def test_a_footprint_is_a_value():
    ladder = ladder_from((1, 2), (3, 4))
    assert footprint_of(ladder, tick=1, ticks_per_row=1) == footprint_of(ladder, tick=1, ticks_per_row=1)
    assert isinstance(footprint_of(ladder, tick=1, ticks_per_row=1), Footprint)
