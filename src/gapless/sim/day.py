"""The last day of a symbol, as tickers tell it: a rolling 24 hours, aligned to whole minutes."""

from __future__ import annotations

from gapless.sim.bars import DAY, MINUTE, Bar
from gapless.sim.market import Symbol
from gapless.sim.rows import VOID


def day_start(symbol: Symbol, now: int) -> int:
    """Returns the minute with which the last 24 hours begin at a market instant."""
    return max((now - DAY) // MINUTE * MINUTE + MINUTE, symbol.began_ms // MINUTE * MINUTE)


def day_bar(symbol: Symbol, now: int) -> Bar | None:
    """Returns the bar of the last 24 hours at a market instant, or None when nothing has traded."""
    return symbol.bars.window(day_start(symbol, now), now)


def last_size(symbol: Symbol, now: int) -> int:
    """Returns the size of the last trade."""
    series = symbol.fills or symbol.aggs
    position = series.pushed(now)
    rows = series.cut(max(position - 8, series.start), position)
    for size, flag in zip(rows.qty.tolist()[::-1], rows.flag.tolist()[::-1], strict=True):
        if flag != VOID:
            return int(size)
    return 0
