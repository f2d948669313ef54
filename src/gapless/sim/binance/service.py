"""The HTTP and WebSocket server of one simulated Binance."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from email.utils import formatdate
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from gapless.sim.binance.archives import archive_reply
from gapless.sim.binance.changes import check_possible
from gapless.sim.binance.control import Refused, answer
from gapless.sim.binance.errors import ApiError
from gapless.sim.binance.hub import Hub
from gapless.sim.binance.pages import Spoiler
from gapless.sim.binance.rest import Ask, Rest
from gapless.sim.connection import Connection
from gapless.sim.errors import SimError
from gapless.sim.events import PONG, frame
from gapless.sim.faults.script import Entry, entry_from
from gapless.sim.synthetic.market import warm_day

TROUBLE = (
    '{"code":-1000,"msg":"Unknown error, please check your request or try again later."}',
    '{"code":-1001,"msg":"Internal error; unable to process your request. Please try again."}',
    '{"code":-1008,"msg":"Server is currently overloaded with other requests. Please try again in a few minutes."}',
    "Service Unavailable.",
)
ADVICE = "Please use the websocket for"
SPOT_ADVICE = "Please use WebSocket Streams for"
DATA_PATHS = ("klines", "aggTrades", "trades", "historicalTrades", "ticker/24hr", "depth")
PAGES = ("aggTrades", "trades", "historicalTrades")
NOTICE = 0.99  # share of its life after which spot announces the end of a connection; futures document no notice
SMALL = 1 << 20


class Listener:
    """Lets control messages act on one connection."""

    def __init__(self, hub: Hub, connection: Connection) -> None:
        """Binds a connection to its hub."""
        self._hub = hub
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
        if len(self._connection.streams.keys() | set(names)) > self._hub.venue.max_streams:
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


class Service:
    """Answers every path of the venue and of the simulator's own control."""

    def __init__(self, hub: Hub, api_key: str) -> None:
        """Takes the hub; `api_key` is the one that is accepted."""
        self.hub = hub
        self.rest = Rest(hub.venue, hub.market, api_key, lambda: hub.now)
        self.spoiler = Spoiler(self.rest, hub.faults)
        self.slow_consumers = 0
        self._warming: asyncio.Task[None] | None = None
        hub.on_cold = self.warm
        self._attempts: dict[str, deque[float]] = {}
        self._number = 0
        self._trouble = 0

    def application(self) -> web.Application:
        """Builds the aiohttp application."""
        app = web.Application(client_max_size=SMALL)
        app.router.add_get("/sim/state", self._state)
        app.router.add_post("/sim/finish", self._finish)
        app.router.add_post("/sim/fault", self._fault)
        app.router.add_get("/data/{path:.+}", self._archive)
        routes = ("", "/public", "/market", "/private") if self.hub.venue.futures else ("",)
        for route in routes:
            for path in ("/ws", "/ws/{streams:.+}", "/stream"):
                app.router.add_get(route + path, self._socket)
        app.router.add_route("*", "/{path:.*}", self._request)
        return app

    def warm(self) -> asyncio.Task[None]:
        """Makes the tickers of a synthetic market ready in a thread; done once."""
        if self._warming is None:
            work = asyncio.to_thread(warm_day, self.hub.market, self.hub.now, futures=self.hub.venue.futures)
            self._warming = asyncio.create_task(work)
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
        }
        return _json(msgspec.json.encode(body))

    async def _finish(self, request: web.Request) -> web.Response:
        self.hub.finish()
        return await self._state(request)

    async def _fault(self, request: web.Request) -> web.Response:
        try:
            raw = msgspec.json.decode(await request.read(), type=dict[str, Any])
            entry = entry_from(raw)
            check_possible(entry, self.hub.market, set())
        except (msgspec.MsgspecError, SimError) as error:
            return _json(msgspec.json.encode({"error": str(error)}), 400)
        if self.hub.faults.active:
            self.hub.faults.inject(entry)
        return _json(b"{}")

    async def _archive(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        await self._slow("archive", 0.0, path)
        found = await asyncio.to_thread(archive_reply, self.hub.market, self.hub.venue, path, self.hub.now)
        if found is None:
            return web.Response(
                status=404, body=b"<Error><Code>NoSuchKey</Code></Error>", content_type="application/xml"
            )
        return web.Response(body=found, content_type="application/octet-stream")

    async def _request(self, request: web.Request) -> web.Response:
        who, arrived = request.remote or "", time.time()
        call = self.rest.calls.get(request.path)
        if call is None:
            return web.Response(
                status=404, text="<html><body><h1>404 Not found</h1></body></html>", content_type="text/html"
            )
        hub, params = self.hub, request.query
        weight = call[0](params)
        verdict = hub.limiter.enter(who, weight, arrived)
        entry = hub.faults.take_request() if verdict == "ok" else None
        if entry is not None and entry.kind == "http_418":
            hub.limiter.ban(who, entry.ban_seconds, arrived, caused=False)
            hub.limiter.totals.refused += 1
            verdict = "418"
        for caused, seconds in hub.limiter.new_bans:
            hub.journal.write("ban", caused=caused, seconds=seconds)
        hub.limiter.new_bans.clear()
        began = time.monotonic()
        reply = await self._reply(request, entry, verdict, who)
        await self._slow(request.path.rpartition("/")[2], time.monotonic() - began, request.path_qs)
        reply.headers["Date"] = formatdate(hub.now / 1000, usegmt=True)
        reply.headers["X-MBX-USED-WEIGHT-1M"] = str(hub.limiter.used(who, arrived))
        hub.journal.write(
            "request", path=request.path_qs, status=reply.status, weight=weight, wall_ms=int(arrived * 1000)
        )
        return reply

    async def _reply(self, request: web.Request, entry: Entry | None, verdict: str, who: str) -> web.Response:
        hub = self.hub
        if entry is not None:
            hub.faults.happened(entry.kind, hub.now, request.path_qs)
        if verdict == "418":
            return self._banned(who, entry)
        if verdict == "429" or (entry is not None and entry.kind == "http_429"):
            return self._too_many(who, entry)
        if entry is not None and entry.kind == "http_5xx":
            self._trouble += 1
            return _json(TROUBLE[self._trouble % len(TROUBLE)].encode(), 503)
        if entry is not None and entry.kind == "slow_rest":
            await asyncio.sleep(entry.seconds)
        if request.path.endswith("/ticker/24hr"):
            await self.warm()
        return self._answer(request)

    async def _slow(self, family: str, took: float, detail: str) -> None:
        """Makes a reply late while its source is slow; `took` is how long it really was."""
        for entry in self.hub.faults.periods("slow_source"):
            if entry.path in (None, family):
                self.hub.faults.happened("slow_source", self.hub.now, detail)
                await asyncio.sleep(took * (entry.factor - 1) if entry.factor > 1 else entry.seconds)

    def _banned(self, who: str, entry: Entry | None) -> web.Response:
        address, now = self.hub.limiter.addresses[who], time.time()
        # in the venue's own clock, which is what a client can compare it with; the seconds left are real
        until = self.hub.now + int((address.banned_until - now) * 1000)
        if self.hub.venue.futures:
            words = f"Way too many requests; IP({who}) banned until {until}. {ADVICE} live updates to avoid bans."
        else:
            words = (
                f"Way too much request weight used; IP banned until {until}. {SPOT_ADVICE} live updates to avoid bans."
            )
        reply = _error(ApiError(-1003, words, 418))
        if self.hub.venue.retry_after and (entry is None or entry.retry_after is not None):
            reply.headers["Retry-After"] = str(max(int(address.banned_until - now + 0.999), 1))
        self.hub.limiter.delivered(who, 418, now, None)
        return reply

    def _too_many(self, who: str, entry: Entry | None) -> web.Response:
        limit, now = self.hub.limiter.limit, time.time()
        if entry is not None:
            self.hub.limiter.totals.refused += 1
        if self.hub.venue.futures:
            words = (
                f"Too many requests; current limit is {limit} requests per minute. {ADVICE} live updates to avoid bans."
            )
        else:
            used = f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE."
            words = f"{used} {SPOT_ADVICE} live updates to avoid polling the API."
        reply = _error(ApiError(-1003, words, 429))
        after: float | None = entry.retry_after if entry is not None else None
        if entry is None and self.hub.venue.retry_after and not self.hub.venue.futures:
            after = (now // 60 + 1) * 60 - now
        if after is not None:
            reply.headers["Retry-After"] = str(max(int(after + 0.999), 1))
            after = float(reply.headers["Retry-After"])
        self.hub.limiter.delivered(who, 429, now, after)
        return reply

    def _answer(self, request: web.Request) -> web.Response:
        hub, endpoint = self.hub, request.path.removeprefix(self.hub.venue.prefix + "/")
        now, server = hub.now if not hub.clock.playing else max(hub.now, 0), hub.now
        lag = hub.faults.period("rest_lag")
        if lag is not None and endpoint in DATA_PATHS:
            now -= int(lag.seconds * 1000 * hub.clock.speed)
            hub.faults.happened("rest_lag", hub.now, request.path_qs)
        skew = hub.faults.period("clock_skew")
        if skew is not None and endpoint in ("time", "exchangeInfo"):
            server += int(skew.seconds * 1000)
            hub.faults.happened("clock_skew", hub.now, request.path_qs)
        split = endpoint in PAGES and hub.faults.waiting("page_split")
        unit = (
            1000 if not hub.venue.futures and request.headers.get("X-MBX-TIME-UNIT", "").upper() == "MICROSECOND" else 1
        )
        self.rest.did_split = False
        ask = Ask(request.query, now, server, request.headers.get("X-MBX-APIKEY"), unit, split)
        try:
            body = self.rest.calls[request.path][1](ask)
            body, wrong = self.spoiler.page(endpoint, ask, body, self.rest.calls[request.path][1])
        except ApiError as error:
            return _error(error)
        if self.rest.did_split:
            hub.faults.take("page_split")
            hub.faults.happened("page_split", hub.now, request.path_qs)
        if wrong is not None:
            hub.faults.happened("wrong_page", hub.now, f"{wrong}: {request.path_qs}")
        return _json(body.encode())

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if not self._may_connect(request.remote or ""):
            return web.Response(status=429, text="Too many connection attempts")
        combined = request.path.endswith("/stream")
        text = request.query.get("streams", "") if combined else request.match_info.get("streams", "")
        if "," in text:
            return web.Response(status=400, text="Invalid stream separator")
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=SMALL)
        if not socket.can_prepare(request).ok:
            return web.Response(status=426, text="Upgrade required")
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        self._number += 1
        first = request.path.split("/")[1]
        route = first if first in ("market", "private") else "public"
        connection = Connection(
            transport, combined=combined, route=route, number=self._number, buffer_bytes=self.hub.venue.buffer_bytes
        )
        self.hub.connections[self._number] = connection
        try:
            if text:
                self.hub.subscribe(connection, [name for name in text.split("/") if name])
            await self._listen(socket, connection)
        finally:
            self.hub.leave(connection)
            self.slow_consumers += connection.too_slow
        return socket

    def _may_connect(self, who: str) -> bool:
        now, venue = time.monotonic(), self.hub.venue
        seen = self._attempts.setdefault(who, deque())
        seen.append(now)
        while seen[0] < now - venue.attempts_s:
            seen.popleft()
        return len(seen) <= venue.attempts

    async def _listen(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        listener, venue = Listener(self.hub, connection), self.hub.venue
        async for message in socket:
            if connection.dead:
                continue
            now = time.monotonic()
            if connection.too_many(now, venue.messages_per_s):
                connection.close(1008, "Too many requests")
                return
            if message.type == WSMsgType.TEXT:
                reply = answer(message.data, listener, venue.futures)
                connection.write(frame(reply.encode()))
            elif message.type == WSMsgType.PING:
                connection.write(frame(message.data, PONG))
            elif message.type == WSMsgType.PONG and connection.ping_waits_since:
                connection.ping_waits_since = 0.0

    def upkeep(self) -> None:
        """Pings, and closes connections that are too old, announced or unanswered."""
        now, venue = time.monotonic(), self.hub.venue
        for connection in list(self.hub.connections.values()):
            if connection.closed or connection.dead:
                continue
            if (connection.close_at and now >= connection.close_at) or now - connection.opened > venue.life_s:
                connection.close(1001, "")
            elif not venue.futures and not connection.close_at and now - connection.opened > NOTICE * venue.life_s:
                connection.announce((1 - NOTICE) * venue.life_s, self.hub.now)
            elif connection.ping_waits_since and now - connection.ping_waits_since > venue.pong_s:
                connection.close(1008, "Pong timeout")
            elif now - connection.pinged > venue.ping_s:
                connection.ping(now)

    def hang_up(self) -> None:
        """Closes all connections; the simulator is leaving."""
        for connection in list(self.hub.connections.values()):
            connection.close(1001, "")

    def close(self) -> None:
        """Closes the journal."""
        self.hub.journal.close()


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, headers={"Content-Type": "application/json;charset=UTF-8"})


def _error(error: ApiError) -> web.Response:
    return _json(msgspec.json.encode({"code": error.code, "msg": error.message}), error.status)
