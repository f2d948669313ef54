"""Streams that change their connection while everything goes on: carried by both until the new one is proved."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from manual import HandSocket, settled
from test_changing import ETH, ETH_AGG, ETH_BARS, agree
from test_collector import SIM, House
from tiny_market import AGG, BARS, ID

from gapless.model import SECOND


def both(house: House, play: Callable[[], Awaitable[None]]) -> None:
    """Play while both instruments are collected on one connection."""
    house.prepare(ID, ETH)

    async def playing() -> None:
        running = asyncio.create_task(house.collector.run())
        await settled()
        agree(house.sockets.opened)
        for socket in house.sockets.opened:
            _say(house, socket, 3)
        await play()
        assert not running.done(), running.exception()
        running.cancel()
        await asyncio.wait({running})

    asyncio.run(playing())


def eth(house: House, first: int, last: int) -> list[dict[str, Any]]:
    """The same trades, of the other instrument."""
    frames = house.market.aggs(first, last)
    return [{"stream": ETH_AGG, "data": frame["data"] | {"s": "ETHUSDT"}} for frame in frames]


def laid(house: House) -> dict[str, list[str]]:
    return {one.name: [stream.name for stream in one.streams] for one in house.collector.connections}


def doubled(house: House) -> int:
    return sum(line.trades.doubled for line in house.collector.pipeline.lines.values() if line.trades)


def test_an_instrument_that_is_put_first_moves_to_a_connection_of_its_own_and_nothing_is_lost() -> None:
    house = House()

    async def play() -> None:
        house.market.shown = 3  # REST has nothing that did not come
        house.collector.prioritise([ETH], [])
        await house.clock.pass_by(2 * SECOND)
        old, own = house.sockets.opened
        assert own.sent[0]["params"] == [ETH_AGG, ETH_BARS]
        agree([own])
        own.say(*eth(house, 5, 6))
        await house.clock.pass_by(SECOND // 2)
        assert len(house.sockets.opened) == 2  # not joined to what the first brought: both are read on
        old.say(*eth(house, 4, 5), *house.market.aggs(4, 5))
        await house.clock.pass_by(SECOND // 2)
        left = house.sockets.opened[2]
        assert left.sent[0]["params"] == [AGG, BARS]
        agree([left])
        left.say(*house.market.aggs(5, 6))
        own.say(*eth(house, 7, 8))
        await house.clock.pass_by(3 * SECOND)
        assert (old.left, own.left, left.left) == ((1000, ""), None, None)
        assert laid(house) == {"binance/market/1": [AGG, BARS], "binance/market/first-1": [ETH_AGG, ETH_BARS]}
        assert (house.collector.holes(), doubled(house)) == ([], 0)
        assert house.noted("disconnected") == []
        assert [(line.trades.newest, len(line.trades.sequence.coverage)) for line in _lines(house)] == [(6, 1), (8, 1)]

    both(house, play)


def _lines(house: House) -> list[Any]:
    return list(house.collector.pipeline.lines.values())


def test_a_stream_stays_where_it_is_while_the_new_connection_does_not_bring_it() -> None:
    house = House()

    async def play() -> None:
        house.collector.prioritise([ETH], [])
        await house.clock.pass_by(2 * SECOND)
        old, own = house.sockets.opened
        agree([own])
        for number in range(4, 80):
            old.say(*eth(house, number, number), *house.market.aggs(number, number))
            await house.clock.pass_by(SECOND)
        assert [fields["why"] for fields in house.noted("move_failed")][:1] == [
            f"{ETH_AGG} does not come on binance/market/first-1"
        ]
        assert old.left is None
        assert own.left == (1000, "")
        assert (house.collector.holes(), doubled(house)) == ([], 0)

    both(house, play)


def test_connections_that_removed_instruments_left_half_empty_become_one() -> None:
    house = House(venue=type(SIM)(environment="sim", sim_url=SIM.sim_url, products_per_connection=1))

    async def play() -> None:
        house.sockets.agree = True
        agree(house.sockets.opened)
        assert laid(house) == {"binance/market/1": [AGG, BARS], "binance/market/2": [ETH_AGG, ETH_BARS]}
        house.collector.wiring._settings = SIM
        house.collector.wiring.hurry()
        for number in range(4, 30):
            for socket in house.sockets.opened:
                _say(house, socket, number)
            await house.clock.pass_by(SECOND // 2)
        assert laid(house) == {"binance/market/2": [ETH_AGG, ETH_BARS, AGG, BARS]}
        assert [socket.left is None for socket in house.sockets.opened] == [False, False, True]
        assert (house.collector.holes(), doubled(house)) == ([], 0)

    both(house, play)


def _say(house: House, socket: HandSocket, number: int) -> None:
    """Say of an instant what the socket subscribed to, if it stands."""
    names = [name for message in socket.sent for name in message["params"]] if socket.left is None else []
    frames = [*house.market.aggs(number, number), *eth(house, number, number)]
    socket.say(*(frame for frame in frames if frame["stream"] in names))


def test_a_book_that_moves_is_begun_anew_and_never_fed_by_two_connections() -> None:
    house = House(books=[ID])
    depth = "btcusdt@depth@100ms"

    async def play() -> None:
        heard: list[int] = []
        house.collector.pipeline.depth = lambda instrument, diff: heard.append(diff.last)
        public = next(s for s in house.sockets.opened if depth in str(s.sent))
        agree([public])
        public.say(_diff(depth, 1))
        house.sockets.agree = True
        house.collector.prioritise([ID], [])
        await house.clock.pass_by(2 * SECOND)
        for socket in house.sockets.opened:
            _say(house, socket, 4)
        await house.clock.pass_by(4 * SECOND)
        own = next(s for s in house.sockets.opened if depth in str(s.sent) and s is not public)
        public.say(_diff(depth, 2))
        own.say(_diff(depth, 2))
        assert heard == [1, 2]
        await house.clock.pass_by(4 * SECOND)
        public.say(_diff(depth, 3))
        own.say(_diff(depth, 3))
        assert heard == [1, 2, 3]
        asked = [message["method"] for message in own.sent if depth in message["params"]]
        assert asked == ["SUBSCRIBE", "UNSUBSCRIBE", "SUBSCRIBE"]

    both(house, play)


def _diff(stream: str, number: int) -> dict[str, Any]:
    event = {"e": "depthUpdate", "E": 1, "T": 1, "s": "BTCUSDT", "U": number, "u": number, "pu": number - 1}
    return {"stream": stream, "data": event | {"b": [], "a": []}}


def test_two_connections_that_exchange_instruments_are_replaced_no_more_often_than_need_be() -> None:
    house = House(priority=[ID])

    async def play() -> None:
        house.sockets.agree = True
        agree(house.sockets.opened)
        assert laid(house) == {"binance/market/first-1": [AGG, BARS], "binance/market/1": [ETH_AGG, ETH_BARS]}
        house.collector.prioritise([ETH], [ID])
        for number in range(4, 40):
            for socket in house.sockets.opened:
                _say(house, socket, number)
            await house.clock.pass_by(SECOND // 2)
        assert laid(house) == {"binance/market/first-1": [ETH_AGG, ETH_BARS], "binance/market/1": [AGG, BARS]}
        assert len(house.sockets.opened) == 2 + 3
        assert (house.collector.holes(), doubled(house)) == ([], 0)

    both(house, play)
