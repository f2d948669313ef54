"""What is repaired first, from where, at what price: live before history, the cheap before the dear, nothing twice."""

from collections.abc import Callable
from typing import Any

import pytest
from desk import Desk
from manual import EPOCH, Answer, Asked, reply
from test_repair import FIRST, Workshop, holed, old_hole, probed
from test_repair_bars import bar_market
from tiny_market import TinyMarket

from gapless.budget.priority import Priority
from gapless.collect.rest import RestClient
from gapless.model import HOUR, Evidence, Timeframe
from gapless.query.explain import explain
from gapless.query.market import Market
from gapless.venues.spec import Request


@pytest.fixture(autouse=True)
def _files_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is read in a thread, whose end no manual clock waits for: here it is read where it is asked for."""

    async def at_once(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr("asyncio.to_thread", at_once)


@pytest.fixture
def priorities(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Priority]]:
    """What was asked of REST, with the priority that it was asked with."""
    asked: list[tuple[str, Priority]] = []
    get = RestClient.get

    async def noted(self: RestClient, request: Request, **options: Any) -> bytes:
        path = request.url.partition("?")[0].rpartition("/")[2]
        asked.append((path, options.get("priority", Priority.TRADES)))
        return await get(self, request, **options)

    monkeypatch.setattr(RestClient, "get", noted)
    return asked


def yesterday(shop: Workshop, hours: int = 40) -> None:
    """Let the venue's clock stand so long after the start: its file is published, and REST still has the trades."""
    shop.desk.pipeline.clock.saw(EPOCH + hours * HOUR, shop.clock.mono)


def test_a_live_hole_does_not_wait_for_a_long_history(priorities: list[tuple[str, Priority]]) -> None:
    desk, market = Desk(history=40_000), bar_market(41_000)
    now = 40_500 * 60
    market.shown = now + 9
    desk.hear(market.bar_frame(40_500), *market.aggs(now + 1, now + 3), *market.aggs(now + 7, now + 9))
    shop = Workshop(desk, market)
    shop.work(2)
    assert priorities[:2] == [("aggTrades", Priority.TRADES), ("klines", Priority.HISTORY)]
    desk.hear(market.bar_frame(40_503))
    shop.work(3)
    assert priorities.index(("klines", Priority.BARS)) < 16  # of the more than 40 pages of history
    assert not [hole for hole in desk.bars.holes() if not desk.bars.is_history(hole)]
    assert desk.bars.holes()  # history is not through yet


def test_the_newest_end_is_asked_for_before_everything(priorities: list[tuple[str, Priority]]) -> None:
    desk, market = Desk(), TinyMarket(shown=9)
    desk.hear(*market.aggs(1, 5))
    assert probed(Workshop(desk, market))
    assert priorities == [("24hr", Priority.LIVE), ("aggTrades", Priority.LIVE)]


def test_a_hole_for_which_no_source_is_free_keeps_no_history_waiting() -> None:
    desk, market = Desk(history=30), bar_market(55)
    desk.hear(market.bar_frame(50), market.bar_frame(53))
    silent = reply([])

    def answer(asked: Asked) -> Answer | None:
        late = asked.path == "klines" and asked.number("startTime") > market.start_ms + 50 * 60_000
        return silent if late else None

    shop = Workshop(desk, market, answer=answer)
    shop.work(10)
    assert desk.bars.holes() == [(FIRST + 51, FIRST + 52)]


def test_a_small_hole_of_yesterday_comes_by_rest_and_a_long_one_from_its_file() -> None:
    for last, source in ((6, Evidence.REST), (19_000, Evidence.ARCHIVE)):
        desk, market = holed(hole=(4, last), last=last + 3, step=7)
        desk.commit()
        market.publish("aggTrades", range(1, last + 4))
        shop = Workshop(desk, market)
        yesterday(shop)
        shop.work(10)
        assert desk.trades.holes() == []
        assert (4, last, source) in shop.spans()


def test_the_reason_for_the_source_is_kept_and_explained() -> None:
    desk, market = holed(hole=(4, 19_000), last=19_003, step=7)
    desk.commit()
    market.publish("aggTrades", range(1, 19_004))
    shop = Workshop(desk, market)
    yesterday(shop)
    shop.work(5)
    (event,) = desk.store.events(("repaired",), 0)
    assert event[2] == {"ids": 18_997, "source": "archive", "weight": 0, "ms": 0, "why": "380 weight by rest"}
    market_of = Market(desk.store)
    told = explain(market_of, market_of.instrument("binance:BTCUSDT"), Timeframe(1), EPOCH)
    (gap,) = told["gaps"]
    assert gap["repairs"] == [{"why": "380 weight by rest", "source": "archive", "answers": 1, "weight": 0, "ms": 0}]


