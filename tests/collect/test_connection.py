"""A connection that is kept up: reconnects, sockets that were left, streams that are silent, frames that are none."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from desk import BINANCE, Desk
from manual import HandSocket, HandSockets, ManualClock, settled
from tiny_market import AGG, BARS, BTC, TinyMarket

from gapless.collect.connection import Connection
from gapless.collect.leg import Hooks
from gapless.connected import rejected
from gapless.model import DAY, SECOND
from gapless.protocol.phases import Subscribed
from gapless.protocol.session import Watch
from gapless.venues.spec import Stream, StreamKind


class Line:
    """One connection with its clock, its sockets, and what it noted."""

    def __init__(self, *kinds: StreamKind, life: int = DAY) -> None:
        self.desk = Desk()
        self.clock = ManualClock()
        self.sockets = HandSockets()
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.probes: list[Stream] = []
        self.recorded: list[bytes] = []
        self.connection = Connection(
            "binance/market/1",
            "market",
            [BINANCE.streams.stream(BTC, kind) for kind in kinds or ("agg", "bars")],
            pipeline=self.desk.pipeline,
            hosts=BINANCE.hosts("live", None),
            sockets=self.sockets,
            clock=self.clock,
            hooks=Hooks(
                record=lambda name, frames, received: self.recorded.extend(frames),
                probe=lambda connection, stream: self.probes.append(stream),
                note=lambda name, subject, **fields: self.notes.append((name, fields)),
                arrived=lambda: None,
                turn=lambda: asyncio.sleep(0),
            ),
            watch=Watch(),
            life=life,
        )

    @property
    def socket(self) -> HandSocket:
        return self.sockets.opened[-1]

    def run(self, play: Callable[[], Awaitable[None]]) -> None:
        async def playing() -> None:
            running = asyncio.create_task(self.connection.run())
            await settled()
            await play()
            assert not running.done(), running
            running.cancel()
            await asyncio.wait({running})

        asyncio.run(playing())

    def noted(self, name: str) -> list[dict[str, Any]]:
        return [fields for noted, fields in self.notes if noted == name]


def subscribed(line: Line, name: str) -> Subscribed:
    return line.connection.session.subscriptions[name].phase


def test_a_connection_subscribes_and_what_it_hears_is_held() -> None:
    line, market = Line(), TinyMarket()

    async def play() -> None:
        assert line.socket.url == "wss://fstream.binance.com/market/stream"
        assert line.socket.sent == [{"method": "SUBSCRIBE", "params": [AGG, BARS], "id": 1}]
        line.socket.say({"result": None, "id": 1}, *market.aggs(1, 3))
        assert [subscribed(line, AGG), subscribed(line, BARS)] == [Subscribed.LIVE, Subscribed.CONFIRMED]

    line.run(play)
    line.desk.commit()
    assert line.desk.held() == [1, 2, 3]
    assert len(line.recorded) == 4


def test_a_socket_that_was_left_does_not_end_its_successor() -> None:
    line = Line()

    async def play() -> None:
        await line.clock.pass_by(5 * SECOND + SECOND // 4)  # no acknowledgement came
        first, second = line.sockets.opened
        assert first.left is None  # it is read until its successor has taken over
        second.say({"result": None, "id": 1})
        await line.clock.pass_by(3 * SECOND)
        assert first.left == (1000, "")
        first.events.closed(1000, "")  # tells late that it is gone
        await settled()
        assert line.sockets.opened == [first, second]
        assert line.connection.up
        assert second.left is None
        assert line.noted("disconnected") == []

    line.run(play)


def test_what_a_left_socket_still_says_is_kept_and_confirms_nothing() -> None:
    line, market = Line(), TinyMarket()

    async def play() -> None:
        await line.clock.pass_by(5 * SECOND + SECOND // 4)
        line.sockets.opened[1].say({"result": None, "id": 1})
        await line.clock.pass_by(3 * SECOND)
        line.sockets.opened[0].say({"result": None, "id": 1}, *market.aggs(1, 2))
        assert subscribed(line, AGG) is Subscribed.CONFIRMED

    line.run(play)
    line.desk.commit()
    assert line.desk.held() == [1, 2]


def test_a_broken_connection_is_replaced_at_once() -> None:
    line = Line()

    async def play() -> None:
        line.socket.events.closed(1006, "the connection broke")
        await settled()
        assert len(line.sockets.opened) == 2
        assert [(one.code, one.reason) for one in line.connection.tally.closes] == [(1006, "the connection broke")]

    line.run(play)
    assert line.noted("disconnected") == [{"code": 1006, "reason": "the connection broke"}]


def test_a_venue_that_refuses_connections_is_not_stormed() -> None:
    line = Line()
    line.sockets.refuse = 10_000

    async def play() -> None:
        await line.clock.pass_by(600 * SECOND)
        failures = len(line.noted("connect_failed"))
        assert 20 <= failures <= 120, failures  # 30 s at most, 15 on average, a few quick ones at the start
        line.sockets.refuse = 0
        await line.clock.pass_by(30 * SECOND)
        assert line.sockets.opened

    line.run(play)


def test_a_connection_that_lived_long_is_replaced_at_once_whatever_was_before() -> None:
    line = Line()
    line.sockets.agree = True
    line.sockets.refuse = 6

    async def play() -> None:
        await line.clock.pass_by(120 * SECOND)
        count = len(line.sockets.opened)
        line.socket.events.closed(1006, "")
        await settled()
        assert len(line.sockets.opened) == count + 1

    line.run(play)


def test_a_frame_that_is_none_is_kept_and_the_stream_goes_on() -> None:
    line, market = Line(), TinyMarket()

    async def play() -> None:
        line.socket.say({"result": None, "id": 1}, *market.aggs(1, 2))
        line.socket.say(b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTr', *market.aggs(4, 5))
        line.socket.say(market.agg_frame(6, p="0.12345"), *market.aggs(7, 7))
        assert line.connection.up

    line.run(play)
    line.desk.commit()
    assert line.desk.held() == [1, 2, 4, 5, 7]
    assert line.connection.tally.malformed == 2
    kept = [fields["frame"] for fields in line.noted("malformed")]
    assert kept[0] == '{"stream":"btcusdt@aggTrade","data":{"e":"aggTr'
    assert '"a":6' in kept[1]


def test_the_stream_that_a_venue_refuses_is_named_and_the_others_live() -> None:
    line, market = Line(), TinyMarket()

    async def play() -> None:
        for _ in range(8):
            asked = line.socket.sent[-1]
            bad = BARS in asked["params"]
            no = {"code": 2, "msg": "Invalid request", "id": asked["id"]}
            line.socket.say(no if bad else {"result": None, "id": asked["id"]})
            await line.clock.pass_by(SECOND // 4)
        line.socket.say(*market.aggs(1, 1))

    line.run(play)
    assert rejected(line.connection) == {BARS: "Invalid request (2)"}
    assert [subscribed(line, AGG), subscribed(line, BARS)] == [Subscribed.LIVE, Subscribed.REJECTED]
    assert line.noted("rejected") == [{"stream": BARS, "reason": "Invalid request (2)"}]


def test_a_stream_that_is_acknowledged_and_silent_is_asked_about_subscribed_anew_and_then_left() -> None:
    line = Line("agg")

    async def play() -> None:
        line.socket.say({"result": None, "id": 1})
        await line.clock.pass_by(4 * SECOND)
        assert [stream.name for stream in line.probes] == [AGG]
        line.connection.silent(line.probes[0])
        await line.clock.pass_by(SECOND)
        assert [(message["method"], message["params"]) for message in line.socket.sent[1:]] == [
            ("UNSUBSCRIBE", [AGG]), ("SUBSCRIBE", [AGG]),
        ]  # fmt: skip
        line.socket.say({"result": None, "id": 2}, {"result": None, "id": 3})
        await line.clock.pass_by(4 * SECOND)
        line.connection.silent(line.probes[1])
        await settled()
        first, second = line.sockets.opened
        second.say({"result": None, "id": 1})
        await line.clock.pass_by(3 * SECOND)
        assert first.left == (1000, "")

    line.run(play)
    assert line.noted("replacing") == [{"reason": f"{AGG} is acknowledged and silent"}]


def test_bars_that_fall_silent_while_trades_flow_elsewhere_are_subscribed_anew() -> None:
    line, market = Line("bars"), TinyMarket()

    async def play() -> None:
        line.socket.say({"result": None, "id": 1}, market.bar_frame(0))
        for number in range(1, 16):
            await line.clock.pass_by(SECOND)
            line.desk.hear(market.agg_frame(number), mono=line.clock.mono)
        assert [m["method"] for m in line.socket.sent] == ["SUBSCRIBE", "UNSUBSCRIBE", "SUBSCRIBE"]

    line.run(play)


def test_reading_stays_paused_over_a_reconnect_and_goes_on_when_the_writer_has_caught_up() -> None:
    line = Line()

    async def play() -> None:
        line.connection.pressed(pause=True)
        assert line.socket.paused
        line.socket.events.closed(1006, "")
        await line.clock.pass_by(60 * SECOND)
        assert len(line.sockets.opened) == 1  # what cannot be read is not connected to
        line.connection.pressed(pause=False)
        await line.clock.pass_by(SECOND)
        assert [socket.paused for socket in line.sockets.opened] == [True, False]

    line.run(play)
