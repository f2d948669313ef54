"""Where the events of a stream come from: the market's trades, bars, book and instruments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gapless.sim.bars import Bar
from gapless.sim.day import day_bar
from gapless.sim.events import Event
from gapless.sim.market import Book, Depth, Market, Symbol
from gapless.sim.okx import wire
from gapless.sim.okx.instruments import changed_rows
from gapless.sim.okx.names import BARS
from gapless.sim.okx.numbers import numbered
from gapless.sim.okx.table import Table
from gapless.sim.okx.ticker import ticker_row
from gapless.sim.streams import MADE, KlineSource, PeriodicSource, RowsSource, Source, Stream
from gapless.sim.synthetic.book import STEP_MS

DEPTH = 400
IDLE_MS = 60_000
INSTRUMENTS_MS = 1_000
TOPS = {"books5": 5, "bbo-tbt": 1}


class BookSource:
    """Makes the changes of `books`; whoever joins is shown the whole book as of the last change that was sent."""

    def __init__(self, stream: str, symbol: Symbol, book: Book) -> None:
        """Begins at the first instant that is asked about."""
        self._stream = stream
        self._symbol = symbol
        self._book = book
        self._told: Depth | None = None  # number and time of what was sent last
        self._pushed = 0

    def snapshot(self, now: int) -> str:
        """Returns the push that begins a subscription."""
        self._told = self._told or self._as_numbered(self._book.at(now, 1))
        whole = self._book.at(self._told.time, DEPTH)
        row = wire.book_row(self._symbol, whole.asks, whole.bids, self._told.time, self._told.number, -1)
        return wire.pushed("books", self._symbol.name, row, "snapshot")

    def due(self, after: int, upto: int) -> list[Event]:
        """Returns at most one change; when nothing changed for a minute, an empty one."""
        told = self._told = self._told or self._as_numbered(self._book.at(after, 1))
        self._pushed = self._pushed or after
        at = upto // STEP_MS * STEP_MS
        diff = self._book.diff(told.time, at) if at > told.time else None
        if diff is not None and (diff.asks or diff.bids):
            self._told = changed = self._as_numbered(Depth(diff.last, diff.time, [], []))
            row = wire.book_row(self._symbol, diff.asks, diff.bids[::-1], diff.time, changed.number, told.number)
        elif at - self._pushed >= IDLE_MS:
            row = wire.book_row(self._symbol, [], [], at, told.number, told.number)
        else:
            return []
        self._pushed = at
        payload = wire.pushed("books", self._symbol.name, row, "update").encode()
        return [Event(at, MADE, self._stream, payload)]

    def _as_numbered(self, depth: Depth) -> Depth:
        return replace(depth, number=numbered(self._symbol, depth.number, depth.time))


class TopSource:
    """Makes whole pushes of the best levels when they changed, or after a minute without a change."""

    def __init__(self, stream: Stream, symbol: Symbol, book: Book) -> None:
        """Takes the number of levels from the channel."""
        self._stream = stream
        self._symbol = symbol
        self._book = book
        self._levels = TOPS[stream.kind]
        self._shown: Depth | None = None
        self._pushed = 0

    def due(self, after: int, upto: int) -> list[Event]:
        """Returns at most one push."""
        at = upto // STEP_MS * STEP_MS
        if at <= after and self._shown is not None:
            return []
        depth, shown = self._book.at(at, self._levels), self._shown
        same = shown is not None and (shown.asks, shown.bids) == (depth.asks, depth.bids)
        if same and at - self._pushed < IDLE_MS:
            return []
        self._shown = depth = shown if same and shown is not None else depth
        self._pushed = at
        seq = numbered(self._symbol, depth.number, depth.time)
        row = wire.top_row(self._symbol, depth, seq, named=self._stream.kind == "books5")
        payload = wire.pushed(self._stream.kind, self._symbol.name, row).encode()
        return [Event(max(at, after + 1), MADE, self._stream.text, payload)]


def source_for(stream: Stream, market: Market, table: Table) -> Source | None:
    """Returns the source of a stream, or None when the market has nothing for it: acknowledged, and silent."""
    if stream.kind == "instruments":
        return _instruments(stream, market)
    symbol = market.symbols.get(stream.symbol)
    if symbol is None:
        return None
    if stream.kind == "trades":
        return RowsSource(stream.text, symbol.aggs, lambda rows: wire.agg_frames(symbol, rows))
    if stream.kind == "trades-all":
        return RowsSource(stream.text, symbol.fills, lambda r: wire.trade_frames(symbol, r)) if symbol.fills else None
    if stream.kind.startswith("candle"):
        return _bars(stream, symbol, table)
    if stream.kind == "tickers":
        return PeriodicSource(stream.text, table.ticker_ms, _ticker(symbol))
    if symbol.book is None:
        return None
    if stream.kind == "books":
        return BookSource(stream.text, symbol, symbol.book)
    return TopSource(stream, symbol, symbol.book) if stream.kind in TOPS else None


def _bars(stream: Stream, symbol: Symbol, table: Table) -> Source:
    interval = BARS[stream.kind.removeprefix("candle")]

    def write(bar: Bar, push: int, closed: bool) -> str:
        return wire.pushed(stream.kind, symbol.name, wire.bar_row(symbol, interval, bar, push, closed))

    return KlineSource(stream.text, symbol, interval, table.candle_ms, write)


def _ticker(symbol: Symbol) -> Callable[[int, int], str | None]:
    shown: list[object] = [None]

    def make(before: int, at: int) -> str | None:
        if not symbol.warm or symbol.ended_ms is not None:
            return None
        depth = symbol.book.at(at, 1) if symbol.book is not None else None
        state = (symbol.aggs.pushed(at), depth.bids if depth else None, depth.asks if depth else None)
        if state == shown[0] or (bar := day_bar(symbol, at)) is None:
            return None
        shown[0] = state
        return wire.pushed("tickers", symbol.name, ticker_row(symbol, bar, depth, at))

    return make


def _instruments(stream: Stream, market: Market) -> Source:
    def make(before: int, at: int) -> str | None:
        rows = changed_rows(market, stream.detail, before, at)
        if not rows:
            return None
        return f'{{"arg":{{"channel":"instruments","instType":"{stream.detail}"}},"data":[{",".join(rows)}]}}'

    return PeriodicSource(stream.text, INSTRUMENTS_MS, make)
