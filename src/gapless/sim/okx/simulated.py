"""The description of the simulated OKX, put together from its parts."""

from __future__ import annotations

from typing import Any

from gapless.sim.connection import Connection
from gapless.sim.events import Event, frame
from gapless.sim.faults.script import KINDS, OWN_CONNECTION, OWN_REQUESTS, OWN_WORLD
from gapless.sim.hub import Hub
from gapless.sim.limits import Windows
from gapless.sim.market import Market
from gapless.sim.okx.errors import WORDS
from gapless.sim.okx.listing import Markets
from gapless.sim.okx.names import parse_name
from gapless.sim.okx.numbers import sums
from gapless.sim.okx.rest import PREFIX, Endpoints
from gapless.sim.okx.sockets import PATH, ROUTES, Sockets
from gapless.sim.okx.sources import source_for
from gapless.sim.okx.table import Table, table_with
from gapless.sim.requests import Requests
from gapless.sim.streams import Source, Stream
from gapless.sim.venue import SimVenue

FOREIGN = ("http_418", "server_shutdown", "close_24h")  # no bans, no life of 24 h; its notice is another


class Streams:
    """Streams named channel:instrument; every frame names both."""

    def __init__(self, table: Table) -> None:
        """Takes the table of rhythms."""
        self._table = table

    def parse(self, text: str) -> Stream:
        """Takes a stream name apart."""
        return parse_name(text)

    def delivers(self, stream: Stream, connection: Connection) -> bool:
        """Tells whether the path of a connection carries a channel."""
        return stream.route == connection.route

    def source(self, stream: Stream, market: Market) -> Source | None:
        """Returns the source of a stream."""
        return source_for(stream, market, self._table)

    def encoded(self, event: Event, connection: Connection) -> bytes:
        """Returns the frame of an event, the same for all."""
        return event.encoded(combined=False)

    def malformed(self, event: Event, connection: Connection) -> bytes:
        """Returns a frame of an event that breaks off."""
        return frame(event.payload[: max(len(event.payload) // 2, 1)])


def simulated(name: str, settings: dict[str, Any]) -> SimVenue:
    """Returns the venue with the `[limits]` of a fault file applied."""
    table = table_with(settings)

    def rest(hub: Hub, api_key: str) -> Requests:
        return Requests(hub, Endpoints(table, hub.market, lambda: hub.now), WORDS)

    return SimVenue(
        name,
        Markets(),
        Streams(table),
        Sockets(table),
        rest,
        Windows(table.rates),
        faults=tuple(kind for kind in (*KINDS, *OWN_CONNECTION, *OWN_REQUESTS, *OWN_WORLD) if kind not in FOREIGN),
        rest_path=PREFIX,
        socket_paths=tuple(PATH + route for route in ROUTES[:2]),
        agg_ids=False,
        sums=sums,
        buffer_bytes=table.buffer_bytes,
    )
