"""Holes against a venue that lags, jumps, lies, refuses, and forgets: nothing false is stored, all that exists is."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from desk import BINANCE, Desk
from manual import EPOCH, Answer, Asked, HandHttp, ManualClock, reply, settled
from tiny_market import DAY_MS, TinyMarket

from gapless.budget.host import Ceiling
from gapless.collect.repair import Repair
from gapless.collect.rest import RestClient
from gapless.model import DAY, MINUTE, SECOND, Evidence, Tape
from gapless.store.budget import MemoryBudget

FIRST = EPOCH // MINUTE


@pytest.fixture(autouse=True)
def _files_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is read in a thread, whose end no manual clock waits for: here it is read where it is asked for."""

    async def at_once(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


class Workshop:
    """A desk whose holes are repaired; `answer` replaces what the market would say, where it says something."""

    def __init__(
        self,
        desk: Desk,
        market: TinyMarket,
        *,
        key: str | None = "k",
        answer: Callable[[Asked], Answer | None] | None = None,
        archive: bool = True,
    ) -> None:
        self.desk, self.market = desk, market
        self.clock = ManualClock()
        self.odd = answer
        self.http = HandHttp(self.clock, self._answer)
        rest = RestClient(self.http, MemoryBudget(), self.clock, BINANCE, Ceiling(weight_per_minute=2_400), api_key=key)
        self.repair = Repair(
            desk.pipeline, rest, BINANCE.hosts("live", None), self.clock, http=self.http, trade_before=self._before,
            expired=lambda tape: self.desk.store.expired(tape.id, "trades"), archive=archive,
        )  # fmt: skip

    def _answer(self, asked: Asked) -> Answer:
        odd = self.odd(asked) if self.odd else None
        return odd if odd is not None else self.market.answer(asked)

    def _before(self, tape: Tape, seq: int) -> tuple[int, int] | None:
        row = self.desk.store.trade_before(tape.id, seq)
        return (row.seq, row.time) if row else None

    def work(self, seconds: float) -> None:
        """Repair for so long; what comes is committed at once."""

        async def some() -> None:
            self.desk.commit()
            repairing = asyncio.create_task(self.repair.run())
            for _ in range(int(seconds * 5)):
                await self.clock.pass_by(SECOND // 5)
                if self.desk.pending:
                    self.desk.commit(known_at=self.clock.wall())
            assert not repairing.done()
            repairing.cancel()
            await asyncio.wait({repairing})

        asyncio.run(some())

    def asked(self, path: str) -> list[dict[str, str]]:
        return [asked.query for asked in self.http.asked if asked.path == path]

    def spans(self) -> list[tuple[int, int, Evidence]]:
        spans = self.desk.store.all_spans(self.desk.trades.tape.id)
        return [(span.first, span.last, span.evidence) for span in spans]


def holed(
    *, kind: Any = "agg", hole: tuple[int, int] = (4, 6), last: int = 9, **options: Any
) -> tuple[Desk, TinyMarket]:
    """A desk that heard 1 to `last` without the hole, and its market, whose REST shows everything."""
    desk, market = Desk(kind=kind), TinyMarket(shown=last, **options)
    frames = market.aggs if kind == "agg" else market.trades
    desk.hear(*frames(1, hole[0] - 1), *frames(hole[1] + 1, last))
    return desk, market


def times(count: int, answer: Answer) -> Callable[[Asked], Answer | None]:
    """Give an answer so many times to what is asked of trades or bars, then leave it to the market."""
    left = [answer] * count
    return lambda asked: left.pop() if left and asked.path != "24hr" else None


def test_a_hole_is_filled_by_one_request_for_its_ids() -> None:
    desk, market = holed()
    shop = Workshop(desk, market)
    shop.work(3)
    assert shop.asked("aggTrades") == [{"symbol": "BTCUSDT", "fromId": "4", "limit": "3"}]
    assert desk.held() == list(range(1, 10))
    assert shop.spans() == [(1, 3, Evidence.STREAM), (4, 6, Evidence.REST), (7, 9, Evidence.STREAM)]
    gap = desk.store.gaps(desk.trades.tape.id, "repaired")
    assert [(g.first, g.last) for g in gap] == [(4, 6)]


def test_a_frame_that_is_only_late_is_not_paid_for() -> None:
    desk, market = holed()
    shop = Workshop(desk, market)
    shop.work(0.8)
    desk.hear(*market.aggs(4, 6))
    shop.work(5)
    assert shop.http.asked == []


def test_many_small_holes_on_one_page_cost_one_request() -> None:
    desk, market = Desk(), TinyMarket(shown=900)
    desk.hear(*[market.agg_frame(n) for n in range(1, 901) if n % 10])
    desk.trades.saw(900, 0)
    shop = Workshop(desk, market)
    shop.work(3)
    assert shop.asked("aggTrades") == [{"symbol": "BTCUSDT", "fromId": "10", "limit": "891"}]
    assert desk.held() == list(range(1, 901))


def test_a_long_hole_is_paged_by_id_without_loss_at_the_borders() -> None:
    desk, market = holed(hole=(2, 3_400), last=3_401, step=7)
    shop = Workshop(desk, market)
    shop.work(5)
    assert [(q["fromId"], q["limit"]) for q in shop.asked("aggTrades")] == [
        ("2", "1000"), ("1002", "1000"), ("2002", "1000"), ("3002", "399"),
    ]  # fmt: skip
    assert desk.held() == list(range(1, 3_402))


def test_a_page_that_lags_behind_the_stream_fills_what_it_shows_and_is_asked_again() -> None:
    desk, market = holed(hole=(4, 8), last=9)
    market.shown = 5
    shop = Workshop(desk, market)
    shop.work(2)
    assert desk.trades.holes() == [(6, 8)]
    market.shown = 9
    shop.work(10)
    assert (desk.held(), desk.trades.holes()) == (list(range(1, 10)), [])


def test_an_empty_page_is_asked_for_ever_more_seldom() -> None:
    desk, market = holed()
    market.shown = 3
    shop = Workshop(desk, market)
    shop.work(60)
    assert desk.trades.holes() == [(4, 6)]
    assert 6 <= len(shop.asked("aggTrades")) <= 12


AGG = TinyMarket().agg
WRONG_PAGES = {
    "it jumps": [AGG(4), AGG(6)],
    "it begins after the hole": [AGG(5), AGG(6)],
    "it begins before the hole": [AGG(3), AGG(4), AGG(5), AGG(6)],
    "ids of long ago": [AGG(1), AGG(2), AGG(3)],
    "an id twice": [AGG(4), AGG(4), AGG(5), AGG(6)],
    "ids of the future": [AGG(1_004), AGG(1_005), AGG(1_006)],
    "a number that is none": [AGG(4) | {"p": "x"}, AGG(5), AGG(6)],
}


@pytest.mark.parametrize("page", WRONG_PAGES.values(), ids=WRONG_PAGES.keys())
def test_a_page_that_cannot_be_right_is_not_stored_and_asked_for_again(page: list[dict[str, Any]]) -> None:
    desk, market = holed()
    shop = Workshop(desk, market, answer=times(1, reply(page)))
    shop.work(1.6)
    assert (desk.held(), desk.trades.holes()) == ([1, 2, 3, 7, 8, 9], [(4, 6)])
    assert shop.repair.done.rejected == 1
    shop.work(3)
    assert desk.held() == list(range(1, 10))


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'[{"a":4', b"[null]", b"[[1,2]]"])
def test_a_page_that_cannot_be_read_kills_nobody(body: bytes) -> None:
    desk, market = holed()
    shop = Workshop(desk, market, answer=times(2, reply(body)))
    shop.work(8)
    assert desk.held() == list(range(1, 10))


