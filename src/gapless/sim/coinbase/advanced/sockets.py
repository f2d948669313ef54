"""The WebSocket side of Advanced Trade: first frames, heartbeats, tokens, who is hung up on."""

from __future__ import annotations

import time

from gapless.sim.bars import interval_next, interval_start
from gapless.sim.coinbase.advanced import wire
from gapless.sim.coinbase.advanced.control import DATA, UNAUTHENTICATED, Outcome, answer, decoded
from gapless.sim.coinbase.advanced.streams import (
    CANDLE,
    CANDLES,
    LEVEL2,
    STATUS,
    TICKER,
    TICKER_BATCH,
    TRADES,
    AdvancedStreams,
    Line,
    ticker_at,
)
from gapless.sim.coinbase.advanced.token import Desk
from gapless.sim.coinbase.bucket import Bucket
from gapless.sim.coinbase.day import last_execution
from gapless.sim.coinbase.pages import known_rows
from gapless.sim.coinbase.products import Products
from gapless.sim.coinbase.settings import Settings
from gapless.sim.connection import Connection
from gapless.sim.events import frame
from gapless.sim.hub import Hub
from gapless.sim.market import Symbol
from gapless.sim.venue import Opening, Params, Reply

HEARTBEATS = "heartbeats"
RECENT_TRADES = 100
RECENT_CANDLES = 12
WHOLE_BOOK = 10_000  # levels of a side: all that there are
TOO_FAST = "rate limit exceeded"


