"""Holes of bars: which of a reply are final, which do not exist, which it passes over."""

from desk import Desk
from manual import EPOCH, reply
from test_repair import FIRST, Workshop, times
from tiny_market import TinyMarket

from gapless.model import MINUTE, SECOND, Evidence


def bars_desk(*minutes: int, history: int = 0) -> Desk:
    """A desk that heard the closing bars of these minutes."""
    desk, market = Desk(history=history), TinyMarket()
    for minute in minutes:
        desk.hear(market.bar_frame(minute))
    return desk


def bar_market(now: int) -> TinyMarket:
    """A market whose REST shows bars up to and with the forming one of minute `now`."""
    market = TinyMarket()
    market.now_ms += now * 60_000 + 30_000
    return market


def bar_spans(desk: Desk) -> list[tuple[int, int, Evidence]]:
    return [(s.first - FIRST, s.last - FIRST, s.evidence) for s in desk.store.all_spans(desk.bars.tape.id)]


def test_missing_bars_are_read_with_the_one_that_follows_them() -> None:
    desk, market = bars_desk(0, 3), bar_market(4)
    shop = Workshop(desk, market)
    shop.work(3)
    start = market.start_ms + 60_000
    assert shop.asked("klines") == [
        {"symbol": "BTCUSDT", "interval": "1m", "startTime": str(start), "endTime": str(start + 179_999), "limit": "3"}
    ]
    assert bar_spans(desk) == [(0, 0, Evidence.STREAM), (1, 2, Evidence.REST), (3, 3, Evidence.STREAM)]


def test_the_last_bar_of_a_reply_is_not_taken_for_closed_before_its_end() -> None:
    desk, market = bars_desk(0), bar_market(1)
    desk.bars.saw(FIRST + 1, 0)
    shop = Workshop(desk, market)
    shop.work(6)
    assert desk.bars.holes() == [(FIRST + 1, FIRST + 1)]


def test_the_last_bar_is_final_when_it_stayed_the_same_after_its_end() -> None:
    desk, market = bars_desk(0), bar_market(1)
    desk.pipeline.clock.saw(EPOCH + 2 * MINUTE + 4 * SECOND, 1_000 * SECOND)
    desk.bars.saw(FIRST + 1, 0)
    early = market.kline(1)
    early[8] = 7
    shop = Workshop(desk, market, answer=times(1, reply([early])))
    shop.work(1.4)
    assert desk.bars.holes() == [(FIRST + 1, FIRST + 1)]
    shop.work(12)
    assert desk.bars.holes() == []
    desk.commit()
    candle = desk.store.candle("binance:BTCUSDT", EPOCH + MINUTE)
    assert candle is not None
    assert candle.trades == 120  # not the 7 of the early reply


def test_a_reply_without_a_minute_vouches_for_the_minutes_that_it_shows() -> None:
    desk, market = bars_desk(0, 6), bar_market(7)
    short = [market.kline(minute) for minute in (1, 2, 4, 5, 6)]
    shop = Workshop(desk, market, answer=times(1, reply(short)))
    shop.work(1.4)
    assert desk.bars.holes() == [(FIRST + 3, FIRST + 3)]
    shop.work(5)
    assert desk.bars.holes() == []


def test_a_reply_that_begins_late_does_not_vouch_for_what_lies_before() -> None:
    desk, market = bars_desk(0, 6), bar_market(7)
    shop = Workshop(desk, market, answer=times(1, reply([market.kline(minute) for minute in (4, 5, 6)])))
    shop.work(1.4)
    assert desk.bars.holes() == [(FIRST + 1, FIRST + 3)]


def test_history_before_the_listing_is_not_wanted() -> None:
    desk, market = bars_desk(50, history=40), bar_market(51)
    market.listed = 30
    shop = Workshop(desk, market)
    shop.work(6)
    assert desk.bars.holes() == []
    assert desk.store.wanted(desk.bars.tape.id) == [(FIRST + 30, FIRST + 50)]
    assert len(shop.asked("klines")) == 2


def test_history_of_a_venue_whose_rest_begins_after_the_stream_is_not_wanted_for_ever() -> None:
    desk, market = bars_desk(50, history=40), bar_market(55)
    market.listed = 51
    shop = Workshop(desk, market)
    shop.work(6)
    assert desk.bars.holes() == []
    assert desk.store.wanted(desk.bars.tape.id) == [(FIRST + 50, FIRST + 50)]


def test_bars_of_another_time_are_not_taken() -> None:
    desk, market = bars_desk(0, 3), bar_market(40)
    shop = Workshop(desk, market, answer=times(1, reply([market.kline(minute) for minute in (20, 21, 22)])))
    shop.work(1.4)
    assert desk.bars.holes() == [(FIRST + 1, FIRST + 2)]
    shop.work(5)
    assert desk.bars.holes() == []


# Single trades
