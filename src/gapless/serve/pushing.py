"""Events for Socket.IO clients, in the names and shapes that existing front ends know.

A client gets every event unless it says less when it connects: `io(url, {auth: {events: ["ticker_update"],
ids: ["coinbase:BTC-USD"], raw: true}})`, each of them optional. One that does not keep up gets the newest tickers and
best bids and asks, never old ones, and of trades and alerts is told what it was not given: `lagged {from, to, missed}`.
"""

import asyncio
import time
from collections.abc import Hashable
from contextlib import suppress
from typing import Any

import msgspec
import socketio
from engineio.packet import MESSAGE, Packet
from litestar.types import ASGIApp
from msgspec import Struct

from gapless.errors import BadInput
from gapless.hub import EVENTS, Hub
from gapless.hub.events import MarketData, TickerUpdate, VolumeAlert
from gapless.hub.hub import RAW
from gapless.hub.waiting import Waiting
from gapless.model import MS
from gapless.query.market import Market
from gapless.serve.access import SOCKET_IO, may_ask
from gapless.serve.faces import Faces
from gapless.serve.outbox import Outbox

PUSHED = ("ticker_update", "volume_alert", "marketData", "trade", "ticker", "depth", "sourceSwitch")
WITH_RAW = ("marketData", "trade", "ticker", "depth")
_ROOM = 1_000  # packets of one client on their way; what is more waits here, where newest values replace each other
_ROOM_POLLING = 12  # python-engineio takes no more than 16 with one answer
_AGAIN_S = 0.01  # how soon room is looked for again where somebody is behind
_ENCODE = msgspec.json.Encoder().encode


class Wish(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client asks for when it connects; without ids all instruments. `token` was looked at before."""

    events: tuple[str, ...] = PUSHED
    ids: tuple[str, ...] | None = None
    raw: bool = False
    token: str | None = None


class Client(Struct, eq=False):
    """One client: the names of what it gets, the ids of the instruments (None: all), and what waits for it."""

    sid: str
    names: frozenset[str]
    ids: frozenset[str] | None
    outbox: Outbox


class Pushing:
    """Gives the hub's events to Socket.IO clients; while there is none it listens to nothing."""

    def __init__(self, faces: Faces, hub: Hub) -> None:
        self.clients: dict[str, Client] = {}
        self._faces = faces
        self._hub = hub
        self._woken = asyncio.Event()
        self._waiting = Waiting(self._woken.set)
        settings = faces.settings
        self.server = socketio.AsyncServer(
            async_mode="asgi",
            cors_allowed_origins=lambda origin, environ: may_ask(origin, environ.get("HTTP_HOST"), settings),
            ping_interval=settings.ping_every_s,
            ping_timeout=settings.ping_limit_s,
            max_http_buffer_size=100_000,
        )
        self.server.on("connect", self._connected)
        self.server.on("disconnect", self._disconnected)

    def beside(self, app: ASGIApp) -> ASGIApp:
        """Put Socket.IO beside an application."""
        both: ASGIApp = socketio.ASGIApp(self.server, app, socketio_path=SOCKET_IO)
        return both

    async def run(self) -> None:
        """Push for ever."""
        while True:
            behind = any(client.outbox for client in self.clients.values())
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_S if behind else None):
                    await self._woken.wait()
            self._woken.clear()
            for name, value in self._waiting.take():
                self._give(name, value)
            for client in list(self.clients.values()):
                self._send(client)

    def release(self) -> None:
        """Let those go who wait for events."""
        for socket in self.server.eio.sockets.values():
            if socket.queue.empty():
                socket.queue.put_nowait(None)

    async def close(self) -> None:
        """Stop looking after clients."""
        await self.server.shutdown()

    async def _connected(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        try:
            wish = msgspec.convert(auth or {}, Wish)
            names = frozenset(_named(wish))
            ids = None
            if wish.ids is not None:
                ids = frozenset([(await self._faces.ask(Market.instrument, text)).id for text in wish.ids])
        except (BadInput, msgspec.ValidationError) as mistake:
            raise socketio.exceptions.ConnectionRefusedError(str(mistake)) from mistake
        self.clients[sid] = Client(sid, names, ids, Outbox())
        self._faces.metrics.pushed_to.inc()
        self._listen()

    async def _disconnected(self, sid: str, reason: str = "") -> None:
        if socket := self._socket(sid):
            socket.queue.put_nowait(None)  # a request that waits for events is answered: nobody waits for it any more
        self._forget(sid)

    def _socket(self, sid: str) -> Any:
        return self.server.eio.sockets.get(self.server.manager.eio_sid_from_sid(sid, "/"))

    def _forget(self, sid: str) -> None:
        if self.clients.pop(sid, None):
            self._faces.metrics.pushed_to.dec()
            self._listen()

    def _listen(self) -> None:
        """Listen to what clients want, and to nothing else."""
        self._hub.follow(frozenset[str]().union(*(client.names for client in self.clients.values())), self._waiting)

    def _give(self, name: str, value: Any) -> None:
        """Put an event before those who want it; it is written once for all."""
        event, packet = name.removesuffix(RAW), None
        instrument, key = _about(event, value)
        for client in self.clients.values():
            if name == "lagged":
                client.outbox.lose(time.time_ns() // MS, value.missed)
            elif name in client.names and (client.ids is None or instrument in client.ids or not instrument):
                packet = packet or _packet(event, value)
                client.outbox.put(packet, getattr(value, "timestamp", 0), key)

    def _send(self, client: Client) -> None:
        """Hand over what there is room for."""
        socket = self._socket(client.sid)
        if socket is None or socket.closed:
            self._forget(client.sid)
            return
        room = (_ROOM if socket.upgraded else _ROOM_POLLING) - socket.queue.qsize()
        if room <= 1 or not client.outbox or not self.server.manager.is_connected(client.sid, "/"):
            return
        lagged, packets = client.outbox.take(room - 1)
        for packet in [_packet("lagged", lagged), *packets] if lagged else packets:
            socket.queue.put_nowait(packet)
        self._faces.metrics.pushed.inc(len(packets))


def _named(wish: Wish) -> list[str]:
    """Give the names in the hub of what a client asks for."""
    for name in wish.events:
        if name not in PUSHED:
            known = "it is an event of engine.on only" if name in EVENTS else "there is no such event"
            raise BadInput(f"events: {name!r}: {known}; allowed are {', '.join(PUSHED)}")
    return [name + RAW if wish.raw and name in WITH_RAW else name for name in wish.events]


def _about(event: str, value: Any) -> tuple[str, Hashable | None]:
    """Give the instrument that an event is about, and under which key a newer one replaces it."""
    if isinstance(value, TickerUpdate):
        instrument = f"{value.exchange}:{value.crypto}"
        return instrument, (event, instrument)
    if isinstance(value, MarketData):
        return value.id, None if value.type == "trade" else (event, value.type, value.id)
    return (f"{value.exchange}:{value.crypto}" if isinstance(value, VolumeAlert) else ""), None


def _packet(event: str, value: Any) -> Packet:
    """Write an event as Socket.IO does: 2 for an event of the main namespace, its name, its value."""
    return Packet(MESSAGE, f'2["{event}",{_ENCODE(value).decode()}]')
