"""The WebSocket side: two paths, text pings, the end of an idle connection."""

from __future__ import annotations

import json
import time

from gapless.sim.connection import Connection
from gapless.sim.events import frame
from gapless.sim.hub import Hub
from gapless.sim.okx.control import UPGRADE, Operations, connection_id
from gapless.sim.okx.table import Table
from gapless.sim.venue import Opening, Params, Reply

ROUTES = ("public", "business", "private")
PATH = "/ws/v5/"


class Sockets:
    """Listens as OKX does."""

    def __init__(self, table: Table) -> None:
        """Takes the table of limits."""
        self._table = table
        self.paths = tuple(PATH + route for route in ROUTES)
        self.attempts = (table.connects, table.connects_s)

    def opened(self, path: str, query: Params) -> Opening | Reply:
        """Accepts a handshake; what the query says of brokers means nothing here."""
        return Opening(path.removeprefix(PATH))

    def allowed(self, connection: Connection, now: float) -> bool:
        """Accepts every frame: only operations are counted."""
        return True

    def received(self, hub: Hub, connection: Connection, text: str) -> None:
        """Answers a text ping, or carries out an operation."""
        if text == "ping":
            connection.write(frame(b"pong"))
        elif len(text.encode()) > self._table.message_bytes:
            connection.close(1009, "Request message exceeds the maximum frame length")
        else:
            Operations(hub, self._table, connection).carry_out(text, time.monotonic())

    def upkeep(self, hub: Hub, connection: Connection, now: float) -> None:
        """Hangs up on a connection that was sent nothing for too long."""
        if now - connection.written > self._table.idle_s:
            connection.close(4004, f"No data received in {self._table.idle_s:g}s.")

    def notice(self, connection: Connection, market_ms: int) -> None:
        """Tells a connection that it will be closed."""
        told = {"event": "notice", "code": "64008", "msg": UPGRADE, "connId": connection_id(connection)}
        connection.write(frame(json.dumps(told, separators=(",", ":")).encode()))
