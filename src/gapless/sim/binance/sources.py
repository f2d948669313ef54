"""Where the events of a stream come from: a recording, or the market's trades, bars and book."""

from __future__ import annotations

from collections.abc import Callable

from gapless.sim.bars import Bar
from gapless.sim.binance import wire
from gapless.sim.binance.ticker import coin_margined, mini_event, ticker_event, ticker_of
from gapless.sim.binance.venue import Venue
from gapless.sim.market import Diff, Market, Symbol
from gapless.sim.streams import KlineSource, PeriodicSource, RecordedSource, RowsSource, Source, Stream

FUTURES_SPEEDS = {"100ms": 100, "250ms": 250, "500ms": 500}
SPOT_SPEEDS = {"100ms": 100, "1000ms": 1_000}
ARRAY_MS = 1_000
BEST_MS = 100
BROADCAST_BOOK_MS = 5_000


def source_for(name: Stream, market: Market, venue: Venue) -> Source | None:
    """Returns the source of a stream, or None when the market has nothing for it: acknowledged, and silent."""
    if not name.symbol:
        return _all_market(name, market, venue)
    symbol = market.symbols.get(name.symbol)
    if symbol is None:
        return _continuous(name, market, venue)
    if name.label in symbol.recorded:
        return RecordedSource(name.text, symbol.recorded[name.label])
    if name.kind == "aggTrade" and not name.detail:
        return RowsSource(name.text, symbol.aggs, lambda rows: wire.agg_frames(symbol, rows, venue.futures))
    if name.kind == "trade" and not name.detail:
        fills = symbol.fills
        return RowsSource(name.text, fills, lambda r: wire.trade_frames(symbol, r, venue.futures)) if fills else None
    if name.kind.startswith("kline_"):
        return _bars(name, symbol, venue)
    if name.kind in ("ticker", "miniTicker") and not name.detail:
        return _day(name, symbol, venue)
    return _book(name, symbol, venue)


def _continuous(name: Stream, market: Market, venue: Venue) -> Source | None:
    """Makes `<pair>_perpetual@continuousKline_<i>` of USD-M."""
    symbol = market.symbols.get(name.symbol.removesuffix("_PERPETUAL"))
    if symbol is None or not venue.futures or not name.kind.startswith("continuousKline_"):
        return None
    return _bars(name, symbol, venue)


def _bars(name: Stream, symbol: Symbol, venue: Venue) -> Source | None:
    family, _, interval = name.kind.partition("_")
    if interval not in venue.intervals or name.detail:
        return None

    def write(bar: Bar, push: int, closed: bool) -> str:
        text = wire.kline_frame(symbol, interval, bar, push, closed, venue.futures)
        return text if family == "kline" else wire.continuous(text, symbol)

    return KlineSource(name.text, symbol, interval, 1_000 if interval == "1s" else venue.kline_ms, write)


def _day(name: Stream, symbol: Symbol, venue: Venue) -> Source:
    write = ticker_event if name.kind == "ticker" else mini_event
    period = venue.ticker_ms if name.kind == "ticker" else venue.mini_ms

    def make(before: int, at: int) -> str | None:
        ticker = ticker_of(symbol, at) if symbol.warm else None
        return write(symbol, ticker, at, venue.futures) if ticker is not None else None

    return PeriodicSource(name.text, period, make)


def _changed(market: Market, before: int, at: int) -> list[Symbol]:
    return [symbol for symbol in market.symbols.values() if symbol.aggs.pushed(at) > symbol.aggs.pushed(before)]


def _all_market(name: Stream, market: Market, venue: Venue) -> Source | None:
    if name.text in market.broadcast:
        return RecordedSource(name.text, market.broadcast[name.text])
    retired = name.kind == "ticker" and not venue.futures
    if name.kind == "bookTicker" and venue.futures and not name.detail:
        return PeriodicSource(name.text, BROADCAST_BOOK_MS, lambda before, at: _any_book(market, at, venue))
    if name.kind not in ("ticker", "miniTicker") or name.detail != "arr" or retired:
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


def _book(name: Stream, symbol: Symbol, venue: Venue) -> Source | None:
    book, text = symbol.book, name.text
    if book is None:
        return None
    speeds = FUTURES_SPEEDS if venue.futures else SPOT_SPEEDS
    speed = speeds.get(name.detail, venue.book_ms)
    if name.kind == "depth":
        recorded = sorted(kind for kind in symbol.recorded if kind == "depth" or kind.startswith("depth@"))
        if recorded:  # the recorded chain under the name asked for: its ids are what matters
            return RecordedSource(text, symbol.recorded[recorded[0]])
    if name.detail and name.detail not in speeds:
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
