"""Digits that another process makes grow, by an import or a backfill, change the price of nothing that comes after."""

from collections.abc import Iterator

import pytest
from tapes import ID, T0, Book, bars_of, instrument, trade

from gapless.derive.minutes import fold_minute
from gapless.model import MINUTE
from gapless.store.sqlite import SqliteStore

SECOND = 1_000_000_000
ROWS = [trade(seq, seq * 7 * SECOND, 1_000 + seq % 9, 1 + seq % 5, side=1 if seq % 3 else -1) for seq in range(1, 40)]


@pytest.fixture(params=[False, True], ids=["folded from the store", "folded in memory"])
def collected(request, tmp_path) -> Iterator[tuple[Book, Book]]:
    """Collect the same twice, once with digits that grow in the middle, once with those digits from the start."""
    path = str(tmp_path / "grown.db")
    grown, plain = Book(path=path), Book(digits=(4, 5))
    half = len(ROWS) // 2
    for book, by in ((grown, (1, 1)), (plain, (100, 100))):
        rows = [trade(r.seq, r.time - T0, r.price * by[0], r.size * by[1], r.side) for r in ROWS]
        folds = {}
        if request.param:
            starts = {row.time // MINUTE * MINUTE for row in rows}
            folds = {(book.tape.id, at): fold_minute([r for r in rows if r.time // MINUTE * MINUTE == at], at)
                     for at in starts}  # fmt: skip
        book.trades(rows[:half])
        if book is grown:
            other = SqliteStore(path, environment="live")
            other.put_instrument(instrument(4, 5))
            other.close()
        book.trades(rows[half:], folds=folds)
        for bar in bars_of(rows).values():
            book.bar(bar)
        book.due(*range(5))
    yield grown, plain
    grown.store.close()


def test_what_a_collector_writes_after_digits_grew_is_what_it_would_have_written_with_them(collected):
    grown, plain = collected
    assert grown.store.trades(grown.tape.id, 1, 99) == plain.store.trades(plain.tape.id, 1, 99)
    assert grown.candles() == plain.candles()
    assert len(grown.candles()) >= 4
    assert [(f.bar, f.first_seq, f.last_seq) for f in grown.folds()] == \
        [(f.bar, f.first_seq, f.last_seq) for f in plain.folds()]  # fmt: skip


def test_an_instrument_has_the_finer_digits_and_its_ladders_the_same_prices(collected):
    from gapless.model.packed import decode

    grown, plain = collected
    assert grown.store.instrument(ID).price_digits == 4
    assert [decode(f.ladder) for f in grown.folds()] == [decode(f.ladder) for f in plain.folds()]
