"""Every row of the proof table, the closing rules and the revisions, from the ledger of a store."""

import pytest
from msgspec.structs import replace
from tapes import ID, T0, Book, bars_of, trade

from gapless.derive.judge import LATENESS, bar_of, candle_of, revised
from gapless.derive.settle import Vouched
from gapless.model import MINUTE, SECOND, Evidence, Gap, Origin, Proof, Side, State
from gapless.model.candle import LENT_COUNTS, LENT_QUOTE, UNTOLD
from gapless.model.proof import derived

BEFORE = trade(1, -30 * SECOND, 100)
INSIDE = [trade(2, 1 * SECOND, 101, 3), trade(3, 20 * SECOND, 99, 2, Side.SELL), trade(4, 50 * SECOND, 102)]
AFTER = trade(5, 70 * SECOND, 103)
TAPE = [BEFORE, *INSIDE, AFTER]
BAR = bars_of(TAPE)[T0]
UNNAMED = replace(BAR, first_id=-1, last_id=-1)


def proof(book: Book, minute: int = 0) -> Proof:
    return book.candle(minute).proof


# The proof table


def test_nothing_held_is_no_candle():
    book = Book()
    book.due(0)
    assert book.candle() is None


def test_a_minute_with_a_hole_is_partial_however_late_it_is():
    book = Book()
    book.trades([BEFORE])
    book.trades([INSIDE[1], INSIDE[2], AFTER])
    assert book.candle() is None  # id 2 is not held, so nothing says that the minute is over
    book.due(0)
    assert proof(book) is Proof.PARTIAL
    assert not book.candle().edge


def test_the_minute_in_which_a_tape_begins_is_partial_and_an_edge():
    book = Book()
    book.trades(TAPE[1:])
    assert (proof(book), book.candle().edge) == (Proof.PARTIAL, True)


def test_the_minute_in_which_a_tape_ends_is_partial_and_an_edge():
    book = Book()
    book.trades(TAPE[:4])
    book.due(0)
    assert (proof(book), book.candle().edge) == (Proof.PARTIAL, True)
    book.trades([AFTER])
    assert (proof(book), book.candle().edge) == (Proof.PROVEN, False)


def test_the_minute_of_the_very_first_trade_of_an_instrument_is_no_edge():
    book = Book()
    book.store.connection.execute("UPDATE tape SET began = 2 WHERE id = ?", (book.tape.id,))
    book.tape = replace(book.tape, began=2)
    book.trades(TAPE[1:])
    assert (proof(book), book.candle().edge) == (Proof.PROVEN, False)


@pytest.mark.parametrize("bar", [BAR, UNNAMED], ids=["named", "unnamed"])
def test_whole_trades_by_stream_that_agree_with_the_venue_are_proven(bar):
    book = Book()
    book.trades(TAPE)
    assert proof(book) is Proof.PROVEN  # without the venue's bar too
    book.bar(bar)
    assert proof(book) is Proof.PROVEN
    assert book.candle().origin is Origin.VENUE


@pytest.mark.parametrize("evidence", [Evidence.REST, Evidence.ARCHIVE, Evidence.RECOVERED])
def test_one_trade_that_did_not_come_by_stream_makes_a_whole_minute_repaired(evidence):
    book = Book()
    book.trades([BEFORE, INSIDE[0]])
    book.trades([INSIDE[2], AFTER])
    book.trades([INSIDE[1]], evidence=evidence)
    assert proof(book) is Proof.REPAIRED
    book.bar(BAR)
    assert proof(book) is Proof.REPAIRED


def test_a_repair_beyond_the_borders_leaves_a_minute_proven():
    book = Book()
    book.trades([BEFORE], evidence=Evidence.REST)
    book.trades(INSIDE)
    book.trades([AFTER], evidence=Evidence.REST)
    assert proof(book) is Proof.PROVEN


@pytest.mark.parametrize(
    "wrong",
    [{"volume": 7}, {"open": 100}, {"high": 103}, {"low": 98}, {"close": 101}, {"trades": 4}, {"quote_volume": 1},
     {"taker_buy_volume": 1}, {"taker_buy_quote_volume": 1}, {"trades": 2}],
)  # fmt: skip
def test_a_venue_that_says_otherwise_than_whole_trades_is_disputed_and_both_are_kept(wrong):
    book = Book()
    book.trades(TAPE)
    book.bar(replace(BAR, **wrong))
    assert proof(book) is Proof.DISPUTED
    (name, value), *_ = wrong.items()
    assert getattr(book.candle(), name) == value
    assert getattr(book.folds()[-1].bar, name) == getattr(BAR, name)


