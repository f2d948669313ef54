"""What grows old goes, and nothing else: candles, proofs and what was asked for stay as they were."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "derive"))
from tapes import ID, T0, Book, bars_of, trade

from gapless.collect.retention import Retention
from gapless.model import DAY, MINUTE, SECOND
from gapless.tape.aging import Ages

DAYS = 10
STEP = 7 * MINUTE + 13 * SECOND  # between pairs of trades, so that minutes of every shape occur
AGES = Ages(trades=3 * DAY, ladders=6 * DAY, events=None, log=None)


class Still:
    """A clock of a machine whose time does not pass."""

    def __init__(self, wall: int) -> None:
        self.now = wall

    def wall(self) -> int:
        return self.now

    def monotonic(self) -> int:
        return 0

    async def sleep(self, ns: int) -> None: ...


def rows_of(days: int = DAYS) -> list:
    """Pairs of trades, the second of which lies 40 s after the first: some share a minute and some do not."""
    rows = []
    for n in range(days * DAY // STEP):
        for k in (0, 1):
            seq = 2 * n + k + 1
            rows.append(trade(seq, n * STEP + k * 40 * SECOND, 100 + seq % 7, seq % 5 + 1, 1 if seq % 3 else -1))
    return rows


def filled(rows: list, book: Book | None = None, *, without_bars: range = range(0)) -> Book:
    """Collect trades and bars by stream, commit by commit, as a collector does."""
    book = book or Book()
    bars = bars_of(rows)
    first, last = rows[0].time // MINUTE, rows[-1].time // MINUTE
    for at in range(0, len(rows), 50):
        book.trades(rows[at : at + 50], wanted=[(book.tape, rows[0].seq, rows[at : at + 50][-1].seq)])
    for number in range(first, last):
        if number * MINUTE in bars and number not in without_bars:
            book.bar(bars[number * MINUTE])
    book.due(*range((first * MINUTE - T0) // MINUTE, (last * MINUTE - T0) // MINUTE), now=20 * DAY)
    return book


@pytest.fixture(scope="module")
def ten_days() -> bytes:
    book = filled(rows_of())
    return book.store.connection.serialize()


@pytest.fixture
def book(ten_days: bytes) -> Book:
    book = Book()
    book.store.connection.deserialize(ten_days)
    book.store.forget()
    book.known_at = 10**6
    return book


def drop(book: Book, ages: Ages = AGES, **named: object):
    return asyncio.run(Retention(book.store, ages, Still(T0 + 30 * DAY), **named).run())


def ids(ranges: list) -> int:
    return sum(last - first + 1 for first, last in ranges)


def candles(book: Book) -> list:
    return book.store.candles(ID, T0 - DAY, T0 + 20 * DAY)


def folds(book: Book) -> list:
    return [(f.bar, f.first_seq, f.last_seq) for f in book.store.folds(book.tape.id, T0, T0 + 20 * DAY)]


def test_candles_and_folds_are_the_same_after_their_trades_went(book):
    before, folded = candles(book), folds(book)
    done = drop(book)
    rows = rows_of()
    border = (rows[-1].time // MINUTE * MINUTE) - 3 * DAY  # the newest closed candle ends where the forming one begins
    young = [row for row in rows if row.time >= border - border % MINUTE]
    left = book.store.trades(book.tape.id, 0, 10**9)
    assert left == rows[-len(left) :]
    assert len(left) == len(young) + 1  # and the one before, which proves where the first minute begins
    assert done.trades == len(rows) - len(left)
    assert done.ladders > 0
    assert candles(book) == before
    assert folds(book) == folded