class AdvancedSockets:
    """Listens as Advanced Trade does: on the bare host."""

    paths: tuple[str, ...] = ("/",)

    def __init__(self, settings: Settings, streams: AdvancedStreams) -> None:
        """Takes the limits, and the streams that the first frames of a subscription are made with."""
        self.attempts = (settings.connections, settings.connections_s)
        self._settings = settings
        self._streams = streams
        self._desk: Desk | None = None  # who checks tokens
        self._messages = Bucket(settings.messages_per_s, settings.messages_per_s)

    def accept(self, api_key: str) -> None:
        """Takes the name of the key whose tokens are good."""
        self._desk = Desk(api_key, self._settings.jwt_key or None, self._settings.token_s)

    def opened(self, path: str, query: Params) -> Opening | Reply:
        """Accepts every handshake."""
        return Opening()

    def allowed(self, connection: Connection, now: float) -> bool:
        """Counts messages of an address."""
        if self._messages.take(connection.address, now):
            return True
        self._refuse(connection, TOO_FAST)
        return False

    def _refuse(self, connection: Connection, words: str) -> None:
        """Says what is wrong and hangs up."""
        connection.flush(time.monotonic())
        connection.write(frame(wire.error(words).encode()))
        connection.close(1008, words)

    def _say(self, connection: Connection, hub: Hub, channel: str, events: str) -> None:
        connection.send(frame(self._streams.lines.framed(connection, channel, hub.now, events).encode()))

    def received(self, hub: Hub, connection: Connection, text: str) -> None:
        """Carries out a message: first the snapshots of what was asked for, then the whole set."""
        line, message = self._streams.lines.of(connection), decoded(text)
        products = Products(hub.market, lambda: hub.now)
        if message is not None and message.get("type") == "subscribe" and not self._admitted(line, message.get("jwt")):
            self._refuse(connection, UNAUTHENTICATED)
            return
        before = {channel: list(listed) for channel, listed in line.held.items()}
        outcome = answer(message, line.held, lambda name: products.meant(name) is not None)
        line.subscribed = line.subscribed or outcome.subscribed
        refused = hub.strikes.refuses(_streams(outcome.channel, outcome.asked, products))
        if refused is not None:
            line.held, outcome = before, Outcome(error=f"{refused} cannot be subscribed")
        still = _streams(outcome.channel, line.held.get(outcome.channel, []), products)  # perhaps by another name
        dropped = _streams(outcome.channel, outcome.dropped, products)
        hub.unsubscribe(connection, [stream for stream in dropped if stream not in still])
        if outcome.error is not None:
            connection.send(frame(wire.error(outcome.error).encode()))
        asked = _streams(outcome.channel, outcome.asked, products)
        hub.subscribe(connection, asked)
        for stream in asked:
            if connection.hears(stream):
                self._begin(hub, connection, line, *stream.partition(":")[::2])
        if outcome.listed:
            self._say(connection, hub, "subscriptions", wire.subscriptions(line.held))

    def _admitted(self, line: Line, token: object) -> bool:
        """Checks the token of a message; one that is given must be good, also where none is needed."""
        if token is None:
            return not self._settings.jwt_required
        until = self._desk.until(token, time.time()) if self._desk is not None else None
        if until is None:
            return False
        line.good_until = max(until, line.good_until or 0.0)
        return True

    def _begin(self, hub: Hub, connection: Connection, line: Line, channel: str, product: str) -> None:
        """Sends the snapshot that a subscription begins with."""
        symbol = hub.market.symbols.get(product)
        text: str | None = None
        if channel == STATUS:
            text = wire.status(hub.market.symbols.values())
        elif symbol is None:
            return
        elif channel == TRADES and symbol.fills is not None:
            end = symbol.fills.pushed(hub.now)
            rows = known_rows(symbol, end - RECENT_TRADES, end, hub.now)
            text = wire.trades("snapshot", wire.trade_rows(symbol, product, rows, taker=self._streams.taker))
        elif channel == LEVEL2 and symbol.book is not None:
            text = wire.book_snapshot(symbol, symbol.book.at(hub.now, WHOLE_BOOK))
        elif channel == CANDLES:
            text = wire.candles("snapshot", _recent_candles(symbol, hub.now))
        elif channel in (TICKER, TICKER_BATCH):
            text = self._first_ticker(symbol, hub.now, channel)
            if text is None:
                line.owed.append(f"{channel}:{product}")
        if text is not None:
            self._say(connection, hub, DATA[channel], text)

    def _first_ticker(self, symbol: Symbol, now: int, channel: str) -> str | None:
        last = last_execution(symbol, now)
        row = ticker_at(symbol, last, now, self._streams.days, book=channel == TICKER)
        return wire.tickers("snapshot", [row]) if row is not None else None

    def upkeep(self, hub: Hub, connection: Connection, now: float) -> None:
        """Beats, and hangs up on who has not subscribed in time, or whose tokens have expired."""
        line = self._streams.lines.of(connection)
        if not line.subscribed and now - connection.opened > self._settings.subscribe_s:
            connection.close(1008, "no subscription")
            return
        if self._settings.token_ends_stream and line.good_until is not None and time.time() >= line.good_until:
            self._refuse(connection, UNAUTHENTICATED)
            return
        if line.owed:
            self._pay(hub, connection, line)
        if now < line.beats_at or HEARTBEATS not in line.held:
            return
        pause = self._settings.heartbeat_s
        line.beats_at = pause + (line.beats_at if now - line.beats_at < pause else now)
        line.beats += 1
        if hub.faults.period("heartbeats_lost") is not None:
            hub.faults.happened("heartbeats_lost", hub.now, f"connection {connection.number}")
            return
        self._say(connection, hub, HEARTBEATS, wire.heartbeat(hub.now, line.beats, now))

    def _pay(self, hub: Hub, connection: Connection, line: Line) -> None:
        """Sends the first tickers that were owed until the day was known."""
        for stream in list(line.owed):
            channel, _, product = stream.partition(":")
            symbol = hub.market.symbols.get(product)
            text = self._first_ticker(symbol, hub.now, channel) if symbol is not None else None
            if symbol is None or text is not None:
                line.owed.remove(stream)
            if text is not None and stream in connection.streams:
                self._say(connection, hub, DATA[channel], text)

    def notice(self, connection: Connection, market_ms: int) -> None:
        """Says nothing: the venue does not announce that it hangs up."""


def _streams(channel: str, names: list[str], products: Products) -> list[str]:
    """Returns the streams of a channel; an alias means the book that it is another name of."""
    found = [products.meant(name) if name else None for name in names]
    return list(
        dict.fromkeys(
            f"{channel}:{symbol.name}" if symbol is not None else channel
            for name, symbol in zip(names, found, strict=True)
            if symbol is not None or not name
        )
    )


def _recent_candles(symbol: Symbol, now: int) -> list[str]:
    """Returns the newest candles with trades, newest first."""
    start = interval_start(CANDLE, now)
    length = interval_next(CANDLE, start) - start
    bars = [symbol.bars.bar(CANDLE, start - i * length, now) for i in range(RECENT_CANDLES)]
    return [wire.candle_row(symbol, bar) for bar in bars if bar is not None and bar.trades]