def test_the_venues_bar_with_broken_trades_is_official_not_disputed():
    book = Book()
    book.trades([BEFORE])
    book.trades([INSIDE[2], AFTER])
    book.bar(UNNAMED, now=2 * MINUTE)
    assert proof(book) is Proof.OFFICIAL


def test_the_venues_bar_alone_is_official():
    book = Book()
    book.commit(bars=[(ID, [BAR])], now=2 * MINUTE)
    assert proof(book) is Proof.OFFICIAL


def test_ids_that_the_venues_bar_names_prove_a_minute_without_what_follows():
    book = Book()
    book.trades(TAPE[1:4])  # neither the trade before nor the one after
    book.bar(BAR)
    assert (proof(book), book.candle().edge) == (Proof.PROVEN, False)


def test_ids_that_the_venues_bar_names_and_that_are_not_held_prove_nothing():
    book = Book()
    book.trades(INSIDE[:2])
    book.bar(BAR, now=2 * MINUTE)
    assert proof(book) is Proof.OFFICIAL


# Empty minutes


def test_a_minute_without_trades_between_whole_ids_is_proven_empty_and_flat():
    book = Book()
    book.trades([BEFORE, trade(2, 70 * SECOND, 103)])
    candle = book.candle()
    assert (candle.proof, candle.state, candle.origin) == (Proof.PROVEN, State.EMPTY, Origin.TAPE)
    assert {candle.open, candle.high, candle.low, candle.close} == {BEFORE.price}
    assert (candle.volume, candle.trades, candle.quote_volume) == (0, 0, 0)


def test_an_empty_minute_between_repaired_ids_is_repaired():
    book = Book()
    book.trades([BEFORE, trade(2, 70 * SECOND, 103)], evidence=Evidence.REST)
    assert (proof(book), book.candle().state) == (Proof.REPAIRED, State.EMPTY)


def test_ids_that_were_spent_without_a_trade_do_not_hide_that_a_minute_is_empty():
    book = Book()
    book.commit(
        trades=[(book.tape, [BEFORE, trade(4, 70 * SECOND)])],
        vouched=[Vouched(book.tape, 1, 4, Evidence.STREAM)],
    )
    assert (proof(book), book.candle().state) == (Proof.PROVEN, State.EMPTY)


def test_a_minute_with_missing_ids_is_not_called_empty():
    book = Book()
    book.trades([BEFORE])
    book.trades([trade(4, 70 * SECOND)])
    book.due(0)
    assert book.candle() is None


def test_a_minute_that_the_venue_calls_empty_is_official():
    book = Book()
    flat = replace(BAR, open=100, high=100, low=100, close=100, volume=0, quote_volume=0, trades=0,
                   taker_buy_volume=0, taker_buy_quote_volume=0, first_id=-1, last_id=-1)  # fmt: skip
    book.bar(flat, now=2 * MINUTE)
    assert (proof(book), book.candle().state) == (Proof.OFFICIAL, State.EMPTY)
    book.trades([BEFORE, trade(2, 70 * SECOND)])
    assert (proof(book), book.candle().state) == (Proof.PROVEN, State.EMPTY)


def test_a_venue_that_calls_a_minute_empty_in_which_we_hold_trades_is_disputed():
    book = Book()
    book.trades(TAPE)
    book.bar(replace(BAR, volume=0, quote_volume=0, trades=0, taker_buy_volume=0, taker_buy_quote_volume=0))
    assert proof(book) is Proof.DISPUTED


# When a minute closes


def test_an_id_after_the_end_closes_a_minute_only_with_every_id_before_it():
    book = Book()
    book.trades([BEFORE, INSIDE[0]])
    book.trades([INSIDE[2], AFTER])
    assert book.candle() is None
    settled = book.trades([INSIDE[1]], evidence=Evidence.REST)
    assert [(c.candle.start, c.candle.revision, c.former) for c in settled.changes] == [(T0, 0, None)]


