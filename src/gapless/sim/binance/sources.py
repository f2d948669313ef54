"""Where the events of a stream come from: a recording, or the market's trades, bars and book."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from typing import Protocol

from gapless.sim.bars import CLOSE_DELAY, Bar, interval_next, interval_start
from gapless.sim.binance import wire
from gapless.sim.binance.names import StreamName
from gapless.sim.binance.ticker import coin_margined, mini_event, ticker_event, ticker_of
from gapless.sim.binance.venue import Venue
from gapless.sim.events import Event
from gapless.sim.market import Diff, Frame, Market, Symbol
from gapless.sim.rows import Rows, Series

Encode = Callable[[Symbol, Rows, bool], Iterator[tuple[int, int, str]]]
MADE = 1 << 60  # order of made events: after recorded ones of the same instant
FUTURES_SPEEDS = {"100ms": 100, "250ms": 250, "500ms": 500}
SPOT_SPEEDS = {"100ms": 100, "1000ms": 1_000}
NEVER = 1 << 62
ARRAY_MS = 1_000
BEST_MS = 100
BROADCAST_BOOK_MS = 5_000


class Source(Protocol):
    """Gives the events of one stream that were pushed in (after, upto], market ms."""

    def due(self, after: int, upto: int) -> list[Event]:
        """Returns events in order."""
        ...


class RecordedSource:
    """Plays recorded payloads as they are."""

    def __init__(self, stream: str, frames: list[Frame]) -> None:
        """Takes frames sorted by push time."""
        self._stream = stream
        self._frames = frames
        self._pushes = [frame.push for frame in frames]

    def due(self, after: int, upto: int) -> list[Event]:
        """Returns the recorded frames of the span."""
        lo = bisect.bisect_right(self._pushes, after)
        hi = bisect.bisect_right(self._pushes, upto)
        return [Event(f.push, f.order, self._stream, f.payload, f.key, closing=f.closing) for f in self._frames[lo:hi]]


class RowsSource:
    """Makes trade or aggTrade events."""

    def __init__(self, stream: str, symbol: Symbol, series: Series, encode: Encode, futures: bool) -> None:
        """Takes the series and the function that writes its rows."""
        self._stream = stream
        self._symbol = symbol
        self._series = series
        self._encode = encode
        self._futures = futures
        self._at = -1  # position of the next event, so that a quiet tick costs one comparison
        self._next_push = 0

    def due(self, after: int, upto: int) -> list[Event]:
        """Returns the events of the span."""
        if upto < self._next_push:
            return []
        series = self._series
        if self._at < 0:
            self._at = max(series.pushed(after), series.start)
        lo, hi = self._at, max(series.pushed(upto), self._at)
        following = series.cut(hi, hi + 1).push
        self._at, self._next_push = hi, int(following[0]) if len(following) else NEVER
        if hi == lo:
            return []
        rows = self._encode(self._symbol, series.cut(lo, hi), self._futures)
        return [Event(push, MADE, self._stream, text.encode(), key) for push, key, text in rows]


class KlineSource:
    """Makes kline events: the forming bar at most once a period when it changed, the closed bar soon after its end."""

    def __init__(self, name: StreamName, symbol: Symbol, venue: Venue) -> None:
        """Takes the interval from the stream's name."""
        self._stream = name.text
        self._interval = name.kind.partition("_")[2]
        self._continuous = name.kind.startswith("continuousKline_")
        self._symbol = symbol
        self._period = 1_000 if self._interval == "1s" else venue.kline_ms
        self._futures = venue.futures
        self._start: int | None = None
        self._shown = -1
        self._closed_at = -1

    def due(self, after: int, upto: int) -> list[Event]:
        """Returns closed bars of the span, then the forming one if it changed."""
        if self._start is None:
            self._start = interval_start(self._interval, after - CLOSE_DELAY)
        bars, events = self._symbol.bars, []
        while True:
            end = interval_next(self._interval, self._start)
            if end > upto or (closing := bars.close_push(end)) > upto:
                break
            if closing > after and (bar := bars.bar(self._interval, self._start, closing)) is not None:
                events.append(self._event(bar, closing, closed=True))
            self._start, self._shown, self._closed_at = end, -1, closing
        at = upto // self._period * self._period
        end = interval_next(self._interval, self._start)
        if at > max(after, self._closed_at) and self._start <= at < end:  # never before the closed bar it follows
            count = bars.count(self._start, end, at)
            if count > 0 and count != self._shown:
                bar = bars.bar(self._interval, self._start, at)
                if bar is not None and bar.trades:
                    events.append(self._event(bar, at, closed=False))
                    self._shown = count
        return events

    def _event(self, bar: Bar, push: int, *, closed: bool) -> Event:
        text = wire.kline_frame(self._symbol, self._interval, bar, push, closed, self._futures)
        if self._continuous:
            text = wire.continuous(text, self._symbol)
        return Event(push, MADE, self._stream, text.encode(), bar.start, closing=closed)


