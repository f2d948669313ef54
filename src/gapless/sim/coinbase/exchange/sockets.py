"""The WebSocket side of Coinbase Exchange: what a subscription begins with, heartbeats, who is hung up on."""

from __future__ import annotations

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from gapless.sim.coinbase.bucket import Bucket
from gapless.sim.coinbase.day import last_execution
from gapless.sim.coinbase.exchange import wire
from gapless.sim.coinbase.exchange.control import Held, answer
from gapless.sim.coinbase.exchange.streams import (
    LEVEL2,
    MATCHES,
    STATUS,
    TICKER,
    TICKER_BATCH,
    WHOLE_BOOK,
    ExchangeStreams,
    ticker_at,
)
from gapless.sim.coinbase.products import Products
from gapless.sim.coinbase.settings import Settings
from gapless.sim.connection import Connection
from gapless.sim.events import frame
from gapless.sim.hub import Hub
from gapless.sim.venue import Opening, Params, Reply

HEARTBEAT = "heartbeat"
TOO_FAST = "ErrSlowRead"


@dataclass(slots=True)
class Line:
    """What is known of one connection."""

    held: Held = field(default_factory=dict)
    subscribed: bool = False
    beats_at: float = 0.0  # when the next heartbeats are due
    owed: list[str] = field(default_factory=list)  # products whose first ticker waits for the day to be known


class ExchangeSockets:
    """Listens as the Exchange does: on the bare host."""

    paths: tuple[str, ...] = ("/",)

    def __init__(self, settings: Settings, streams: ExchangeStreams) -> None:
        """Takes the limits, and the streams that the first frames of a subscription are made with."""
        self.attempts = (settings.connections, settings.connections_s)
        self._settings = settings
        self._streams = streams
        self._messages = Bucket(settings.messages_per_s, settings.messages_per_s)
        self._lines: WeakKeyDictionary[Connection, Line] = WeakKeyDictionary()

    def _line(self, connection: Connection) -> Line:
        line = self._lines.get(connection)
        if line is None:
            line = self._lines[connection] = Line()
        return line

    def opened(self, path: str, query: Params) -> Opening | Reply:
        """Accepts every handshake."""
        return Opening()

    def allowed(self, connection: Connection, now: float) -> bool:
        """Counts messages of an address."""
        if self._messages.take(connection.address, now):
            return True
        connection.write(frame(wire.error(TOO_FAST).encode()))
        connection.close(1008, TOO_FAST)
        return False

    def received(self, hub: Hub, connection: Connection, text: str) -> None:
        """Carries out a message: errors, the whole set, then the first frames of what was asked for."""
        line, products = self._line(connection), Products(hub.market, lambda: hub.now)
        before = {channel: list(listed) for channel, listed in line.held.items()}
        outcome = answer(text, line.held, products.trouble)
        asked = [f"{channel}:{product}" if product else channel for channel, product in outcome.asked]
        refused = hub.strikes.refuses(asked)
        if refused is not None:
            line.held = before
            self._say(connection, wire.error("Failed to subscribe", f"{refused} cannot be subscribed"))
            self._say(connection, wire.subscriptions(before))
            return
        line.subscribed = line.subscribed or outcome.subscribed
        dropped = [f"{channel}:{product}" if product else channel for channel, product in outcome.dropped]
        hub.unsubscribe(connection, dropped)
        for reply in outcome.frames:
            self._say(connection, reply)
        hub.subscribe(connection, asked)
        for channel, product in outcome.asked:
            self._begin(hub, connection, line, channel, product)

    def _say(self, connection: Connection, text: str) -> None:
        connection.send(frame(text.encode()))

    def _begin(self, hub: Hub, connection: Connection, line: Line, channel: str, product: str) -> None:
        """Sends the first frame of a subscription, unless it turned out to be a silent one."""
        if not connection.hears(f"{channel}:{product}" if product else channel):
            return
        if channel == STATUS:
            self._say(connection, wire.status(hub.market.symbols.values()))
            return
        symbol = hub.market.symbols.get(product)
        if symbol is None:
            return
        last = last_execution(symbol, hub.now)
        if channel == MATCHES:
            for _, _, text in wire.matches(symbol, last, "last_match"):
                self._say(connection, text)
        elif channel == LEVEL2 and symbol.book is not None:
            self._say(connection, wire.snapshot(symbol, symbol.book.at(hub.now, WHOLE_BOOK)))
        elif channel in (TICKER, TICKER_BATCH):
            first = ticker_at(symbol, last, hub.now, self._streams.days)
            if first is not None:
                self._say(connection, first)
            elif product not in line.owed:
                line.owed.append(product)

    def upkeep(self, hub: Hub, connection: Connection, now: float) -> None:
        """Beats, and hangs up on who has not subscribed in time."""
        line = self._line(connection)
        if not line.subscribed and now - connection.opened > self._settings.subscribe_s:
            connection.close(1008, "no subscription")
            return
        if line.owed:
            self._pay(hub, connection, line)
        if now < line.beats_at or HEARTBEAT not in line.held:
            return
        pause = self._settings.heartbeat_s
        line.beats_at = pause + (line.beats_at if now - line.beats_at < pause else now)
        if hub.faults.period("heartbeats_lost") is not None:
            hub.faults.happened("heartbeats_lost", hub.now, f"connection {connection.number}")
            return
        for product in line.held[HEARTBEAT]:
            symbol = hub.market.symbols.get(product)
            if symbol is not None:
                self._say(connection, wire.heartbeat(symbol, last_execution(symbol, hub.now), hub.now))

    def _pay(self, hub: Hub, connection: Connection, line: Line) -> None:
        """Sends the first tickers that were owed until the day was known."""
        for product in list(line.owed):
            symbol = hub.market.symbols.get(product)
            if symbol is None or not symbol.warm:
                continue
            line.owed.remove(product)
            text = ticker_at(symbol, last_execution(symbol, hub.now), hub.now, self._streams.days)
            if text is not None and any(product in line.held.get(channel, []) for channel in (TICKER, TICKER_BATCH)):
                self._say(connection, text)

    def notice(self, connection: Connection, market_ms: int) -> None:
        """Says nothing: the venue does not announce that it hangs up."""
