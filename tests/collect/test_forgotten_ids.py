"""Where pages go backwards, ids that a venue has forgotten are told from those that it does not know yet."""

import asyncio

import pytest
from manual import EPOCH, Asked, HandHttp, ManualClock, reply

from gapless.budget.host import Ceiling
from gapless.budget.priority import Priority
from gapless.collect.rest import RestClient
from gapless.collect.sources import Ask, Found, Sources, Wrong
from gapless.errors import Refused
from gapless.model import MINUTE, SECOND, Instrument
from gapless.store.budget import MemoryBudget
from gapless.venues.registry import venue

OKX, COINBASE = venue("okx"), venue("coinbase")
FIRST = EPOCH // MINUTE
BTC = Instrument(
    venue="okx", symbol="BTC-USDT", base="BTC", quote="USDT", kind="spot", price_digits=1, size_digits=4, tick=1
)


def sources(at, answer) -> Sources:
    clock = ManualClock()
    http = HandHttp(clock, answer)
    rest = RestClient(http, MemoryBudget(), clock, at, Ceiling(weight_per_minute=100_000), api_key=None)
    return Sources(at, at.hosts("live", None), rest, http, clock, now=lambda: 0)


def found(known: list[int], **ids: int) -> Found:
    """Ask for ids of a venue that knows some, with ids up to 90 held behind them."""

    def answer(asked: Asked):
        rows = [number for number in known if number < asked.number("after")][-asked.number("limit") :]
        told = [
            {
                "instId": "BTC-USDT",
                "side": "buy",
                "sz": "1",
                "px": "2",
                "tradeId": str(n),
                "ts": str(EPOCH // 10**6 + n),
            }
            for n in reversed(rows)
        ]
        return reply({"code": "0", "msg": "", "data": told})

    ask = Ask(tape=BTC.scale("trade"), joint=ids["first"], newest=90, **ids)
    return asyncio.run(sources(OKX, answer).rest_trades(ask, Priority.TRADES))


def test_forgotten_ids_at_the_end_of_a_page_are_named_though_the_page_does_not_show_them() -> None:
    known = [*range(1, 31), *range(50, 100)]
    page = found(known, first=21, last=40)
    assert ([row.seq for row in page.trades], page.vouched, page.lacks) == ([*range(21, 31)], [(21, 30)], [(31, 40)])
    page = found(known, first=35, last=45)
    assert (page.trades, page.vouched, page.lacks) == ([], [], [(35, 45)])


def test_what_is_older_than_everything_known_is_refused_as_a_whole_and_not_page_by_page() -> None:
    with pytest.raises(Refused, match="nothing that old is known") as refused:
        found([*range(50, 100)], first=21, last=40)
    assert refused.value.status == 410
    assert found([], first=21, last=40).lacks == []


def test_a_venue_that_is_late_is_not_taken_for_a_forgetful_one() -> None:
    page = found([*range(1, 31)], first=21, last=40)
    assert (page.vouched, page.lacks) == ([(21, 30)], [])
    assert found([*range(1, 31)], first=35, last=45).lacks == []


@pytest.mark.parametrize("told", [[0, 1, 2, 3], [-2, 0, 1, 3], [3], []])
def test_bars_beyond_those_asked_for_cost_none_of_them(told: list[int]) -> None:
    def answer(asked: Asked):
        return reply([[EPOCH // SECOND + 60 * minute, 1, 1, 1, 1, 1] for minute in reversed(told)])

    asking = sources(COINBASE, answer).rest_bars(BTC.scale("bars"), EPOCH, EPOCH + 3 * MINUTE, Priority.BARS)
    minutes = [bar.start // MINUTE - FIRST for bar in asyncio.run(asking).bars]
    assert minutes == [minute for minute in told if 0 <= minute < 3]


def test_bars_of_another_time_altogether_are_turned_away() -> None:
    asking = sources(COINBASE, lambda asked: reply([[EPOCH // SECOND - 600, 1, 1, 1, 1, 1]]))
    with pytest.raises(Wrong, match="it has a bar of"):
        asyncio.run(asking.rest_bars(BTC.scale("bars"), EPOCH, EPOCH + 3 * MINUTE, Priority.BARS))
