"""The HTTP and WebSocket server of one simulated venue."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from gapless.sim.changes import check_possible
from gapless.sim.connection import Connection
from gapless.sim.errors import SimError
from gapless.sim.events import PONG, frame
from gapless.sim.faults.script import Entry, entry_from
from gapless.sim.hub import Hub
from gapless.sim.limits import Verdict
from gapless.sim.synthetic.market import warm_day
from gapless.sim.venue import Ask, Endpoint, Refusal, Reply

SMALL = 1 << 20
JSON = {"Content-Type": "application/json;charset=UTF-8"}


class Service:
    """Answers every path of the venue and of the simulator's own control."""

    def __init__(self, hub: Hub, api_key: str) -> None:
        """Takes the hub; `api_key` is the one that is accepted."""
        self.hub = hub
        self.rest = hub.venue.rest(hub, api_key)
        self.slow_consumers = 0
        self.too_many = 0  # handshakes refused, and connections ended, because there were too many attempts or messages
        self._warming: asyncio.Task[None] | None = None
        hub.on_cold = self.warm
        self._attempts: dict[str, deque[float]] = {}
        self._number = 0

    def application(self) -> web.Application:
        """Builds the aiohttp application."""
        app = web.Application(client_max_size=SMALL)
        app.router.add_get("/sim/state", self._state)
        app.router.add_get("/sim/book", self._book)
        app.router.add_post("/sim/finish", self._finish)
        app.router.add_post("/sim/fault", self._fault)
        if self.hub.venue.archives:
            app.router.add_get("/data/{path:.+}", self._archive)
        for path in self.hub.venue.sockets.paths:
            app.router.add_get(path, self._socket)
        app.router.add_route("*", "/{path:.*}", self._request)
        return app

    def warm(self) -> asyncio.Task[None]:
        """Makes the tickers of a synthetic market ready in a thread; done once."""
        if self._warming is None:
            self._warming = asyncio.create_task(asyncio.to_thread(warm_day, self.hub.market, self.hub.now))
        return self._warming

    async def _state(self, request: web.Request) -> web.Response:
        hub, totals = self.hub, self.hub.limiter.totals
        body = {
            "playing": hub.clock.playing,
            "ended": hub.ended,
            "market_ms": hub.now if hub.ended else hub.clock.now(),
            "speed": hub.clock.speed,
            "faults": dict(hub.faults.counts),
            "rest": {
                "requests": totals.requests,
                "weight": totals.weight,
                "refused": totals.refused,
                "bans": totals.bans,
                "bans_caused": totals.bans_caused,
                "while_banned": totals.while_banned,
            },
            "connections": len(hub.connections),
            "max_weight_minute": totals.max_weight_minute,
            "slow_consumers": self.slow_consumers,
            "too_many": self.too_many,
        }
        return web.Response(body=msgspec.json.encode(body), headers=JSON)

    async def _book(self, request: web.Request) -> web.Response:
        """Tells the best levels of a symbol as they stood at an instant, sizes in the venue's own unit."""
        symbol = self.hub.market.symbols.get(request.query.get("symbol", ""))
        numbers = [request.query.get(name, "") for name in ("at", "levels")]
        if symbol is None or symbol.book is None or not all(number.isdigit() for number in numbers):
            return web.Response(status=400, body=msgspec.json.encode({"error": "no book of that"}), headers=JSON)
        depth = symbol.book.at(int(numbers[0]), int(numbers[1]))
        price, size = symbol.price.text, symbol.size.text
        sides = {"bids": depth.bids, "asks": depth.asks}
        body = {name: [[price(p), size(s)] for p, s in side] for name, side in sides.items()}
        told = {**body, "contracts": symbol.contract is not None}
        return web.Response(body=msgspec.json.encode(told), headers=JSON)

    async def _finish(self, request: web.Request) -> web.Response:
        self.hub.finish()
        return await self._state(request)

    async def _fault(self, request: web.Request) -> web.Response:
        try:
            raw = msgspec.json.decode(await request.read(), type=dict[str, Any])
            entry = entry_from(raw)
            check_possible(entry, self.hub.venue, self.hub.market, set())
        except (msgspec.MsgspecError, SimError) as error:
            return web.Response(status=400, body=msgspec.json.encode({"error": str(error)}), headers=JSON)
        if self.hub.faults.active:
            self.hub.faults.inject(entry)
        return web.Response(body=b"{}", headers=JSON)

    async def _archive(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        await self._slow("archive", 0.0, path)
        found = await asyncio.to_thread(self.rest.archive, path, self.hub.now)
        if found is None:
            return web.Response(
                status=404, body=b"<Error><Code>NoSuchKey</Code></Error>", content_type="application/xml"
            )
        return web.Response(body=found, content_type="application/octet-stream")

    async def _request(self, request: web.Request) -> web.Response:
        who, arrived = request.remote or "", time.time()
        endpoint = self.rest.find(request.path)
        if endpoint is None:
            return _sent(self.rest.missing())
        hub = self.hub
        weight = endpoint.cost(request.query)
        bucket = endpoint.bucket(request.query) if endpoint.bucket is not None else endpoint.family
        verdict = hub.limiter.enter(who, weight, arrived, bucket)
        entry = hub.faults.take_request() if verdict == "ok" else None
        began = time.monotonic()
        reply = await self._reply(request, endpoint, entry, verdict, who, arrived)
        await self._slow(endpoint.family, time.monotonic() - began, request.path_qs)
        reply.headers.update(self.rest.headers(who, arrived))
        hub.journal.write(
            "request", path=request.path_qs, status=reply.status, weight=weight, wall_ms=int(arrived * 1000)
        )
        return _sent(reply)

    async def _reply(
        self,
        request: web.Request,
        endpoint: Endpoint,
        entry: Entry | None,
        verdict: Verdict,
        who: str,
        arrived: float,
    ) -> Reply:
        hub = self.hub
        if entry is not None:
            hub.faults.happened(entry.kind, hub.now, request.path_qs)
        refused = self.rest.refused(who, verdict, entry, arrived)
        for caused, seconds in hub.limiter.new_bans:
            hub.journal.write("ban", caused=caused, seconds=seconds)
        hub.limiter.new_bans.clear()
        if refused is not None:
            return refused
        if entry is not None and entry.kind == "slow_rest":
            await asyncio.sleep(entry.seconds)
        if endpoint.day:
            await self.warm()
        return self._answer(request, endpoint)

    async def _slow(self, family: str, took: float, detail: str) -> None:
        """Makes a reply late while its source is slow; `took` is how long it really was."""
        for entry in self.hub.faults.periods("slow_source"):
            if entry.path in (None, family):
                self.hub.faults.happened("slow_source", self.hub.now, detail)
                await asyncio.sleep(took * (entry.factor - 1) if entry.factor > 1 else entry.seconds)

    def _answer(self, request: web.Request, endpoint: Endpoint) -> Reply:
        hub = self.hub
        now, server = hub.now if not hub.clock.playing else max(hub.now, 0), hub.now
        lag = hub.faults.period("rest_lag")
        if lag is not None and endpoint.data:
            now -= int(lag.seconds * 1000 * hub.clock.speed)
            hub.faults.happened("rest_lag", hub.now, request.path_qs)
        skew = hub.faults.period("clock_skew")
        if skew is not None and endpoint.clock:
            server += int(skew.seconds * 1000)
            hub.faults.happened("clock_skew", hub.now, request.path_qs)
        split = endpoint.page and hub.faults.waiting("page_split")
        ask = Ask(request.path, request.query, request.headers, now, server, split)
        try:
            body, wrong = self.rest.spoilt(endpoint, ask, endpoint.answer(ask))
        except Refusal as refusal:
            return refusal.reply
        if ask.did_split:
            hub.faults.take("page_split")
            hub.faults.happened("page_split", hub.now, request.path_qs)
        if wrong is not None:
            hub.faults.happened("wrong_page", hub.now, f"{wrong}: {request.path_qs}")
        reply = self.rest.reply(body)
        reply.headers.update(ask.told)
        return reply

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        hub = self.hub
        if not self._may_connect(request.remote or ""):
            self.too_many += 1
            return web.Response(status=429, text="Too many connection attempts")
        opening = hub.venue.sockets.opened(request.path, request.query)
        if isinstance(opening, Reply):
            return _sent(opening)
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=SMALL)
        if not socket.can_prepare(request).ok:
            return web.Response(status=426, text="Upgrade required")
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        self._number += 1
        connection = Connection(
            transport,
            combined=opening.combined,
            route=opening.route,
            number=self._number,
            buffer_bytes=hub.venue.buffer_bytes,
        )
        hub.connections[self._number] = connection
        try:
            if opening.streams:
                hub.subscribe(connection, list(opening.streams))
            await self._listen(socket, connection)
        finally:
            hub.leave(connection)
            self.slow_consumers += connection.too_slow
        return socket

    def _may_connect(self, who: str) -> bool:
        now = time.monotonic()
        count, seconds = self.hub.venue.sockets.attempts
        seen = self._attempts.setdefault(who, deque())
        seen.append(now)
        while seen[0] < now - seconds:
            seen.popleft()
        return len(seen) <= count

    async def _listen(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        sockets = self.hub.venue.sockets
        async for message in socket:
            if connection.dead:
                continue
            if not sockets.allowed(connection, time.monotonic()):
                self.too_many += 1
                return
            if message.type == WSMsgType.TEXT:
                sockets.received(self.hub, connection, message.data)
            elif message.type == WSMsgType.PING:
                connection.write(frame(message.data, PONG))
            elif message.type == WSMsgType.PONG and connection.ping_waits_since:
                connection.ping_waits_since = 0.0

    def upkeep(self) -> None:
        """Hangs up on connections that were told so, and lets the venue look after the others."""
        now = time.monotonic()
        for connection in list(self.hub.connections.values()):
            if connection.closed or connection.dead:
                continue
            if connection.close_at and now >= connection.close_at:
                connection.close(1001, "")
            else:
                self.hub.venue.sockets.upkeep(self.hub, connection, now)

    def hang_up(self) -> None:
        """Closes all connections; the simulator is leaving."""
        for connection in list(self.hub.connections.values()):
            connection.close(1001, "")

    def close(self) -> None:
        """Closes the journal."""
        self.hub.journal.close()


def _sent(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
