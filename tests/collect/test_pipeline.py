"""From frames to rows and ledger, one batch at a time: what comes late, twice, out of order, or not at all."""

import random
from typing import Any

import msgspec
import pytest
from desk import Desk
from manual import EPOCH
from tiny_market import AGG, BARS, ID, TinyMarket

from gapless.model import DAY, HOUR, MINUTE, MS, SECOND, Evidence, Origin, Proof, State, Trade
from gapless.protocol.venue_clock import VenueClock
from gapless.venues.registry import venue

BINANCE = venue("binance")
WEEK = 7 * DAY


def again(desk: Desk, **options: Any) -> Desk:
    """Another run on the same store."""
    return Desk(store=desk.store, **options)


def test_the_first_live_id_begins_what_is_wanted() -> None:
    desk, market = Desk(), TinyMarket()
    desk.hear(*market.aggs(7, 9))
    desk.commit()
    assert (desk.held(), desk.wanted(), desk.trades.holes()) == ([7, 8, 9], [(7, 9)], [])


def test_a_jump_of_ids_leaves_a_hole_that_is_known_to_the_ledger_too() -> None:
    desk, market = Desk(), TinyMarket()
    desk.hear(*market.aggs(1, 3), *market.aggs(7, 8))
    desk.commit()
    assert desk.trades.holes() == [(4, 6)]
    assert desk.wanted() == [(1, 8)]
    assert [(s.first, s.last) for s in desk.store.all_spans(desk.trades.tape.id)] == [(1, 3), (7, 8)]


def test_doubled_and_reordered_frames_are_each_held_once_and_told_once() -> None:
    desk, market = Desk(), TinyMarket()
    frames = market.aggs(1, 40)
    shuffled = frames + random.Random(4).sample(frames, 20)
    random.Random(5).shuffle(shuffled)
    desk.hear(*market.aggs(1, 1))
    for frame in shuffled:
        desk.hear(frame)
    desk.commit()
    assert desk.held() == list(range(1, 41))
    assert sorted(desk.fast) == list(range(1, 41))
    assert desk.trades.doubled == 21
    assert desk.trades.holes() == []


def test_an_early_event_that_comes_after_the_first_is_kept_and_not_wanted() -> None:
    desk, market = Desk(), TinyMarket()
    desk.hear(*market.aggs(5, 6))
    desk.hear(*market.aggs(3, 3))
    desk.commit()
    assert (desk.held(), desk.wanted(), desk.trades.holes()) == ([3, 5, 6], [(5, 6)], [])


def test_a_late_event_does_not_move_the_newest_id_back() -> None:
    desk, market = Desk(), TinyMarket()
    desk.hear(*market.aggs(1, 9))
    desk.hear(*market.aggs(4, 4))
    assert (desk.trades.newest, desk.trades.newest_fill) == (9, 91)


def test_an_id_spent_without_a_trade_is_held_and_gives_no_row() -> None:
    desk, market = Desk(kind="trade"), TinyMarket()
    market.voids = {3, 5}
    desk.hear(*market.trades(1, 5))
    desk.commit()
    assert desk.held() == [1, 2, 4]
    assert desk.trades.holes() == []
    assert desk.store.all_spans(desk.trades.tape.id)[0].last == 5


def test_a_run_that_starts_within_the_limit_joins_on_to_the_one_before() -> None:
    desk, market = Desk(), TinyMarket()
    desk.hear(*market.aggs(1, 5))
    desk.commit()
    later = again(desk)
    later.hear(*market.aggs(20, 21))
    later.commit()
    assert later.wanted() == [(1, 21)]
    assert later.trades.holes() == [(6, 19)]


