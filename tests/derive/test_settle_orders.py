"""However a tape is cut, doubled, reordered, interrupted and repaired, the same rows and folds are stored."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tapes import MINUTE, T0, Book, Collecting, bars_of, trade

from gapless.model import Evidence, Proof, State

MS = 1_000_000


@st.composite
def tapes(draw, single: bool = False):
    """Trades over some minutes with shared milliseconds, quiet minutes, voids and, on an agg tape, several fills."""
    count = draw(st.integers(2, 40))
    steps = draw(st.lists(st.sampled_from([0, 0, 1, 900, 15_000, 61_000, 130_000]), min_size=count, max_size=count))
    rows, at, fill = [], draw(st.integers(0, 59_999)), 1_000
    for seq, step in enumerate(steps, 1):
        at += step
        fills = 1 if single else draw(st.integers(1, 3))
        void = single and draw(st.integers(0, 9)) == 0
        rows.append(
            trade(seq, at * MS, 0 if void else draw(st.integers(90, 110)), 0 if void else draw(st.integers(1, 9)),
                  draw(st.sampled_from([1, -1])), fills, seq if single else fill)
        )  # fmt: skip
        fill += fills
    rows[0] = trade(1, rows[0].time - T0, 100, 1, 1, rows[0].fills, rows[0].first_fill)
    rows[-1] = trade(len(rows), rows[-1].time - T0, 100, 1, 1, rows[-1].fills, rows[-1].first_fill)
    return rows


@st.composite
def shuffled(draw, rows):
    """Give the order in which rows arrive: some twice, some late by several places."""
    order = list(range(len(rows)))
    for _ in range(draw(st.integers(0, 8))):
        at = draw(st.integers(0, len(order) - 1))
        order.insert(
            min(len(order), at + draw(st.integers(1, 12))), order[at] if draw(st.booleans()) else order.pop(at)
        )
    return [rows[i] for i in order]


def batches(draw, rows):
    at = 0
    while at < len(rows):
        size = draw(st.integers(1, 12))
        yield rows[at : at + size]
        at += size


def check(book: Book, rows) -> None:
    """Compare what is stored with the made tape, and every fold with the brute-force one."""
    traded = [row for row in rows if row.size]
    stored = book.store.trades(book.tape.id, 0, 10**9)
    assert [(t.seq, t.time, t.price, t.size, t.side, t.fills, t.first_fill) for t in stored] == [
        (t.seq, t.time, t.price, t.size, t.side, t.fills, t.first_fill) for t in traded
    ]
    expected = bars_of(rows)
    last_minute = (traded[-1].time if traded else 0) // MINUTE * MINUTE  # still forming
    folds = {fold.bar.start: fold for fold in book.folds()}
    assert {start: fold.bar for start, fold in folds.items() if start < last_minute} == {
        start: bar for start, bar in expected.items() if start < last_minute
    }
    for start, fold in folds.items():
        seqs = [row.seq for row in traded if start <= row.time < start + MINUTE]
        assert (fold.first_seq, fold.last_seq) == (min(seqs), max(seqs))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_cut_doubling_and_reordering_of_a_stream_stores_the_same_tape(data):
    single = data.draw(st.booleans())
    rows = data.draw(tapes(single))
    book = Book("trade" if single else "agg")
    collecting = Collecting(book)
    first, rest = rows[:1], rows[1:]
    collecting.frames(first)  # the first id begins the tape: nothing before it is wanted
    for batch in batches(data.draw, data.draw(shuffled(rest)) if rest else []):
        collecting.frames(batch)
        if data.draw(st.booleans()):
            collecting.commit()
    collecting.commit()
    check(book, rows)
    assert book.store.all_spans(book.tape.id) == [(s := book.store.all_spans(book.tape.id)[0])]
    assert (s.first, s.last, s.evidence) == (rows[0].seq, rows[-1].seq, Evidence.STREAM)
    after_first = [c for c in book.candles() if c.start > rows[0].time and c.start + MINUTE <= rows[-1].time]
    assert all(candle.proof is Proof.PROVEN for candle in after_first)
    expected = bars_of(rows)
    for candle in after_first:
        assert candle.state is (State.TRADED if candle.start in expected else State.EMPTY)
        if candle.state is State.EMPTY:
            before = [row for row in rows if row.size and row.time < candle.start]
            assert candle.close == (before[-1].price if before else None)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_what_a_stream_loses_and_a_repair_brings_back_gives_the_same_tape(data):
    """Frames are lost, the process is restarted, pages come in any order: the whole tape is stored nonetheless."""
    single = data.draw(st.booleans())
    rows = data.draw(tapes(single))
    book = Book("trade" if single else "agg")
    collecting = Collecting(book)
    collecting.frames(rows[:1])
    collecting.commit()
    lost = data.draw(st.sets(st.sampled_from(rows[1:]).map(lambda row: row.seq), max_size=12)) if rows[1:] else set()
    lost -= {rows[-1].seq}
    kept = [row for row in rows[1:] if row.seq not in lost]
    for batch in batches(data.draw, data.draw(shuffled(kept)) if kept else []):
        collecting.frames(batch)
        if data.draw(st.booleans()):
            collecting.commit()
        if data.draw(st.integers(0, 5)) == 0:
            collecting.commit()
            collecting = Collecting(book)  # killed after a commit and started again on the same store
    collecting.commit()
    while holes := [hole for first, last in book.store.wanted(book.tape.id) for hole in _holes(book, first, last)]:
        first, last = data.draw(st.sampled_from(holes))
        first = data.draw(st.integers(first, last))
        collecting.fill([row for row in rows if first <= row.seq <= last + 3], first, last)
        if data.draw(st.booleans()):
            collecting.commit()
    collecting.commit()
    check(book, rows)
    assert _holes(book, rows[0].seq, rows[-1].seq) == []
    closed = [c for c in book.candles() if c.start > rows[0].time and c.start + MINUTE <= rows[-1].time]
    assert all(candle.proof in (Proof.PROVEN, Proof.REPAIRED) for candle in closed)
    expected = bars_of(rows)
    for candle in closed:
        if candle.start in expected:
            assert candle.volume == expected[candle.start].volume
            assert candle.close == expected[candle.start].close


def _holes(book: Book, first: int, last: int):
    from gapless.tape.coverage import without

    return without((first, last), book.store.all_spans(book.tape.id))
