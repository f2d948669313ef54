"""No stream stands: closed candles must keep coming by REST, within the budget, marked, and be whole afterwards."""

import asyncio
from functools import partial
from typing import Any

from manual import EPOCH, Answer, Asked, HandSocket, reply, settled
from msgspec.structs import replace
from test_collector import SIM, House, listed
from tiny_market import ID

from gapless.collect.settings import VenueSettings
from gapless.derive.settle import settle
from gapless.model import MINUTE, SECOND, Candle, Proof

MANY = [ID, *(f"binance:X{number}USDT" for number in range(39))]


class Outage:
    """A house in which time, market and commits go on, whatever the sockets do."""

    def __init__(self, *names: str, venue: VenueSettings = SIM, **collect: Any) -> None:
        self.names = names or (ID,)
        self.house = House(history="0m", venue=venue, **collect)
        self.house.odd = self._odd
        self.said: list[Any] = []
        self.second = 0

    def _odd(self, asked: Asked) -> Answer | None:
        if asked.path == "exchangeInfo":
            return reply(listed(*(name.partition(":")[2] for name in self.names)))
        return None

    def run(self, play: Any) -> None:
        self.house.prepare(*self.names)

        async def playing() -> None:
            running = asyncio.create_task(self.house.collector.run())
            await settled()
            await play()
            assert not running.done()
            running.cancel()
            await asyncio.wait({running})

        asyncio.run(playing())

    async def live(self, seconds: int) -> None:
        """Let every socket that stands bring the trades of each second, and the bar of each minute."""
        for _ in range(seconds):
            market = self.house.market
            frames = [market.agg_frame(self.second)]
            if self.second and self.second % 60 == 0:
                frames.append(market.bar_frame(self.second // 60 - 1))
            for socket in self._standing():
                socket.say(*frames)
            await self._on()

    async def down(self, seconds: int) -> None:
        """Let nobody connect, and time go on."""
        self.house.sockets.refuse = 10**9
        self.broken()
        for _ in range(seconds):
            await self._on()
        self.house.sockets.refuse = 0

    def broken(self) -> None:
        """Break every socket."""
        for socket in self._standing():
            socket.left = (1006, "")
            socket.events.closed(1006, "")

    def _standing(self) -> list[HandSocket]:
        return [socket for socket in self.house.sockets.opened if socket.left is None]

    async def _on(self) -> None:
        market = self.house.market
        market.shown, market.now_ms = self.second, market.time(self.second)
        self.second += 1
        await self.house.clock.pass_by(SECOND)
        collector = self.house.collector
        now = collector.pipeline.clock.now(self.house.clock.mono)
        if collector.pending:
            commit = collector.pending.take(collector.primary(), now=now, known_at=EPOCH, since=collector.since())
            self.house.store.commit(partial(settle, commit=commit))

    def candles(self, name: str = ID) -> dict[int, Candle]:
        """Give the candles by their minute."""
        return {(one.start - EPOCH) // MINUTE: one for one in self.house.store.candles(name, 0, 2**62)}

    def asked(self, path: str) -> int:
        return self.house.http.paths().count(path)


def test_closed_candles_keep_coming_while_no_stream_stands_say_so_and_are_whole_afterwards() -> None:
    outage = Outage()

    async def play() -> None:
        await outage.live(130)
        assert not any(candle.polled for candle in outage.candles().values())
        await outage.down(300)
        held = outage.candles()
        assert [(minute, held[minute].polled) for minute in sorted(held)] == [
            (0, False), (1, False), (2, True), (3, True), (4, True), (5, True), (6, True),
        ]  # fmt: skip
        assert [held[minute].proof for minute in (3, 4, 5, 6)] == [Proof.OFFICIAL] * 4
        assert len(outage.house.noted("degraded")) == 1
        assert outage.house.collector.degrading.state
        await outage.live(120)
        assert outage.house.collector.degrading.state is None
        assert len(outage.house.noted("recovered")) == 1
        assert outage.house.collector.holes() == []
        held = outage.candles()
        assert [(held[minute].proof, held[minute].polled) for minute in range(2, 7)] == [(Proof.REPAIRED, True)] * 5

    outage.run(play)


def test_each_minute_of_an_outage_costs_one_request_an_instrument_and_no_trades_are_asked_for() -> None:
    outage = Outage(*MANY)

    async def play() -> None:
        for name in MANY:
            line = outage.house.collector.pipeline.lines[name]
            assert line.bars
            line.bars.begin(EPOCH // MINUTE, EPOCH, within=0)
        await outage.live(59)
        before = {path: outage.asked(path) for path in ("klines", "aggTrades", "24hr")}
        await outage.down(300)
        for name in MANY:
            assert sorted(outage.candles(name))[-5:] == list(range(5)), name
        asked = {path: outage.asked(path) - count for path, count in before.items()}
        assert asked["klines"] <= 5 * len(MANY)
        assert (asked["aggTrades"], asked["24hr"]) == (0, 0)
        assert outage.asked("time") < 80

    outage.run(play)


def test_a_start_while_no_stream_can_be_had_still_brings_the_candles_that_close() -> None:
    outage = Outage()
    outage.house.sockets.refuse = 10**9

    async def play() -> None:
        await outage.down(200)
        held = outage.candles()
        assert sorted(held) == [0, 1, 2]
        assert all(candle.polled for candle in held.values())
        state = outage.house.collector.degrading.state
        assert state
        assert "1 of 1 connections are down; binance/market/1: " in state.why
        assert "refused" in state.why

    outage.run(play)


def test_a_break_that_is_healed_at_once_is_no_outage() -> None:
    outage = Outage()

    async def play() -> None:
        await outage.live(70)
        outage.broken()
        await outage.live(70)
        assert outage.house.noted("degraded") == []
        assert not any(candle.polled for candle in outage.candles().values())

    outage.run(play)


def test_a_ceiling_of_ones_own_makes_candles_later_and_never_stops_them() -> None:
    # Four instruments a minute would need 240 requests an hour: with 120 each brings the candles of several minutes.
    names = MANY[:4]
    outage = Outage(*names, venue=replace(SIM, requests_per_hour=120))

    async def play() -> None:
        await outage.live(61)
        before = len(outage.house.http.asked)
        worst = 0
        for _ in range(20):
            await outage.down(60)
            behind = [outage.second // 60 - max(outage.candles(name), default=0) for name in names]
            worst = max(worst, *behind)
        assert len(outage.house.http.asked) - before <= 120
        assert worst <= 6
        assert sorted(outage.candles())[-12:] == list(range(max(outage.candles()) - 11, max(outage.candles()) + 1))

    outage.run(play)


def test_without_streams_nothing_is_connected_and_closed_candles_come_by_rest() -> None:
    outage = Outage(streams=False)

    async def play() -> None:
        await outage.live(4 * 60)
        assert outage.house.sockets.opened == []
        state = outage.house.collector.degrading.state
        assert state
        assert state.why == "collect.streams is false: nothing is streamed"
        held = outage.candles()
        assert {minute: (one.proof, one.polled) for minute, one in held.items()} == dict.fromkeys(
            held, (Proof.OFFICIAL, True)
        )
        assert {1, 2} <= held.keys()

    outage.run(play)