class PeriodicSource:
    """Makes an event at every multiple of a period, when there is something to say."""

    def __init__(self, stream: str, period_ms: int, make: Callable[[int, int], str | None]) -> None:
        """Takes a function of (instant before, instant) that returns a payload or None."""
        self._stream = stream
        self._period = period_ms
        self._make = make
        self._last: int | None = None

    def due(self, after: int, upto: int) -> list[Event]:
        """Returns at most one event: of several periods passed at once only the newest is shown."""
        at = upto // self._period * self._period
        if self._last is None:
            self._last = after // self._period * self._period
        if at <= after:
            return []
        text = self._make(self._last, at)
        self._last = at
        return [] if text is None else [Event(at, MADE, self._stream, text.encode())]


def source_for(name: StreamName, market: Market, venue: Venue) -> Source | None:
    """Returns the source of a stream, or None when the market has nothing for it: acknowledged, and silent."""
    if not name.symbol:
        return _all_market(name, market, venue)
    symbol = market.symbols.get(name.symbol)
    if symbol is None:
        return _continuous(name, market, venue)
    full = name.text.partition("@")[2]
    if full in symbol.recorded:
        return RecordedSource(name.text, symbol.recorded[full])
    if name.kind == "aggTrade" and not name.speed:
        return RowsSource(name.text, symbol, symbol.aggs, wire.agg_frames, venue.futures)
    if name.kind == "trade" and not name.speed:
        return RowsSource(name.text, symbol, symbol.fills, wire.trade_frames, venue.futures) if symbol.fills else None
    if name.kind.startswith("kline_"):
        known = name.kind[6:] in venue.intervals and not name.speed
        return KlineSource(name, symbol, venue) if known else None
    if name.kind in ("ticker", "miniTicker") and not name.speed:
        return _day(name, symbol, venue)
    return _book(name, symbol, venue)


def _continuous(name: StreamName, market: Market, venue: Venue) -> Source | None:
    """Makes `<pair>_perpetual@continuousKline_<i>` of USD-M."""
    symbol = market.symbols.get(name.symbol.removesuffix("_PERPETUAL"))
    if symbol is None or not venue.futures or not name.kind.startswith("continuousKline_") or name.speed:
        return None
    return KlineSource(name, symbol, venue) if name.kind.partition("_")[2] in venue.intervals else None


def _day(name: StreamName, symbol: Symbol, venue: Venue) -> Source:
    write = ticker_event if name.kind == "ticker" else mini_event
    period = venue.ticker_ms if name.kind == "ticker" else venue.mini_ms

    def make(before: int, at: int) -> str | None:
        ticker = ticker_of(symbol, at) if symbol.warm else None
        return write(symbol, ticker, at, venue.futures) if ticker is not None else None

    return PeriodicSource(name.text, period, make)


