"""What changes while a collector runs: connections replaced, instruments added, removed and delisted, silence found."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from manual import EPOCH, Answer, Asked, HandSocket, reply, settled
from test_collector import House, listed
from tiny_market import AGG, BARS, ID, NO

from gapless.derive.settle import settle
from gapless.model import SECOND

ETH = "binance:ETHUSDT"
ETH_AGG, ETH_BARS = "ethusdt@aggTrade", "ethusdt@kline_1m"


def agree(sockets: Iterable[HandSocket]) -> None:
    for socket in sockets:
        for message in socket.sent:
            socket.say({"result": None, "id": message["id"]})


def test_an_instrument_is_added_and_the_one_that_was_there_misses_nothing() -> None:
    house = House()

    async def play() -> None:
        agree(house.sockets.opened)
        house.socket.say(*house.market.aggs(1, 3))
        changing = asyncio.create_task(house.collector.change([ETH, "binance:NOPE"], []))
        await house.clock.pass_by(SECOND // 5)
        old, new = house.sockets.opened
        assert new.sent[0]["params"] == [AGG, BARS, ETH_AGG, ETH_BARS]
        agree([new])
        old.say(*house.market.aggs(4, 5))
        new.say(*house.market.aggs(5, 6))
        await house.clock.pass_by(3 * SECOND)
        refused = await asyncio.wait_for(changing, 1)
        assert list(refused) == ["binance:NOPE"]
        assert old.left == (1000, "")
        assert sorted(house.collector.pipeline.lines) == [ID, ETH]
        assert house.collector.holes() == []
        assert house.noted("disconnected") == []

    house.run(play)


def test_an_instrument_is_removed_and_what_is_held_of_it_stays_wanted_up_to_there() -> None:
    house = House()

    async def play() -> None:
        agree(house.sockets.opened)
        house.socket.say(*house.market.aggs(1, 3))
        assert await house.collector.change([], [ID, ETH]) == {ETH: "it is not collected"}
        house.sockets.opened[0].say(*house.market.aggs(4, 9))
        assert house.collector.connections == []
        await settled()
        assert house.sockets.opened[0].left == (1000, "")

    house.run(play)
    commit = house.collector.pending.take({}, now=0, known_at=0)
    assert [(first, last) for _, first, last in commit.wanted] == [(1, 3)]


def bars_until(last: int, house: House, listing: Any) -> Any:
    """REST that has no bar after a minute, and a list of its own."""

    def odd(asked: Asked) -> Answer | None:
        if asked.path == "exchangeInfo":
            return reply(listing())
        if asked.path == "klines":
            house.market.now_ms = min(house.market.now_ms, house.market.start_ms + (last + 1) * 60_000 - 1)
        return None

    return odd


def test_a_delisted_instrument_ends_by_itself_and_leaves_no_hole() -> None:
    house = House()
    over: list[bool] = []
    house.odd = bars_until(2, house, lambda: listed("ETHUSDT") if over else listed("BTCUSDT", "ETHUSDT"))

    async def play() -> None:
        house.sockets.agree = True
        agree(house.sockets.opened)
        for number in range(1, 180):
            house.socket.say(house.market.agg_frame(number))
            house.market.shown, house.market.now_ms = number, house.market.time(number)
            if number % 60 == 0:
                house.socket.say(house.market.bar_frame(number // 60 - 1))
            await house.clock.pass_by(SECOND)
        over.append(True)
        for second in range(300):
            # The market goes on elsewhere: another instrument keeps the venue's time.
            house.collector.pipeline.clock.saw(house.market.time(180 + second) * 1_000_000, house.clock.mono)
            await house.clock.pass_by(SECOND)
        assert house.noted("delisted") == [{}]
        assert ID not in house.collector.pipeline.lines

    house.run(play)


def test_an_instrument_whose_bars_are_late_is_not_taken_for_delisted() -> None:
    house = House()
    asked: list[int] = []

    def odd(one: Asked) -> Answer | None:
        if one.path == "exchangeInfo":
            asked.append(one.at)
        return NO if one.path == "klines" else None

    house.odd = odd

    async def play() -> None:
        house.sockets.agree = True
        agree(house.sockets.opened)
        house.socket.say(bar_naming(house, 0))
        for number in range(1, 400):
            house.socket.say(house.market.agg_frame(number))
            house.market.shown, house.market.now_ms = number, house.market.time(number)
            await house.clock.pass_by(SECOND)
        assert list(house.collector.pipeline.lines) == [ID]
        assert house.noted("delisted") == []

    house.run(play)
    assert 2 <= len(asked) <= 8  # ever more seldom


def test_a_bar_that_waited_for_its_trades_when_the_collector_was_killed_is_served_after_the_restart() -> None:
    # The close of the minute was the first thing to come, and the last before the process died.
    house = House()
    house.run(_only_a_bar(house))
    _commit(house)
    assert house.store.waiting(ID) == [EPOCH]
    again = House(store=house.store)
    again.prepare(ID)
    _commit(again)
    assert [candle.start for candle in house.store.candles(ID, 0, 2**62)] == [EPOCH]
    assert house.store.waiting(ID) == []


def _only_a_bar(house: House) -> Callable[[], Awaitable[None]]:
    async def play() -> None:
        agree(house.sockets.opened)
        house.socket.say(house.market.bar_frame(0))

    return play


def _commit(house: House) -> None:
    pipeline = house.collector.pipeline
    commit = house.collector.pending.take(
        house.collector.primary(), now=pipeline.clock.now(house.clock.mono), known_at=EPOCH
    )
    house.store.commit(partial(settle, commit=commit))


def test_a_last_frame_that_was_lost_is_repaired_and_its_stream_not_called_silent() -> None:
    house = House()

    async def play() -> None:
        house.sockets.agree = True
        agree(house.sockets.opened)
        for number in range(1, 40):
            house.socket.say(house.market.agg_frame(number))
            await house.clock.pass_by(SECOND)
        house.market.shown = 40  # traded, and lost on its way
        house.socket.say(bar_naming(house, 40))
        await house.clock.pass_by(4 * SECOND)
        track = house.collector.pipeline.lines[ID].trades
        assert track is not None
        assert track.newest == 40
        assert house.noted("silent") == []

    house.run(play)


def bar_naming(house: House, newest: int) -> dict[str, Any]:
    """A bar that forms and names the newest execution."""
    frame = house.market.bar_frame(0, closed=False)
    frame["data"]["k"]["L"] = 10 * newest + 1
    return frame


def test_a_stream_whose_bars_name_ever_newer_trades_is_found_silent_before_ten_seconds() -> None:
    house = House()
    when: list[int] = []

    async def play() -> None:
        house.sockets.agree = True
        agree(house.sockets.opened)
        for number in range(1, 40):
            house.socket.say(house.market.agg_frame(number))
            await house.clock.pass_by(SECOND)
        last = house.clock.mono
        for number in range(40, 52):
            house.market.shown = number
            house.socket.say(bar_naming(house, number))
            await house.clock.pass_by(SECOND)
            if house.noted("silent") and not when:
                when.append(house.clock.mono - last)

    house.run(play)
    assert when
    assert when[0] < 10 * SECOND


def test_a_stream_that_has_never_spoken_is_not_asked_about_while_its_bars_name_nothing_newer() -> None:
    house = House()

    async def play() -> None:
        house.sockets.agree = True
        agree(house.sockets.opened)
        for _ in range(60):
            house.socket.say(bar_naming(house, 5))
            await house.clock.pass_by(SECOND)
        assert "24hr" not in house.http.paths()
        assert house.noted("silent") == []

    house.run(play)


def test_a_stream_that_has_never_spoken_is_found_when_its_bars_name_newer_trades() -> None:
    house = House()

    async def play() -> None:
        house.sockets.agree = True
        agree(house.sockets.opened)
        for number in range(5, 15):
            house.socket.say(bar_naming(house, number))
            await house.clock.pass_by(SECOND)
        assert [fields["stream"] for fields in house.noted("silent")][:1] == [AGG]

    house.run(play)


def test_what_was_traded_while_nobody_listened_is_asked_for_though_nothing_is_traded_now() -> None:
    first = House()

    async def once() -> None:
        agree(first.sockets.opened)
        first.socket.say(*first.market.aggs(1, 3))

    first.run(once)
    _commit(first)
    again = House(store=first.store)
    again.market.shown = 9

    async def play() -> None:
        again.sockets.agree = True
        agree(again.sockets.opened)
        for _ in range(8):
            again.socket.say(bar_naming(again, 9))
            await again.clock.pass_by(SECOND)
        track = again.collector.pipeline.lines[ID].trades
        assert track is not None
        assert (track.newest, track.holes()) == (9, [])

    again.run(play)