def test_a_refusal_is_kept_for_people_and_asked_again_later() -> None:
    desk, market = holed()
    shop = Workshop(desk, market, answer=times(1, reply({"code": -4166, "msg": "Search window is restricted."}, 400)))
    shop.work(5)
    assert desk.trades.holes() == [(4, 6)]
    assert shop.repair.done.refusals == {
        "binance:BTCUSDT agg": "the venue refused with HTTP 400: Search window is restricted. (-4166)"
    }
    shop.work(32)
    assert desk.held() == list(range(1, 10))


def test_a_hole_that_no_source_fills_does_not_keep_the_others_waiting() -> None:
    desk, market = Desk(), TinyMarket(shown=5_000, step=7)
    desk.hear(*market.aggs(1, 3), *market.aggs(7, 3_000), *market.aggs(3_005, 3_010))
    no = reply({"code": -4166, "msg": "Search window is restricted."}, 400)
    shop = Workshop(desk, market, answer=lambda asked: no if asked.query.get("fromId") == "4" else None)
    shop.work(5)
    assert desk.trades.holes() == [(4, 6)]
    assert desk.held() == [1, 2, 3, *range(7, 3_011)]


def test_holes_of_an_earlier_run_are_repaired_too() -> None:
    desk, market = holed()
    desk.commit()
    later = Desk(store=desk.store)
    shop = Workshop(later, market)
    shop.work(3)
    assert later.held() == list(range(1, 10))