def test_a_run_that_starts_beyond_the_limit_begins_a_new_interval() -> None:
    desk, market = Desk(), TinyMarket(step=MINUTE // MS)
    desk.hear(*market.aggs(1, 5))
    desk.commit()
    later = again(desk, within=10 * MINUTE)
    later.hear(*market.aggs(16, 17))
    later.commit()
    assert later.wanted() == [(1, 5), (16, 17)]
    assert later.trades.holes() == []


def test_holes_that_an_earlier_run_left_open_are_still_holes() -> None:
    desk, market = Desk(), TinyMarket()
    desk.hear(*market.aggs(1, 3), *market.aggs(6, 9))
    desk.commit()
    later = again(desk)
    assert later.trades.holes() == [(4, 5)]
    later.hear(*market.aggs(12, 12))
    assert later.trades.holes() == [(4, 5), (10, 11)]


def test_a_number_of_too_many_digits_costs_one_event_and_not_its_batch() -> None:
    desk, market = Desk(), TinyMarket()
    odd = desk.hear(*market.aggs(1, 2), market.agg_frame(3, p="1.234"), *market.aggs(4, 6))
    assert [msgspec.json.decode(raw)["data"]["a"] for raw in odd] == [3]
    desk.commit()
    assert desk.held() == [1, 2, 4, 5, 6]
    assert desk.trades.holes() == [(3, 3)]
    assert desk.pipeline.malformed == 1


@pytest.mark.parametrize("wrong", [{"p": "-1.0"}, {"p": "1e5"}, {"q": "nan"}, {"p": ""}, {"p": "9" * 40 + ".0"}])
def test_a_number_that_is_none_is_an_event_that_does_not_fit(wrong: dict[str, Any]) -> None:
    desk, market = Desk(), TinyMarket()
    desk.hear(*market.aggs(1, 1))
    assert len(desk.hear(market.agg_frame(2, **wrong))) == 1
    desk.commit()
    assert desk.held() == [1]


def test_an_event_of_another_kind_on_a_stream_of_trades_does_not_fit() -> None:
    desk, market = Desk(), TinyMarket()
    stray = {"stream": AGG, "data": market.bar_frame(0)["data"]}
    assert len(desk.hear(market.agg_frame(1), stray, {"stream": AGG}, market.agg_frame(2))) == 2
    desk.commit()
    assert desk.held() == [1, 2]


def test_a_stream_that_nobody_asked_for_changes_nothing() -> None:
    desk, market = Desk(), TinyMarket()
    assert desk.hear({"stream": "ethusdt@aggTrade", "data": market.agg_frame(1)["data"]}) == []
    assert not desk.pending


def test_a_minute_is_closed_by_the_next_trade_and_agreed_by_the_venues_bar() -> None:
    desk, market = Desk(), TinyMarket()
    desk.hear(*market.aggs(0, 125))
    desk.commit()
    first = desk.store.candle(ID, EPOCH + MINUTE)
    assert first is not None
    assert (first.origin, first.proof, first.trades) == (Origin.TAPE, Proof.PROVEN, 120)
    desk.hear(market.bar_frame(1))
    desk.commit()
    agreed = desk.store.candle(ID, EPOCH + MINUTE)
    assert agreed is not None
    assert (agreed.origin, agreed.proof, agreed.revision) == (Origin.VENUE, Proof.PROVEN, 0)
    assert (agreed.volume, agreed.quote_volume) == (first.volume, first.quote_volume)


def test_a_bar_that_comes_before_its_trades_waits_for_them() -> None:
    desk, market = Desk(), TinyMarket()
    desk.hear(*market.aggs(0, 100), market.bar_frame(1, late_ms=-15_000))
    desk.commit()
    waiting = desk.store.candle(ID, EPOCH + MINUTE)
    assert waiting is not None
    assert waiting.revision == -1
    desk.hear(*market.aggs(101, 121))
    desk.commit()
    closed = desk.store.candle(ID, EPOCH + MINUTE)
    assert closed is not None
    assert (closed.revision, closed.proof) == (0, Proof.PROVEN)


def test_a_minute_whose_last_trades_are_missing_is_closed_by_the_clock_and_repaired_as_a_revision() -> None:
    desk, market = Desk(), TinyMarket()
    desk.hear(*market.aggs(0, 110))
    desk.hear(market.agg_frame(124))
    desk.pipeline.ticked(SECOND)
    desk.commit()
    closed = desk.store.candle(ID, EPOCH + MINUTE)
    assert closed is not None
    assert (closed.revision, closed.proof, closed.trades) == (0, Proof.PARTIAL, 102)
    rows = [
        Trade(n, market.time(n) * MS, int(market.price(n).replace(".", "")), int(market.size(n).replace(".", "")),
              -1 if n % 3 == 0 else 1, 2, 10 * n, EPOCH)
        for n in range(111, 124)
    ]  # fmt: skip
    desk.pipeline.fill(desk.line, rows, (111, 123), Evidence.REST)
    assert desk.trades.holes() == []
    desk.commit()
    whole = desk.store.candle(ID, EPOCH + MINUTE)
    assert whole is not None
    assert (whole.revision, whole.proof, whole.trades) == (1, Proof.REPAIRED, 120)


def test_an_empty_minute_is_closed_by_the_clock_once_its_ids_are_whole() -> None:
    desk, market = Desk(), TinyMarket(step=90_000)
    desk.hear(*market.aggs(0, 3))  # 12:00:00, 12:01:30, 12:03:00, 12:04:30
    desk.pipeline.ticked(SECOND)
    desk.commit()
    empty = desk.store.candle(ID, EPOCH + 2 * MINUTE)
    assert empty is not None
    assert (empty.state, empty.proof, empty.trades) == (State.EMPTY, Proof.PROVEN, 0)


def test_the_history_before_the_first_live_bar_is_wanted() -> None:
    desk, market = Desk(history=3), TinyMarket()
    desk.hear(market.bar_frame(5, closed=False, late_ms=-30_000))
    assert desk.bars.holes() == []
    desk.hear(market.bar_frame(5))
    five = EPOCH // MINUTE + 5
    assert desk.bars.holes() == [(five - 3, five - 1)]


def test_a_closing_bar_that_does_not_come_is_due_after_its_grace() -> None:
    desk, market = Desk(), TinyMarket()
    desk.hear(market.bar_frame(0), *market.aggs(60, 122))
    minute = EPOCH // MINUTE
    desk.pipeline.ticked(SECOND)
    assert desk.bars.holes() == []
    desk.hear(market.agg_frame(123))
    desk.pipeline.ticked(SECOND)
    assert desk.bars.holes() == [(minute + 1, minute + 1)]
    desk.hear(market.bar_frame(1, late_ms=8_000))
    assert desk.bars.holes() == []


def test_a_bar_is_held_once_whoever_tells_it_first() -> None:
    desk, market = Desk(), TinyMarket()
    desk.hear(market.bar_frame(0), market.bar_frame(0), market.bar_frame(1, late_ms=2_500))
    desk.commit()
    candles = desk.store.candles(ID, EPOCH, EPOCH + 5 * MINUTE)
    assert [c.start for c in candles] == [EPOCH, EPOCH + MINUTE]


def test_the_venues_clock_runs_on_between_events_for_two_seconds_only() -> None:
    clock = VenueClock()
    assert clock.now(5) == 0
    clock.saw(EPOCH, SECOND)
    assert clock.now(2 * SECOND) == EPOCH + SECOND
    assert clock.now(60 * SECOND) == EPOCH + 2 * SECOND
    clock.saw(EPOCH - SECOND, 61 * SECOND)  # a late event
    assert clock.now(60 * SECOND) == EPOCH + 2 * SECOND
    assert clock.now(0) == EPOCH


def test_the_venues_clock_is_asked_for_no_sooner_because_the_answer_is_late() -> None:
    clock = VenueClock()
    clock.saw(EPOCH, SECOND)
    clock.asked(30 * SECOND)
    assert (clock.silent_since, clock.now(31 * SECOND)) == (30 * SECOND, EPOCH + 2 * SECOND)


def test_one_wrong_answer_about_the_time_does_not_outweigh_the_events() -> None:
    clock = VenueClock()
    clock.told(EPOCH + HOUR, SECOND)
    assert clock.now(SECOND) == EPOCH + HOUR  # nothing better is known
    clock.saw(EPOCH, 2 * SECOND)
    assert clock.now(2 * SECOND) == EPOCH
    clock.told(EPOCH + HOUR, 3 * SECOND)
    assert clock.now(4 * SECOND) == EPOCH + 2 * SECOND
    clock.told(EPOCH + MINUTE, 5 * SECOND)
    assert clock.now(5 * SECOND) == EPOCH + MINUTE
    clock.told(EPOCH + HOUR, 6 * SECOND)
    assert clock.now(40 * SECOND) == EPOCH + HOUR + 2 * SECOND  # the streams have been silent for long


def test_one_event_of_the_far_future_does_not_make_a_year_of_bars_wanted() -> None:
    desk, market = Desk(), TinyMarket()
    desk.hear(*market.aggs(1, 3), market.bar_frame(0))
    wrong = market.bar_frame(1)
    wrong["data"]["E"] += 400 * 86_400_000
    desk.hear(wrong, mono=2 * SECOND)
    desk.pipeline.ticked(2 * SECOND)
    assert desk.bars.newest == EPOCH // MINUTE + 1
    desk.hear(*market.aggs(4, 5), mono=3 * SECOND)
    for number in range(25):  # where every event says so, it is the time
        desk.hear(market.bar_frame(1) | {"data": wrong["data"]}, mono=4 * SECOND + number)
    assert desk.pipeline.clock.now(4 * SECOND) > EPOCH + 399 * DAY


def test_what_is_taken_for_a_commit_is_not_pending_any_more() -> None:
    desk, market = Desk(), TinyMarket()
    desk.hear(*market.aggs(1, 3))
    assert desk.pending.rows == 3
    taken = desk.take()
    assert [row.seq for _, rows in taken.trades for row in rows] == [1, 2, 3]
    assert (bool(desk.pending), desk.pending.rows) == (False, 0)


def test_ranges_that_follow_each_other_are_vouched_for_as_one() -> None:
    desk, market = Desk(), TinyMarket()
    for number in range(1, 50):
        desk.hear(market.agg_frame(number))
    assert [(v.first, v.last) for v in desk.take().vouched] == [(1, 49)]


def test_newest_ticker_and_quote_are_kept_and_a_malformed_one_does_not_replace_them() -> None:
    desk = Desk()
    quote = {"e": "bookTicker", "u": 1, "s": "BTCUSDT", "b": "1.0", "B": "1", "a": "1.1", "A": "1", "T": 5, "E": 5}
    name = "btcusdt@bookTicker"
    desk.hear({"stream": name, "data": quote}, {"stream": name, "data": quote | {"u": 2, "b": "1.05"}})
    assert (desk.pipeline.quotes[ID].update, desk.pipeline.quotes[ID].bid) == (2, "1.05")
    assert len(desk.hear({"stream": name, "data": TinyMarket().agg_frame(1)["data"]})) == 1
    assert desk.pipeline.quotes[ID].update == 2
    assert BARS not in desk.pipeline.tickers
