"""Candlestick patterns: TA-Lib's own on every bar, wherever the window begins, and the place where they count."""

import numpy
import pytest
import talib
from bench.markets import MONTHS, Market, recorded, window
from msgspec.structs import replace

from gapless.derive.candles import fold
from gapless.derive.signals import ready
from gapless.derive.signals.pattern_table import PATTERNS
from gapless.derive.signals.patterns import Columns, Finder, columns_of
from gapless.derive.signals.settings import PatternSettings, SignalSettings
from gapless.model import Candle, Origin, Proof, State, Timeframe

M5 = Timeframe(5)
PIECE = 64  # bars that one window judges: it begins anew 945 times in 60,000 bars


@pytest.fixture(scope="module")
def months(real_data) -> list[Market]:
    return [recorded(real_data / name) for name in MONTHS[:2]]


@pytest.fixture(scope="module")
def series(months) -> Columns:
    """60,000 bars: a month of one instrument and the half of another's, on its scale."""
    return columns_of([bar for month in months for bar in month.minutes][:60_000])


def whole(name: str, columns: Columns) -> numpy.ndarray:
    """Judge the whole series at once, by TA-Lib alone."""
    return getattr(talib, PATTERNS[name].function)(*columns)


def rules(names, context_bars=0, least="official"):
    own = PatternSettings(names=tuple(names), context_bars=context_bars)
    return [one for one in ready(SignalSettings(patterns=own, min_proof=least), M5) if one.kind != "reversal"]


def test_the_table_has_every_pattern_of_talib_once():
    known = talib.get_function_groups()["Pattern Recognition"]
    assert sorted(pattern.function for pattern in PATTERNS.values()) == sorted(known)
    assert len(PATTERNS) == 61


@pytest.mark.parametrize("name", PATTERNS)
def test_a_window_tells_what_the_whole_series_would(name, series):
    finder, expected = Finder(name), whole(name, series)
    first, told = finder.bars - 1, []
    for begin in range(0, len(expected) - first, PIECE):
        piece = Columns(*(column[begin : begin + first + PIECE] for column in series))
        told.append(finder.values(piece)[first:])
    assert numpy.array_equal(numpy.concatenate(told), expected[first:])


@pytest.mark.parametrize("name", PATTERNS)
def test_the_shortest_window_suffices(name, series):
    finder, expected = Finder(name), whole(name, series)
    for last in range(finder.bars - 1, 60_000, 29):
        told = finder.last(Columns(*(column[last + 1 - finder.bars : last + 1] for column in series)))
        assert told == expected[last]


def test_every_pattern_of_a_month_is_a_signal_with_talibs_value(months):
    month, names = months[0], PatternSettings().names
    bars = list(fold(month.minutes, M5))
    columns = columns_of(bars)
    expected = {
        (f"pattern.{name}", int(at), int(values[at]))
        for name in names
        for values in [whole(name, columns)]
        for at in numpy.flatnonzero(values)
    }
    found, own = set(), rules(names)
    for at in range(len(bars)):
        shared = window(month, M5, bars[max(0, at + 1 - own[0].bars) : at + 1])
        found |= {(one.kind, at, signal.values["value"]) for one in own if (signal := one.judge(shared))}
    assert found == expected
    assert len(found) > 1_000


HAMMER = [(200 - 5 * n, 201 - 5 * n, 193 - 5 * n, 194 - 5 * n) for n in range(12)] + [(139, 140, 110, 140)]
STAR = [(125 + 5 * n, 131 + 5 * n, 124 + 5 * n, 130 + 5 * n) for n in range(12)] + [(190, 230, 190, 191)]


def bars_of(prices, **changes) -> list[Candle]:
    return [
        replace(
            Candle(
                number * M5.length, *row, volume=1, trades=1, state=State.TRADED, origin=Origin.VENUE,
                proof=Proof.OFFICIAL,
            ),
            **changes,
        )
        for number, row in enumerate(prices)
    ]  # fmt: skip


def say(name, bars, context_bars=0, least="official"):
    (rule,) = rules([name], context_bars, least)
    return rule.judge(window(Market("x", 1, 0, bars), M5, bars))


