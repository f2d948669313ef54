"""Ichimoku and VWAP against polars, holes, the future, volume that is absent, and what is refused."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from indicator_month import FIVE, P, as_floats, bars, month, series
from msgspec.structs import replace

from gapless.derive.indicators.catalogue import ALIASES, USUAL, described, names, parse, parse_all
from gapless.derive.indicators.memory import ema, forgotten_after
from gapless.errors import BadInput
from gapless.model import Candle, Proof, State, Timeframe
from gapless.model.times import DAY

COUNT = 900  # bars, three days and a bit


@pytest.fixture(scope="module")
def frame(real_data) -> pl.DataFrame:
    return month(real_data)[:COUNT]


@pytest.fixture(scope="module")
def rows(frame) -> list[Candle]:
    return bars(frame)


def lost(rows: list[Candle], at: int, how: str) -> list[Candle]:
    """Lose one bar."""
    found = {
        "missing": Candle(start=rows[at].start),
        "partial": replace(rows[at], proof=Proof.PARTIAL),
        "synthetic": replace(rows[at], state=State.SYNTHETIC),
    }[how]
    return [*rows[:at], found, *rows[at + 1 :]]


def test_ichimoku_is_what_polars_makes_of_it(frame, rows):
    def middle(length: int) -> pl.Expr:
        return (pl.col("high").rolling_max(length) + pl.col("low").rolling_min(length)) / 2

    expected = frame.select(
        middle(9).alias("tenkan"), middle(26).alias("kijun"), ((middle(9) + middle(26)) / 2).shift(26).alias("a"),
        middle(52).shift(26).alias("b"), pl.col("close").shift(-26).alias("chikou"),
    )  # fmt: skip
    found = parse("ichimoku").values(series(rows), 0, COUNT)
    for ours, theirs in zip(found, expected.iter_columns(), strict=True):
        assert [value is None for value in ours] == theirs.is_null().to_list()
        np.testing.assert_allclose(as_floats(ours), theirs.cast(pl.Float64).fill_null(np.nan).to_numpy(), rtol=1e-12)
    assert found[3][76] is None
    assert found[3][77] is not None


def test_vwap_is_what_polars_sums(frame, rows):
    day = pl.col("open_time") // 86_400_000
    anchored, rolling = (
        frame.select((pl.col("quote_volume").cum_sum() / pl.col("volume").cum_sum()).over(day)).to_series(),
        frame.select(pl.col("quote_volume").rolling_sum(20) / pl.col("volume").rolling_sum(20)).to_series(),
    )
    (ours,) = parse("vwap").values(series(rows), 0, COUNT)
    np.testing.assert_allclose(as_floats(ours), anchored.to_numpy(), rtol=1e-12)
    (ours,) = parse("vwap:20").values(series(rows), 0, COUNT)
    np.testing.assert_allclose(as_floats(ours), rolling.fill_null(np.nan).to_numpy(), rtol=1e-10)


@settings(max_examples=30, deadline=None)
@given(at=st.integers(0, COUNT - 1), how=st.sampled_from(["missing", "partial", "synthetic"]), text=st.sampled_from(
    ["sma:50", "ema:9", "rsi:5", "atr:7", "cdlengulfing", "vwap", "vwap:20", "obv", "ichimoku"]))  # fmt: skip
def test_a_lost_bar_empties_exactly_the_values_whose_window_contains_it(rows, at, how, text):
    indicator = parse(text)
    whole = indicator.values(series(rows), 0, COUNT)
    holed = indicator.values(series(lost(rows, at, how)), 0, COUNT)
    midnight = at // 288 * 288 + 288  # the month begins at midnight
    windows = {
        "ichimoku_tenkan": range(at, at + 9), "ichimoku_kijun": range(at, at + 26),
        "ichimoku_senkou_a": range(at + 26, at + 52), "ichimoku_senkou_b": range(at + 26, at + 78),
        "ichimoku_chikou": range(at - 26, at - 25),
    }  # fmt: skip
    ends = range(at, midnight if indicator.bars is None else at + indicator.bars)
    for column, before, after in zip(indicator.columns, whole, holed, strict=True):
        emptied = windows.get(column, ends)
        assert after == [None if i in emptied else value for i, value in enumerate(before)]


@pytest.mark.parametrize("text", [*USUAL, "kc", "supertrend", "linearreg", "obv", "vwap:20"])
def test_no_value_knows_the_future(rows, text):
    indicator = parse(text)
    at = 760
    other = [replace(row, close=row.low, high=row.high * 2, volume=row.volume * 3) for row in rows[at:]]
    told = indicator.values(series(rows), 0, at)
    changed = indicator.values(series([*rows[:at], *other]), 0, at)
    for column, ours, theirs in zip(indicator.columns, told, changed, strict=True):
        known = at - 26 if column == "ichimoku_chikou" else at
        assert ours[:known] == theirs[:known]
        assert any(value is not None for value in ours)


def test_the_forming_bar_is_no_lagging_close_and_counts_only_when_nothing_of_it_is_lost(rows):
    forming = [*rows[:-1], replace(rows[-1], state=State.OPEN, proof=Proof.PARTIAL)]
    whole = parse("ichimoku").values(series(forming, forming_whole=True), 0, COUNT)
    assert whole[0][-1] is not None
    assert whole[4][COUNT - 27] is None
    assert whole[4][COUNT - 28] == rows[-2].close / 10**P
    assert parse("sma:5").values(series(forming), COUNT - 1, COUNT) == [[None]]


def test_a_bar_without_volume_leaves_prices_their_indicators(rows):
    quoted = series([replace(row, volume=None, quote_volume=None) for row in rows])
    for text in ("vwap", "vwap:20", "obv", "mfi", "ad", "adosc"):
        assert all(set(column) == {None} for column in parse(text).values(quoted, 0, COUNT)), text
    assert parse("sma:20").values(quoted, 0, COUNT) == parse("sma:20").values(series(rows), 0, COUNT)


def test_a_quiet_market_has_flat_bars_that_count_and_no_average_of_what_was_not_traded(rows):
    flat = [
        replace(row, open=100, high=100, low=100, close=100, volume=0, quote_volume=0, state=State.EMPTY)
        for row in rows[:40]
    ]
    assert parse("sma:20").values(series(flat), 39, 40) == [[pytest.approx(100 / 10**P, rel=1e-14)]]
    assert parse("vwap").values(series(flat), 39, 40) == [[None]]


def test_a_better_proof_asked_for_is_asked_of_every_bar_of_a_window(rows):
    proven = [replace(row, proof=Proof.PROVEN) for row in rows]
    mixed = series([*proven[:50], rows[50], *proven[51:]], least=Proof.PROVEN)
    (column,) = parse("sma:10").values(mixed, 0, 100)
    assert [i for i, value in enumerate(column) if value is None] == [*range(9), *range(50, 60)]


def test_the_bars_needed_reach_back_over_short_bars_and_midnights():
    seven = Timeframe(7)  # the last bar of a day has five minutes
    midnight = 20_003 * DAY  # a Monday
    assert parse("sma:206").begin(seven, seven.start_of(midnight - 1)) == midnight - DAY
    assert parse("vwap").begin(FIVE, midnight + DAY // 2) == midnight
    assert parse("vwap").begin(Timeframe(1_440), midnight) == midnight
    assert parse("sma:3").begin(Timeframe(10_080), midnight) == midnight - 14 * DAY


def test_what_a_smoothing_forgets_is_its_weight():
    for period in (5, 50, 200):
        bars_needed = forgotten_after(ema(period), most=50_000)
        assert (1 - ema(period)) ** bars_needed < 1e-9 <= (1 - ema(period)) ** (bars_needed - 1)
    assert forgotten_after(0.5, 0.5, most=50_000) > forgotten_after(0.5, most=50_000)
    assert forgotten_after(most=10) == 0


def test_the_issue_asks_for_200_and_78_bars():
    needed = {text: parse(text).bars for text in ("sma:200", "ichimoku", "ichimoku:9:26:52", "bollinger", "vwap")}
    assert needed == {"sma:200": 200, "ichimoku": 78, "ichimoku:9:26:52": 78, "bollinger": 20, "vwap": None}


def test_every_name_can_be_described_and_no_column_has_two_meanings():
    found = [described(parse(name)) for name in names()]
    columns = [column for one in found for column in one["columns"]]
    assert len(columns) == len(set(columns)) > 180
    assert not set(columns) & set(Candle.__struct_fields__)
    assert all(one["bars"] or one["since"] for one in found)
    assert all(parse(alias).text in names() for alias in ALIASES)
    assert [one.text for one in parse_all(["sma:20, ichimoku", "SMA:20"])] == ["sma:20", "ichimoku"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("smaa:20", "'smaa:20' is no indicator; did you mean sma?"),
        ("", "is no indicator"),
        ("mavp", "is no indicator"),
        ("sma:0", "sma:0: timeperiod 0 is not allowed; allowed are 1 to 100000"),
        ("rsi:1", "timeperiod 1 is not allowed; allowed are 2 to 100000"),
        ("sma:999999999", "allowed are 1 to 100000"),
        ("sma:20:3", "2 parameters are too many; allowed are timeperiod (30)"),
        ("cdlhammer:3", "1 parameters are too many; allowed are none"),
        ("sma:2.5", "allowed is a whole number such as 30"),
        ("sma:", "timeperiod '' is not allowed"),
        ("bbands:20:nan", "nbdevup 'nan' is not allowed; allowed is a number such as 2"),
        ("bbands:20:2:2:foo", "matype 'foo' is not allowed; allowed are dema, ema,"),
        ("t3:5:3", "vfactor 3.0 is out of range; its default is 0.7"),
        ("ema:5000", "needs more than 50,000 bars"),
        ("sar:0", "needs more than 50,000 bars"),
        ("ichimoku:0", "tenkan 0 is not allowed; allowed are 1 to 50000"),
        ("vwap:-1", "bars -1 is not allowed; allowed are 0 to 50000"),
    ],
)
def test_a_mistake_is_one_sentence(text, sentence):
    with pytest.raises(BadInput) as told:
        parse(text)
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)