def test_the_venues_bar_closes_a_minute_once_its_last_id_is_held():
    book = Book()
    book.trades([BEFORE, *INSIDE[:2]])
    assert book.bar(BAR).changes == []  # id 4 is still on its way
    assert book.candle().revision == -1
    assert [candle.start for candle in book.candles()] == [T0 - MINUTE]  # and nobody is shown the waiting bar
    settled = book.trades([INSIDE[2]])
    assert [(c.candle.proof, c.candle.revision) for c in settled.changes] == [(Proof.PROVEN, 0)]
    assert book.candles()[-1] == book.candle()


def test_the_venues_bar_closes_a_minute_whose_lateness_has_passed_whatever_is_held():
    book = Book()
    book.trades([BEFORE, *INSIDE[:2]])
    assert book.bar(BAR, now=MINUTE + LATENESS - 1).changes == []
    settled = book.due(0, now=MINUTE + LATENESS)
    assert [(c.candle.proof, c.candle.volume) for c in settled.changes] == [(Proof.OFFICIAL, BAR.volume)]


def test_a_late_bar_that_comes_after_the_lateness_closes_at_once():
    book = Book()
    book.trades([BEFORE, *INSIDE[:2]])
    assert len(book.bar(UNNAMED, now=MINUTE + LATENESS).changes) == 1


# Revisions


def test_a_late_trade_revises_the_minute_and_keeps_what_was_served():
    book = Book()
    book.trades([BEFORE, INSIDE[0]])
    book.trades([INSIDE[2], AFTER])
    book.due(0)
    former = book.candle()
    settled = book.trades([INSIDE[1]], evidence=Evidence.REST, cause="repair")
    candle = book.candle()
    assert (former.revision, candle.revision) == (0, 1)
    assert (former.proof, candle.proof) == (Proof.PARTIAL, Proof.REPAIRED)
    assert (former.volume, candle.volume) == (4, 6)
    assert [(c.former, c.candle) for c in settled.changes] == [(former, candle)]
    assert book.store.revisions(ID, T0) == [(former, book.known_at, "repair")]


def test_a_change_of_proof_alone_is_a_revision_too():
    book = Book()
    book.trades(TAPE[:4])
    book.due(0)
    book.trades([AFTER])
    assert [(old.proof, old.revision) for old, _, _ in book.store.revisions(ID, T0)] == [(Proof.PARTIAL, 0)]
    assert (book.candle().proof, book.candle().revision) == (Proof.PROVEN, 1)


def test_a_bar_of_the_venue_that_only_agrees_is_no_revision():
    book = Book()
    book.trades(TAPE)
    assert book.candle().origin is Origin.TAPE
    assert book.bar(BAR).changes == []
    assert (book.candle().origin, book.candle().revision) == (Origin.VENUE, 0)
    assert book.store.revisions(ID, T0) == []


def test_a_dispute_that_the_venue_takes_back_is_told_as_two_revisions():
    book = Book()
    book.trades(TAPE)
    book.bar(replace(BAR, volume=99))
    book.bar(BAR)
    assert [old.proof for old, _, _ in book.store.revisions(ID, T0)] == [Proof.PROVEN, Proof.DISPUTED]
    assert (book.candle().proof, book.candle().revision) == (Proof.PROVEN, 2)


def test_bringing_the_same_again_changes_nothing():
    book = Book()
    book.trades(TAPE)
    book.bar(BAR)
    before = list(book.store.connection.iterdump())
    assert book.trades(TAPE).changes == []
    assert book.bar(BAR).changes == []
    assert list(book.store.connection.iterdump()) == before


def test_an_edge_that_is_none_any_more_is_not_kept():
    former = candle_of(BAR, Origin.TAPE, Proof.PARTIAL, edge=True)
    fresh = revised(candle_of(BAR, Origin.TAPE, Proof.PARTIAL), former)
    assert fresh is not None
    assert (fresh.edge, fresh.revision) == (False, 0)


# Gaps


def test_a_named_gap_is_repaired_by_the_commit_that_fills_its_last_id():
    book = Book()
    gap = Gap(tape=book.tape.id, first=2, last=3, opened=7, cause="disconnect")
    book.trades([BEFORE], gaps=[(book.tape, gap)])
    book.trades([INSIDE[2], AFTER])
    assert book.trades([INSIDE[0]], evidence=Evidence.REST).repaired == []
    assert book.store.gaps(book.tape.id, "open") == [gap]
    settled = book.trades([INSIDE[1]], evidence=Evidence.REST)
    assert settled.repaired == [replace(gap, state="repaired", closed=book.known_at)]
    assert book.store.gaps(book.tape.id, "open") == []
    assert book.store.gaps(book.tape.id, "repaired") == settled.repaired


