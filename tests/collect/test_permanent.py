"""Holes that nobody can fill get a name and are left in peace; no other hole is taken for one."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from desk import BINANCE, Desk
from manual import EPOCH, Answer, Asked, reply
from test_repair import Workshop, holed, old_hole, refused
from test_repair_bars import bar_market, bars_desk
from tiny_market import TinyMarket

from gapless.model import DAY, MINUTE, SECOND, Evidence, Gap
from gapless.query.audit import audit_tape
from gapless.tape.wanted import joined_ranges

FIRST = EPOCH // MINUTE
NO = reply({"code": -4166, "msg": "Search window is restricted to recent 2 days only."}, 400)


@pytest.fixture(autouse=True)
def _files_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is read in a thread, whose end no manual clock waits for: here it is read where it is asked for."""

    async def at_once(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr("asyncio.to_thread", at_once)


def forgetful(*forgotten: int) -> Callable[[Asked], Answer | None]:
    """REST that has forgotten some aggregates and goes on with those after them."""

    def answer(asked: Asked) -> Answer | None:
        if asked.path != "aggTrades":
            return None
        market, first = TinyMarket(), asked.number("fromId")
        known = [number for number in range(first, 10) if number not in forgotten]
        return reply([market.agg(number) for number in known[: asked.number("limit")]])

    return answer


def permanent(desk: Desk) -> list[tuple[int, int]]:
    return [(gap.first, gap.last) for gap in desk.store.gaps(desk.trades.tape.id, "permanent")]


def test_a_hole_that_no_source_has_is_named_for_good_and_asked_for_no_more() -> None:
    desk, market = holed()
    shop = Workshop(desk, market, answer=refused, archive=False)
    shop.work(60)
    assert (desk.trades.holes(), permanent(desk)) == ([], [(4, 6)])
    (gap,) = desk.store.gaps(desk.trades.tape.id, "permanent")
    assert gap.reason == (
        "REST: the venue refused with HTTP 400: Search window is restricted to recent 2 days only. (-4166); "
        "there is no archive"
    )
    assert (gap.cause, gap.closed is not None) == ("jump", True)
    assert desk.store.gaps(desk.trades.tape.id, "open") == []
    asked = len(shop.http.asked)
    shop.work(7_200)
    assert len(shop.http.asked) == asked
    later = Workshop(Desk(store=desk.store), market, answer=refused, archive=False)
    later.work(60)
    assert (later.desk.trades.holes(), later.http.asked) == ([], [])


def test_a_file_without_the_ids_and_a_refusal_make_a_hole_permanent_and_no_more_than_that() -> None:
    desk, market = old_hole(hole=(4, 8), last=10)
    market.publish("aggTrades", [number for number in range(1, 11) if number != 6])
    shop = Workshop(desk, market, answer=refused)
    shop.work(60)
    assert (desk.held(), permanent(desk)) == ([1, 2, 3, 4, 5, 7, 8, 9, 10], [(6, 6)])
    (closed,) = desk.store.gaps(desk.trades.tape.id, "repaired")
    assert (closed.first, closed.last, closed.reason) == (4, 8, "but for ids 6 to 6, which no source has")
    (hole,) = audit_tape(desk.store, desk.trades.tape).holes
    assert (hole.first, hole.last, hole.state) == (6, 6, "permanent")
    assert "files of these days do not have them" in hole.reason


@pytest.mark.parametrize("days", [3, 4])
def test_a_file_that_was_never_published_is_given_up_days_after_it_was_due(days: int) -> None:
    desk, market = holed()
    desk.commit()
    desk.pipeline.clock.saw(EPOCH + days * DAY + DAY // 2, 1_000 * SECOND)
    shop = Workshop(desk, market, answer=refused)
    shop.work(60)
    assert permanent(desk) == ([(4, 6)] if days == 4 else [])
    assert bool(shop.asked("aggTrades")) is (days == 4)  # REST has the last word, and only that


def test_a_hole_of_today_waits_for_the_file_of_its_day() -> None:
    desk, market = holed()
    desk.pipeline.clock.saw(EPOCH, 0)
    shop = Workshop(desk, market, answer=refused)
    shop.work(600)
    assert (desk.trades.holes(), permanent(desk)) == ([(4, 6)], [])


@pytest.mark.parametrize(
    "trouble",
    [reply({"code": -2014, "msg": "API-key format invalid."}, 401), reply(b"[]"), reply(b"<html>"), reply(b"", 503)],
)
def test_errors_keys_and_silence_are_no_reason_to_give_up(trouble: Answer) -> None:
    desk, market = holed()
    shop = Workshop(desk, market, answer=lambda asked: trouble, archive=False)
    shop.work(600)
    assert (desk.trades.holes(), permanent(desk)) == ([(4, 6)], [])


def test_a_ban_is_no_reason_to_give_up() -> None:
    desk, market = holed()
    shop = Workshop(desk, market, answer=lambda asked: reply(b"", 418, retry_after="300"), archive=False)
    shop.work(900)
    assert permanent(desk) == []


def test_ids_that_rest_leaves_out_time_and_again_are_lost_and_their_neighbours_are_not() -> None:
    desk, market = holed(hole=(3, 7), last=9)
    shop = Workshop(desk, market, answer=forgetful(5), archive=False)
    shop.work(40)
    assert (desk.held(), permanent(desk)) == ([1, 2, 3, 4, 6, 7, 8, 9], [(5, 5)])
    assert shop.repair.done.rejected == 4  # the fifth time it is believed


def test_a_page_that_leaves_ids_out_once_loses_nothing() -> None:
    desk, market = holed(hole=(3, 7), last=9)
    wrong = [True]
    shop = Workshop(
        desk, market, answer=lambda asked: forgetful(5)(asked) if wrong and wrong.pop() else None, archive=False
    )
    shop.work(40)
    assert (desk.held(), permanent(desk)) == (list(range(1, 10)), [])


def test_a_long_hole_is_given_up_to_the_very_id_from_which_the_venue_has_it_again() -> None:
    edge, last = 40_123, 60_000
    desk, market = holed(hole=(4, last), last=last + 3, step=7)

    def answer(asked: Asked) -> Answer | None:
        return NO if asked.path == "aggTrades" and asked.number("fromId") < edge else None

    shop = Workshop(desk, market, answer=answer, archive=False)
    shop.work(600)
    assert joined_ranges(permanent(desk)) == [(4, edge - 1)]
    assert (desk.held()[:4], len(desk.held()), desk.trades.holes()) == ([1, 2, 3, edge], 3 + last + 4 - edge, [])
    assert len(shop.asked("aggTrades")) < 80


def test_minutes_that_the_venue_passes_over_are_given_up_by_name() -> None:
    desk, market = bars_desk(0, 6), bar_market(7)
    desk.pipeline.clock.saw(EPOCH + 7 * MINUTE, 1_000 * SECOND)
    rows = [market.kline(minute) for minute in (1, 2, 4, 5, 6)]

    def answer(asked: Asked) -> Answer | None:
        if asked.path != "klines":
            return None
        return reply([row for row in rows if asked.number("startTime") <= row[0] <= asked.number("endTime")])

    shop = Workshop(desk, market, answer=answer, archive=False)
    shop.work(60)
    assert desk.bars.holes() == []
    lost = desk.store.gaps(desk.bars.tape.id, "permanent")
    assert [(gap.first - FIRST, gap.last - FIRST) for gap in lost] == [(3, 3)]


def test_a_permanent_hole_that_comes_all_the_same_is_repaired() -> None:
    desk, market = holed()
    Workshop(desk, market, answer=refused, archive=False).work(60)
    later = Desk(store=desk.store)
    tape = later.trades.tape
    page = BINANCE.history.trades_page(msgspec.json.encode([market.agg(n) for n in (4, 5, 6)]), tape, None, EPOCH)
    later.pipeline.fill(later.line, page.rows, (4, 6), Evidence.ARCHIVE)
    later.commit()
    assert permanent(later) == []
    assert [(gap.first, gap.last, gap.reason) for gap in later.store.gaps(tape.id, "repaired")] == [(4, 6, "")]


def test_the_stream_of_gaps_tells_that_a_hole_was_given_up() -> None:
    desk, market = holed()
    Workshop(desk, market, answer=refused, archive=False).work(60)
    told = [entry for entry in desk.store.log_after(0, 0, 1_000) if entry.kind == "gap"]
    assert [(entry.first, entry.last) for entry in told] == [(4, 6), (4, 6)]  # named, and given up


def test_a_gap_that_is_left_with_a_permanent_part_stays_open_while_more_of_it_is_missing() -> None:
    desk, _ = holed(hole=(3, 7), last=9)
    desk.commit()
    tape = desk.trades.tape
    desk.pending.gap(tape, Gap(tape=tape.id, first=3, last=7, opened=EPOCH, cause="jump"))
    desk.commit()
    desk.pending.gap(tape, Gap(tape=tape.id, first=5, last=5, opened=EPOCH, cause="", state="permanent", closed=EPOCH))
    desk.commit()
    assert [(gap.first, gap.last) for gap in desk.store.gaps(tape.id, "open")] == [(3, 7)]
