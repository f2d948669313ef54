"""Everything between the market and the connections: subscriptions, the send loop, the end of play."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from gapless.sim.bars import CLOSE_DELAY, MINUTE
from gapless.sim.changes import Changes
from gapless.sim.clock import MarketClock
from gapless.sim.connection import Connection
from gapless.sim.events import Event, by_time
from gapless.sim.faults.engine import Faults
from gapless.sim.journal import Journal
from gapless.sim.market import Market
from gapless.sim.streams import JOINED, Source, Stream
from gapless.sim.strikes import Strikes
from gapless.sim.truth import write_truth
from gapless.sim.venue import SimVenue


class Hub:
    """Sends what the market has pushed to whoever subscribed; `now` is the market instant up to which all was sent."""

    def __init__(self, venue: SimVenue, market: Market, clock: MarketClock, journal: Journal, faults: Faults) -> None:
        """Takes the parts of one simulator."""
        self.venue = venue
        self.market = market
        self.clock = clock
        self.journal = journal
        self.faults = faults
        self.limiter = venue.limiter
        self.connections: dict[int, Connection] = {}
        self.sources: dict[str, Source] = {}
        self.names: dict[str, Stream] = {}
        self.subscribers: dict[str, dict[int, Connection]] = {}
        self.delivered: Counter[str] = Counter()
        self.strikes = Strikes(venue, faults, self.delivered, self.subscribers, self.connections)
        self.on_cold: Callable[[], object] | None = None  # asked to make tickers ready
        self.ended = False
        self.now = clock.now()
        self.finishing = False
        if clock.playing:
            faults.active = True
        self.changes = Changes(self)

    def subscribe(self, connection: Connection, texts: list[str]) -> None:
        """Adds streams to a connection; what its route does not deliver, or nobody knows, stays silent."""
        streams = self.venue.streams
        for text in texts:
            if text not in connection.streams:
                connection.streams[text] = None
                connection.silent.discard(text)  # to ask again without leaving first wakes nothing
            name = streams.parse(text)
            if not streams.delivers(name, connection):
                continue
            if name.starts and name.symbol in self.market.symbols and not self.clock.playing and not self.ended:
                self.clock.play()
                self.now = self.clock.start_ms - 1
                self.faults.active = True
            if text not in self.sources:
                source = streams.source(name, self.market)
                if source is None:
                    continue
                self.sources[text] = source
                self.names[text] = name
            self.subscribers.setdefault(text, {})[connection.number] = connection
            if name.warms and self.on_cold is not None:
                self.on_cold()
        self.strikes.acknowledged(connection, texts, self.now)

    def attach(self, symbol: str) -> None:
        """Makes the streams of a symbol anew after it began or stopped trading, also for who subscribed before."""
        streams = self.venue.streams
        for connection in self.connections.values():
            for text in connection.streams:
                name = streams.parse(text)
                if name.symbol != symbol or not streams.delivers(name, connection):
                    continue
                source = streams.source(name, self.market)
                if source is None:
                    self.sources.pop(text, None)
                    continue
                self.sources[text], self.names[text] = source, name
                self.subscribers.setdefault(text, {})[connection.number] = connection

    def unsubscribe(self, connection: Connection, texts: list[str]) -> None:
        """Removes streams from a connection."""
        for text in texts:
            connection.streams.pop(text, None)
            connection.silent.discard(text)
            listening = self.subscribers.get(text)
            if listening is not None:
                listening.pop(connection.number, None)
                if not listening:
                    del self.subscribers[text]
                    self.sources.pop(text, None)

    def leave(self, connection: Connection) -> None:
        """Forgets a connection that is gone."""
        self.unsubscribe(connection, list(connection.streams))
        self.connections.pop(connection.number, None)

    def tick(self) -> None:
        """Sends everything that fell due since the last tick; ends play at the market's end."""
        if self.clock.playing and not self.finishing:
            now = self.clock.now()
            self.faults.advance(self.clock.played_s())
            self.send_until(now)
            self.changes.due(now)
            self.strikes.connections_due(now)
            if self.clock.end_ms is not None and now >= self.clock.end_ms:
                self.finish()
                return
        moment = time.monotonic()
        self.strikes.flush_late(moment)
        for connection in list(self.connections.values()):
            connection.flush(moment)
            if connection.reset_at and moment >= connection.reset_at:
                connection.reset()

    def send_until(self, now: int) -> None:
        """Collects the events of (self.now, now] of all streams and hands them out in order of time."""
        if now <= self.now:
            return
        events: list[Event] = []
        for source in self.sources.values():
            events.extend(source.due(self.now, now))
        events.sort(key=by_time)
        self.now = now
        sharing: list[tuple[Event, list[Connection]]] = []  # of one instant, in one frame
        for event in events:
            if sharing and (event.order != JOINED or event.push != sharing[0][0].push):
                self.strikes.hand_out_joined(sharing)
                sharing = []
            listening = [c for c in self.subscribers.get(event.stream, {}).values() if c.hears(event.stream)]
            if not listening:
                continue  # a tape begins with what somebody could receive
            self._offer(event)
            if event.order == JOINED:
                sharing.append((event, listening))
            elif not (event.closing and self.strikes.withheld(event, self.names[event.stream].bars)):
                self.strikes.hand_out(event, listening)
        if sharing:
            self.strikes.hand_out_joined(sharing)

    def _offer(self, event: Event) -> None:
        name = self.names[event.stream]
        if name.tape is not None and event.key >= 0:
            self.journal.offer(name.symbol, name.tape, event.key)

    def finish(self) -> None:
        """Stops the market: lifts all faults, sends all that is due, writes the truth.

        A stop between a minute's end and its closing push is moved behind that push: every minute that ended is closed.
        """
        if self.ended or self.finishing:
            return
        self.finishing = True
        change = self.faults.period("limit_change")
        self.faults.active = False
        if change is not None and change.lasts:
            self.changes.limits()
        self.faults.pending.clear()
        self.limiter.lift()
        self.strikes.lift()
        if self.clock.playing:
            stop = self.clock.now()
            ended = stop // MINUTE * MINUTE
            pushed = max(
                (symbol.bars.close_push(ended) for symbol in self.market.symbols.values()), default=ended + CLOSE_DELAY
            )
            self.clock.end_ms = None
            batch = self.venue.batch_ms
            self.send_until(-(-max(stop, pushed) // batch) * batch)
        self.clock.stop(self.now)
        moment = time.monotonic()
        self.strikes.flush_late(moment, everything=True)
        for connection in list(self.connections.values()):
            connection.flush(moment, everything=True)
        write_truth(self.journal, self.market, self.now, self.venue)
        self.ended = True
