"""The quality of a footprint is read from the ledger, the venue's bars and the newest time that is known."""

import pytest
from msgspec.structs import replace
from tapes import ID, T0, Book, bars_of, trade

from gapless.model import HOUR, MINUTE, SECOND, Evidence, Timeframe
from gapless.query.footprint import footprint
from gapless.query.market import Market

ONE = Timeframe(1)
FIRST = trade(0, -SECOND, 100)


def busy(minutes: int, fills: int = 25) -> list:
    """Make 60 trades a minute of so many executions each."""
    return [trade(n + 1, n * SECOND, 100 + n % 7, fills=fills, first=n * fills) for n in range(60 * minutes)]


def quality(book: Book, at: int = 0):
    market = Market(book.store)
    return footprint(market, market.instrument(ID), ONE, T0 + at).quality


def test_a_busy_young_proven_minute_has_ten():
    book = Book()
    book.trades([FIRST, *busy(2)])
    found = quality(book)
    assert (found.score, found.completeness) == (10, 1.0)
    assert found.reasons == ("1,500 trades", "100 % of them by stream", "proven", "younger than an hour")


@pytest.mark.parametrize(("of_stream", "score"), [(30, 9), (29, 7)])
def test_half_of_the_ids_by_stream_is_enough_for_the_highest_band(of_stream, score):
    rows = busy(2)
    book = Book()
    book.trades([FIRST, *rows[:of_stream]])
    book.trades(rows[of_stream:], evidence=Evidence.REST)
    assert quality(book).score == score


def test_young_is_judged_by_the_newest_time_of_the_instrument_and_not_by_a_clock():
    book = Book()
    book.trades([FIRST, *busy(2)])
    book.trades([trade(121, HOUR - SECOND)])
    assert "younger than an hour" in quality(book).reasons
    book.trades([trade(122, HOUR + MINUTE + SECOND)])
    book.due(60)
    assert (quality(book).score, "younger than an hour" in quality(book).reasons) == (9, False)


def test_a_hole_is_measured_by_the_venues_volume():
    rows = busy(2)
    bar = bars_of(rows)[T0]
    book = Book()
    book.trades([FIRST, *rows[:15]])
    book.trades(rows[30:])
    book.bar(replace(bar, first_id=-1, last_id=-1), now=2 * MINUTE)
    found = quality(book)
    assert (found.score, found.completeness) == (5, 0.75)


def test_without_the_venues_bar_what_a_hole_took_is_unknown():
    rows = busy(2)
    book = Book()
    book.trades([FIRST, *rows[:15]])
    book.trades(rows[30:])
    book.due(0)
    found = quality(book)
    assert (found.score, found.completeness) == (5, None)
    assert found.reasons[-1] == "completeness unknown: at most 7"


def test_the_forming_bar_is_of_unknown_completeness():
    book = Book()
    book.trades([FIRST, *busy(2)[:-5]])
    found = quality(book, MINUTE)
    assert (found.score, found.completeness) == (7, None)


def test_a_quiet_proven_minute_is_complete_though_thin():
    book = Book()
    book.trades([FIRST, trade(1, 0), trade(2, 3 * MINUTE)])
    found = quality(book, MINUTE)
    assert (found.score, found.completeness, found.reasons[0]) == (3, 1.0, "0 trades")


def test_a_bar_that_has_not_begun_is_not_said_to_be_complete():
    book = Book()
    book.trades([FIRST, *busy(2)])
    assert quality(book, at=HOUR).completeness is None
