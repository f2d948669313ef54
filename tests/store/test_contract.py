"""What every tape store keeps to: rows and ledger together or not at all, once each, and readable beside a writer."""

from decimal import Decimal

import pytest
from msgspec.structs import replace
from tapes import ID, T0, Book, bars_of, instrument, trade

from gapless.errors import BadInput, StoreError, UnknownName
from gapless.model import MINUTE, SECOND, VALUES, Bar, Candle, Evidence, Gap, Origin, Proof, Span, State
from gapless.model.number import decimal
from gapless.ports import JobRow, MinuteRow
from gapless.store.sqlite import SqliteStore, sqlite_path

ROWS = [trade(n + 1, n * 20 * SECOND + SECOND, 100 + n % 7, n % 5 + 1, 1 if n % 3 else -1) for n in range(12)]


@pytest.fixture(params=["file", "memory"])
def book(request, tmp_path) -> Book:
    return Book(path=":memory:" if request.param == "memory" else str(tmp_path / "tape.db"))


def dump(book: Book) -> list[str]:
    return list(book.store.connection.iterdump())


# Commits


def test_a_commit_that_fails_anywhere_leaves_nothing_of_itself(book):
    book.trades(ROWS[:4])
    before = dump(book)

    def work(tx):
        tx.add_trades(book.tape.id, ROWS[4:])
        tx.put_spans(book.tape.id, [], [Span(5, 12, Evidence.STREAM)], 9)
        tx.put_wanted(book.tape.id, [(1, 12)])
        tx.put_minute(book.tape.id, MinuteRow(T0, 1, None), None)
        tx.put_gap(Gap(tape=book.tape.id, first=1, last=2, opened=1, cause="jump"))
        tx.put_event("connected", "binance/public/1", {"streams": 1}, 5)
        tx.put_log("trades", ID, book.tape.id, (5, 12), late=False, known_at=9)
        assert len(tx.trades(book.tape.id, 1, 12)) == 12  # it reads its own writes
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        book.store.commit(work)
    assert dump(book) == before
    book.trades(ROWS[4:])
    assert book.store.counts(book.tape.id, 1, 12) == 12


def test_a_commit_gives_what_its_work_gave(book):
    assert book.store.commit(lambda tx: 42) == 42


def test_trades_come_back_as_they_were_given_whatever_their_number(book):
    rows = [
        replace(trade(n, n, n % 9 + 1, n % 5 + 1, (1, 0, -1)[n % 3], n % 4 + 1, 10 * n), received=n)
        for n in range(1, 2_235)
    ]
    book.store.commit(lambda tx: tx.add_trades(book.tape.id, rows))
    assert book.store.trades(book.tape.id, 1, 10_000) == rows
    assert book.store.trades(book.tape.id, 5, 7) == rows[4:7]


def test_a_trade_that_comes_again_stays_as_it_was(book):
    book.store.commit(lambda tx: tx.add_trades(book.tape.id, ROWS))
    book.store.commit(lambda tx: tx.add_trades(book.tape.id, [replace(ROWS[0], price=1), *ROWS[1:], trade(99, 1)]))
    assert book.store.trades(book.tape.id, 1, 98) == ROWS
    assert book.store.trade_before(book.tape.id, 10**9).seq == 99


def test_neighbours_are_found_across_holes(book):
    book.store.commit(lambda tx: tx.add_trades(book.tape.id, [ROWS[0], ROWS[5]]))
    one = book.tape.id
    assert (book.store.trade_before(one, 6), book.store.trade_after(one, 1)) == (ROWS[0], ROWS[5])
    assert (book.store.trade_before(one, 1), book.store.trade_after(one, 6)) == (None, None)


def test_spans_that_touch_are_found_and_others_are_not(book):
    spans = [Span(1, 4, Evidence.REST), Span(5, 9, Evidence.STREAM), Span(20, 30, Evidence.ARCHIVE)]
    book.store.commit(lambda tx: tx.put_spans(book.tape.id, [], spans, 1))
    found = {(a, b): book.store.spans(book.tape.id, a, b) for a in range(35) for b in range(a, 35)}
    for (a, b), touching in found.items():
        assert touching == [span for span in spans if span.first <= b + 1 and span.last >= a - 1]
    assert book.store.all_spans(book.tape.id) == spans


