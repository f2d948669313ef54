"""One venue collected, with every port in the hands of the test: the start, the probes, the clock, the settling."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from desk import BINANCE
from manual import EPOCH, Answer, Asked, HandHttp, HandSocket, HandSockets, ManualClock, reply, settled
from tiny_market import AGG, BARS, ID, TinyMarket

from gapless.collect.collector import Collector
from gapless.collect.outside import Outside
from gapless.collect.settings import CollectSettings, VenueSettings
from gapless.errors import BadInput, Refused, Unavailable, UnknownName
from gapless.model import DAY, SECOND
from gapless.store.budget import MemoryBudget
from gapless.store.locks import TapeLocks
from gapless.store.sqlite import SqliteStore

SIM = VenueSettings(environment="sim", sim_url="http://127.0.0.1:1")


def listed(*symbols: str) -> dict[str, Any]:
    filters = [{"filterType": "PRICE_FILTER", "tickSize": "0.1"}, {"filterType": "LOT_SIZE", "stepSize": "0.001"}]
    rows = [
        {
            "symbol": symbol, "status": "TRADING", "baseAsset": symbol[:-4], "quoteAsset": "USDT", "filters": filters,
            "contractType": "PERPETUAL", "pricePrecision": 1, "quantityPrecision": 3, "onboardDate": 1,
            "deliveryDate": 4133404800000,
        }
        for symbol in symbols
    ]  # fmt: skip
    return {"symbols": rows}


class House:
    """A collector over hand-made ports; `odd` answers before the market does."""

    def __init__(
        self, *, store: SqliteStore | None = None, odd: Callable[[Asked], Answer | None] | None = None,
        venue: VenueSettings = SIM, **collect: Any,
    ) -> None:  # fmt: skip
        self.clock = ManualClock()
        self.market = TinyMarket(shown=5)
        self.store = store or SqliteStore(":memory:", environment="sim")
        self.sockets = HandSockets(agree=True)
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.odd = odd
        self.http = HandHttp(self.clock, self._answer)
        settings = CollectSettings(**({"tickers": False, "quotes": False} | collect))
        self.outside = Outside(
            self.store, self.store, self.http, self.sockets, MemoryBudget(), self.clock,
            lambda name, subject, **fields: self.notes.append((name, fields)), lambda name, rows: None,
            lambda name, frames, received: None, TapeLocks(":memory:"),
        )  # fmt: skip
        self.collector = Collector(BINANCE, venue, settings, self.outside)

    def _answer(self, asked: Asked) -> Answer:
        if self.odd and (odd := self.odd(asked)) is not None:
            return odd
        if asked.path == "exchangeInfo":
            return reply(listed("BTCUSDT", "ETHUSDT"))
        return self.market.answer(asked)

    def prepare(self, *names: str) -> None:
        async def preparing() -> None:
            task = asyncio.create_task(self.collector.prepare(list(names)))
            for _ in range(400):
                await self.clock.pass_by(SECOND)
                if task.done():
                    break
            await asyncio.wait_for(task, 1)

        asyncio.run(preparing())

    def run(self, play: Callable[[], Awaitable[None]]) -> None:
        self.prepare(ID)

        async def playing() -> None:
            running = asyncio.create_task(self.collector.run())
            await settled()
            await play()
            assert not running.done(), running.exception()
            running.cancel()
            await asyncio.wait({running})

        asyncio.run(playing())

    @property
    def socket(self) -> HandSocket:
        return self.sockets.opened[-1]

    def noted(self, name: str) -> list[dict[str, Any]]:
        return [fields for noted, fields in self.notes if noted == name]


def test_an_unknown_instrument_changes_nothing_not_even_for_the_known_one_beside_it() -> None:
    house = House()
    with pytest.raises(
        UnknownName, match=r"binance lists no instrument 'binance:BTCUSDX'; did you mean binance:BTCUSDT"
    ):
        house.prepare(ID, "binance:BTCUSDX")
    assert house.store.instruments() == []


def test_a_book_of_an_instrument_that_is_not_collected_is_a_mistake_and_not_silence() -> None:
    with pytest.raises(BadInput, match=r"collect.books: binance:ETHUSDT is not collected; allowed are binance:BTCUSDT"):
        House(books=["binance:ETHUSDT"]).prepare(ID)


def test_one_instrument_named_twice_in_two_spellings_is_collected_once() -> None:
    house = House()
    house.prepare(ID, "binance:BTC/USDT")
    assert list(house.collector.pipeline.lines) == [ID]
    assert [stream.name for c in house.collector.connections for stream in c.streams] == [AGG, BARS]


def test_a_venue_that_does_not_answer_at_a_first_start_is_given_up_with_its_address() -> None:
    down = Unavailable("http://127.0.0.1:1/fapi/v1/exchangeInfo does not answer: refused")
    house = House(odd=lambda asked: down)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        house.prepare(ID)
    assert len(house.http.asked) == 4
    assert [fields["reason"] for fields in house.noted("waiting")] == [str(down)] * 3


def test_a_venue_that_does_not_answer_is_collected_from_what_is_known_of_it() -> None:
    house = House()
    house.prepare(ID)
    again = House(store=house.store, odd=lambda asked: Unavailable("down"))
    again.prepare(ID)
    assert list(again.collector.pipeline.lines) == [ID]
    assert len(again.http.asked) == 1


def test_a_venue_that_refuses_to_serve_is_not_mistaken_for_one_without_instruments() -> None:
    house = House(odd=lambda asked: reply({"code": 0, "msg": "Service unavailable from a restricted location"}, 451))
    with pytest.raises(Refused, match="restricted location"):
        house.prepare(ID)
    assert len(house.http.asked) == 1


def test_a_ban_at_a_first_start_is_waited_out_and_said() -> None:
    answers = [reply(b"", 418)]
    house = House(odd=lambda asked: answers.pop() if answers else None)
    house.prepare(ID)
    assert (house.http.asked[1].at - house.http.asked[0].at) // SECOND == 120
    assert house.noted("waiting") == [{"reason": "the venue has banned this address for another 120 s (HTTP 418)"}]
    assert [fields["seconds"] for fields in house.noted("blocked")] == [120.2]


def test_something_else_than_a_venue_at_the_address_is_named() -> None:
    with pytest.raises(Unavailable, match=r"http://127.0.0.1:1 is no binance"):
        House(odd=lambda asked: reply(b"<html>hello</html>")).prepare(ID)


def test_a_tape_that_is_silent_from_its_start_is_subscribed_anew_when_the_venue_moves() -> None:
    house = House()

    async def play() -> None:
        for _ in range(20):
            house.market.shown += 1
            house.market.now_ms += 1_000
            await house.clock.pass_by(SECOND)
        methods = [message["method"] for socket in house.sockets.opened for message in socket.sent]
        assert methods[:3] == ["SUBSCRIBE", "UNSUBSCRIBE", "SUBSCRIBE"]
        assert house.noted("silent")[0]["stream"] == AGG

    house.run(play)


def test_a_tape_of_which_nothing_is_due_is_left_in_peace() -> None:
    house = House()

    async def play() -> None:
        await house.clock.pass_by(120 * SECOND)
        assert [message["method"] for message in house.socket.sent] == ["SUBSCRIBE"]
        assert len(house.sockets.opened) == 1

    house.run(play)
    assert house.http.paths().count("24hr") < 10


def test_probes_do_not_pile_up_behind_a_ban() -> None:
    banned = [False]
    house = House(odd=lambda asked: reply(b"", 418) if banned[0] else None)

    async def play() -> None:
        house.socket.say(*house.market.aggs(1, 5))
        banned[0] = True
        await house.clock.pass_by(110 * SECOND)
        banned[0] = False
        before = len(house.http.asked)
        await house.clock.pass_by(20 * SECOND)
        assert len(house.http.asked) - before <= 4  # one probe and one question for the time, not one a second

    house.run(play)


def test_the_venues_time_is_asked_for_by_one_request_at_a_time() -> None:
    never: list[asyncio.Future[Any]] = []

    def silent(asked: Asked) -> Answer | None:
        if asked.path != "time":
            return None
        never.append(asyncio.get_running_loop().create_future())
        return never[-1]

    house = House(odd=silent)

    async def play() -> None:
        await house.clock.pass_by(60 * SECOND)
        assert len(never) == 1

    house.run(play)


@pytest.mark.parametrize("answer", [reply(b"<html>"), reply({"code": -1, "msg": "no"}, 400), Unavailable("down")])
def test_a_venue_that_answers_nonsense_about_time_or_tickers_ends_nothing(answer: Answer) -> None:
    house = House(odd=lambda asked: answer if asked.path in ("time", "24hr") else None)

    async def play() -> None:
        house.socket.say(*house.market.aggs(1, 5))
        await house.clock.pass_by(90 * SECOND)
        house.socket.say(*house.market.aggs(6, 7))

    house.run(play)
    assert house.collector.pipeline.lines[ID].trades.newest == 7  # type: ignore[union-attr]


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_jump_of_the_wall_clock_is_an_event_and_changes_nothing(jump: int) -> None:
    houses = [House(), House()]

    def play_of(house: House, by: int) -> Callable[[], Awaitable[None]]:
        async def play() -> None:
            for number in range(1, 130):
                house.socket.say(house.market.agg_frame(number))
                house.market.shown, house.market.now_ms = number, house.market.time(number)
                if number == 65:
                    house.clock.offset += by
                await house.clock.pass_by(SECOND)

        return play

    for house, by in zip(houses, (0, jump), strict=True):
        house.run(play_of(house, by))
    still, moved = houses
    assert moved.noted("clock_jumped") == [{"seconds": jump / SECOND}]
    assert still.noted("clock_jumped") == []
    plain, jumped = (house.collector.pending.take(house.collector.primary(), now=EPOCH, known_at=0) for house in houses)
    assert (jumped.due, jumped.wanted, jumped.vouched, jumped.trades) == (
        plain.due, plain.wanted, plain.vouched, plain.trades,
    )  # fmt: skip
    assert [asked.url for asked in moved.http.asked] == [asked.url for asked in still.http.asked]


def test_settling_brings_every_tape_up_to_the_venue_and_waits_for_its_holes() -> None:
    house = House()

    async def play() -> None:
        house.socket.say(*house.market.aggs(1, 3), *house.market.aggs(6, 8))
        house.market.shown = 12
        settling = asyncio.create_task(house.collector.settle())
        await settled()
        assert not settling.done()
        await house.clock.pass_by(5 * SECOND)
        await asyncio.wait_for(settling, 1)
        assert house.collector.holes() == []
        track = house.collector.pipeline.lines[ID].trades
        assert track is not None
        assert (track.begins, track.newest) == (1, 12)

    house.run(play)


def test_a_book_is_asked_for_again_when_its_snapshot_cannot_be_read() -> None:
    answers = [reply(b"<html>"), reply({"lastUpdateId": 5, "E": 1, "bids": [["1.00001", "1"]], "asks": []})]
    good = {"lastUpdateId": 5, "E": 1, "bids": [["49999.0", "1"]], "asks": [["50001.0", "2"]]}
    house = House(
        books=[ID], odd=lambda asked: (answers.pop(0) if answers else reply(good)) if asked.path == "depth" else None
    )
    diff = {
        "e": "depthUpdate",
        "E": 2,
        "T": 2,
        "s": "BTCUSDT",
        "U": 4,
        "u": 6,
        "pu": 3,
        "b": [["49999.5", "3"]],
        "a": [],
    }

    async def play() -> None:
        public = next(socket for socket in house.sockets.opened if "/public/" in socket.url)
        public.say({"stream": "btcusdt@depth@100ms", "data": diff})
        await house.clock.pass_by(10 * SECOND)
        top = house.collector.books.top(ID, 5)
        assert top is not None
        assert (top["state"], top["update"], top["bids"]) == ("live", 6, [["49999.5", "3.000"], ["49999.0", "1.000"]])

    house.run(play)
    assert house.http.paths().count("depth") == 3
