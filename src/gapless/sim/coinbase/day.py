"""The last 24 hours of a product, at any market instant."""

from __future__ import annotations

from dataclasses import dataclass

from gapless.sim.bars import DAY, MINUTE, SETTLED, Bar, merge
from gapless.sim.day import day_start
from gapless.sim.market import Symbol
from gapless.sim.rows import VOID, Rows

LONGEST = 30  # days of the longer volume
_LOOK_BACK = 16


@dataclass(frozen=True, slots=True)
class Day:
    """A rolling day: its bar, and the volume of 30 days, taken as so many such days as the market is old."""

    bar: Bar
    thirty: int


class Days:
    """Tells the days of products; what ended more than a minute ago is merged once a minute."""

    def __init__(self) -> None:
        """Begins with nothing known."""
        self._closed: dict[str, tuple[int, Bar | None]] = {}

    def of(self, symbol: Symbol, now: int) -> Day | None:
        """Returns the day that ends at `now`, or None where nothing has traded or the market is not ready to tell."""
        if not symbol.warm:
            return None
        start = day_start(symbol, now)
        closed = max((now - SETTLED) // MINUTE * MINUTE, start)
        known = self._closed.get(symbol.name)
        if known is None or known[0] != closed:
            known = self._closed[symbol.name] = (closed, symbol.bars.window(start, now, before=closed))
        bars = [bar for bar in (known[1], symbol.bars.window(closed, now)) if bar is not None]
        if not bars:
            return None
        bar = merge(bars, start)
        age = max(now - symbol.began_ms, 1)
        return Day(bar, bar.volume * min(max(-(-age // DAY), 1), LONGEST))


def last_execution(symbol: Symbol, now: int) -> Rows:
    """Returns the newest execution that was pushed by `now`, one row or none."""
    series = symbol.fills
    if series is None:
        return symbol.aggs.cut(0, 0)
    position, reach = series.pushed(now), _LOOK_BACK
    while True:
        lo = max(position - reach, series.start)
        rows = series.cut(lo, max(position, lo))
        rows = rows.where(rows.flag != VOID)
        if len(rows) or lo == series.start:
            return rows.cut(max(len(rows) - 1, 0), len(rows))
        reach *= 2
