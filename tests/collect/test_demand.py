"""A question's fetch is bounded, shared and stopped by a ban; nothing is asked for twice, and nobody else's is lost."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from desk import BINANCE
from manual import EPOCH, Answer, Asked, HandHttp, Impatient, reply
from tiny_market import BTC, DAY_MS, ID, START_MS, TinyMarket

from gapless.budget.state import Ceiling
from gapless.collect.demand import Demand, Fetch, Supply
from gapless.collect.rest import RestClient
from gapless.model import HOUR, MINUTE, SECOND, Proof, Timeframe
from gapless.query.footprint import footprint
from gapless.query.lacking import lacking
from gapless.query.market import Market
from gapless.store.budget import MemoryBudget
from gapless.store.sqlite import SqliteStore

T0 = EPOCH - 5 * HOUR
FIVE = (T0, T0 + 5 * MINUTE)


@pytest.fixture(autouse=True)
def _threads_are_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr("asyncio.to_thread", at_once)


class Yard:
    """A market of one trade every 100 ms since midnight, at noon, and an empty store."""

    def __init__(self, *, own: list[tuple[int, int]] | None = None, at_most: int = MINUTE, weight: int = 2_400) -> None:
        self.market = TinyMarket(step=100, shown=DAY_MS // 200, start_ms=START_MS - DAY_MS // 2)
        self.market.now_ms = START_MS
        self.store = SqliteStore(":memory:", environment="sim")
        self.store.put_instrument(BTC)
        self.clock = Impatient()
        self.odd: Callable[[Asked], Answer | None] = lambda asked: None
        self.http = HandHttp(self.clock, self._answer)
        self.budget = MemoryBudget()
        self.ceiling = Ceiling(weight_per_minute=weight)
        self.rest = self.client()
        self.own = own or []
        self.now = EPOCH
        self.at_most = at_most

    def client(self) -> RestClient:
        return RestClient(self.http, self.budget, self.clock, BINANCE, self.ceiling, api_key=None)

    def _answer(self, asked: Asked) -> Answer:
        if (odd := self.odd(asked)) is not None:
            return odd
        if asked.path == "aggTrades" and "startTime" in asked.query:
            return reply([self.market.agg((asked.number("startTime") - self.market.start_ms) // self.market.step)])
        return self.market.answer(asked)

    def demand(self) -> Demand:
        supply = Supply(
            venue=BINANCE, hosts=BINANCE.hosts("live", None), rest=self.rest, http=self.http, clock=self.clock,
            ceiling=self.ceiling, kind="agg", archive=False, now=lambda: self.now,
            own=lambda name, trades: self.own,
        )  # fmt: skip
        return Demand([supply], lambda: nullcontext(self.store), at_most=self.at_most)

    def fetch(self, *spans: tuple[int, int], trades: bool = True) -> Fetch:
        async def some() -> Fetch:
            async with self.demand() as demand:
                return await demand.fetch(BTC, list(spans), trades=trades, wait=None)

        return asyncio.run(some())

    def held(self) -> int:
        return sum(len(self.store.trades(tape.id, 0, 2**62)) for tape in self.store.tapes(ID))


def test_the_trades_of_a_bar_are_whole_with_the_one_before_and_the_one_after() -> None:
    yard = Yard()
    told = yard.fetch(FIVE)
    assert (told.state, told.requests, told.weight, yard.held()) == ("fetched", 5, 100, 3_002)
    market = Market(yard.store)
    bar = footprint(market, BTC, Timeframe(5), T0)
    assert (bar.proof, bar.missing, bar.footprint.trades) == (Proof.REPAIRED, [], 6_000)
    assert lacking(market, BTC, FIVE, trades=True) == []
    assert yard.fetch(FIVE) == Fetch(state="fetched")  # nothing is asked for twice
    assert len(yard.http.asked) == 5


def test_two_questions_for_the_same_time_share_one_fetch_and_an_overlapping_one_asks_for_the_rest_only() -> None:
    yard = Yard()

    async def some() -> list[Fetch]:
        async with yard.demand() as demand:
            spans = [FIVE, FIVE, (T0 + MINUTE, T0 + 6 * MINUTE)]
            return await asyncio.gather(*(demand.fetch(BTC, [one], trades=True, wait=None) for one in spans))

    first, same, other = asyncio.run(some())
    assert first == same
    assert (first.requests, other.state) == (5, "fetched")
    pages = [int(asked.query["fromId"]) for asked in yard.http.asked if "fromId" in asked.query]
    assert len(pages) == len(set(pages))
    assert sorted(pages)[-1] == pages[-1] == 7 * HOUR // (100 * 1_000_000) + 3_001
    assert yard.held() == 3_602


def test_who_waits_no_longer_is_told_so_and_the_fetch_goes_on_for_who_asks_next() -> None:
    yard = Yard()

    async def some() -> tuple[Fetch, Fetch]:
        async with yard.demand() as demand:
            early = await demand.fetch(BTC, [FIVE], trades=True, wait=0)
            gone = asyncio.create_task(demand.fetch(BTC, [FIVE], trades=True, wait=None))
            await asyncio.sleep(0)
            gone.cancel()
            return early, await demand.fetch(BTC, [FIVE], trades=True, wait=None)

    early, late = asyncio.run(some())
    assert (early.state, early.reason) == ("partial", "it goes on in the background; ask again")
    assert (late.state, late.requests, yard.held()) == ("fetched", 5, 3_002)
    assert len(yard.http.asked) == 5


def test_a_ban_that_is_met_ends_the_fetch_and_the_next_question_sends_nothing() -> None:
    yard = Yard()
    yard.odd = lambda asked: reply({"code": -1003}, 418, retry_after="90") if "fromId" in asked.query else None
    met = yard.fetch(FIVE)
    assert (met.state, met.requests) == ("partial", 2)
    assert met.reason == "banned until 2026-01-07T12:18:11Z"
    yard.rest = yard.client()  # of another process of the machine
    assert yard.fetch(FIVE) == Fetch(state="refused", reason=met.reason)
    assert len(yard.http.asked) == 2


def test_one_that_waits_for_its_turn_when_the_ban_comes_leaves_too() -> None:
    yard = Yard()
    yard.odd = lambda asked: reply({"code": -1003}, 418, retry_after="90")

    async def some() -> list[Fetch]:
        async with yard.demand() as demand:
            spans = [(T0 + n * HOUR, T0 + n * HOUR + MINUTE) for n in range(4)]
            return await asyncio.gather(*(demand.fetch(BTC, [one], trades=False, wait=None) for one in spans))

    assert {told.reason[:13] for told in asyncio.run(some()) if told.reason} == {"banned until "}
    assert len(yard.http.asked) == 1


def test_what_is_too_long_is_refused_with_the_command_that_fetches_it() -> None:
    yard = Yard(at_most=SECOND)
    told = yard.fetch((EPOCH - 5 * 1_440 * MINUTE, EPOCH - HOUR), trades=False)
    assert (told.state, told.requests, yard.http.asked) == ("refused", 0, [])
    assert told.reason == (
        "it would take 8 requests of weight 37, about 2 s, and one answer may take 1 s; `gapless backfill "
        "binance:BTCUSDT --start 2026-01-02T12:00:00Z --end 2026-01-07T11:00:00Z` fetches it"
    )


def test_where_nobody_knew_how_many_trades_there_are_the_budget_of_one_answer_ends_it() -> None:
    yard = Yard(weight=400)  # of which 300 a minute may be spent
    told = yard.fetch((T0, T0 + 4 * HOUR))  # 144 pages of weight 20
    assert (told.state, told.weight) == ("partial", 320)
    assert told.reason
    assert "`gapless backfill binance:BTCUSDT --start 2026-01-07T07:00:00Z" in told.reason
    assert "--trades` fetches it" in told.reason
    assert yard.held() == 15_000


def test_what_a_collector_looks_after_and_what_has_not_closed_is_not_asked_for() -> None:
    yard = Yard(own=[(T0 + 2 * MINUTE, T0 + 4 * MINUTE)])
    assert yard.fetch((T0 + 2 * MINUTE, T0 + 4 * MINUTE), trades=False) == Fetch(state="held")
    assert yard.fetch((EPOCH - MINUTE, EPOCH + HOUR), trades=False) == Fetch(state="held")
    assert yard.http.asked == []
    told = yard.fetch((T0, T0 + 6 * MINUTE), trades=False)
    assert (told.state, told.requests) == ("fetched", 1)  # one page reaches over it


def test_scattered_minutes_of_bars_are_one_request() -> None:
    yard = Yard()
    spans = [(T0 + n * 10 * MINUTE, T0 + n * 10 * MINUTE + MINUTE) for n in range(20)]
    told = yard.fetch(*spans, trades=False)
    assert (told.state, told.planned, told.requests) == ("fetched", 1, 1)
    assert lacking(Market(yard.store), BTC, (T0, T0 + 191 * MINUTE), trades=False) == []


def test_what_no_source_has_is_not_asked_for_again_and_again() -> None:
    yard = Yard()
    yard.odd = lambda asked: reply([])

    async def some() -> list[int]:
        counts = []
        async with yard.demand() as demand:
            for minutes in (0, 0, 2):
                yard.clock.mono += minutes * MINUTE
                told = await demand.fetch(BTC, [FIVE], trades=False, wait=None)
                assert told.state == "fetched"
                counts.append(len(yard.http.asked))
        return counts

    assert asyncio.run(some()) == [1, 1, 2]


def test_nobody_is_asked_while_the_time_of_the_venue_is_not_known() -> None:
    yard = Yard()
    yard.now = 0
    assert yard.fetch(FIVE) == Fetch(state="refused", reason="the time of binance is not known yet")
    assert yard.http.asked == []


def test_a_venue_that_is_not_collected_is_refused() -> None:
    yard = Yard()

    async def some() -> Fetch:
        async with Demand([], lambda: nullcontext(yard.store), at_most=MINUTE) as demand:
            return await demand.fetch(BTC, [FIVE], trades=True, wait=None)

    assert asyncio.run(some()) == Fetch(state="refused", reason="binance is not collected by this run")
