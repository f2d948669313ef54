"""Every function of TA-Lib as a column, against TA-Lib itself over the whole recorded month."""

import numpy as np
import polars as pl
import pytest
import talib
from indicator_month import P, arrays, as_floats, bars, month, series
from msgspec.structs import replace
from talib import abstract

from gapless.derive.indicators.catalogue import names, parse
from gapless.derive.indicators.settling import CUMULATIVE

FIRST, UNTIL = 7_000, 7_120  # of 8,064 bars, across a midnight
DAY = 288
OTHERS = (
    "sma:200", "ema:50", "ema:200", "rsi:2", "macd:5:35:5", "bbands:20:2.5:1:ema", "bbands:30:2:2:kama",
    "ma:20:t3", "ma:30:mama", "stochrsi:14:14:3:rma", "macdext:12:ema:26:tema:9:dema", "apo:10:40:rma", "t3:8:0.9",
    "stoch:14:3:1:3:1", "adx:30", "atr:100",
    "sar:0.05:0.3", "supertrend:20:2", "kc:10:50:1.5", "mama:0.4:0.1", "kdj:9:5:ema:3:sma",
)  # fmt: skip


@pytest.fixture(scope="module")
def frame(real_data) -> pl.DataFrame:
    return month(real_data)


@pytest.fixture(scope="module")
def algo(frame):
    return series(bars(frame))


def whole(frame: pl.DataFrame, indicator) -> list[np.ndarray]:
    """Ask TA-Lib itself: all 8,064 bars in one call."""
    name, *given = indicator.text.split(":")
    kinds = abstract.Function(name).info["parameters"]
    averages = {kind.lower(): getattr(talib.MA_Type, kind) for kind in dir(talib.MA_Type) if kind.isupper()}
    values = [
        averages.get(word, int(word) if word.isdecimal() else 0) if key.endswith("matype") else type(kinds[key])(word)
        for key, word in zip(kinds, given, strict=False)
    ]
    prices = arrays(frame, indicator.inputs)
    if name in TIES or name.startswith("cdl"):
        prices = [np.round(column * 10**P) for column in prices]
    found = getattr(talib, name.upper())(*prices, **dict(zip(kinds, values, strict=False)))
    unit = 10**P if name in {"mama", "plus_dm", "minus_dm"} else 1
    return [np.asarray(out, dtype=float) / unit for out in (found if isinstance(found, (list, tuple)) else (found,))]


TIES = {"adx", "adxr", "dx", "plus_di", "minus_di", "plus_dm", "minus_dm", "mama"}
POSITIONS = {"maxindex", "minindex", "minmaxindex"}
ALL = [name for name in (*names(), *OTHERS) if name not in {"ichimoku", "vwap", *(n.lower() for n in CUMULATIVE)}]


@pytest.mark.parametrize("text", ALL)
def test_a_column_is_what_talib_gives_over_the_whole_month(frame, algo, text):
    indicator = parse(text)
    expected = whole(frame, indicator)
    found = indicator.values(algo, FIRST, UNTIL)
    assert len(found) == len(expected) == len(indicator.columns)
    for ours, theirs in zip(found, expected, strict=True):
        mine, talibs = as_floats(ours), theirs[FIRST:UNTIL]
        if text in POSITIONS:
            # TA-Lib counts from the first bar given, a column from the first of its window; which of two equal
            # extremes TA-Lib names depends on where it began, so the closes there are compared.
            close = frame["close"].to_numpy()
            mine = close[(mine + np.arange(FIRST, UNTIL) - (indicator.bars - 1)).astype(int)]
            talibs = close[talibs.astype(int)]
        talibs = np.where(np.isfinite(talibs), talibs, np.nan)
        assert (np.isnan(mine) == np.isnan(talibs)).all()
        spread = np.nanstd(theirs[np.isfinite(theirs)]) if np.isfinite(theirs).any() else 0
        np.testing.assert_allclose(mine, talibs, rtol=1e-7, atol=1e-7 * spread)


@pytest.mark.parametrize("name", sorted(n.lower() for n in CUMULATIVE))
def test_a_sum_begins_at_midnight_and_nowhere_else(frame, algo, name):
    indicator = parse(name)
    (ours,) = indicator.values(algo, FIRST, UNTIL)
    for at in range(FIRST, UNTIL):
        begin = at // DAY * DAY  # the month begins at midnight
        day = [column[begin : at + 1].copy() for column in arrays(frame, indicator.inputs)]
        expected = getattr(talib, name.upper())(*day)[-1]
        assert ours[at - FIRST] == pytest.approx(expected, rel=1e-12, nan_ok=True) or np.isnan(expected)
    assert len(set(ours)) > 1


def test_a_tie_is_a_tie_whatever_floats_make_of_it(frame):
    wider = [replace(row, high=1_000 + n, low=900 - n, close=950) for n, row in enumerate(bars(frame)[:120])]
    floats = talib.PLUS_DM(*(np.array([getattr(row, name) / 10**P for row in wider]) for name in ("high", "low")), 5)
    assert floats[-1] > 0  # a tick up and a tick down are neither, says Wilder; floats find one of them longer
    for text in ("plus_dm:5", "minus_dm:5", "dx:5"):
        assert parse(text).values(series(wider), 118, 120) == [[0.0, 0.0]]


@pytest.mark.parametrize(
    "text", ["sma:200", "ema:50", "rsi", "macd", "adx", "kama", "sar", "ht_dcphase", "obv", "cdldoji"]
)
def test_one_bar_has_one_value_bit_for_bit_wherever_the_question_begins(frame, text):
    indicator = parse(text)
    rows = bars(frame)
    at = 7_500
    needed = indicator.bars or at % DAY + 1
    alone = indicator.values(series(rows[at + 1 - needed : at + 1]), needed - 1, needed)
    assert all(column[0] is not None for column in alone)
    for begin, until in ((0, 8_064), (at - needed - 37, at + 5), (at + 1 - needed, at + 50)):
        asked = series(rows[max(begin, 0) : until])
        place = at - max(begin, 0)
        assert indicator.values(asked, place, place + 1) == alone
    one_short = series(rows[at + 2 - needed : at + 1])
    assert indicator.values(one_short, needed - 2, needed - 1) == [[None] for _ in indicator.columns]
