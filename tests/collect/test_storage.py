"""What a store takes a day is measured, not guessed, and a disk that is about to be full is announced."""

import pytest
from aging import AGES, ROWS, Still, drop, market, ten_days

from gapless.collect.storage import Storage
from gapless.model import DAY, MINUTE
from gapless.tape.aging import Ages


@pytest.fixture
def book():
    return ten_days()


def test_bytes_a_day_are_those_of_the_newest_day(book):
    told = Storage(book.store, AGES, Still(), lambda: 10**9).measure()["bytes_per_day_of"]
    until = ROWS[-1].time // MINUTE * MINUTE
    day = [row for row in ROWS if until - DAY <= row.time]
    minutes = {row.time // MINUTE for row in day if row.time < until}
    ladders = book.store.connection.execute("SELECT sum(length(ladder)) FROM minute WHERE start >= ?", (until - DAY,))
    assert told["ladders"] == ladders.fetchone()[0]
    assert told["trades"] == round(len(day) * book.store.row_bytes("trades"))
    assert told["candles"] == round((1_440 + len(minutes)) * book.store.row_bytes("candles"))
    assert told["events"] == 0
    assert 20 < book.store.row_bytes("trades") < 80


def test_days_left_count_what_goes_as_fast_as_it_comes_only_once(book):
    room = 3 * 10**6
    ages = Ages(trades=3 * DAY, ladders=6 * DAY, log=3 * DAY)
    drop(book, ages)
    told = Storage(book.store, ages, Still(), lambda: room).measure()
    of = told["bytes_per_day_of"]
    free = room + book.store.unused_bytes()
    # Trades and ladders have reached their age; the log has one entry, and grows for three more days.
    assert told["days_left"] == pytest.approx(free / of["candles"], rel=0.2)
    forever = Storage(book.store, Ages(trades=None, ladders=None), Still(), lambda: room).measure()
    assert forever["days_left"] < told["days_left"]


def test_a_room_that_nobody_knows_is_not_made_up(book):
    assert Storage(book.store, AGES, Still(), lambda: None).measure()["days_left"] is None


def test_an_empty_store_is_measured_too():
    from gapless.store.sqlite import SqliteStore

    told = Storage(SqliteStore(":memory:"), AGES, Still(), lambda: 10**9).measure()
    assert told["days_left"] is None
    assert set(told["bytes_per_day_of"].values()) == {0}


def test_deletes_leave_room_in_the_file():
    book = market(ROWS)
    size = book.store.size()
    drop(book)
    assert book.store.size() == size
    assert book.store.unused_bytes() > 0
