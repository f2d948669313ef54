"""What a market answers: which bars, what is missing of them, and how they are proven."""

import pytest
from msgspec.structs import replace
from tapes import ID, T0, Book, bars_of, trade

from gapless.errors import UnknownName
from gapless.model import MINUTE, SECOND, Evidence, Origin, Proof, State, Timeframe
from gapless.query.market import Market

FIVE = Timeframe(5)
ONE = Timeframe(1)


def minutes(count: int, *, gone: tuple[int, ...] = ()):
    """Make trades: one in each minute from T0 on but those that are gone; ids go on."""
    return [trade(n + 1, n * MINUTE + SECOND, 100 + n) for n in range(count) if n not in gone]


@pytest.fixture
def book():
    """Twelve minutes of trades and one more that forms."""
    made = Book()
    made.trades([trade(0, -SECOND, 100), *minutes(13)])
    return made


def ask(book: Book, timeframe=ONE, **kwargs):
    market = Market(book.store)
    moments = {name: T0 + at if isinstance(at, int) else at for name, at in kwargs.items() if name in ("start", "end")}
    return market.candles(market.instrument(ID), timeframe, **{**kwargs, **moments})


def at(answer):
    return [(row.start - T0) // MINUTE for row in answer.rows]


def test_the_last_bars_are_counted_back_from_the_newest_closed_one(book):
    assert at(ask(book, last=3)) == [9, 10, 11]
    assert at(ask(book, FIVE, last=2)) == [0, 5]


def test_the_forming_bar_is_added_and_takes_no_closed_bars_place(book):
    answer = ask(book, last=2, live=True)
    assert at(answer) == [10, 11, 12]
    assert [row.state for row in answer.rows] == [State.TRADED, State.TRADED, State.OPEN]
    five = ask(book, FIVE, last=1, live=True).rows
    assert [((row.start - T0) // MINUTE, row.state, row.volume) for row in five] == [
        (5, State.TRADED, 5), (10, State.OPEN, 3),
    ]  # fmt: skip


def test_a_range_that_ended_before_now_has_no_forming_bar(book):
    assert at(ask(book, start=0, end=2 * MINUTE, live=True)) == [0, 1]
    assert at(ask(book, start=13 * MINUTE, end=20 * MINUTE, live=True)) == []


@pytest.mark.parametrize(
    ("start", "end", "bars"),
    [(0, 10, [0, 5]), (1, 10, [5]), (0, 6, [0, 5]), (0.5, 9.5, [5]), (4, 5, []), (5, 11, [5]), (0, 500, [0, 5])],
)
def test_a_range_gives_the_closed_bars_that_begin_in_it_and_misses_nothing(book, start, end, bars):
    """A range that begins inside a bar, or ends in one that still forms, is no hole."""
    answer = ask(book, FIVE, start=int(start * MINUTE), end=int(end * MINUTE))
    assert (at(answer), answer.missing) == (bars, [])


def test_a_minute_that_is_not_held_is_a_row_and_is_named():
    book = Book()
    book.trades([trade(0, -SECOND), *minutes(2)])
    book.trades([one for one in minutes(9) if one.seq > 5])
    book.due(1, 2, 3, 4, 5)
    answer = ask(book, start=0, end=7 * MINUTE)
    assert at(answer) == list(range(7))
    assert [row.proof for row in answer.rows[2:5]] == [Proof.MISSING] * 3
    assert answer.missing == [(T0 + 2 * MINUTE, T0 + 5 * MINUTE)]
    assert answer.proof is Proof.MISSING
    assert ask(book, FIVE, start=0, end=5 * MINUTE).rows[0].proof is Proof.PARTIAL


def test_what_lies_before_the_tape_is_missing_where_a_range_asks_for_it(book):
    answer = ask(book, start=-10 * MINUTE, end=3 * MINUTE)
    assert answer.missing == [(T0 - 10 * MINUTE, T0 - MINUTE)]


def test_nothing_held_at_all_is_an_empty_answer():
    book = Book()
    for kwargs in ({"last": 5}, {"start": 0, "end": MINUTE}, {}, {"live": True}):
        answer = ask(book, **kwargs)
        assert (answer.rows, answer.missing, answer.proof) == ([], [], Proof.MISSING)


def test_the_tape_basis_serves_our_fold_and_says_what_it_is_worth(book):
    wrong = replace(bars_of(minutes(13))[T0], volume=99)
    book.bar(wrong)
    book.commit(bars=[(ID, [replace(wrong, start=T0 - 5 * MINUTE)])], now=MINUTE)
    venue, tape = ask(book, start=0, end=MINUTE).rows[0], ask(book, start=0, end=MINUTE, basis="tape").rows[0]
    assert (venue.volume, venue.origin, venue.proof) == (99, Origin.VENUE, Proof.DISPUTED)
    assert (tape.volume, tape.origin, tape.proof, tape.revision) == (1, Origin.TAPE, Proof.DISPUTED, venue.revision)
    alone = ask(book, start=-5 * MINUTE, end=-4 * MINUTE, basis="tape")
    assert alone.rows[0].proof is Proof.MISSING  # the venue's bar is no trade


def test_the_tape_basis_survives_digits_that_grow(book):
    market = Market(book.store)
    before = ask(book, basis="tape")
    found = market.instrument(ID)
    book.store.put_instrument(replace(found, price_digits=4, size_digits=5, tick=100))
    after = ask(book, basis="tape")
    assert (after.price_digits, after.size_digits) == (4, 5)
    assert [row.proof for row in after.rows] == [row.proof for row in before.rows]
    assert [(row.open, row.volume, row.quote_volume) for row in after.rows] == [
        (row.open * 100, row.volume * 100, row.quote_volume * 10_000) for row in before.rows
    ]


def test_sources_name_the_evidence_of_what_is_given_and_of_nothing_beside_it():
    book = Book()
    book.trades(minutes(3), evidence=Evidence.REST)
    book.trades([one for one in minutes(6) if one.seq > 3])
    market = Market(book.store)
    found = market.instrument(ID)
    early = market.trades(found, start=T0, end=T0 + 3 * MINUTE)
    late = market.trades(found, start=T0 + 3 * MINUTE, end=T0 + 6 * MINUTE)
    assert (early.sources, early.proof) == (["rest", "store"], Proof.REPAIRED)
    assert (late.sources, late.proof) == (["store", "stream"], Proof.PROVEN)


def test_trades_with_a_hole_between_them_are_partial_and_the_hole_is_named():
    book = Book()
    book.trades(minutes(2))
    book.trades([one for one in minutes(6) if one.seq > 4])
    market = Market(book.store)
    answer = market.trades(market.instrument(ID))
    assert answer.proof is Proof.PARTIAL
    assert answer.missing == [(T0 + MINUTE + SECOND, T0 + 4 * MINUTE + SECOND)]


def test_trades_are_given_by_time_and_id_also_when_ids_and_times_disagree():
    book = Book()
    rows = [trade(1, 50 * SECOND), trade(2, 70 * SECOND), trade(3, 55 * SECOND), trade(4, 80 * SECOND)]
    book.trades(rows)
    market = Market(book.store)
    found = market.instrument(ID)
    assert [row.seq for row in market.trades(found, end=T0 + MINUTE).rows] == [1, 3]
    assert [row.seq for row in market.trades(found, start=T0 + MINUTE).rows] == [2, 4]
    assert [row.seq for row in market.trades(found, start=T0 + 55 * SECOND, end=T0 + 56 * SECOND).rows] == [3]


def test_an_instrument_without_trades_says_so():
    book = Book()
    book.store.connection.execute("DELETE FROM tape WHERE kind <> 'bars'")
    market = Market(book.store)
    with pytest.raises(UnknownName, match="holds no trades of binance:TESTUSDT; it holds candles"):
        market.trades(market.instrument(ID))
