"""The channels of Coinbase Exchange, a stream each product, named `channel:PRODUCT` as they are acknowledged."""

from __future__ import annotations

from functools import partial

from gapless.sim.coinbase.day import Days
from gapless.sim.coinbase.exchange import wire
from gapless.sim.coinbase.takers import TakerSource, best_of
from gapless.sim.connection import Connection
from gapless.sim.events import Event, frame
from gapless.sim.market import Market, Symbol
from gapless.sim.rows import Rows
from gapless.sim.streams import PeriodicSource, RowsSource, Source, Stream

MATCHES, TICKER, TICKER_BATCH, LEVEL2, STATUS = "matches", "ticker", "ticker_1000", "level2_50", "status"
BOOK_MS = 50
BATCH_MS = 5_000
STATUS_MS = 300_000
WHOLE_BOOK = 10_000  # levels of a side: all that there are


def ticker_at(symbol: Symbol, row: Rows, now: int, days: Days) -> str | None:
    """Writes the ticker of an execution, or None while the day is not known or nothing has traded."""
    day = days.of(symbol, now)
    return wire.ticker(symbol, row, day, best_of(symbol, now)) if day is not None and len(row) else None


class ExchangeStreams:
    """Makes the streams of the Exchange."""

    def __init__(self) -> None:
        """Begins with no day known."""
        self.days = Days()

    def parse(self, text: str) -> Stream:
        """Takes a stream name apart."""
        channel, _, product = text.partition(":")
        return Stream(
            text,
            product,
            channel,
            channel,
            tape="trade" if channel == MATCHES and product else None,
            starts=channel == MATCHES,
            warms=channel in (TICKER, TICKER_BATCH),
        )

    def delivers(self, stream: Stream, connection: Connection) -> bool:
        """Delivers everything everywhere."""
        return True

    def source(self, stream: Stream, market: Market) -> Source | None:
        """Returns the source of a stream; auctions and requests for quotes never take place."""
        if stream.kind == STATUS:
            return PeriodicSource(stream.text, STATUS_MS, lambda before, at: wire.status(market.symbols.values()))
        symbol = market.symbols.get(stream.symbol)
        if symbol is None:
            return None
        if stream.kind == MATCHES and symbol.fills is not None:
            return RowsSource(stream.text, symbol.fills, partial(wire.matches, symbol))
        if stream.kind == TICKER:
            return TakerSource(stream.text, symbol, lambda row, now: ticker_at(symbol, row, now, self.days))
        if stream.kind == TICKER_BATCH:
            return PeriodicSource(stream.text, BATCH_MS, partial(self._batch, symbol))
        if stream.kind == LEVEL2 and symbol.book is not None:
            return PeriodicSource(stream.text, BOOK_MS, partial(self._change, symbol))
        return None

    def _batch(self, symbol: Symbol, before: int, at: int) -> str | None:
        fills = symbol.fills
        if fills is None or (position := fills.pushed(at)) == fills.pushed(before):
            return None
        return ticker_at(symbol, fills.cut(position - 1, position), at, self.days)

    def _change(self, symbol: Symbol, before: int, at: int) -> str | None:
        diff = symbol.book.diff(before, at) if symbol.book is not None else None
        return wire.l2update(symbol, diff) if diff is not None and (diff.bids or diff.asks) else None

    def encoded(self, event: Event, connection: Connection) -> bytes:
        """Returns the frame of an event, the same for all."""
        return event.encoded(combined=False)

    def malformed(self, event: Event, connection: Connection) -> bytes:
        """Returns a frame of an event that breaks off."""
        return frame(event.payload[: max(len(event.payload) // 2, 1)])
