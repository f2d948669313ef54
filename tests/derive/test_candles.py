"""Bars of every timeframe against an independent fold in polars, the grid at midnight, empty and missing minutes."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gapless.derive.candles import bar_of_minutes, fold, with_missing
from gapless.model import DAY, MINUTE, VALUES, Candle, Origin, Proof, State, Timeframe, parse_timeframe
from gapless.model.timeframe import DERIVED

BEGIN = 1_769_904_000_000_000_000  # 2026-02-01T00:00Z


def minute(number: int, *, state: State = State.TRADED, proof: Proof = Proof.OFFICIAL, seed: int = 0) -> Candle:
    """Make a minute whose values are a function of its number."""
    if state is State.MISSING:
        return Candle(start=BEGIN + number * MINUTE)
    mix = (number * 7_919 + seed) % 1_000
    if state is State.EMPTY:
        flat = 500 + (number * 13) % 40
        return Candle(start=BEGIN + number * MINUTE, open=flat, high=flat, low=flat, close=flat, volume=0,
                      quote_volume=0, trades=0, taker_buy_volume=0, taker_buy_quote_volume=0, state=state,
                      origin=Origin.VENUE, proof=proof)  # fmt: skip
    opened, closed = 500 + mix % 41, 500 + mix % 37
    return Candle(
        start=BEGIN + number * MINUTE, open=opened, high=max(opened, closed) + mix % 5,
        low=min(opened, closed) - mix % 3, close=closed, volume=mix + 1, quote_volume=(mix + 1) * 2**62,
        trades=mix % 9 + 1, taker_buy_volume=mix // 2, taker_buy_quote_volume=mix * 2**61, first_seq=number * 10,
        last_seq=number * 10 + 9, state=state, origin=Origin.VENUE, proof=proof, revision=number % 3,
    )  # fmt: skip


DAYS = 3
MINUTES = [minute(n, state=State.EMPTY if n % 97 == 5 or 700 < n < 800 else State.TRADED) for n in range(DAYS * 1_440)]


def expected(timeframe: Timeframe) -> list[tuple]:
    """Fold the made minutes in polars: its own grid, its own sums."""
    n = timeframe.minutes
    frame = pl.DataFrame({
        "at": [(m.start - BEGIN) // MINUTE for m in MINUTES],
        **{name: [getattr(m, name) for m in MINUTES] for name in ("open", "high", "low", "close", "volume", "trades")},
        "state": [m.state is State.TRADED for m in MINUTES],
    })  # fmt: skip
    if n == 10_080:
        key = (pl.col("at") + 6 * 1_440) // 10_080 * 10_080 - 6 * 1_440  # 2026-02-01 is a Sunday: six days in
    elif timeframe.grid == "epoch":
        shift = BEGIN // MINUTE % n
        key = (pl.col("at") + shift) // n * n - shift
    else:
        key = pl.col("at") // 1_440 * 1_440 + pl.col("at") % 1_440 // n * n
    traded = pl.col("state")
    prices = [
        pl.when(traded.any()).then(pl.col("open").filter(traded).first()).otherwise(pl.col("open").first()).alias("o"),
        pl.when(traded.any()).then(pl.col("high").filter(traded).max()).otherwise(pl.col("high").first()).alias("h"),
        pl.when(traded.any()).then(pl.col("low").filter(traded).min()).otherwise(pl.col("low").first()).alias("l"),
        pl.when(traded.any()).then(pl.col("close").filter(traded).last()).otherwise(pl.col("close").first()).alias("c"),
    ]
    folded = frame.group_by(key.alias("bar"), maintain_order=True).agg(
        *prices, pl.col("volume").sum(), pl.col("trades").sum(), traded.any().alias("traded")
    )
    return folded.rows()


FRAMES = [*DERIVED, *(parse_timeframe(text) for text in ("90m", "7h", "12h", "24h", "1d", "1w", "1439m"))]


@pytest.mark.parametrize("timeframe", FRAMES, ids=str)
def test_every_timeframe_folds_as_polars_does(timeframe):
    bars = list(fold(MINUTES, timeframe))
    found = [
        ((b.start - BEGIN) // MINUTE, b.open, b.high, b.low, b.close, b.volume, b.trades, b.state is not State.EMPTY)
        for b in bars
    ]
    if timeframe.minutes == 10_080:
        found[0] = (-6 * 1_440, *found[0][1:])
    assert found == expected(timeframe)


@pytest.mark.parametrize("minutes", range(2, 61))
def test_on_the_epoch_grid_bars_run_through_midnight(minutes):
    timeframe = Timeframe(minutes, "epoch")
    first = timeframe.end_of(timeframe.start_of(BEGIN - 1))
    aligned = [m for m in MINUTES if m.start >= first]
    found = [((b.start - BEGIN) // MINUTE, b.volume) for b in fold(aligned, timeframe)]
    whole = [(row[0], row[5]) for row in expected(timeframe) if row[0] >= (first - BEGIN) // MINUTE]
    assert found == whole
    assert not any(bar.short for bar in fold(aligned, timeframe))


def test_the_last_bar_of_a_day_is_short_where_the_minutes_do_not_divide_it():
    assert sum(1_440 % n != 0 for n in range(2, 61)) == 38
    for n in range(2, 61):
        timeframe = Timeframe(n)
        last = timeframe.start_of(BEGIN + DAY - 1)
        assert timeframe.end_of(last) == BEGIN + DAY
        assert timeframe.is_short(last) == (1_440 % n != 0)
        assert timeframe.start_of(BEGIN + DAY) == BEGIN + DAY
    bars = list(fold(MINUTES[:1_440], Timeframe(7)))
    assert [bar.short for bar in bars] == [False] * 205 + [True]
    assert (bars[-1].start - BEGIN) // MINUTE == 1_435


@given(st.integers(-(10**18), 3 * 10**18), st.integers(1, 1_440), st.sampled_from(["midnight", "epoch"]))
def test_a_time_lies_in_exactly_one_bar(time, minutes, grid):
    timeframe = Timeframe(minutes, grid)
    start = timeframe.start_of(time)
    assert start <= time < timeframe.end_of(start)
    assert timeframe.start_of(start) == start
    assert timeframe.start_of(timeframe.end_of(start)) == timeframe.end_of(start)
    assert timeframe.start_of(timeframe.end_of(start) - 1) == start


def test_a_week_begins_on_monday():
    week = parse_timeframe("1w")
    monday = 1_769_990_400_000_000_000  # 2026-02-02T00:00Z
    assert week.start_of(monday) == week.start_of(monday + 7 * DAY - 1) == monday
    assert week.start_of(monday - 1) == monday - 7 * DAY
    assert week.end_of(monday) == monday + 7 * DAY


# What bars say of their minutes


def test_quote_sums_are_exact_however_large():
    bar = bar_of_minutes(MINUTES[:60], Timeframe(60))
    assert bar.quote_volume == sum(m.quote_volume for m in MINUTES[:60]) > 2**70
    assert bar.taker_buy_quote_volume == sum(m.taker_buy_quote_volume for m in MINUTES[:60])
    assert (bar.first_seq, bar.last_seq, bar.revision) == (0, 599, sum(n % 3 for n in range(60) if n != 5))


def test_an_empty_minute_adds_nothing_to_the_prices_of_a_bar():
    flat = replace(minute(0, state=State.EMPTY), open=1, high=1, low=1, close=1)
    late = replace(minute(2, state=State.EMPTY), open=9_999, high=9_999, low=9_999, close=9_999)
    bar = bar_of_minutes([flat, minute(1), late], Timeframe(3))
    assert [getattr(bar, name) for name in VALUES] == [getattr(minute(1), name) for name in VALUES]
    assert bar.state is State.TRADED


def test_a_bar_of_empty_minutes_is_flat_and_empty():
    bar = bar_of_minutes([minute(n, state=State.EMPTY) for n in range(3)], Timeframe(3))
    assert (bar.state, bar.volume, bar.trades) == (State.EMPTY, 0, 0)
    assert bar.open == bar.high == bar.low == bar.close == minute(0, state=State.EMPTY).open


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_missing_minute_makes_a_bar_partial_and_is_not_a_zero(gone):
    minutes = [minute(n) for n in range(3)]
    minutes[gone] = minute(gone, state=State.MISSING)
    bar = bar_of_minutes(minutes, Timeframe(3))
    held = [m for m in minutes if m.state is State.TRADED]
    assert (bar.proof, bar.volume) == (Proof.PARTIAL, sum(m.volume for m in held))
    assert (bar.open, bar.close) == (held[0].open, held[-1].close)


def test_a_bar_of_missing_minutes_is_missing():
    bar = bar_of_minutes([minute(n, state=State.MISSING) for n in range(3)], Timeframe(3))
    assert bar == Candle(start=BEGIN)


def test_a_bar_whose_last_minutes_have_not_come_is_open_and_partial():
    bar = bar_of_minutes([minute(0), minute(1)], Timeframe(3))
    assert (bar.state, bar.proof) == (State.OPEN, Proof.PARTIAL)


@given(st.sets(st.integers(0, 29)))
def test_minutes_that_are_not_held_are_laid_out_as_missing(held):
    laid = with_missing([minute(n) for n in sorted(held)], BEGIN, BEGIN + 30 * MINUTE)
    assert [m.start for m in laid] == [BEGIN + n * MINUTE for n in range(30)]
    assert {n for n, m in enumerate(laid) if m.proof is not Proof.MISSING} == held


@pytest.mark.parametrize("text", ["0m", "1441m", "5", "m", "2d", "2w", "5M", "1.5m", "-5m", "٥m", "", "0h"])
def test_what_is_no_timeframe_is_refused_by_name(text):
    from gapless.errors import BadInput

    with pytest.raises(BadInput, match="is no timeframe; allowed are 1m to 1440m"):
        parse_timeframe(text)


def test_spellings_of_the_same_timeframe_are_one():
    assert parse_timeframe("60m") == parse_timeframe("1h")
    assert parse_timeframe("1440m") == parse_timeframe("24h") == parse_timeframe("1d")
    assert [str(parse_timeframe(t)) for t in ("60m", "24h", "1w", "7m")] == ["60m", "1d", "1w", "7m"]
