"""A product of Coinbase small enough to know by heart, and a collector of it: frames and replies written by hand.

Trade number k happens at a time that a test gives it. It shares nothing with the product but the shapes that the venue
documents.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from manual import EPOCH, Answer, Asked, HandHttp, HandSocket, HandSockets, ManualClock, reply, settled

from gapless.collect.collector import Collector
from gapless.collect.outside import Outside
from gapless.collect.settings import CollectSettings, VenueSettings
from gapless.derive.settle import settle
from gapless.model import MINUTE, SECOND, Candle, Tape
from gapless.ports import Reply
from gapless.store.budget import MemoryBudget
from gapless.store.locks import TapeLocks
from gapless.store.sqlite import SqliteStore
from gapless.venues.registry import venue

SIM = VenueSettings(environment="sim", sim_url="http://127.0.0.1:1")
NO = reply({"message": "NotFound"}, 404)


def written(ns: int) -> str:
    whole, rest = divmod(ns, SECOND)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000:06d}Z"


class Product:
    """A-USD: `times` are those of trades 1, 2, ... (ns), `shown` how many of them REST has, `page` its most rows."""

    def __init__(self, times: Sequence[int], *, page: int = 1_000) -> None:
        self.times = list(times)
        self.now = EPOCH
        self.page = page
        self.status = "online"
        self.blank = 0  # of the next pages of candles, so many are empty

    def shown(self) -> int:
        return bisect_right(self.times, self.now)

    def within(self, start: int, end: int) -> range:
        """The trades of [start, end) that have happened."""
        return range(bisect_left(self.times, start) + 1, min(bisect_left(self.times, end), self.shown()) + 1)

    def price(self, number: int) -> str:
        return f"{Decimal(100) + Decimal(number % 50) / 100:.2f}"

    def size(self, number: int) -> str:
        return f"{Decimal(1 + number % 7) / 1_000:.3f}"

    def side(self, number: int) -> str:
        return "buy" if number % 3 == 0 else "sell"  # the maker's

    def match(self, number: int, *, kind: str = "match") -> dict[str, Any]:
        return {
            "type": kind, "trade_id": number, "maker_order_id": "", "taker_order_id": "", "side": self.side(number),
            "size": self.size(number), "price": self.price(number), "product_id": "A-USD", "sequence": 9 * number,
            "time": written(self.times[number - 1]),
        }  # fmt: skip

    def beat(self) -> dict[str, Any]:
        return {
            "type": "heartbeat", "last_trade_id": self.shown(), "product_id": "A-USD", "sequence": 1,
            "time": written(self.now // SECOND * SECOND),
        }  # fmt: skip

    def row(self, number: int, *, advanced: bool = False) -> dict[str, Any]:
        row = {key: self.match(number)[key] for key in ("trade_id", "side", "size", "price", "time")}
        if not advanced:
            return row
        return row | {"trade_id": str(number), "product_id": "A-USD", "side": row["side"].upper()}

    def candle(self, start: int) -> list[Any] | None:
        """The row of a minute, None where nothing traded (or traded yet)."""
        numbers = self.within(start, start + MINUTE)
        if not numbers:
            return None
        prices = [Decimal(self.price(n)) for n in numbers]
        volume = sum(Decimal(self.size(n)) for n in numbers)
        return [start // SECOND, min(prices), max(prices), prices[0], prices[-1], volume]

    def answer(self, asked: Asked) -> Answer:
        """Answer a request as the venue would, on either surface."""
        advanced = "/brokerage/" in asked.url
        name = asked.path if asked.path != "ticker" or not advanced else "windows"
        return getattr(self, f"_{name}", lambda asked, advanced: NO)(asked, advanced)  # type: ignore[no-any-return]

    def _products(self, asked: Asked, advanced: bool) -> Reply:
        row = {"base_increment": "0.001", "quote_increment": "0.01", "status": self.status}
        if advanced:
            row |= {"product_id": "A-USD", "base_currency_id": "A", "quote_currency_id": "USD"}
            return reply({"products": [row]})
        return reply([row | {"id": "A-USD", "base_currency": "A", "quote_currency": "USD"}])

    def _time(self, asked: Asked, advanced: bool) -> Reply:
        return reply({"epoch": self.now / SECOND, "epochMillis": str(self.now // 1_000_000)})

    def _ticker(self, asked: Asked, advanced: bool) -> Reply:
        return reply({"trade_id": self.shown(), "time": written(self.times[self.shown() - 1])})

    def _trades(self, asked: Asked, advanced: bool) -> Reply:
        last = min(asked.number("after") - 1, self.shown())
        first = max(last - min(asked.number("limit"), self.page) + 1, 1)
        return reply([self.row(number) for number in range(last, first - 1, -1)])

    def _windows(self, asked: Asked, advanced: bool) -> Reply:
        begin = asked.number("start") * SECOND if "start" in asked.query else 0
        end = (asked.number("end") + 1) * SECOND if "end" in asked.query else 2**63
        numbers = self.within(begin, end)
        numbers = numbers[-min(asked.number("limit"), self.page) :]
        return reply({"trades": [self.row(number, advanced=True) for number in reversed(numbers)]})

    def _candles(self, asked: Asked, advanced: bool) -> Reply:
        first, last = asked.number("start"), asked.number("end")
        assert (last - first) // 60 < 300, "too many"
        self.blank -= 1
        starts = range(last - last % 60, first - 1, -60) if self.blank < 0 else ()
        rows = [row for start in starts if (row := self.candle(start * SECOND))]
        if not advanced:
            return reply([[row[0], *(float(value) for value in row[1:])] for row in rows])
        names = ("start", "low", "high", "open", "close", "volume")
        return reply({"candles": [dict(zip(names, map(str, row), strict=True)) for row in rows]})


class Studio:
    """A collector of A-USD over ports made by hand: the market runs `pace` seconds in one of its own, after which it
    commits what is pending."""

    def __init__(
        self, product: Product, *, name: str = "coinbase", store: SqliteStore | None = None, pace: int = 5,
        own: VenueSettings = SIM, **collect: Any,
    ) -> None:  # fmt: skip
        self.tokens: list[str] = []
        self.pace = pace
        self.product, self.name = product, name
        self.id = f"{name}:A-USD"
        self.clock = ManualClock()
        self.clock.offset += product.now - self.clock.wall()
        self.store = store or SqliteStore(":memory:", environment="sim")
        self.sockets = HandSockets()
        self.http = HandHttp(self.clock, product.answer)
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.outside = Outside(
            self.store, self.store, self.http, self.sockets, MemoryBudget(), self.clock,
            lambda name, subject, **fields: self.notes.append((name, fields)), lambda name, rows: None,
            lambda name, frames, received: None, TapeLocks(":memory:"),
        )  # fmt: skip
        settings = CollectSettings(tickers=False, quotes=False, **collect)
        self.collector = Collector(venue(name), own, settings, self.outside)
        self.frames = 0

    def run(self, play: Callable[[], Awaitable[None]]) -> None:
        async def playing() -> None:
            preparing = asyncio.create_task(self.collector.prepare([self.id]))
            while not preparing.done():
                await self.clock.pass_by(SECOND)
            await preparing
            running = asyncio.create_task(self.collector.run())
            await settled()
            await play()
            assert not running.done(), running.exception()
            running.cancel()
            await asyncio.wait({running})

        asyncio.run(playing())

    async def on(self, seconds: int, *, lost: Sequence[int] = (), beats: bool = True) -> None:
        """Let time pass; what trades meanwhile comes by the socket that stands, but for those trades that are lost."""
        for _ in range(0, seconds, self.pace):
            before = self.product.shown()
            self.product.now += self.pace * SECOND
            fresh = [n for n in range(before + 1, self.product.shown() + 1) if n not in lost]
            for socket in self.standing():
                self._agree(socket)
                if self.name == "coinbase":
                    socket.say(*(self.product.match(n) for n in fresh), *[self.product.beat()] * beats)
                else:
                    self._advanced(socket, fresh, beats=beats)
            await self.clock.pass_by(SECOND)
            self.commit()

    def commit(self) -> None:
        pending, now = self.collector.pending, self.collector.pipeline.clock.now(self.clock.mono)
        if pending:
            commit = pending.take(
                self.collector.primary(), now=now, known_at=self.clock.wall(), since=self.collector.since()
            )
            self.store.commit(partial(settle, commit=commit))

    def standing(self) -> list[HandSocket]:
        return [socket for socket in self.sockets.opened if socket.left is None]

    def broken(self) -> None:
        for socket in self.standing():
            socket.left = (1006, "")
            socket.events.closed(1006, "")

    def _agree(self, socket: HandSocket) -> None:
        """Acknowledge what was subscribed and not acknowledged yet, and begin with the newest trades."""
        for message in socket.sent:
            if message["type"] != "subscribe":
                continue
            self.tokens += [message["jwt"]] if "jwt" in message else []
            if self.name == "coinbase":
                listed = [
                    {"name": one["name"], "product_ids": one["product_ids"]} if isinstance(one, dict)
                    else {"name": one, "product_ids": []}
                    for one in message["channels"]
                ]  # fmt: skip
                socket.say({"type": "subscriptions", "channels": listed})
                if self.product.shown() and any(one["name"] == "matches" for one in listed):
                    socket.say(self.product.match(self.product.shown(), kind="last_match"))
            else:
                channel = message["channel"]
                if channel == "market_trades":
                    self._advanced(socket, range(max(self.product.shown() - 99, 1), self.product.shown() + 1))
                self._say(
                    socket, "subscriptions", [{"subscriptions": {channel: message.get("product_ids", [channel])}}]
                )
        socket.sent.clear()

    def _advanced(self, socket: HandSocket, numbers: Sequence[int], *, beats: bool = False) -> None:
        if numbers:
            rows = [self.product.row(number, advanced=True) for number in reversed(numbers)]
            self._say(socket, "market_trades", [{"type": "update", "trades": rows}])
        if beats:
            self._say(socket, "heartbeats", [])

    def _say(self, socket: HandSocket, channel: str, events: list[Any]) -> None:
        at = written(self.product.now)
        socket.say({"channel": channel, "timestamp": at, "sequence_num": self.frames, "events": events})
        self.frames += 1

    def candles(self) -> dict[int, Candle]:
        """Give the candles by their minute, counted from the epoch of the tests."""
        return {(one.start - EPOCH) // MINUTE: one for one in self.store.candles(self.id, 0, 2**62)}

    def tape(self, kind: str = "trade") -> Tape:
        return next(tape for tape in self.store.tapes(self.id) if tape.kind == kind)

    def held(self) -> list[int]:
        return [row.seq for row in self.store.trades(self.tape().id, 0, 2**62)]

    def asked(self, path: str) -> list[Asked]:
        return [asked for asked in self.http.asked if asked.path == path]
