"""A stream of footprints gives each bar once its trades are held whole, and the same again to who reads it later."""

import sys
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "derive"))
from tapes import ID, T0, Book, trade

from gapless.derive.ladder import ladder_of
from gapless.derive.settle import Commit, Vouched, settle
from gapless.model import DAY, MINUTE, Evidence, Timeframe
from gapless.query.feed import Cursor, Stream, events_of, step_after

SECOND = 1_000_000_000
STREAM = Stream("footprints", "footprints", ID, Timeframe(2))
ROWS = [trade(seq, seq * 9 * SECOND, 1_000 + seq * 7 % 13, 1 + seq % 5, 1 if seq % 3 else -1) for seq in range(1, 60)]


class Reading:
    """Somebody who reads the stream as commits come."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.place = Cursor(0, 0)
        self.events = []

    def read(self) -> list:
        while step := step_after(self.book.store, self.place):
            self.events += events_of(self.book.store, step, STREAM)
            self.place = step.until
        return self.events


def bring(book: Book, rows, evidence: Evidence) -> None:
    book.known_at += 1
    commit = Commit(
        now=T0 + DAY, known_at=book.known_at, primary={ID: book.tape}, trades=[(book.tape, rows)],
        vouched=[Vouched(book.tape, rows[0].seq, rows[-1].seq, evidence)],
    )  # fmt: skip
    book.store.commit(partial(settle, commit=commit))


def test_a_footprint_comes_when_its_trades_are_whole_and_never_before():
    book = Book()
    reading = Reading(book)
    lost = range(20, 24)  # of the second bar
    for row in ROWS:
        if row.seq not in lost:
            bring(book, [row], Evidence.STREAM)
            reading.read()
    starts = [event.data["start"] for event in reading.events]
    assert "2026-01-07T12:02:00Z" not in starts
    bring(book, [row for row in ROWS if row.seq in lost], Evidence.REST)
    repaired = [event for event in reading.read() if event.data["start"] == "2026-01-07T12:02:00Z"]
    assert [event.data["proof"] for event in repaired] == ["repaired"]

    begin = T0 + 2 * MINUTE
    alone = ladder_of(row for row in ROWS if begin <= row.time < begin + 2 * MINUTE)
    data = repaired[0].data
    assert data["delta"] == f"{alone.delta / 1000:.3f}"
    assert sum(float(row["bid"]) for row in data["rows"]) == sum(alone.bids) / 1000
    assert sum(float(row["ask"]) for row in data["rows"]) == sum(alone.asks) / 1000

    again = Reading(book)
    assert again.read() == reading.events  # the same events with the same cursors, read all at once later
    assert len(reading.events) >= 3
