"""The newest minutes in memory answer as the store does, whoever commits, and never what is no longer so."""

import sys
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[1] / "derive"))
from msgspec.structs import replace
from tapes import ID, T0, Book, instrument, trade

from gapless.derive.bars import ClosedBar
from gapless.derive.deriver import Change, Deriver
from gapless.derive.judge import candle_of
from gapless.derive.settle import Commit, Settled, Vouched, settle
from gapless.derive.signals.settings import SignalSettings
from gapless.model import DAY, MINUTE, Bar, Evidence, Origin, Proof, Timeframe
from gapless.model.timeframe import DERIVED
from gapless.query.feed import Cursor, Stream, events_of, step_after
from gapless.query.hot import Hot, hot_reader

SECOND = 1_000_000_000


def made(number: int, change: int = 0) -> Bar:
    price = 1_000 + number * 7 % 31 + change
    return Bar(T0 + number * MINUTE, price, price + 5, price - 4, price + 1, 10 + number, 99, 3, 2, 5)


class Writer:
    """A collector's writer with its window, and others that write beside it."""

    def __init__(self, minutes: int = 240) -> None:
        self.book = Book()
        self.hot = Hot(self.book.store, minutes=minutes)
        self.reader = hot_reader(self.book.store, self.hot)
        self.deriver = Deriver(SignalSettings())

    def commit(self, *, own: bool = True, since: bool = True, **parts: object) -> Settled:
        self.book.known_at += 1
        made = Commit(
            now=T0 + 10 * DAY, known_at=self.book.known_at, primary={ID: self.book.tape},
            since={ID: T0} if since else {}, **parts,
        )  # fmt: skip
        settled = self.book.store.commit(partial(settle, commit=made, deriver=self.deriver if own else None))
        if own:
            self.hot.take(settled)
        return settled

    def bar(self, number: int, change: int = 0, *, own: bool = True) -> None:
        bar = made(number, change)
        vouched = [Vouched(self.book.bars, bar.start // MINUTE, bar.start // MINUTE, Evidence.STREAM)]
        self.commit(own=own, bars=[(ID, [bar])], vouched=vouched)

    def trades(self, first: int, count: int, *, own: bool = True) -> None:
        rows = [trade(seq, seq * 11 * SECOND, 1_000 + seq % 9, 1 + seq % 5) for seq in range(first, first + count)]
        vouched = [Vouched(self.book.tape, first, first + count - 1, Evidence.STREAM)]
        self.commit(own=own, trades=[(self.book.tape, rows)], vouched=vouched)

    def same(self, begin: int, end: int) -> None:
        a, b = T0 + begin * MINUTE, T0 + end * MINUTE
        assert self.reader.candles(ID, a, b) == self.book.store.candles(ID, a, b)
        assert self.reader.folds(self.book.tape.id, a, b) == self.book.store.folds(self.book.tape.id, a, b)


STEPS = st.tuples(st.sampled_from(["bar", "revise", "trades", "foreign bar", "late trades"]), st.integers(0, 29))


@settings(deadline=None, max_examples=40)
@given(st.lists(STEPS, max_size=25), st.integers(3, 40))
def test_memory_and_store_give_the_same_minutes_whoever_commits(steps, minutes):
    writer = Writer(minutes)
    newest, seq = 0, 1
    for kind, number in steps:
        if kind == "bar":
            newest += 1
            writer.bar(newest)
        elif kind == "revise":
            writer.bar(number % (newest + 1), change=number + 1)
        elif kind == "foreign bar":
            newest += 1
            writer.bar(newest, own=False)
        elif kind == "late trades":
            writer.trades(seq + 5, 3)  # a hole of five ids, filled by nobody
            seq += 8
        else:
            writer.trades(seq, 7)
            seq += 7
        writer.same(0, 60)
        writer.same(max(newest - 3, 0), newest + 1)
        writer.same(newest, newest + 2)


def test_the_newest_minutes_are_answered_from_memory_once_they_have_been_seen():
    writer = Writer()
    for number in range(10):
        writer.bar(number)
    hits = writer.hot.hits
    writer.same(5, 10)
    assert writer.hot.hits == hits + 2
    misses = writer.hot.misses
    writer.same(-10, 10)  # older than what has been seen
    assert writer.hot.misses == misses + 2


def test_a_commit_of_another_process_is_never_hidden_by_what_memory_knows():
    writer = Writer()
    for number in range(5):
        writer.bar(number)
    hits = writer.hot.hits
    writer.bar(2, change=9, own=False)
    writer.same(1, 5)
    assert writer.hot.hits == hits


def test_memory_is_bounded_by_minutes():
    writer = Writer(minutes=20)
    for number in range(200):
        writer.bar(number)
    assert writer.hot.minutes <= 40


@pytest.mark.parametrize("frame", [Timeframe(1), *DERIVED[::7]])
def test_a_stream_gives_the_same_bars_from_memory_as_from_the_log(frame):
    writer = Writer()
    for number in range(70):
        writer.bar(number)
        if number % 9 == 8:
            writer.bar(number - 3, change=2)
    stream = Stream("candles", "candles", ID, frame)
    place, told, again = Cursor(0, 0), [], []
    while step := step_after(writer.book.store, place, items=7):
        told += events_of(writer.book.store, step, stream, emitted=writer.hot.emitted)
        again += events_of(writer.book.store, step, stream)
        place = step.until
    assert told == again
    assert len(told) >= 70 // frame.minutes


def test_digits_that_grow_leave_nothing_in_memory_that_is_read_in_those_of_before():
    writer = Writer()
    for number in range(6):
        writer.bar(number)
    writer.book.store.put_instrument(instrument(4, 3))
    writer.same(2, 6)
    stream = Stream("candles", "candles", ID, Timeframe(3))
    step = step_after(writer.book.store, Cursor(0, 0))
    told = list(events_of(writer.book.store, step, stream, emitted=writer.hot.emitted))
    assert told == list(events_of(writer.book.store, step, stream))
    assert told[0].data["open"] == "10.0000"


def test_an_instrument_that_is_collected_no_more_leaves_memory():
    writer = Writer(minutes=20)
    other = replace(instrument(), symbol="GONEUSDT")
    writer.book.store.put_instrument(other)
    writer.book.store.open_tape(other.id, "bars")
    for number in range(3):
        candle = replace(candle_of(made(number), Origin.VENUE, Proof.OFFICIAL), revision=0)
        writer.hot.take(
            Settled(
                changes=[Change(other.id, candle, None)], bars=[ClosedBar(other.id, Timeframe(1), candle, late=False)]
            )
        )
    for number in range(100):
        writer.bar(number)
    assert writer.hot.candles(writer.book.store, other.id, T0 + 2 * MINUTE, T0 + 3 * MINUTE) is None
    assert {name for name, _ in writer.hot.newest()} == {ID}