# Bars


def test_single_trades_are_repaired_with_a_key_and_ids_spent_without_a_trade_are_known_as_that() -> None:
    desk, market = Desk(kind="trade"), TinyMarket(shown=12)
    market.voids = {3, 4, 6}
    desk.hear(*market.trades(1, 2), *market.trades(8, 12))
    shop = Workshop(desk, market)
    shop.work(3)
    assert shop.asked("historicalTrades")[0]["fromId"] == "2"  # a row that is held: what follows it joins
    assert (desk.held(), desk.trades.holes()) == ([1, 2, 5, 7, 8, 9, 10, 11, 12], [])
    assert shop.http.asked[0].headers == {"X-MBX-APIKEY": "k"}


def test_a_page_of_single_trades_that_does_not_reach_back_vouches_for_no_id_before_it() -> None:
    """The venue has forgotten 4 to 6: they are a loss, not ids spent without a trade."""
    desk, market = holed(kind="trade", hole=(4, 8), last=12)
    forgetful = [market.single(number) for number in range(7, 13)]
    shop = Workshop(desk, market, answer=lambda asked: reply(forgetful) if asked.path == "historicalTrades" else None)
    shop.work(5)
    assert desk.trades.holes() == [(4, 6)]
    assert desk.held() == [1, 2, 3, *range(7, 13)]
    assert "not published yet" in shop.repair.done.refusals["binance:BTCUSDT trade"]