def test_candles_keep_all_they_know(book):
    wide = Candle(
        start=T0, open=1, high=2**62, low=0, close=3, volume=2**62, quote_volume=2**70, trades=7, taker_buy_volume=5,
        taker_buy_quote_volume=2**66 + 1, first_seq=2**60, last_seq=2**60 + 6, state=State.TRADED, origin=Origin.VENUE,
        proof=Proof.DISPUTED, revision=3, edge=True, border=True, polled=True,
    )  # fmt: skip
    bare = Candle(start=T0 + MINUTE, state=State.EMPTY, origin=Origin.TAPE, proof=Proof.PROVEN)
    for candle in (wide, bare):
        book.store.commit(lambda tx, candle=candle: tx.put_candle(ID, candle, None, "stream", 1))
        assert book.store.candle(ID, candle.start) == candle
    former = replace(wide, revision=4)
    book.store.commit(lambda tx: tx.put_candle(ID, replace(wide, revision=5), former, "repair", 8))
    assert book.store.revisions(ID, T0) == [(former, 8, "repair")]


def test_a_waiting_bar_is_no_candle_yet(book):
    waiting = Candle(start=T0, open=1, high=1, low=1, close=1, proof=Proof.OFFICIAL, origin=Origin.VENUE, revision=-1)
    book.store.commit(lambda tx: tx.put_candle(ID, waiting, None, "stream", 1))
    assert book.store.candle(ID, T0).revision == -1
    assert book.store.candles(ID, T0, T0 + MINUTE) == []
    assert book.store.waiting(ID) == [T0]
    assert (book.store.newest_candle(ID), book.store.oldest_candle(ID)) == (None, None)


def test_wanted_gaps_and_events_come_back(book):
    gap = Gap(tape=book.tape.id, first=3, last=9, opened=1, cause="silent")
    done = replace(gap, state="permanent", closed=5, reason="the venue keeps 1,000")

    def work(tx):
        tx.put_wanted(book.tape.id, [(1, 5), (8, 9)])
        tx.put_gap(gap)
        tx.put_event("connected", "a/b/1", {"n": 1}, 10)
        tx.put_event("closing", "a/b/1", {}, 11)
        tx.put_event("connected", "a/b/2", {"x": [1, "y"]}, 12)

    book.store.commit(work)
    assert book.store.wanted(book.tape.id) == [(1, 5), (8, 9)]
    assert book.store.gaps(book.tape.id, "open") == [gap]
    book.store.commit(lambda tx: tx.put_gap(done))
    assert (book.store.gaps(book.tape.id, "open"), book.store.gaps(book.tape.id, "permanent")) == ([], [done])
    assert book.store.events(["connected"], 11) == [("connected", "a/b/2", {"x": [1, "y"]}, 12)]
    assert [kind for kind, *_ in book.store.events(["connected", "closing"], 0)] == [
        "connected",
        "closing",
        "connected",
    ]


# The log, whose places are the cursors of streams


def test_the_log_tells_each_commit_once_in_order_and_resumes_inside_an_entry(book):
    for at in range(0, 12, 4):
        book.trades(ROWS[at : at + 4])
    entries = book.store.log_after(0, -1, 100)
    assert [(e.number, e.item) for e in entries] == sorted((e.number, e.item) for e in entries)
    ids = [seq for e in entries if e.kind == "trades" for seq in range(e.first, e.last + 1)]
    assert ids == list(range(1, 13))
    items = [(e.number, e.item + n) for e in entries for n in range(e.last - e.first + 1 if e.kind == "trades" else 1)]
    assert len(items) == len(set(items))
    for number, item in items:  # from every place on, nothing is lost and nothing told again
        rest = book.store.log_after(number, item, 100)
        after = [
            (e.number, e.item + n)
            for e in rest
            for n in range(e.last - e.first + 1 if e.kind == "trades" else 1)
            if (e.number, e.item + n) > (number, item)
        ]
        assert after == [place for place in items if place > (number, item)]
    assert book.store.log_span() == (entries[0].number, entries[-1].number)
    for kind in ("trades", "candle"):
        alone = [entry for entry in entries if entry.kind == kind]
        assert book.store.log_after(0, -1, 2, kind=kind) == alone[:2]
        assert book.store.log_after(alone[0].number, alone[0].item, 100, kind=kind)[-1] == alone[-1]


def test_the_place_of_a_receiver_is_kept_with_the_commit_that_moves_it(book):
    assert book.store.delivery("http://a/") is None
    for place in ((1, 0), (7, 3)):
        book.store.commit(lambda tx, place=place: tx.put_delivery("http://a/", *place))
        assert book.store.delivery("http://a/") == place
    with pytest.raises(ZeroDivisionError):
        book.store.commit(lambda tx: (tx.put_delivery("http://a/", 9, 9), 1 / 0))
    assert book.store.delivery("http://a/") == (7, 3)


