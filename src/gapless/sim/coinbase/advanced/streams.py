"""The channels of Advanced Trade, a stream each product, named `channel:PRODUCT` as they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from weakref import WeakKeyDictionary

import numpy as np

from gapless.sim.bars import interval_next, interval_start
from gapless.sim.coinbase.advanced import wire
from gapless.sim.coinbase.advanced.control import DATA, Held
from gapless.sim.coinbase.day import Days
from gapless.sim.coinbase.settings import Settings
from gapless.sim.coinbase.takers import TakerSource, best_of
from gapless.sim.connection import Connection
from gapless.sim.events import Event, frame
from gapless.sim.market import Market, Symbol
from gapless.sim.rows import Rows
from gapless.sim.streams import JOINED, NEVER, PeriodicSource, Source, Stream

TRADES, TICKER, TICKER_BATCH, LEVEL2, CANDLES, STATUS = (
    "market_trades",
    "ticker",
    "ticker_batch",
    "level2",
    "candles",
    "status",
)
BATCH_MS = 250
TICKERS_MS = 5_000
BOOK_MS = 50
CANDLE = "5m"
CANDLE_MS = 1_000
STATUS_MS = 300_000


@dataclass(slots=True)
class Line:
    """What is known of one connection; `number` is that of its next frame."""

    number: int = 0
    held: Held = field(default_factory=dict)
    subscribed: bool = False
    beats_at: float = 0.0  # when the next heartbeat is due
    beats: int = 0
    owed: list[str] = field(default_factory=list)  # products whose first ticker waits for the day to be known
    good_until: float | None = None  # wall second at which the newest of its tokens expires


class Lines:
    """The lines of all connections."""

    def __init__(self) -> None:
        """Begins with none."""
        self._lines: WeakKeyDictionary[Connection, Line] = WeakKeyDictionary()

    def of(self, connection: Connection) -> Line:
        """Returns the line of a connection."""
        line = self._lines.get(connection)
        if line is None:
            line = self._lines[connection] = Line()
        return line

    def framed(self, connection: Connection, channel: str, push: int, events: str) -> str:
        """Writes the next frame of a connection."""
        line = self.of(connection)
        number, line.number = line.number, line.number + 1
        return wire.frame(channel, push, number, events)


class TradesSource:
    """Makes an event of all trades that a quarter of a second brought, newest first."""

    def __init__(self, stream: str, symbol: Symbol, *, taker: bool) -> None:
        """Takes whose side is told."""
        self._stream = stream
        self._symbol = symbol
        self._taker = taker
        self._at = -1
        self._next_push = 0

    def due(self, after: int, upto: int) -> list[Event]:
        """Returns the batches whose end lies in the span."""
        series, border = self._symbol.fills, upto // BATCH_MS * BATCH_MS
        if series is None:
            return []
        if self._at < 0:  # with the batch that is filling: what replaces another source leaves nothing out
            self._at = max(series.pushed(after // BATCH_MS * BATCH_MS), series.start)
        if border <= after or border < self._next_push:
            return []
        lo, hi = self._at, max(series.pushed(border), self._at)
        following = series.cut(hi, hi + 1).push
        self._at, self._next_push = hi, int(following[0]) if len(following) else NEVER
        rows = series.cut(lo, hi)
        ends = -(-rows.push // BATCH_MS) * BATCH_MS
        borders = [0, *(np.flatnonzero(np.diff(ends)) + 1).tolist(), len(rows)]
        return [
            self._batch(rows.cut(first, last), int(ends[first])) for first, last in pairwise(borders) if last > first
        ]

    def _batch(self, rows: Rows, push: int) -> Event:
        text = wire.trades("update", wire.trade_rows(self._symbol, self._symbol.name, rows, taker=self._taker))
        return Event(push, JOINED, self._stream, text.encode(), int(rows.ids[0]), count=len(rows))


def ticker_at(symbol: Symbol, row: Rows, now: int, days: Days, *, book: bool) -> str | None:
    """Writes the ticker of an execution, or None while the day is not known or nothing has traded."""
    day = days.of(symbol, now)
    if day is None or not len(row):
        return None
    return wire.ticker_row(symbol, int(row.price[-1]), day, best_of(symbol, now) if book else None)


class AdvancedStreams:
    """Makes the streams of Advanced Trade, and counts the frames of every connection."""

    def __init__(self, settings: Settings) -> None:
        """Takes whose side is told."""
        self.days = Days()
        self.lines = Lines()
        self.taker = settings.side == "taker"

    def parse(self, text: str) -> Stream:
        """Takes a stream name apart."""
        channel, _, product = text.partition(":")
        return Stream(
            text,
            product,
            channel,
            channel,
            tape="trade" if channel == TRADES and product else None,
            starts=channel == TRADES,
            warms=channel in (TICKER, TICKER_BATCH),
        )

    def delivers(self, stream: Stream, connection: Connection) -> bool:
        """Delivers everything everywhere."""
        return True

    def source(self, stream: Stream, market: Market) -> Source | None:
        """Returns the source of a stream."""
        text, kind, symbol = stream.text, stream.kind, market.symbols.get(stream.symbol)
        if kind == STATUS:
            return PeriodicSource(text, STATUS_MS, lambda before, at: wire.status(market.symbols.values()))
        if symbol is None:
            return None
        if kind == TRADES and symbol.fills is not None:
            return TradesSource(text, symbol, taker=self.taker)
        if kind == TICKER:
            return TakerSource(text, symbol, partial(self._ticker, symbol))
        if kind == TICKER_BATCH:
            return PeriodicSource(text, TICKERS_MS, partial(self._batch, symbol))
        if kind == LEVEL2 and symbol.book is not None:
            return PeriodicSource(text, BOOK_MS, partial(self._change, symbol))
        if kind == CANDLES:
            return PeriodicSource(text, CANDLE_MS, partial(self._candles, symbol))
        return None

    def _ticker(self, symbol: Symbol, row: Rows, now: int) -> str | None:
        text = ticker_at(symbol, row, now, self.days, book=True)
        return wire.tickers("update", [text]) if text is not None else None

    def _batch(self, symbol: Symbol, before: int, at: int) -> str | None:
        fills = symbol.fills
        if fills is None or (position := fills.pushed(at)) == fills.pushed(before):
            return None
        text = ticker_at(symbol, fills.cut(position - 1, position), at, self.days, book=False)
        return wire.tickers("update", [text]) if text is not None else None

    def _change(self, symbol: Symbol, before: int, at: int) -> str | None:
        diff = symbol.book.diff(before, at) if symbol.book is not None else None
        return wire.book_update(symbol, diff) if diff is not None else wire.nothing_new(symbol)

    def _candles(self, symbol: Symbol, before: int, at: int) -> str | None:
        """Tells the forming candle if it changed, and the last word on the one that ended since."""
        starts = dict.fromkeys(interval_start(CANDLE, ms) for ms in (before, at))
        rows = []
        for start in starts:
            end = interval_next(CANDLE, start)
            if symbol.bars.count(start, end, at) == symbol.bars.count(start, end, before):
                continue
            bar = symbol.bars.bar(CANDLE, start, at)
            if bar is not None and bar.trades:
                rows.append(wire.candle_row(symbol, bar))
        return wire.candles("update", rows) if rows else None

    def encoded(self, event: Event, connection: Connection) -> bytes:
        """Returns the frame of an event, or of those joined, under the next number of the connection."""
        return frame(self._text(event, connection).encode())

    def _text(self, event: Event, connection: Connection) -> str:
        channel = DATA[event.stream.partition(":")[0]]
        return self.lines.framed(connection, channel, event.push, event.payload.decode())

    def malformed(self, event: Event, connection: Connection) -> bytes:
        """Returns a frame that breaks off; it takes the number before it, which was given to the whole one."""
        line = self.lines.of(connection)
        line.number -= 1
        text = self._text(event, connection).encode()
        return frame(text[: max(len(text) // 2, 1)])