def lifted(prices, number, low):
    opened, high, _, close = prices[number]
    return [*prices[:number], (opened, high, low, close), *prices[number + 1 :]]


def test_a_hammer_counts_only_at_the_lowest_low_of_the_bars_before():
    found = say("hammer", bars_of(HAMMER), context_bars=5)
    assert (found.kind, found.side, found.price, found.score) == ("pattern.hammer", 1, "14.0", None)
    assert found.values == {
        "value": 100, "bars": 1, "pattern_low": "11.0", "pattern_high": "14.0", "threshold_context_bars": 5,
        "context": "lowest", "context_low": "13.8",
    }  # fmt: skip
    assert say("hammer", bars_of(lifted(HAMMER, 7, 110)), context_bars=5)  # as low as, and not lower
    assert say("hammer", bars_of(lifted(HAMMER, 7, 109)), context_bars=5) is None
    assert say("hammer", bars_of(lifted(HAMMER, 6, 109)), context_bars=5)  # the sixth bar before it
    assert say("hammer", bars_of(lifted(HAMMER, 7, 109)), context_bars=0).values["context"] is None


def test_a_shooting_star_counts_at_the_highest_high_alone():
    found = say("shooting_star", bars_of(STAR), context_bars=5)
    assert (found.side, found.values["value"], found.values["context"]) == (-1, -100, "highest")
    assert found.values["context_high"] == "18.6"
    higher = [*STAR[:8], (STAR[8][0], 231, *STAR[8][2:]), *STAR[9:]]
    assert say("shooting_star", bars_of(higher), context_bars=5) is None


def test_where_the_sign_tells_no_direction_either_extreme_will_do():
    cross = (150, 170, 130, 150)
    falling = say("doji", bars_of([*HAMMER[:12], (140, 150, 100, 140)]), context_bars=5)
    rising = say("doji", bars_of([*STAR[:12], (190, 230, 160, 190)]), context_bars=5)
    assert [(one.side, one.values["context"]) for one in (falling, rising)] == [(0, "lowest"), (0, "highest")]
    within = [(150, 200, 100, 190)] * 12
    assert say("doji", bars_of([*within, cross]), context_bars=5) is None
    assert say("doji", bars_of([*within, cross])).side == 0


def test_a_continuation_counts_where_the_move_goes_on():
    quiet = [(100, 111, 99, 110), (110, 111, 99, 100)] * 6
    up, down = (100, 190, 100, 190), (100, 100, 10, 10)
    assert say("marubozu", bars_of([*quiet, up]), context_bars=5).values["context"] == "highest"
    assert say("marubozu", bars_of([*quiet, down]), context_bars=5).values["context"] == "lowest"
    assert say("marubozu", bars_of([*quiet[:-1], (110, 191, 99, 100), up]), context_bars=5) is None


@pytest.mark.parametrize(
    "changes", [{"state": State.EMPTY}, {"state": State.OPEN}, {"state": State.SYNTHETIC}, {"proof": Proof.DISPUTED}]
)
def test_a_bar_that_may_not_be_judged_is_no_pattern(changes):
    bars = bars_of(HAMMER)
    assert say("hammer", bars)
    assert say("hammer", [*bars[:-1], replace(bars[-1], **changes)]) is None


def test_a_bar_that_may_not_be_looked_at_silences_the_patterns_that_look_at_it():
    bars = bars_of(HAMMER)
    holed = [*bars[:4], Candle(start=bars[4].start), *bars[5:]]
    assert [bool(say("hammer", holed[cut:])) for cut in (0, 1)] == [False, False]
    assert say("hammer", bars[1:])
    assert say("hammer", bars[2:]) is None  # a bar fewer than TA-Lib looks at
    flat = [*bars[:4], replace(bars[4], state=State.EMPTY), *bars[5:]]
    assert say("hammer", flat)  # an empty bar is known, too
    unpriced = [*bars[:1], Candle(start=bars[1].start, state=State.EMPTY, volume=0, proof=Proof.OFFICIAL), *bars[2:]]
    assert say("hammer", unpriced) is None
    assert say("hammer", bars, least="repaired") is None
