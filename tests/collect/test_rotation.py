"""A connection that is replaced: the successor overlaps it by id, or the old one stays."""

import asyncio
from collections.abc import Awaitable, Callable

from desk import BINANCE
from manual import HandSocket, settled
from test_connection import Line
from tiny_market import AGG, BARS, BTC, TinyMarket

from gapless.model import SECOND


def rotated(line: Line, play: Callable[[HandSocket, HandSocket], Awaitable[None]]) -> list[str | None]:
    """Rotate a connection whose streams are live, while the test plays on both sockets; give what came of it."""
    outcome: list[str | None] = []

    async def both() -> None:
        market = TinyMarket()
        line.socket.say({"result": None, "id": 1}, *market.aggs(1, 3))
        rotating = asyncio.create_task(line.connection.rotate("asked"))
        await line.clock.pass_by(SECOND // 10)
        old, new = line.sockets.opened
        await play(old, new)
        await line.clock.pass_by(SECOND // 10)
        await asyncio.wait({rotating}, timeout=0)
        outcome.append(rotating.result())

    line.run(both)
    line.desk.commit()
    return outcome


def test_a_successor_takes_over_only_once_it_is_joined_to_the_old_connection_by_id() -> None:
    line, market = Line(), TinyMarket()

    async def play(old: HandSocket, new: HandSocket) -> None:
        new.say({"result": None, "id": 1}, market.bar_frame(0), *market.aggs(6, 7))  # the new one is ahead
        await line.clock.pass_by(5 * SECOND)
        assert old.left is None
        old.say(*market.aggs(4, 6))
        await line.clock.pass_by(SECOND // 10)
        assert old.left == (1000, "")
        new.say(*market.aggs(8, 9))

    assert rotated(line, play) == [None]
    assert line.desk.held() == list(range(1, 10))
    assert line.desk.trades.holes() == []
    assert line.desk.trades.doubled == 0  # what comes twice by an overlap is as it should be
    assert line.connection.tally.rotations == 1


def test_a_successor_that_lags_behind_the_old_connection_loses_nothing() -> None:
    line, market = Line(), TinyMarket()

    async def play(old: HandSocket, new: HandSocket) -> None:
        old.say(*market.aggs(4, 8))
        new.say({"result": None, "id": 1}, market.bar_frame(0), *market.aggs(3, 5))
        await line.clock.pass_by(SECOND // 10)
        assert old.left == (1000, "")
        new.say(*market.aggs(6, 10))

    assert rotated(line, play) == [None]
    assert line.desk.held() == list(range(1, 11))


def test_quiet_streams_are_read_on_both_connections_for_two_seconds_and_cost_no_request() -> None:
    line = Line()

    async def play(old: HandSocket, new: HandSocket) -> None:
        new.say({"result": None, "id": 1})
        await line.clock.pass_by(2 * SECOND - SECOND // 10)
        assert old.left is None
        await line.clock.pass_by(SECOND // 5)
        assert old.left == (1000, "")

    assert rotated(line, play) == [None]
    assert line.probes == []


def test_a_successor_that_is_acknowledged_and_silent_never_takes_over() -> None:
    line, market = Line(), TinyMarket()

    async def play(old: HandSocket, new: HandSocket) -> None:
        new.say({"result": None, "id": 1})
        await line.clock.pass_by(SECOND)
        old.say(*market.aggs(4, 5))
        await line.clock.pass_by(11 * SECOND)
        assert (old.left, new.left) == (None, (1000, ""))
        assert line.connection.up

    assert rotated(line, play) == [f"{AGG} does not come on the successor"]
    assert line.desk.held() == [1, 2, 3, 4, 5]


def test_a_successor_that_refuses_a_live_stream_never_takes_over() -> None:
    line, market = Line(), TinyMarket()

    async def play(old: HandSocket, new: HandSocket) -> None:
        for _ in range(4):
            asked = new.sent[-1]
            no = {"code": 2, "msg": "Invalid request", "id": asked["id"]}
            new.say(no if AGG in asked["params"] else {"result": None, "id": asked["id"]})
            await line.clock.pass_by(SECOND // 4)
        await line.clock.pass_by(11 * SECOND)
        old.say(*market.aggs(4, 4))
        assert old.left is None

    assert rotated(line, play) == [f"{AGG} does not come on the successor"]
    assert line.desk.held() == [1, 2, 3, 4]


def test_a_connection_that_breaks_while_it_is_replaced_is_taken_over_at_once() -> None:
    line, market = Line(), TinyMarket()

    async def play(old: HandSocket, new: HandSocket) -> None:
        old.events.closed(1006, "the connection broke")
        await settled()
        new.say({"result": None, "id": 1}, *market.aggs(4, 5))

    assert rotated(line, play) == [None]
    assert len(line.sockets.opened) == 2
    assert line.desk.held() == [1, 2, 3, 4, 5]


def test_a_successor_that_breaks_leaves_the_old_connection_as_it_was() -> None:
    line, market = Line(), TinyMarket()

    async def play(old: HandSocket, new: HandSocket) -> None:
        new.events.closed(1006, "the connection broke")
        await line.clock.pass_by(SECOND // 10)
        old.say(*market.aggs(4, 5))
        assert old.left is None

    assert rotated(line, play) == ["the successor broke"]
    assert line.noted("disconnected") == []
    assert line.desk.held() == [1, 2, 3, 4, 5]


def test_a_lost_id_on_both_connections_does_not_hold_up_the_successor_for_ever() -> None:
    line, market = Line(), TinyMarket()

    async def play(old: HandSocket, new: HandSocket) -> None:
        new.say({"result": None, "id": 1}, market.bar_frame(0), *market.aggs(6, 7))
        await line.clock.pass_by(11 * SECOND)
        assert old.left == (1000, "")

    assert rotated(line, play) == [None]
    assert line.desk.trades.holes() == [(4, 5)]


def test_a_connection_is_replaced_before_the_venue_would_end_it() -> None:
    line, market = Line(life=100 * SECOND), TinyMarket()
    line.sockets.agree = True

    async def play() -> None:
        line.socket.say(*market.aggs(1, 1))
        await line.clock.pass_by(100 * SECOND)
        first, second = line.sockets.opened
        assert first.left == (1000, "")
        assert second.left is None

    line.run(play)
    assert line.noted("disconnected") == []
    assert line.connection.tally.rotations == 1


def test_a_notice_of_the_venue_replaces_the_connection_before_it_is_closed() -> None:
    line, market = Line(), TinyMarket()
    line.sockets.agree = True

    async def play() -> None:
        line.socket.say(*market.aggs(1, 1))
        line.socket.say({"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1_770_123_456_789}})
        await line.clock.pass_by(3 * SECOND)
        assert line.sockets.opened[0].left == (1000, "")

    line.run(play)
    assert [note["notice"] for note in line.noted("notice")] == ["serverShutdown"]
    assert line.connection.tally.rotations == 1


def test_a_stream_that_stays_is_carried_over_when_the_subscriptions_change() -> None:
    line, market = Line("agg"), TinyMarket()
    line.sockets.agree = True

    async def play() -> None:
        line.socket.say(*market.aggs(1, 2))
        line.connection.streams = [BINANCE.streams.stream(BTC, kind) for kind in ("agg", "bars")]
        await line.clock.pass_by(3 * SECOND)
        assert [message["params"] for message in line.socket.sent] == [[AGG, BARS]]
        line.socket.say(*market.aggs(3, 4))

    line.run(play)
    line.desk.commit()
    assert line.desk.held() == [1, 2, 3, 4]


def test_a_venue_whose_successors_never_come_alive_is_not_stormed() -> None:
    line, market = Line(), TinyMarket()

    async def play() -> None:
        line.socket.say({"result": None, "id": 1}, *market.aggs(1, 2))
        line.connection.streams = list(line.connection.streams)
        await line.clock.pass_by(600 * SECOND)
        assert len(line.sockets.opened) <= 12
        assert line.sockets.opened[0].left is None

    line.run(play)


def test_how_many_streams_are_confirmed_is_told_of_the_socket_that_they_are_on() -> None:
    line, market = Line(), TinyMarket()

    async def fewer() -> None:
        line.socket.say({"result": None, "id": 1}, *market.aggs(1, 3))
        line.connection.streams = line.connection.streams[:1]
        rotating = asyncio.create_task(line.connection.rotate("its subscriptions changed"))
        await line.clock.pass_by(SECOND // 10)
        line.socket.say({"result": None, "id": 1}, *market.aggs(3, 4))
        await line.clock.pass_by(SECOND // 10)
        assert await rotating is None

    line.run(fewer)
    told = [fields for name, fields in line.notes if name == "subscribed"]
    assert told == [{"confirmed": 2, "of": 2}, {"confirmed": 1, "of": 1}]