# Bars of many minutes


@pytest.mark.parametrize(
    ("minutes", "bar"),
    [
        ([], Proof.MISSING),
        ([Proof.MISSING, Proof.MISSING], Proof.MISSING),
        ([Proof.MISSING, Proof.PROVEN], Proof.PARTIAL),
        ([Proof.PARTIAL, Proof.PROVEN], Proof.PARTIAL),
        ([Proof.DISPUTED, Proof.OFFICIAL], Proof.DISPUTED),
        ([Proof.OFFICIAL, Proof.PROVEN], Proof.OFFICIAL),
        ([Proof.REPAIRED, Proof.PROVEN], Proof.REPAIRED),
        ([Proof.PROVEN, Proof.PROVEN], Proof.PROVEN),
    ],
)
def test_a_bar_is_no_better_proven_than_its_worst_minute(minutes, bar):
    assert derived(minutes) is bar


def test_quote_sums_past_64_bits_are_stored_exactly():
    book = Book(digits=(8, 8))
    rows = [trade(n, n * SECOND, 2**40 + n, 2**40 - n, 1 if n % 2 else -1) for n in range(1, 40)]
    book.trades([trade(0, -1, 1, 1), *rows, trade(40, 70 * SECOND, 1, 1)])
    candle = book.candle()
    exact = sum((2**40 + n) * (2**40 - n) for n in range(1, 40))
    assert exact > 2**64
    assert candle.quote_volume == exact
    assert candle.taker_buy_quote_volume == sum((2**40 + n) * (2**40 - n) for n in range(1, 40, 2))
    book.bar(replace(bars_of(rows)[T0], open=1), now=2 * MINUTE)  # the former row is kept beside the disputed one
    ((former, _, _),) = book.store.revisions(ID, T0)
    assert former.quote_volume == exact
    assert book.candle().quote_volume == exact


# Bars that tell less than nine values

SPARSE = replace(UNNAMED, quote_volume=UNTOLD, trades=UNTOLD, taker_buy_volume=UNTOLD, taker_buy_quote_volume=UNTOLD)


def test_what_the_venues_bar_does_not_tell_is_lent_by_whole_trades_that_agree_with_it():
    book = Book()
    book.trades(TAPE)
    book.bar(SPARSE)
    candle = book.candle()
    assert (candle.proof, candle.origin, candle.lent) == (Proof.PROVEN, Origin.VENUE, LENT_QUOTE | LENT_COUNTS)
    assert (candle.trades, candle.quote_volume, candle.taker_buy_volume) == (
        BAR.trades, BAR.quote_volume, BAR.taker_buy_volume,
    )  # fmt: skip
    assert bar_of(candle) == replace(SPARSE, first_id=candle.first_seq, last_id=candle.last_seq)


def test_what_nobody_tells_stays_unknown_and_is_no_zero():
    book = Book()
    book.bar(SPARSE)
    book.due(0)
    candle = book.candle()
    assert (candle.proof, candle.volume, candle.trades, candle.quote_volume) == (Proof.OFFICIAL, BAR.volume, None, None)


@pytest.mark.parametrize("value", ["open", "high", "low", "close", "volume"])
def test_a_sparse_bar_that_differs_in_what_it_tells_is_disputed_and_lent_nothing(value):
    book = Book()
    book.trades(TAPE)
    book.bar(replace(SPARSE, **{value: getattr(SPARSE, value) + 1}))
    assert (proof(book), book.candle().trades) == (Proof.DISPUTED, None)


def test_a_quote_sum_that_a_venue_rounds_is_no_dispute_and_another_one_is():
    volumes = (BAR.quote_volume + BAR.quote_volume // 2_000_000, BAR.quote_volume * 2)
    found = []
    for quote in volumes:
        book = Book()
        book.trades(TAPE)
        book.bar(replace(SPARSE, quote_volume=quote))
        found.append(proof(book))
    assert found == [Proof.PROVEN, Proof.DISPUTED]
