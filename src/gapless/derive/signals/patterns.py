"""Candlestick patterns as TA-Lib finds them, at the place where they mean something."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from gapless.derive.signals.pattern_table import PATTERNS, Pattern
from gapless.derive.signals.settings import SignalSettings, judged, least_proof, numbers_of, thresholds
from gapless.derive.signals.spec import Ready, Rule, Window, usable
from gapless.model import Candle, Proof, State, Timeframe
from gapless.model.number import plain
from gapless.model.signal import Fact, Signal

SECTION = "patterns"


def ready(settings: SignalSettings, timeframe: Timeframe) -> tuple[Ready, ...]:
    """Bind each pattern; all ask for as many bars as the longest needs, so that one window serves them all."""
    own = thresholds(settings, timeframe).patterns
    if not judged(settings, own, timeframe):
        return ()
    found = [Finder(name) for name in dict.fromkeys(own.names)]
    needed = [max(one.bars, one.pattern.bars + own.context_bars) for one in found]
    bars = max(needed, default=1)
    shared = Shared(bars, least_proof(settings))
    return tuple(
        Ready(
            kind=f"pattern.{one.name}",
            bars=bars,
            warm_up=warm_up,
            thresholds=numbers_of(own),
            judge=_judge(one, shared, warm_up, own.context_bars),
        )
        for one, warm_up in zip(found, needed, strict=True)
    )


class Columns(NamedTuple):
    """The open, high, low and close of bars as TA-Lib takes them: scaled integers as floats, so that sums are exact."""

    open: Any
    high: Any
    low: Any
    close: Any


def columns_of(bars: Sequence[Candle]) -> Columns:
    """Lay bars out in columns."""
    import numpy

    return Columns(*(
        numpy.array([getattr(bar, name) for bar in bars], dtype=numpy.float64) for name in Columns._fields
    ))  # fmt: skip


class Finder:
    """One pattern of TA-Lib and the bars that it looks at, the judged one included."""

    def __init__(self, name: str) -> None:
        import talib  # it takes a third of a second, and only those who judge patterns wait for it
        from talib import abstract

        self.name = name
        self.pattern: Pattern = PATTERNS[name]
        self.bars: int = getattr(abstract, self.pattern.function).lookback + 1
        self._found: Callable[..., Any] = getattr(talib, self.pattern.function)

    def last(self, columns: Columns) -> int:
        """Give TA-Lib's value at the last bar: 0 for none, above it for a rise, below it for a fall."""
        return int(self.values(Columns(*(column[-self.bars :] for column in columns)))[-1])

    def values(self, columns: Columns) -> Any:
        """Give TA-Lib's value at every bar; the first ones, with too few before them, are 0."""
        return self._found(*columns)


class Shared:
    """The columns of the newest usable bars of a window, laid out once for all patterns that judge it."""

    def __init__(self, bars: int, least: Proof) -> None:
        self.bars = bars
        self.least = least
        self._last: tuple[Window, Columns] | None = None

    def of(self, window: Window) -> Columns:
        """Give them as far back as every bar is usable, none at all where nothing traded in the judged one."""
        last = self._last
        if last is None or last[0] is not window:
            last = self._last = window, columns_of(self._usable(window.bars[-self.bars :]))
        return last[1]

    def _usable(self, bars: Sequence[Candle]) -> Sequence[Candle]:
        if bars[-1].state is not State.TRADED:
            return ()
        first = len(bars)
        while first and usable(bars[first - 1], self.least) and bars[first - 1].close is not None:
            first -= 1  # an empty bar before the first trade has no price
        return bars[first:]


def _judge(finder: Finder, shared: Shared, needed: int, context_bars: int) -> Callable[[Window], Signal | None]:
    def judge(window: Window) -> Signal | None:
        columns = shared.of(window)
        if len(columns.close) < needed:
            return None
        value = finder.last(columns)
        if not value:
            return None
        rises: Literal[-1, 1] = 1 if value > 0 else -1
        facts = _context(finder.pattern, columns, rises, context_bars, window.price_digits)
        if facts is None:
            return None
        return Signal(
            kind=f"pattern.{finder.name}",
            side=0 if finder.pattern.place == "extreme" else rises,
            price=plain(int(columns.close[-1]), window.price_digits),
            values={"value": value, "bars": finder.pattern.bars, "threshold_context_bars": context_bars, **facts},
        )

    return judge


def _context(
    pattern: Pattern, columns: Columns, rises: Literal[-1, 1], context_bars: int, digits: int
) -> dict[str, Fact] | None:
    """Tell at which extreme of the bars before it a pattern lies; None where it lies at none that it needs.

    A low is one where no bar before was lower, a high where none was higher.
    """
    before, own = slice(-pattern.bars - context_bars, -pattern.bars), slice(-pattern.bars, None)
    low, high = int(columns.low[own].min()), int(columns.high[own].max())
    facts: dict[str, Fact] = {"pattern_low": plain(low, digits), "pattern_high": plain(high, digits)}
    if not context_bars:
        return facts | {"context": None}
    lowest, highest = int(columns.low[before].min()), int(columns.high[before].max())
    wanted = {"reversal": rises < 0, "continuation": rises > 0, "extreme": high >= highest}[pattern.place]
    if not (high >= highest if wanted else low <= lowest):
        return None
    return facts | ({"context": "highest", "context_high": plain(highest, digits)} if wanted else
                    {"context": "lowest", "context_low": plain(lowest, digits)})  # fmt: skip


RULE = Rule(
    section=SECTION,
    summary="a candlestick pattern as TA-Lib finds it, at an extreme of the bars before it",
    inputs="bars",
    ready=ready,
)