def test_where_one_source_gives_a_wrong_page_the_other_is_asked() -> None:
    desk, market = holed()
    desk.commit()
    market.publish("aggTrades", range(1, 10))
    wrong = reply([market.agg(number) for number in (3, 4, 5)])
    shop = Workshop(desk, market, answer=lambda asked: wrong if asked.path == "aggTrades" else None)
    yesterday(shop)
    shop.work(5)
    assert (desk.trades.holes(), shop.repair.done.rejected) == ([], 1)
    assert (4, 6, Evidence.ARCHIVE) in shop.spans()
    (said,) = desk.store.events(("rejected",), 0)
    assert said[1:3] == ("binance:BTCUSDT agg", {"source": "rest", "reason": "asked from id 4 it begins with id 3"})


def test_a_broken_file_of_what_rest_still_has_is_no_loss() -> None:
    desk, market = holed(hole=(4, 19_000), last=19_003, step=7)
    desk.commit()
    market.publish("aggTrades", range(1, 19_004), checksum="0" * 64)
    shop = Workshop(desk, market)
    yesterday(shop)
    shop.work(60)
    assert desk.trades.holes() == []
    assert (4, 19_000, Evidence.REST) in shop.spans()


def test_rows_of_another_symbol_are_not_stored() -> None:
    desk, market = holed()
    other = TinyMarket(start_ms=market.start_ms - 3 * 3_600_000)
    page = reply([other.agg(number) for number in (4, 5, 6)])
    asked = [page]
    shop = Workshop(desk, market, answer=lambda question: asked.pop() if asked else None)
    shop.work(1.6)
    assert (desk.held(), shop.repair.done.rejected) == ([1, 2, 3, 7, 8, 9], 1)
    shop.work(4)
    assert desk.held() == list(range(1, 10))
    assert all(row.time >= EPOCH for row in desk.store.trades(desk.trades.tape.id, 1, 9))


def test_a_page_that_repeats_the_one_before_is_not_stored() -> None:
    desk, market = holed(hole=(2, 2_001), last=2_005, step=7)
    replies: list[Answer] = []

    def answer(asked: Asked) -> Answer | None:
        if asked.path == "aggTrades" and asked.number("fromId") == 1_002 and not replies:
            replies.append(reply([market.agg(number) for number in range(2, 1_002)]))
            return replies[0]
        return None

    shop = Workshop(desk, market, answer=answer)
    shop.work(6)
    assert (desk.held(), shop.repair.done.rejected) == (list(range(1, 2_006)), 1)


@pytest.mark.parametrize("broken", ["twice", "beside", "upside down", "another day"])
def test_bars_that_cannot_be_right_are_not_stored(broken: str) -> None:
    desk, market = Desk(), bar_market(40)
    desk.hear(market.bar_frame(0), market.bar_frame(3))
    rows = [market.kline(minute) for minute in (1, 2, 3)]
    if broken == "twice":
        rows[1] = market.kline(1)
    elif broken == "beside":
        rows[0][0] += 1
    elif broken == "upside down":
        rows[0][2], rows[0][3] = rows[0][3], str(float(rows[0][2]) + 1)
    else:
        rows = [[row[0] + 86_400_000, *row[1:]] for row in rows]
    wrong = [reply(rows)]
    shop = Workshop(desk, market, answer=lambda asked: wrong.pop() if wrong and asked.path == "klines" else None)
    shop.work(1.6)
    assert (len(desk.bars.holes()), shop.repair.done.rejected) == (1, 1)
    shop.work(5)
    assert desk.bars.holes() == []


def test_a_kill_between_two_pages_pays_for_no_page_twice() -> None:
    desk, market = holed(hole=(2, 3_400), last=3_401, step=7)
    first = Workshop(desk, market)
    first.work(1.1)  # the first page has come; then the process is gone, and what was not committed with it
    paid = [query["fromId"] for query in first.asked("aggTrades")]
    assert desk.trades.holes()
    later = Workshop(Desk(store=desk.store), market)
    later.work(5)
    paid += [query["fromId"] for query in later.asked("aggTrades")]
    assert later.desk.trades.holes() == []
    assert paid == ["2", "1002", "2002", "3002"]
    assert later.desk.held() == list(range(1, 3_402))


def test_old_holes_are_not_asked_of_rest_while_their_file_may_have_them() -> None:
    desk, market = old_hole()
    market.publish("aggTrades", range(1, 10), checksum="0" * 64)
    shop = Workshop(desk, market)
    shop.work(20)
    assert shop.asked("aggTrades") == []


def test_what_has_expired_is_asked_for_no_more_whoever_dropped_it() -> None:
    desk, market = holed(hole=(4, 9), last=12)
    shop = Workshop(desk, market)
    tape = desk.trades.tape.id
    desk.store.commit(lambda tx: tx.put_expired(tape, "trades", [(1, 6)], 0))  # as another process would
    shop.work(5)
    assert shop.asked("aggTrades") == [{"symbol": "BTCUSDT", "fromId": "7", "limit": "3"}]
    assert desk.trades.holes() == []
    assert desk.held() == [1, 2, 3, *range(7, 13)]
