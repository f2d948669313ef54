"""Pages of executions: what a market still remembers, the newest of a range, and pages that break off."""

from __future__ import annotations

from gapless.sim.market import Symbol
from gapless.sim.rows import VOID, Rows


def known_rows(symbol: Symbol, lo: int, hi: int, now: int) -> Rows:
    """Returns the executions of positions [lo, hi) that were pushed by `now` and that the venue has not forgotten."""
    series = symbol.fills
    if series is None:
        return symbol.aggs.cut(0, 0)
    lo, hi = max(lo, series.start), min(hi, series.pushed(now))
    if symbol.remembered_ms is not None:
        lo = max(lo, series.timed(now - symbol.remembered_ms))
    rows = series.cut(lo, max(hi, lo))
    rows = rows.where(rows.flag != VOID)
    for first, last in symbol.forgotten_fills:
        rows = rows.where((rows.ids < first) | (rows.ids > last))
    return rows


def newest(rows: Rows, count: int) -> Rows:
    """Returns the last rows of a range."""
    return rows.cut(max(len(rows) - count, 0), len(rows))


def broken_off(rows: Rows) -> Rows | None:
    """Returns what of a page is newer than a border between two rows of one instant, None where no two share one."""
    times = rows.time.tolist()
    for position in range(1, len(times)):
        if times[position] == times[position - 1]:
            return rows.cut(position, len(rows))
    return None
