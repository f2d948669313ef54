"""Bars as they are told live: the same as a query folds, at midnight too; a revision revises the bars that hold it."""

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from tapes import ID, T0, Book

from gapless.derive.bars import closing
from gapless.derive.candles import bar_of_minutes, bars_ending, fold, with_missing
from gapless.derive.deriver import Deriver
from gapless.derive.settle import Commit, Settled, Vouched, settle
from gapless.derive.signals.settings import SignalSettings
from gapless.model import DAY, HOUR, MINUTE, MINUTE_1, Bar, Candle, Evidence, Origin, Proof, State, Timeframe
from gapless.model.timeframe import DERIVED

MIDNIGHT = T0 + 12 * HOUR
FRAMES = (MINUTE_1, *DERIVED)
SILENT = SignalSettings(enabled=False)


@st.composite
def minutes(draw, count: int):
    """Consecutive minutes that end with a day: traded, empty, missing, partial, revised."""
    made = []
    for at in range(count):
        start = MIDNIGHT - (count - at) * MINUTE
        kind = draw(st.sampled_from("tttteemp"))
        if kind == "m":
            made.append(Candle(start=start))
            continue
        low, span = draw(st.integers(90, 110)), draw(st.integers(0, 9))
        state = State.EMPTY if kind == "e" else State.TRADED
        volume = 0 if kind == "e" else draw(st.integers(1, 99))
        made.append(
            Candle(
                start, low, low + span, low, low + span, volume, volume * 2**62, volume, volume // 2, volume * 2**61,
                at, at + 1, state, False, draw(st.sampled_from(list(Origin))),
                Proof.PARTIAL if kind == "p" else draw(st.sampled_from(list(Proof)[2:])), draw(st.integers(0, 3)),
                draw(st.booleans()), draw(st.booleans()), draw(st.booleans()),
            )
        )  # fmt: skip
    return made


@settings(deadline=None, max_examples=60)
@given(minutes(60))
def test_one_pass_over_the_minutes_gives_what_each_timeframe_folds_alone(made):
    frames = closing(made[-1].start)
    assert {frame for _, frame in frames} == set(DERIVED)  # a day's last minute ends a bar of every timeframe
    alone = {frame: bar_of_minutes(made[-count:], frame) for count, frame in frames}
    assert dict(bars_ending(made, frames)) == alone


def test_every_minute_of_a_day_ends_the_bars_that_the_grid_says():
    for at in range(1_440):
        start = T0 - T0 % DAY + at * MINUTE
        ends = {frame for frame in DERIVED if frame.end_of(frame.start_of(start)) == start + MINUTE}
        assert {frame for _, frame in closing(start)} == ends
        assert all(start + MINUTE - count * MINUTE == frame.start_of(start) for count, frame in closing(start))


def venue_bar(number: int, change: int = 0) -> Bar:
    start = T0 + number * MINUTE
    price = 1_000 + number * 7 % 31 + change
    return Bar(start, price, price + 5, price - 4, price + 1, 10 + number, (10 + number) * price, 3, 2, 2 * price)


class Live:
    """A collector's writer: each commit brings bars of the venue and goes on with what it remembers."""

    def __init__(self) -> None:
        self.book = Book()
        self.deriver = Deriver(SILENT)
        self.emitted: dict[tuple[Timeframe, int], Candle] = {}

    def bring(self, *bars: Bar, deriver: Deriver | None = None, since: int | None = T0) -> Settled:
        self.book.known_at += 1
        numbers = [bar.start // MINUTE for bar in bars]
        commit = Commit(
            now=T0 + 10 * DAY, known_at=self.book.known_at, since={} if since is None else {ID: since},
            primary={ID: self.book.tape}, bars=[(ID, list(bars))],
            vouched=[Vouched(self.book.bars, n, n, Evidence.STREAM) for n in numbers],
        )  # fmt: skip
        settled = self.book.store.commit(partial(settle, commit=commit, deriver=deriver or self.deriver))
        for bar in settled.bars:
            self.emitted[bar.timeframe, bar.candle.start] = bar.candle
        return settled

    def folded(self, frame: Timeframe, start: int, end: int) -> list[Candle]:
        return list(fold(with_missing(self.book.store.candles(ID, start, end), start, end), frame))


def test_live_and_batch_agree_at_midnight_for_all_59_timeframes():
    live = Live()
    begin = MIDNIGHT - 2 * HOUR
    for number in range((begin - T0) // MINUTE, (MIDNIGHT + 2 * HOUR - T0) // MINUTE):
        live.bring(venue_bar(number), since=begin)
    for frame in FRAMES:
        first = frame.end_of(frame.start_of(begin - 1))
        last = frame.start_of(MIDNIGHT + 2 * HOUR)
        batch = live.folded(frame, first, last)
        told = [bar for (other, start), bar in live.emitted.items() if other == frame and first <= start < last]
        assert told == batch, str(frame)
        assert any(bar.short for bar in told) == (1_440 % frame.minutes > 0)


def test_a_revised_minute_revises_exactly_the_bars_that_contain_it():
    live = Live()
    for number in range(130):
        live.bring(venue_bar(number))
    revised = 47
    settled = live.bring(venue_bar(revised, change=3))
    at = T0 + revised * MINUTE
    end = T0 + 130 * MINUTE
    holding = {(frame, frame.start_of(at)) for frame in FRAMES if frame.end_of(frame.start_of(at)) <= end}
    assert {(bar.timeframe, bar.candle.start) for bar in settled.bars} == holding
    assert all(bar.late and bar.candle.revision == 1 for bar in settled.bars)
    for bar in settled.bars:
        start = bar.candle.start
        assert live.folded(bar.timeframe, start, bar.timeframe.end_of(start)) == [bar.candle]


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(75)), st.sets(st.integers(0, 74), max_size=10), st.booleans())
def test_in_whatever_order_minutes_come_the_last_word_on_a_bar_is_what_a_query_gives(order, again, forgets):
    live = Live()
    for number in order:
        live.bring(venue_bar(number), deriver=Deriver(SILENT) if forgets else None)
    live.bring(*(venue_bar(number, change=2) for number in sorted(again)))
    for frame in FRAMES:
        last = frame.start_of(T0 + 75 * MINUTE)
        assert [live.emitted[frame, bar.start] for bar in live.folded(frame, T0, last)] == live.folded(frame, T0, last)


def test_minutes_before_the_live_ones_revise_the_bar_that_was_forming_when_collecting_began():
    live = Live()
    since = T0 + 30 * MINUTE
    for number in range(30, 60):
        live.bring(venue_bar(number), since=since)
    hour = Timeframe(60)
    assert live.emitted[hour, T0].proof is Proof.PARTIAL
    settled = live.bring(*map(venue_bar, range(30)), since=since)
    assert live.emitted[hour, T0] == live.folded(hour, T0, T0 + HOUR)[0]
    assert live.emitted[hour, T0].proof is Proof.OFFICIAL
    assert {bar.timeframe.end_of(bar.candle.start) > since for bar in settled.bars} == {True}  # the others are history


def test_what_nobody_collects_is_only_stored():
    live = Live()
    settled = live.bring(venue_bar(0), venue_bar(1), deriver=Deriver(), since=None)
    assert settled.changes
    assert settled.bars == []