def test_commits_are_numbered_without_a_hole_also_after_one_that_failed(book):
    book.trades(ROWS[:4])

    def fails(tx):
        tx.put_log("trades", ID, book.tape.id, (5, 6), late=False, known_at=1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        book.store.commit(fails)
    book.trades(ROWS[4:8])
    assert [e.number for e in book.store.log_after(0, -1, 100) if e.kind == "trades"] == [1, 2]


def test_a_repair_and_a_revision_are_told_as_late(book):
    book.trades([trade(0, -SECOND), *ROWS[:1]])
    book.trades(ROWS[2:4])
    book.due(0)
    book.trades([ROWS[1]], evidence=Evidence.REST)
    late = [(e.kind, e.first) for e in book.store.log_after(0, -1, 100) if e.late]
    assert late == [("trades", 2), ("candle", T0)]


def test_as_of_a_commit_a_candle_is_what_was_known_then(book):
    book.trades([trade(0, -SECOND), *ROWS[:1]])
    book.trades(ROWS[2:4])
    book.due(0)
    first = book.candle()
    number = book.store.log_span()[1]
    book.trades([ROWS[1]], evidence=Evidence.REST)
    book.bar(replace(bars_of(ROWS)[T0], volume=77))
    last = book.candle()
    assert (first.revision, last.revision) == (0, 2)
    assert book.store.candle_as_of(ID, T0, number - 1) is None
    assert book.store.candle_as_of(ID, T0, number) == first
    assert book.store.candle_as_of(ID, T0, number + 1).revision == 1
    assert book.store.candle_as_of(ID, T0, number + 2) == last
    assert book.store.candle_as_of(ID, T0, number + 99) == last


# Digits that grow


@pytest.mark.parametrize("grown", [(4, 3), (2, 6), (8, 8)])
def test_digits_that_grow_change_no_value(book, grown):
    book.trades([trade(0, -SECOND), *ROWS])
    book.bar(replace(bars_of(ROWS)[T0], quote_volume=10**20 + 7))

    def values(book):
        (known,) = book.store.instruments()
        p, s = known.price_digits, known.size_digits
        digits = dict.fromkeys(("open", "high", "low", "close"), p) | {
            "volume": s, "taker_buy_volume": s, "quote_volume": p + s, "taker_buy_quote_volume": p + s, "trades": 0,
        }  # fmt: skip
        candles = [
            {name: decimal(getattr(c, name), digits[name]) for name in VALUES} | {"proof": c.proof, "start": c.start}
            for c in book.candles()
        ]
        trades = [(t.seq, decimal(t.price, p), decimal(t.size, s)) for t in book.store.trades(book.tape.id, 0, 99)]
        return candles, trades, decimal(known.tick, p)

    before = values(book)
    book.store.put_instrument(replace(instrument(*grown), tick=10 ** (grown[0] - 2)))
    assert values(book) == before
    assert before[0][1]["quote_volume"] == Decimal("1000000000000000.00007")
    for tape in book.store.tapes(ID):
        assert (tape.price_digits, tape.size_digits) == grown


def test_digits_never_shrink(book):
    book.store.put_instrument(instrument(1, 1))
    (known,) = book.store.instruments()
    assert (known.price_digits, known.size_digits, known.tick) == (2, 3, 10)


def test_digits_that_would_pass_64_bits_are_refused_and_change_nothing(book):
    book.trades([trade(1, 0, 2**60), trade(2, 1, 1)])
    before = dump(book)
    with pytest.raises(StoreError, match="a value would pass 64 bits"):
        book.store.put_instrument(instrument(8, 3))
    assert dump(book) == before


# Environments


def test_test_prints_never_mix_with_live_tape(tmp_path):
    path = str(tmp_path / "both.db")
    live, sim = (SqliteStore(path, environment=name) for name in ("live", "sim"))
    for store in (live, sim):
        store.put_instrument(instrument())
    assert live.open_tape(ID, "trade").id != sim.open_tape(ID, "trade").id
    assert len(live.tapes()) == len(sim.tapes()) == 1
    assert SqliteStore(path, readonly=True).environment() == "live"


def test_a_store_of_several_environments_without_live_asks_which(tmp_path):
    path = str(tmp_path / "two.db")
    for name in ("demo", "sim"):
        SqliteStore(path, environment=name).put_instrument(instrument())
    with pytest.raises(BadInput, match="the store holds demo and sim; name one with --environment"):
        SqliteStore(path, readonly=True).instruments()
    only = str(tmp_path / "one.db")
    SqliteStore(only, environment="sim").put_instrument(instrument())
    assert [i.id for i in SqliteStore(only, readonly=True).instruments()] == [ID]


def test_a_tape_is_opened_once(book):
    assert book.store.open_tape(ID, "trade") == book.tape
    assert [tape.kind for tape in book.store.tapes(ID)] == ["trade", "bars"]
    with pytest.raises(UnknownName, match="the store holds no instrument 'binance:NONE'"):
        book.store.open_tape("binance:NONE", "trade")


# Several at once


def test_a_store_of_a_newer_version_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "newer.db"
    store = SqliteStore(str(path), environment="live")
    store.connection.execute("PRAGMA user_version = 99")
    store.close()
    before = path.read_bytes()
    for readonly in (False, True):
        with pytest.raises(StoreError, match=r"newer.db has schema 99 and this gapless knows up to \d+; a newer"):
            SqliteStore(str(path), environment="live", readonly=readonly)
    assert path.read_bytes() == before


def test_what_is_no_store_is_refused_and_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("these are notes, and long enough to be taken for a header of something " * 20)
    import sqlite3

    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()
    for path, sentence in (
        (text, "is no store of gapless|cannot be opened"),
        (other, "is a database of something else"),
    ):
        before = path.read_bytes()
        for readonly in (False, True):
            with pytest.raises(StoreError, match=sentence):
                SqliteStore(str(path), environment="live", readonly=readonly)
        assert path.read_bytes() == before


def test_a_store_that_is_not_there_is_not_made_by_a_reader(tmp_path):
    path = tmp_path / "none.db"
    with pytest.raises(BadInput, match=r"there is no store at .*none.db; `gapless run` or `gapless import`"):
        SqliteStore(str(path), readonly=True)
    assert not path.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"the folder .*gone of the store does not exist"):
        SqliteStore(str(tmp_path / "gone" / "tape.db"))


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:///x.db", "x.db"), ("sqlite:////tmp/x.db", "/tmp/x.db"), ("x.db", "x.db"), ("memory://", ":memory:")],
)
def test_addresses_of_stores(url, path):
    assert sqlite_path(url) == path