def _changed(market: Market, before: int, at: int) -> list[Symbol]:
    return [symbol for symbol in market.symbols.values() if symbol.aggs.pushed(at) > symbol.aggs.pushed(before)]


def _all_market(name: StreamName, market: Market, venue: Venue) -> Source | None:
    if name.text in market.broadcast:
        return RecordedSource(name.text, market.broadcast[name.text])
    retired = name.kind == "ticker" and not venue.futures
    if name.kind == "bookTicker" and venue.futures and not name.speed:
        return PeriodicSource(name.text, BROADCAST_BOOK_MS, lambda before, at: _any_book(market, at, venue))
    if name.kind not in ("ticker", "miniTicker") or name.speed != "arr" or retired:
        return None
    write = ticker_event if name.kind == "ticker" else mini_event

    def make(before: int, at: int) -> str | None:
        pairs = [(symbol, ticker_of(symbol, at)) for symbol in _changed(market, before, at) if symbol.warm]
        told = [(symbol, ticker) for symbol, ticker in pairs if ticker is not None]
        rows = [write(symbol, ticker, at, venue.futures) for symbol, ticker in told]
        if venue.futures:
            rows += coin_margined(rows[:2], [symbol for symbol, _ in told[:2]])
        return f"[{','.join(rows)}]" if rows else None

    return PeriodicSource(name.text, ARRAY_MS, make)


def _any_book(market: Market, at: int, venue: Venue) -> str | None:
    for symbol in market.symbols.values():
        if symbol.book is not None:
            depth = symbol.book.at(at, 1)
            if depth.bids and depth.asks:
                return wire.book_ticker(symbol, depth, venue.futures)
    return None


def _book(name: StreamName, symbol: Symbol, venue: Venue) -> Source | None:
    book, text = symbol.book, name.text
    if book is None:
        return None
    speeds = FUTURES_SPEEDS if venue.futures else SPOT_SPEEDS
    speed = speeds.get(name.speed, venue.book_ms)
    if name.kind == "depth":
        recorded = sorted(kind for kind in symbol.recorded if kind == "depth" or kind.startswith("depth@"))
        if recorded:  # the recorded chain under the name asked for: its ids are what matters
            return RecordedSource(text, symbol.recorded[recorded[0]])
    if name.speed and name.speed not in speeds:
        return None
    if name.kind == "depth":

        def change(before: int, at: int) -> str | None:
            diff = book.diff(before, at)
            return wire.depth_event(symbol, diff, venue.futures) if diff is not None else None

        return PeriodicSource(text, speed, change)
    if name.kind == "bookTicker":
        return PeriodicSource(text, BEST_MS, _best(symbol, venue))
    if name.kind in ("depth5", "depth10", "depth20"):
        return PeriodicSource(text, speed, _partial(symbol, int(name.kind[5:]), venue))
    return None


def _best(symbol: Symbol, venue: Venue) -> Callable[[int, int], str | None]:
    shown: list[object] = [None]

    def make(before: int, at: int) -> str | None:
        depth = symbol.book.at(at, 1) if symbol.book is not None else None
        if depth is None or not depth.bids or not depth.asks or shown[0] == (depth.bids, depth.asks):
            return None
        shown[0] = (depth.bids, depth.asks)
        return wire.book_ticker(symbol, depth, venue.futures)

    return make


def _partial(symbol: Symbol, count: int, venue: Venue) -> Callable[[int, int], str | None]:
    def make(before: int, at: int) -> str | None:
        book = symbol.book
        if book is None:
            return None
        depth = book.at(at, count)
        if not venue.futures:
            return wire.depth_reply(symbol, depth, futures=False)
        diff = book.diff(before, at)
        first, previous = (diff.first, diff.previous) if diff is not None else (depth.number, depth.number)
        whole = Diff(first, depth.number, previous, depth.time, depth.bids, depth.asks)
        return wire.depth_event(symbol, whole, futures=True)

    return make