def test_without_a_key_the_newest_thousand_are_all_there_is_until_the_file_of_the_day() -> None:
    desk, market = holed(kind="trade", hole=(4, 2_500), last=2_505, step=20)
    desk.pipeline.clock.saw(EPOCH, 0)
    shop = Workshop(desk, market, key=None)
    shop.work(5)
    assert desk.trades.holes() == [(4, 1_505)]
    assert shop.asked("trades")[0] == {"symbol": "BTCUSDT", "limit": "1000"}
    market.publish("trades", range(1, 2_506))
    desk.pipeline.clock.saw(EPOCH + DAY + DAY // 2, shop.clock.mono)
    shop.work(40)
    assert (desk.held(), desk.trades.holes()) == (list(range(1, 2_506)), [])
    assert (4, 1_505, Evidence.ARCHIVE) in shop.spans()


# Archives


def old_hole(**options: Any) -> tuple[Desk, TinyMarket]:
    """A hole of two and a half days ago, when REST still had it."""
    desk, market = holed(**options)
    desk.commit()
    desk.pipeline.clock.saw(EPOCH + 5 * DAY // 2, 1_000 * SECOND)
    return desk, market


def test_what_rest_serves_no_more_comes_from_the_file_of_its_day() -> None:
    desk, market = old_hole()
    market.publish("aggTrades", range(1, 10))
    shop = Workshop(desk, market)
    shop.work(3)
    assert shop.asked("aggTrades") == []
    assert (desk.held(), desk.trades.holes()) == (list(range(1, 10)), [])
    assert shop.spans()[1] == (4, 6, Evidence.ARCHIVE)


def test_a_file_that_does_not_match_its_checksum_is_rejected_whole() -> None:
    desk, market = old_hole()
    market.publish("aggTrades", range(1, 10), checksum="0" * 64)
    shop = Workshop(desk, market)
    shop.work(5)
    assert desk.trades.holes() == [(4, 6)]
    assert shop.repair.done.refusals["binance:BTCUSDT agg"] == (
        "BTCUSDT-aggTrades-2026-01-07.zip does not match its checksum"
    )
    market.publish("aggTrades", range(1, 10))
    shop.work(32)
    assert desk.trades.holes() == []


def refused(asked: Asked) -> Answer | None:
    """REST as it answers what lies beyond its window."""
    no = {"code": -4166, "msg": "Search window is restricted to recent 2 days only."}
    return reply(no, 400) if asked.path in {"aggTrades", "historicalTrades"} else None


def test_a_file_in_which_ids_are_missing_fills_only_what_it_has() -> None:
    desk, market = old_hole(hole=(4, 8), last=10)
    market.publish("aggTrades", [number for number in range(1, 11) if number != 6])
    shop = Workshop(desk, market, answer=refused)
    shop.work(5)
    assert desk.trades.holes() == [(6, 6)]
    assert desk.held() == [1, 2, 3, 4, 5, 7, 8, 9, 10]


def test_a_hole_that_begins_with_the_day_is_in_the_file_of_that_day() -> None:
    """The last trade held is of the evening before: its file ends where the hole begins."""
    step = DAY_MS // 2 // 4  # four events until midnight
    desk, market = holed(hole=(4, 6), last=9, step=step)
    desk.commit()
    desk.pipeline.clock.saw(EPOCH + 5 * DAY, 1_000 * SECOND)
    market.publish("aggTrades", range(1, 4))
    market.publish("aggTrades", range(4, 10))
    assert len(market.files) == 4
    shop = Workshop(desk, market)
    shop.work(3)
    assert desk.trades.holes() == []


# Probes


def probed(shop: Workshop) -> bool:
    async def ask() -> bool:
        asking = asyncio.create_task(shop.repair.probe(shop.desk.line))
        await settled()
        await shop.clock.pass_by(40 * SECOND)
        return await asyncio.wait_for(asking, 5)

    shop.desk.commit()
    return asyncio.run(ask())


def test_a_tape_that_is_behind_the_venue_is_brought_up_to_it() -> None:
    desk, market = Desk(), TinyMarket(shown=2_500, step=7)
    desk.hear(*market.aggs(1, 5))
    shop = Workshop(desk, market)
    assert probed(shop)
    desk.commit()
    assert desk.held() == list(range(1, 2_501))
    assert not probed(shop)


def test_a_tape_that_is_silent_from_its_very_start_is_found_when_the_venue_moves() -> None:
    desk, market = Desk(), TinyMarket(shown=5)
    shop = Workshop(desk, market)
    assert [probed(shop), probed(shop)] == [False, False]
    market.shown = 6
    assert probed(shop)
    assert desk.held() == []


def test_a_tape_of_long_ago_is_not_continued_page_by_page_through_the_years() -> None:
    desk, market = Desk(), TinyMarket(shown=9)
    desk.hear(*market.aggs(1, 5))
    desk.commit()
    later = Desk(store=desk.store)
    market.now_ms += 30 * DAY_MS
    shop = Workshop(later, market)
    assert not probed(shop)
    assert shop.http.paths() == ["24hr"]


@pytest.mark.parametrize("answer", [reply(b"<html>"), reply({}), reply({"code": -1121, "msg": "Invalid symbol."}, 400)])
def test_a_probe_that_is_answered_with_nonsense_kills_nobody(answer: Answer) -> None:
    desk, market = holed()
    shop = Workshop(desk, market, answer=lambda asked: answer if asked.path == "24hr" else None)
    assert not probed(shop)


def test_a_tape_that_cannot_be_brought_up_is_behind_all_the_same() -> None:
    desk, market = Desk(), TinyMarket(shown=9)
    desk.hear(*market.aggs(1, 5))
    no = reply({"code": -1000, "msg": "no"}, 400)
    shop = Workshop(desk, market, answer=lambda asked: no if asked.path == "aggTrades" else None)
    assert probed(shop)
