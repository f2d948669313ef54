"""Candles from single executions by execution time, exact, as the exchange makes them."""

from __future__ import annotations

from calendar import timegm
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from gapless.sim.rows import VOID, Rows, Series

MINUTE = 60_000
HOUR = 3_600_000
DAY = 86_400_000
CLOSE_DELAY = 300  # ms after its end that a bar is pushed as closed
SETTLED = 5_000  # ms after its end that an hour is taken as final
_FIXED = {"s": 1_000, "m": MINUTE, "h": 60 * MINUTE, "d": DAY, "w": 7 * DAY}
_MONDAY = 4 * DAY  # 1970-01-05


@dataclass(frozen=True, slots=True)
class Bar:
    """One candle; prices and sizes are scaled integers, quote sums are in units of 10^-(price_digits + size_digits)."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote: int
    trades: int
    taker_volume: int
    taker_quote: int
    first: int
    last: int


def interval_start(interval: str, ms: int) -> int:
    """Returns the start of the bar that contains an instant; weeks begin on Monday, months by the calendar.

    `1d+8` is a day that begins at midnight of UTC+8.
    """
    interval, _, east = interval.partition("+")
    if east:
        return interval_start(interval, ms + int(east) * HOUR) - int(east) * HOUR
    if interval[-1] == "M":
        at = datetime.fromtimestamp(ms / 1000, UTC)
        step = int(interval[:-1])
        return timegm((at.year, (at.month - 1) // step * step + 1, 1, 0, 0, 0)) * 1000
    step = int(interval[:-1]) * _FIXED[interval[-1]]
    shift = _MONDAY if interval[-1] == "w" else 0
    return (ms - shift) // step * step + shift


def interval_next(interval: str, start: int) -> int:
    """Returns the start of the following bar."""
    interval, _, east = interval.partition("+")
    if interval[-1] == "M":
        shift = int(east or 0) * HOUR
        at = datetime.fromtimestamp((start + shift) / 1000, UTC)
        years, month = divmod(at.month - 1 + int(interval[:-1]), 12)
        return timegm((at.year + years, month + 1, 1, 0, 0, 0)) * 1000 - shift
    return start + int(interval[:-1]) * _FIXED[interval[-1]]


def quote_sum(rows: Rows) -> int:
    """Sums price x size exactly; the halves are summed apart so that no sum passes 2^63."""
    if not len(rows):
        return 0
    if int(rows.price.max()) * int(rows.qty.max()) >= 2**62:
        return sum(int(p) * int(q) for p, q in zip(rows.price, rows.qty, strict=True))
    product = rows.price * rows.qty
    return (int((product >> 31).sum()) << 31) + int((product & 0x7FFFFFFF).sum())


def fold(rows: Rows, start: int) -> Bar | None:
    """Folds executions into one bar; void ids count for nothing; None when nothing traded."""
    if len(rows) and int(rows.flag.max()) == VOID:
        rows = rows.where(rows.flag != VOID)
    if not len(rows):
        return None
    taker = rows.where(~rows.maker)
    price = rows.price
    return Bar(
        start,
        int(price[0]),
        int(price.max()),
        int(price.min()),
        int(price[-1]),
        int(rows.qty.sum()),
        quote_sum(rows),
        int((rows.last - rows.first).sum()) + len(rows),
        int(taker.qty.sum()),
        quote_sum(taker),
        int(rows.first[0]),
        int(rows.last[-1]),
    )


def merge(bars: list[Bar], start: int) -> Bar:
    """Merges adjoining bars into one; bars without trades add nothing unless all are."""
    live = [bar for bar in bars if bar.trades] or bars[:1]
    return Bar(
        start,
        live[0].open,
        max(bar.high for bar in live),
        min(bar.low for bar in live),
        live[-1].close,
        sum(bar.volume for bar in live),
        sum(bar.quote for bar in live),
        sum(bar.trades for bar in live),
        sum(bar.taker_volume for bar in live),
        sum(bar.taker_quote for bar in live),
        live[0].first,
        live[-1].last,
    )


class BarSource:
    """Serves the bars of one symbol at any market instant; closed minutes are kept.

    `held_from` and `held_to` bound what may be served (ms); `official` overrides minutes that a capture itself holds.
    """

    def __init__(self, fills: Series, held_from: int, held_to: int, official: dict[int, Bar] | None = None) -> None:
        """Takes the executions and the span in which minutes are whole."""
        self._fills = fills
        self.held_from = held_from
        self.held_to = held_to
        self.official = official or {}
        self._ended = 1 << 62  # no bar begins at or after this
        self._closed: OrderedDict[int, Bar] = OrderedDict()
        self._hours: OrderedDict[int, Bar | None] = OrderedDict()

    def holds(self, start: int, end: int) -> bool:
        """Tells whether a bar [start, end) may be shown at all."""
        if start >= self._ended:
            return False
        return (start >= self.held_from and end <= self.held_to) or (end - start == MINUTE and start in self.official)

    def close_push(self, end: int) -> int:
        """Returns the market time at which the bar that ends at `end` is pushed as closed."""
        position = self._fills.timed(end)
        due = end + CLOSE_DELAY
        if position > self._fills.start:
            last = self._fills.cut(position - 1, position)
            if len(last):
                due = max(due, int(last.push[0]))
        return due

    def count(self, start: int, end: int, upto: int) -> int:
        """Counts the events of [start, end) that were pushed by `upto`; a cheap sign of change."""
        return min(self._fills.timed(end), self._fills.pushed(upto)) - self._fills.timed(start)

    def bar(self, interval: str, start: int, upto: int) -> Bar | None:
        """Returns the bar as it stood at `upto`; flat at the former close when nothing traded; None when not held."""
        end = interval_next(interval, start)
        if start > upto or not self.holds(start, end):
            return None
        if end - start <= MINUTE:
            return self._piece(start, end, upto)
        pieces = []
        for minute in range(start, min(end, upto + 1, self._ended), MINUTE):
            piece = self._piece(minute, minute + MINUTE, upto)
            if piece is not None:
                pieces.append(piece)
        return merge(pieces, start) if pieces else None

    def window(self, start: int, upto: int, *, before: int | None = None) -> Bar | None:
        """Merges everything from the minute `start` to `upto`, whole minutes or not; whole hours are kept.

        With `before`, only minutes that begin before it.
        """
        pieces: list[Bar | None] = []
        at = start
        last = upto if before is None else min(upto, before - 1)
        while at <= last:
            if at % HOUR == 0 and at + HOUR + SETTLED <= upto:
                if at not in self._hours:
                    self._hours[at] = self._hour(at, upto)
                    if len(self._hours) > 48:
                        self._hours.popitem(last=False)
                pieces.append(self._hours[at])
                at += HOUR
            else:
                pieces.append(self._piece(at, at + MINUTE, upto))
                at += MINUTE
        known = [bar for bar in pieces if bar is not None]
        return merge(known, start) if known else None

    def end(self, fills: Series, ms: int) -> None:
        """Ends with the executions given: no bar begins at or after `ms`."""
        self._fills = fills
        self._ended = ms

    def adopt_hours(self, other: BarSource) -> None:
        """Takes over the hours that an equal source has already folded."""
        self._hours.update(other._hours)

    def _hour(self, at: int, upto: int) -> Bar | None:
        if not self.official:
            return fold(self._fills.cut(self._fills.timed(at), self._fills.timed(at + HOUR)), at)
        minutes = [self._piece(minute, minute + MINUTE, upto) for minute in range(at, at + HOUR, MINUTE)]
        held = [bar for bar in minutes if bar is not None]
        return merge(held, at) if held else None

    def _piece(self, start: int, end: int, upto: int) -> Bar | None:
        whole = end - start == MINUTE
        if whole and upto >= end + CLOSE_DELAY:
            if start in self.official:
                return self.official[start]
            if start in self._closed:
                return self._closed[start]
        hi = min(self._fills.timed(end), self._fills.pushed(upto))
        lo = self._fills.timed(start)
        bar = fold(self._fills.cut(lo, hi), start) if hi > lo else None
        if bar is None:
            bar = self._flat(start, lo)
        if bar is not None and whole and upto >= self.close_push(end):
            self._closed[start] = bar
            if len(self._closed) > 12_000:
                self._closed.popitem(last=False)
        return bar

    def _flat(self, start: int, position: int) -> Bar | None:
        reach = 8
        while position > self._fills.start:
            lo = max(position - reach, self._fills.start)
            rows = self._fills.cut(lo, position)
            traded = np.flatnonzero(rows.flag != VOID)
            if len(traded):
                close = int(rows.price[traded[-1]])
                return Bar(start, close, close, close, close, 0, 0, 0, 0, 0, -1, -1)
            position = lo
        return None
