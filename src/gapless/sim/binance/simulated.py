"""The description of a simulated Binance, put together from its parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gapless.sim.binance.names import parse_name
from gapless.sim.binance.requests import Requests
from gapless.sim.binance.sockets import Sockets
from gapless.sim.binance.sources import source_for
from gapless.sim.binance.venue import Venue, venue_named
from gapless.sim.capture.load import load_capture
from gapless.sim.connection import Connection
from gapless.sim.events import Event, frame
from gapless.sim.faults.script import KINDS
from gapless.sim.hub import Hub
from gapless.sim.limits import Limiter
from gapless.sim.market import Market
from gapless.sim.streams import Source, Stream
from gapless.sim.synthetic.market import synthetic_market
from gapless.sim.venue import SimVenue


class Markets:
    """Markets of symbols such as BTCUSDT."""

    def __init__(self, venue: Venue) -> None:
        """Takes the table that says which of the two it is."""
        self._futures = venue.futures

    def synthetic(self, seed: int, instruments: int, at_ms: int | None) -> Market:
        """Builds a synthetic market."""
        return synthetic_market(seed, instruments, at_ms, futures=self._futures)

    def captured(self, paths: Sequence[Path]) -> Market:
        """Reads recordings."""
        return load_capture(paths, self._futures)

    def listable(self, name: str) -> str | None:
        """Returns what is wrong with the name of an instrument to be listed, or None."""
        fits = name.endswith("USDT") and name.removesuffix("USDT").isalnum()
        return None if fits else f"{name!r} is no symbol such as NEWUSDT"


class Streams:
    """Streams named symbol@kind, bare or wrapped with their name."""

    def __init__(self, venue: Venue) -> None:
        """Takes the table of rhythms."""
        self._venue = venue

    def parse(self, text: str) -> Stream:
        """Takes a stream name apart."""
        return parse_name(text)

    def delivers(self, stream: Stream, connection: Connection) -> bool:
        """Tells whether the route of a connection carries a stream; spot has one for all."""
        return not self._venue.futures or stream.route == connection.route

    def source(self, stream: Stream, market: Market) -> Source | None:
        """Returns the source of a stream."""
        return source_for(stream, market, self._venue)

    def encoded(self, event: Event, connection: Connection) -> bytes:
        """Returns the frame of an event, wrapped or bare."""
        return event.encoded(connection.combined)

    def malformed(self, event: Event, connection: Connection) -> bytes:
        """Returns a frame of an event that breaks off."""
        cut = event.payload[: max(len(event.payload) // 2, 1)]
        return frame(b'{"stream":"' + event.stream.encode() + b'","data":' + cut if connection.combined else cut)


def simulated(name: str, settings: dict[str, Any]) -> SimVenue:
    """Returns a venue with the `[limits]` of a fault file applied."""
    table = venue_named(name, settings)
    limiter = Limiter(table.weight_limit)

    def rest(hub: Hub, api_key: str) -> Requests:
        return Requests(hub, table, limiter, api_key)

    return SimVenue(
        name,
        Markets(table),
        Streams(table),
        Sockets(table),
        rest,
        limiter,
        faults=KINDS,
        rest_path=table.prefix,
        socket_paths=("/public/stream", "/market/stream") if table.futures else ("/stream", "/ws"),
        archives=True,
        keyed=True,
        buffer_bytes=table.buffer_bytes,
    )
