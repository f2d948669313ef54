"""The WebSocket side: paths and routes, control messages, pings, the end of a connection."""

from __future__ import annotations

import time

from gapless.sim.binance.control import Refused, answer
from gapless.sim.binance.venue import Venue
from gapless.sim.connection import Connection
from gapless.sim.events import frame
from gapless.sim.hub import Hub
from gapless.sim.venue import Opening, Params, Reply

NOTICE = 0.99  # share of its life after which spot announces the end of a connection; futures document no notice


class Listener:
    """Lets control messages act on one connection."""

    def __init__(self, hub: Hub, venue: Venue, connection: Connection) -> None:
        """Binds a connection to its hub."""
        self._hub = hub
        self._venue = venue
        self._connection = connection

    @property
    def combined(self) -> bool:
        """Tells whether frames are wrapped with their stream's name."""
        return self._connection.combined

    @combined.setter
    def combined(self, value: bool) -> None:
        self._connection.combined = value

    def subscribe(self, names: list[str]) -> bool:
        """Adds streams unless they become too many."""
        if len(self._connection.streams.keys() | set(names)) > self._venue.max_streams:
            return False
        if (refused := self._hub.strikes.refuses(names)) is not None:
            raise Refused(2, f"Invalid request: stream {refused} cannot be subscribed", nested=True)
        self._hub.subscribe(self._connection, names)
        return True

    def unsubscribe(self, names: list[str]) -> None:
        """Removes streams."""
        self._hub.unsubscribe(self._connection, names)

    def subscribed(self) -> list[str]:
        """Lists streams."""
        return list(self._connection.streams)


class Sockets:
    """Listens as one Binance does."""

    def __init__(self, venue: Venue) -> None:
        """Takes the table of limits."""
        self._venue = venue
        routes = ("", "/public", "/market", "/private") if venue.futures else ("",)
        self.paths = tuple(route + path for route in routes for path in ("/ws", "/ws/{streams:.+}", "/stream"))
        self.attempts = (venue.attempts, venue.attempts_s)

    def opened(self, path: str, query: Params) -> Opening | Reply:
        """Accepts a handshake whose streams are joined by slashes."""
        combined = path.endswith("/stream")
        text = query.get("streams", "") if combined else path.partition("/ws")[2].strip("/")
        if "," in text:
            return Reply(400, b"Invalid stream separator")
        first = path.split("/")[1]
        route = first if first in ("market", "private") else "public"
        return Opening(route, combined, [name for name in text.split("/") if name])

    def allowed(self, connection: Connection, now: float) -> bool:
        """Counts messages, pings and pongs included, within any second."""
        if not connection.too_many(now, self._venue.messages_per_s):
            return True
        connection.close(1008, "Too many requests")
        return False

    def received(self, hub: Hub, connection: Connection, text: str) -> None:
        """Carries out a control message and answers it."""
        reply = answer(text, Listener(hub, self._venue, connection), self._venue.futures)
        connection.write(frame(reply.encode()))

    def upkeep(self, hub: Hub, connection: Connection, now: float) -> None:
        """Pings, and closes connections that are too old, announced or unanswered."""
        venue, age = self._venue, now - connection.opened
        if age > venue.life_s:
            connection.close(1001, "")
        elif not venue.futures and not connection.close_at and age > NOTICE * venue.life_s:
            self.notice(connection, hub.now)
            connection.close_at = time.monotonic() + (1 - NOTICE) * venue.life_s
        elif connection.ping_waits_since and now - connection.ping_waits_since > venue.pong_s:
            connection.close(1008, "Pong timeout")
        elif now - connection.pinged > venue.ping_s:
            connection.ping(now)

    def notice(self, connection: Connection, market_ms: int) -> None:
        """Sends the event that the server shuts down."""
        body = b'{"e":"serverShutdown","E":%d}' % market_ms
        wrapped = b'{"stream":"!serverShutdown","data":' + body + b"}" if connection.combined else body
        connection.write(frame(wrapped))
