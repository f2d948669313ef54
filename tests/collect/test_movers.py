"""Top movers while a collector runs: who is begun and ended, what that costs, and what must survive it."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from manual import EPOCH, Answer, Asked, reply, settled
from test_changing import agree
from test_collector import House, listed
from tiny_market import ID

from gapless.collect.movers import Movers
from gapless.collect.settings import MoverSettings
from gapless.derive.settle import settle
from gapless.errors import BadInput, Unavailable
from gapless.model import DAY, HOUR, MINUTE, SECOND, Evidence, Span, Trade
from gapless.store.sqlite import SqliteStore

ALL = [f"{letter}USDT" for letter in "ABCDEFGHIJ"]


class Fair:
    """A house whose venue lists more instruments; `changes` says by how much each moved."""

    def __init__(self, house: House | None = None, **settings: Any) -> None:
        self.changes = dict.fromkeys([*ALL, "BTCUSDT"], 0.0)
        self.trouble: Answer | None = None
        self.house = house or House()
        self.house.odd = self._odd
        given = {"venue": "binance", "gainers": 2, "losers": 2, "min_change": 1, "min_quote_volume": 0} | settings
        self.movers = Movers(self.house.collector, MoverSettings(**given), self.house.outside)

    def _odd(self, asked: Asked) -> Answer | None:
        if self.trouble is not None:
            return self.trouble
        if asked.path == "exchangeInfo":
            return reply(listed(*self.changes))
        if asked.path == "24hr" and "symbol" not in asked.query:
            return reply([self.house.market.ticker() | row for row in self._rows()])
        return None

    def _rows(self) -> list[dict[str, Any]]:
        return [{"symbol": symbol, "priceChangePercent": f"{change:.3f}"} for symbol, change in self.changes.items()]

    def moved(self, *symbols: str) -> None:
        """Let these four move most: two up, two down."""
        self.changes = dict.fromkeys(self.changes, 0.0)
        for symbol, change in zip(symbols, (9.0, 8.0, -9.0, -8.0), strict=True):
            self.changes[f"{symbol}USDT"] = change

    def prepare(self, *names: str) -> None:
        async def preparing() -> None:
            task = asyncio.create_task(self.movers.prepare(list(names)))
            for _ in range(20):
                await self.house.clock.pass_by(SECOND)
                if task.done():
                    break
            await asyncio.wait_for(task, 1)

        asyncio.run(preparing())

    def run(self, play: Callable[[], Awaitable[None]]) -> None:
        async def playing() -> None:
            running = asyncio.create_task(self.house.collector.run())
            await settled()
            agree(self.house.sockets.opened)
            await play()
            running.cancel()
            await asyncio.wait({running})

        asyncio.run(playing())

    async def refresh(self) -> str:
        task = asyncio.create_task(self.movers.refresh())
        for _ in range(300):
            await self.house.clock.pass_by(SECOND // 10)
            if task.done():
                break
        return await asyncio.wait_for(task, 1)

    @property
    def collected(self) -> list[str]:
        return sorted(
            name.removeprefix("binance:").removesuffix("USDT") for name in self.house.collector.pipeline.lines
        )

    def commit(self) -> None:
        house = self.house
        commit = house.collector.pending.take(house.collector.primary(), now=EPOCH, known_at=EPOCH)
        house.store.commit(partial(settle, commit=commit))


def test_the_movers_are_collected_beside_what_was_named_for_two_requests() -> None:
    fair = Fair()
    fair.moved("A", "B", "C", "D")
    fair.prepare(ID)
    assert fair.collected == ["A", "B", "BTC", "C", "D"]
    assert fair.house.http.paths() == ["exchangeInfo", "24hr"]


def test_a_change_ends_who_is_no_mover_and_never_who_was_named() -> None:
    fair = Fair()
    fair.moved("A", "BTC", "C", "D")
    fair.prepare(ID)

    async def play() -> None:
        fair.moved("A", "E", "F", "C")
        before = len(fair.house.http.asked)
        assert await fair.refresh() == "4 movers: 2 begun, 1 ended"
        assert fair.collected == ["A", "BTC", "C", "E", "F"]
        assert fair.house.http.paths()[before:] == ["exchangeInfo", "24hr"]  # nothing more for who comes and goes

    fair.run(play)


def test_who_was_added_by_hand_is_not_ended_and_who_was_removed_by_hand_is_no_longer_kept() -> None:
    fair = Fair()
    fair.moved("A", "B", "C", "D")
    fair.prepare(ID)

    async def play() -> None:
        changing = asyncio.create_task(fair.house.collector.change(["binance:A/USDT"], [ID]))
        await fair.house.clock.pass_by(12 * SECOND)
        assert await changing == {}
        fair.moved("E", "B", "C", "D")
        await fair.refresh()
        assert fair.collected == ["A", "B", "C", "D", "E"]

    fair.run(play)


def test_too_few_changes_are_not_applied() -> None:
    fair = Fair(min_change=2)
    fair.moved("A", "B", "C", "D")
    fair.prepare()

    async def play() -> None:
        fair.moved("A", "B", "C", "E")
        assert await fair.refresh() == "4 movers stay: 1 would change, fewer than movers.min_change"
        assert fair.collected == ["A", "B", "C", "D"]

    fair.run(play)


@pytest.mark.parametrize(
    "trouble",
    [Unavailable("down"), reply(b"<html>"), reply([]), reply(b"", 418), reply({"code": -1, "msg": "no"}, 400)],
)
def test_a_refresh_that_fails_keeps_the_list_and_says_why(trouble: Answer) -> None:
    fair = Fair()
    fair.moved("A", "B", "C", "D")
    fair.prepare()

    async def play() -> None:
        fair.trouble = trouble
        with pytest.raises(Exception, match=r"down|read|names no|no binance|banned|refused"):
            await fair.refresh()
        assert fair.collected == ["A", "B", "C", "D"]
        assert len(fair.movers.chosen) == 4

    fair.run(play)


@pytest.mark.parametrize("trouble", [Unavailable("down"), reply(b"", 418)])
def test_a_restart_while_the_venue_does_not_answer_goes_on_with_the_movers_of_before(trouble: Answer) -> None:
    first = Fair()
    first.moved("A", "B", "C", "D")
    first.prepare(ID)
    first.commit()
    again = Fair(House(store=first.house.store))
    again.trouble = trouble
    again.prepare(ID)
    assert again.collected == ["A", "B", "BTC", "C", "D"]
    (kept,) = again.house.noted("movers_kept")
    assert kept["reason"]


def test_a_venue_without_movers_is_a_mistake_that_names_the_setting() -> None:
    with pytest.raises(BadInput, match=r"at least 1,000,000 USDT a day; see movers.min_quote_volume"):
        Fair(min_quote_volume=1_000_000).prepare()


def test_who_comes_back_is_not_asked_for_the_trades_of_its_absence() -> None:
    # A restart joins what was left; who was no mover for hours begins anew, or an hour of its trades would be fetched.
    fair = Fair()
    fair.moved("A", "B", "C", "D")
    fair.prepare()
    fair.commit()
    away = Fair(House(store=fair.house.store))
    away.moved("B", "C", "D", "E")
    away.prepare()
    away.commit()
    for name in ("binance:AUSDT", "binance:BUSDT"):
        _held(fair.house.store, name, EPOCH - HOUR)
    back = Fair(House(store=fair.house.store))
    back.moved("A", "B", "C", "D")
    back.prepare()
    lines = back.house.collector.pipeline.lines
    stayed, returned = lines["binance:BUSDT"], lines["binance:AUSDT"]
    for track in (*stayed.tracks, *returned.tracks):
        track.begin(1_000 if track.tape.kind == "agg" else EPOCH // MINUTE, EPOCH, within=DAY)
    assert [track.begins for track in stayed.tracks] == [1, (EPOCH - HOUR) // MINUTE]
    assert stayed.trades
    assert returned.trades
    assert returned.trades.begins == 1_000
    # Its bars are joined: an hour of them is within the history that a newcomer gets, for one request.
    assert returned.bars
    assert returned.bars.begins == (EPOCH - HOUR) // MINUTE


def _held(store: SqliteStore, name: str, time: int) -> None:
    """Let a store hold one trade and one bar of an instrument."""
    trades, bars = store.open_tape(name, "agg"), store.open_tape(name, "bars")

    def work(tx: SqliteStore) -> None:
        tx.add_trades(trades.id, [Trade(1, time, 1, 1, 1, 1, 1, 0)])
        for tape, number in ((trades, 1), (bars, time // MINUTE)):
            tx.put_spans(tape.id, [], [Span(number, number, Evidence.STREAM)], 0)
            tx.put_wanted(tape.id, [(number, number)])

    store.commit(work)


def test_the_streams_that_stay_lose_nothing_and_are_rotated_not_broken() -> None:
    fair = Fair()
    fair.moved("BTC", "A", "C", "D")
    fair.prepare()
    market = fair.house.market

    async def play() -> None:
        old = fair.house.sockets.opened[0]
        old.say(*market.aggs(1, 3))
        fair.moved("BTC", "E", "F", "G")
        changing = asyncio.create_task(fair.movers.refresh())
        await fair.house.clock.pass_by(SECOND // 5)
        new = fair.house.sockets.opened[-1]
        assert new is not old
        assert old.left is None
        agree([new])
        old.say(*market.aggs(4, 6))
        new.say(*market.aggs(5, 7))
        await fair.house.clock.pass_by(12 * SECOND)
        assert await changing == "4 movers: 3 begun, 3 ended"
        new.say(*market.aggs(8, 9))
        assert old.left == (1000, "")
        assert fair.house.noted("disconnected") == []
        assert fair.house.collector.holes() == []
        track = fair.house.collector.pipeline.lines[ID].trades
        assert track
        assert (track.begins, track.newest, track.doubled) == (1, 9, 0)

    fair.run(play)