def test_an_address_of_another_kind_of_store_is_refused():
    with pytest.raises(UnknownName, match="'mysql://x' is no store; allowed are sqlite"):
        sqlite_path("mysql://x")


def test_a_full_disk_is_said_and_loses_nothing(tmp_path):
    book = Book(path=str(tmp_path / "full.db"))
    book.trades(ROWS[:4])
    pages = book.store.connection.execute("PRAGMA page_count").fetchone()[0]
    book.store.connection.execute(f"PRAGMA max_page_count = {pages}")
    rows = [trade(n, n * SECOND) for n in range(100, 20_000)]
    with pytest.raises(StoreError, match=r"the disk of the store .*full.db is full"):
        book.trades(rows)
    assert book.store.trades(book.tape.id, 0, 10**6) == ROWS[:4]
    assert book.store.all_spans(book.tape.id) == [Span(1, 4, Evidence.STREAM)]
    book.store.connection.execute("PRAGMA max_page_count = 1000000")
    book.trades(rows)
    assert book.store.counts(book.tape.id, 100, 20_000) == len(rows)


def test_an_archive_is_remembered_by_its_hash(book):
    assert book.store.archive("binance/a.zip") is None
    book.store.put_archive("binance/a.zip", "ab", verified=True, rows=3, at=1)
    assert book.store.archive("binance/a.zip") == "ab"


def test_a_bar_of_zero_is_not_taken_for_nothing(book):
    zero = Bar(T0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    book.bar(zero, now=2 * MINUTE)
    assert (book.candle().open, book.candle().state) == (0, State.EMPTY)


def test_jobs_are_remembered_by_name_and_the_last_run_counts(book):
    for row in (JobRow("movers", 5, "40 movers"), JobRow("cleanup", 6, "nothing"), JobRow("movers", 7, "41 movers")):
        book.store.commit(lambda tx, row=row: tx.put_job(row))
    assert book.store.jobs() == [JobRow("cleanup", 6, "nothing"), JobRow("movers", 7, "41 movers")]
