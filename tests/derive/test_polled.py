"""Which candles say that their bar was asked for: what nobody streamed must not look as if it had been."""

from msgspec.structs import replace
from tapes import ID, MINUTE, T0, Book, bars_of, trade

from gapless.derive.candles import bar_of_minutes
from gapless.derive.judge import revised
from gapless.derive.settle import Vouched
from gapless.model import Evidence, Origin, Proof, parse_timeframe

TAPE = [trade(1, -1), trade(2, 1), trade(3, MINUTE - 1), trade(4, MINUTE)]
BAR = bars_of(TAPE)[T0]
NUMBER = T0 // MINUTE


def bring(book: Book, evidence: Evidence, **parts):
    vouched = [Vouched(book.bars, NUMBER, NUMBER, evidence)]
    return book.commit(bars=[(ID, [BAR])], vouched=vouched, now=2 * MINUTE, **parts)


def marks(book: Book) -> tuple[bool, int]:
    candle = book.candle()
    return candle.polled, candle.revision


def test_a_bar_that_was_asked_for_says_so_and_goes_on_saying_so_when_its_trades_come():
    book = Book()
    (change,) = bring(book, Evidence.REST).changes
    assert (change.candle.polled, change.candle.proof) == (True, Proof.OFFICIAL)
    book.trades(TAPE, evidence=Evidence.REST)
    assert (book.candle().proof, book.candle().polled) == (Proof.REPAIRED, True)


def test_a_bar_of_the_stream_is_not_marked_and_asking_for_it_again_does_not_mark_it():
    book = Book()
    bring(book, Evidence.STREAM)
    assert marks(book) == (False, 0)
    assert bring(book, Evidence.ARCHIVE).changes == []
    assert marks(book) == (False, 0)


def test_a_bar_that_the_stream_brings_after_all_loses_its_mark_and_is_no_revision():
    book = Book()
    bring(book, Evidence.REST)
    assert bring(book, Evidence.STREAM).changes == []
    assert marks(book) == (False, 0)


def test_a_bar_that_waited_for_its_minute_to_close_keeps_its_mark():
    book = Book()
    book.trades(TAPE[:2])
    book.commit(bars=[(ID, [BAR])], vouched=[Vouched(book.bars, NUMBER, NUMBER, Evidence.REST)])
    assert marks(book) == (True, -1)
    book.due(0)
    assert marks(book) == (True, 0)


def test_our_own_fold_is_never_marked():
    book = Book()
    book.trades(TAPE, evidence=Evidence.REST)
    assert (book.candle().origin, book.candle().polled) == (Origin.TAPE, False)


def test_a_longer_bar_is_marked_when_one_of_its_minutes_is():
    book = Book()
    bring(book, Evidence.REST)
    one, five = book.candle(), parse_timeframe("5m")
    other = replace(one, start=T0 + MINUTE, polled=False)
    assert bar_of_minutes([one, other], five).polled
    assert not bar_of_minutes([replace(one, polled=False), other], five).polled


def test_a_mark_alone_is_written_without_a_revision():
    book = Book()
    bring(book, Evidence.REST)
    fresh = revised(replace(book.candle(), polled=False), book.candle())
    assert fresh is not None
    assert (fresh.polled, fresh.revision) == (False, 0)
