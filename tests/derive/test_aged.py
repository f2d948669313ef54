"""A minute whose trades have expired stands as it was judged, whatever comes afterwards."""

import pytest
from aging import ROWS, drop, everything, market, ten_days
from msgspec.structs import replace
from tapes import ID, T0, Book, bars_of, instrument

from gapless.derive.ladder import ladder_of, merge
from gapless.model import MINUTE, Evidence, Gap, Origin, Proof, parse_timeframe
from gapless.model.packed import decode
from gapless.query.explain import explain
from gapless.query.footprint import footprint, footprint_answer
from gapless.query.market import Market

BARS = bars_of(ROWS)
OLD = ROWS[204].time // MINUTE * MINUTE  # of two trades, long expired with its ladder
LADDER = ROWS[-1500].time // MINUTE * MINUTE  # expired, its ladder is still there


@pytest.fixture
def book() -> Book:
    return ten_days()


def test_a_bar_that_comes_again_changes_nothing(book):
    drop(book)
    before = everything(book)
    for start in (OLD, LADDER):
        assert book.bar(BARS[start]).changes == []
    assert everything(book) == before


def test_every_bar_that_comes_again_changes_nothing_at_the_border_either(book):
    drop(book)
    before = everything(book)
    assert book.commit(bars=[(ID, list(BARS.values())[:-1])]).changes == []
    assert book.due(*range((ROWS[-1].time - T0) // MINUTE)).changes == []
    assert everything(book) == before


def test_a_late_bar_that_equals_our_fold_takes_its_place_and_keeps_the_proof(book):
    _without_bars(book)
    drop(book)
    (proven,) = book.store.candles(ID, OLD, OLD + MINUTE)
    assert (proven.origin, proven.proof) == (Origin.TAPE, Proof.PROVEN)
    assert book.bar(BARS[OLD]).changes == []
    (served,) = book.store.candles(ID, OLD, OLD + MINUTE)
    assert (served.origin, served.proof, served.revision) == (Origin.VENUE, Proof.PROVEN, proven.revision)


def test_a_late_bar_that_nobody_can_compare_any_more_is_served_as_the_venues_word(book):
    _without_bars(book)
    drop(book)
    (change,) = book.bar(replace(BARS[OLD], close=BARS[OLD].close + 1, high=BARS[OLD].high + 1)).changes
    assert (change.candle.proof, change.candle.revision) == (Proof.OFFICIAL, change.former.revision + 1)


def _without_bars(book: Book) -> None:
    """Forget the venue's bars, as if their stream had failed: the candles are our folds."""
    book.store.connection.execute("DELETE FROM candle")
    book.due(*range((ROWS[-1].time - T0) // MINUTE))


@pytest.mark.parametrize("size", [1, 7, 400])
def test_a_backfill_brings_expired_trades_back_without_a_doubt_on_the_way(book, size):
    drop(book)
    before = everything(book)
    # The second of these begins a minute, the last ends one.
    asked = ROWS[150:350]
    for at in range(0, len(asked), size):
        part = asked[at : at + size]
        where = (book.tape, part[0].seq, part[-1].seq)
        assert book.trades(part, evidence=Evidence.REST, wanted=[where], kept=[where]).changes == []
    assert everything(book) == before
    inside = asked[100].time // MINUTE * MINUTE
    assert book.store.fold(book.tape.id, inside).ladder
    gone = [(first, last) for first, last in book.store.expired(book.tape.id, "trades")]
    assert gone[0] == (1, 150)
    assert gone[1][0] == 351
    assert not any(a <= inside // MINUTE <= b for a, b in book.store.expired(book.tape.id, "ladders"))
    drop(book)
    assert book.store.trades(book.tape.id, 151, 350) == asked
    assert everything(book) == before


def test_a_gap_that_expired_is_repaired_by_a_backfill_that_brings_it_after_all():
    book = market([row for row in ROWS if not 100 < row.seq <= 120])
    book.commit(gaps=[(book.tape, Gap(tape=book.tape.id, first=101, last=120, opened=7, cause="disconnect"))])
    drop(book)
    book.trades(ROWS[98:102], evidence=Evidence.REST)
    assert [gap.state for gap in book.store.gaps(book.tape.id, "expired")] == ["expired"]
    settled = book.trades(ROWS[102:122], evidence=Evidence.REST)
    assert [gap.state for gap in settled.repaired] == ["repaired"]
    assert {change.candle.proof for change in settled.changes} == {Proof.REPAIRED}
    assert all(change.candle.revision == (change.former is not None) for change in settled.changes)


def test_footprints_come_from_ladders_when_the_trades_are_gone(book):
    asked, frame = Market(book.store), parse_timeframe("1m")
    before = footprint(asked, instrument(), frame, LADDER, ticks_per_row=1)
    drop(book)
    after = footprint(asked, instrument(), frame, LADDER, ticks_per_row=1)
    assert book.store.counts(book.tape.id, ROWS[-1500].seq, ROWS[-1500].seq) == 0
    assert (after.footprint, after.proof, after.missing) == (before.footprint, before.proof, [])


def test_a_footprint_without_its_ladder_is_missing_and_never_made_of_what_is_left(book):
    drop(book)
    # One of its two trades comes back: no footprint is made of it.
    book.trades(ROWS[204:205], evidence=Evidence.REST)
    found = footprint(Market(book.store), instrument(), parse_timeframe("1m"), OLD, ticks_per_row=1)
    assert (found.proof, found.missing, found.footprint.rows) == (Proof.MISSING, [(OLD, OLD + MINUTE)], ())
    answer = footprint_answer(Market(book.store), instrument(), parse_timeframe("1h"), OLD, OLD + 60 * MINUTE)
    assert answer["missing"]


def test_digits_that_grow_rescale_ladders_whose_trades_are_gone(book):
    drop(book)
    before = {fold.bar.start: fold for fold in book.store.folds(book.tape.id, 0, 2**62)}
    book.store.put_instrument(instrument(4, 4))
    after = {fold.bar.start: fold for fold in book.store.folds(book.tape.id, 0, 2**62)}
    assert after.keys() == before.keys()
    scaled = [replace(row, price=row.price * 100, size=row.size * 10) for row in ROWS]
    bars = bars_of(scaled)
    minutes: dict[int, list] = {}
    for row in scaled:
        minutes.setdefault(row.time // MINUTE * MINUTE, []).append(row)
    assert {start: fold.bar for start, fold in after.items()} == {start: bars[start] for start in after}
    ladders = {start: decode(fold.ladder) for start, fold in after.items() if fold.ladder}
    assert ladders == {start: merge([ladder_of(minutes[start])]) for start in ladders}
    assert ladders.keys() == {start for start, fold in before.items() if fold.ladder}
    assert len(ladders) > 500


def test_explain_says_what_of_a_minute_has_expired(book):
    drop(book)
    asked, frame = Market(book.store), parse_timeframe("1m")
    told = {start: explain(asked, instrument(), frame, start) for start in (OLD, LADDER, ROWS[-50].time)}
    assert [told[start]["minutes"][0]["expired"] for start in told] == [["trades", "ladders"], ["trades"], []]
    (minute,) = told[OLD]["minutes"]
    assert (minute["proof"], minute["whole"], minute["verdict"], minute["difference"]) == ("proven", False, None, {})
    assert minute["tape"] == minute["venue"]
    assert told[OLD]["missing"] == []
    assert told[OLD]["ids"] is None
