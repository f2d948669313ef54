"""Ladders: exact sums, any split, and storage that gives back what it was given."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.derive.ladder import LadderFold, ladder_of, merge
from gapless.errors import StoreError
from gapless.model.footprint import Ladder
from gapless.model.packed import decode, encode
from gapless.model.tape import Trade

SIZES = st.integers(1, 1_000) | st.integers(1, 2**63 - 1)
TRADES = st.lists(
    st.tuples(st.integers(-2, 2) | st.integers(-50, 50), SIZES, st.sampled_from([1, -1, 0]), st.integers(1, 9)),
    max_size=60,
).map(lambda rows: [Trade(i, i, *row, i, 0) for i, row in enumerate(rows)])


def trade(price: int, size: int, side: int, fills: int = 1) -> Trade:
    return Trade(0, 0, price, size, side, fills, 0, 0)


def literal_ladder(trades: list[Trade]) -> Ladder:
    """The definition, price by price and prefix by prefix."""
    prices = sorted({t.price for t in trades})

    def column(side: int) -> tuple[int, ...]:
        return tuple(sum(t.size for t in trades if t.price == price and t.side == side) for price in prices)

    running = [sum(t.side * t.size for t in trades[:count]) for count in range(len(trades) + 1)]
    return Ladder(
        prices=tuple(prices),
        bids=column(-1),
        asks=column(1),
        unknowns=column(0),
        trades=tuple(sum(t.fills for t in trades if t.price == price) for price in prices),
        delta=running[-1],
        min_delta=min(running),
        max_delta=max(running),
    )


def test_a_ladder_tells_sides_apart_and_keeps_the_running_deltas_bounds():
    trades = [trade(101, 5, 1, 2), trade(100, 9, -1), trade(101, 4, 0), trade(100, 10, 1, 3), trade(101, 1, -1)]
    assert ladder_of(trades) == Ladder(
        prices=(100, 101),
        bids=(9, 1),
        asks=(10, 5),
        unknowns=(0, 4),
        trades=(4, 4),
        delta=5,
        min_delta=-4,
        max_delta=6,
    )


def test_merging_shifts_the_bounds_by_the_delta_before():
    first = ladder_of([trade(100, 10, -1)])
    second = ladder_of([trade(100, 4, -1), trade(99, 30, 1), trade(99, 1, -1)])
    assert merge([first, second]) == Ladder((99, 100), (1, 14), (30, 0), (0, 0), (2, 2), 15, -14, 16)


def test_merging_adds_up_every_column():
    ladder = Ladder((7,), (1,), (2,), (3,), (4,), 1, -1, 1)
    assert merge([ladder, ladder, ladder]) == Ladder((7,), (3,), (6,), (9,), (12,), 3, -1, 3)


def test_no_trades_are_an_empty_ladder_that_merges_without_effect():
    full = ladder_of([trade(7, 3, 1)])
    assert ladder_of([]) == merge([]) == Ladder()
    assert merge([Ladder(), full, Ladder()]) == full


@given(TRADES)
def test_a_ladder_equals_its_definition(trades):
    assert ladder_of(trades) == literal_ladder(trades)


@given(TRADES, st.lists(st.integers(0, 60), max_size=6))
def test_ladders_of_any_split_merge_to_the_ladder_of_the_whole(trades, cuts):
    borders = [0, *sorted(cuts), len(trades)]
    parts = [trades[a:b] for a, b in pairwise(borders)]
    assert merge(map(ladder_of, parts)) == ladder_of(trades)
    assert merge([merge(map(ladder_of, parts[:2])), *map(ladder_of, parts[2:])]) == ladder_of(trades)


@given(TRADES, st.lists(st.integers(0, 60), max_size=6))
def test_a_forming_bar_equals_the_closed_one_whatever_batches_it_came_in(trades, cuts):
    borders = [0, *sorted(cuts), len(trades)]
    fold = LadderFold()
    for start, end in pairwise(borders):
        fold.add_trades(trades[start:end])
        assert fold.ladder() == ladder_of(trades[: max(start, end)])


@given(TRADES)
def test_a_stored_ladder_comes_back_whole(trades):
    ladder = ladder_of(trades)
    assert decode(encode(ladder)) == ladder


@pytest.mark.parametrize(
    "ladder",
    [
        Ladder((0,), (0,), (0,), (0,), (0,)),
        Ladder((-3, 0, 3), (2**64, 0, 1), (0, 0, 0), (0, 2**90 + 1, 0), (1, 1, 1), -(2**64) - 1, -(2**70), 2**64),
        Ladder((5, 6), (10, 20), (0, 0), (0, 0), (3, 4), -30, -30, 0),
    ],
    ids=["zeros", "beyond 64 bits", "divisors"],
)
def test_storage_keeps_zeros_divisors_and_sums_beyond_64_bits(ladder):
    assert decode(encode(ladder)) == ladder


def test_a_thousand_rows_of_coarse_sizes_are_stored_in_few_bytes():
    rows = range(1_000)
    ladder = Ladder(
        prices=tuple(6_000_000_000_000 + 1_000_000 * i for i in rows),
        bids=tuple(1_000 * (i % 100) for i in rows),
        asks=tuple(1_000 * (i % 50) for i in rows),
        unknowns=(0,) * 1_000,
        trades=tuple(i % 9 for i in rows),
    )
    assert len(encode(ladder)) < 5 * 1_000


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"nonsense", encode(Ladder((1, 2), (1, 1), (1, 1), (0, 0), (1, 1)))[:-1]]
)
def test_bytes_that_are_no_ladder_are_refused(data):
    with pytest.raises(StoreError):
        decode(data)


def test_a_stored_column_that_lost_a_row_is_refused():
    whole = encode(Ladder((1, 2), (3, 5), (7, 11), (0, 0), (1, 1)))
    torn = whole.replace(b"\x93\x01\x03\x05", b"\x92\x01\x03")
    assert torn != whole
    with pytest.raises(StoreError, match="1 of 2 rows"):
        decode(torn)
