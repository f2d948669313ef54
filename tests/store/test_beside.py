"""Several connections and processes on one store: none sees half a commit, none loses what another wrote."""

import threading
import time

import pytest
from tapes import ID, T0, Book, instrument, trade
from test_contract import ROWS

from gapless.derive.settle import Vouched, settle
from gapless.errors import StoreBusy, StoreError
from gapless.model import MINUTE, SECOND, Candle, Evidence, Origin, Proof, Span
from gapless.store.sqlite import SqliteStore


def test_a_reader_beside_a_writer_sees_commits_and_never_a_half_one(tmp_path):
    book = Book(path=str(tmp_path / "beside.db"))
    reader = SqliteStore(book.store.path, readonly=True)
    seen: list[int] = []

    def work(tx):
        tx.add_trades(book.tape.id, ROWS)
        seen.append(reader.counts(book.tape.id, 0, 99))
        tx.put_spans(book.tape.id, [], [Span(1, 12, Evidence.STREAM)], 1)

    before = reader.version()
    book.store.commit(work)
    assert seen == [0]
    assert (reader.counts(book.tape.id, 0, 99), reader.all_spans(book.tape.id)) == (12, [Span(1, 12, Evidence.STREAM)])
    assert reader.version() != before


def test_two_writers_wait_for_each_other_and_lose_nothing(tmp_path):
    book = Book(path=str(tmp_path / "two.db"))
    other = SqliteStore(book.store.path, environment="live")
    holding, release = threading.Event(), threading.Event()

    def slow(tx):
        tx.add_trades(book.tape.id, ROWS[:6])
        holding.set()
        release.wait(10)

    first = threading.Thread(target=book.store.commit, args=(slow,))
    first.start()
    holding.wait(10)
    second = threading.Thread(target=other.commit, args=(lambda tx: tx.add_trades(book.tape.id, ROWS[6:]),))
    second.start()
    second.join(0.2)
    assert second.is_alive()  # it waits
    release.set()
    first.join(10)
    second.join(10)
    assert book.store.trades(book.tape.id, 0, 99) == ROWS


def test_two_processes_that_extend_one_ledger_merge_it(tmp_path):
    """The ledger is read, merged and written inside the transaction: neither overwrites what the other vouched for."""
    book = Book(path=str(tmp_path / "merge.db"))
    other = SqliteStore(book.store.path, environment="live")
    from gapless.derive.settle import Commit

    def bring(store, rows):
        commit = Commit(
            now=T0, known_at=1, primary={ID: book.tape}, trades=[(book.tape, rows)],
            vouched=[Vouched(book.tape, rows[0].seq, rows[-1].seq, Evidence.STREAM)],
            wanted=[(book.tape, rows[0].seq, rows[-1].seq)],
        )  # fmt: skip
        store.commit(lambda tx: settle(tx, commit))

    for at in range(0, 12, 4):
        bring(book.store, ROWS[at : at + 2])
        bring(other, ROWS[at + 2 : at + 4])
    assert other.all_spans(book.tape.id) == [Span(1, 12, Evidence.STREAM)]
    assert other.wanted(book.tape.id) == [(1, 12)]


def test_a_writer_that_never_lets_go_is_named_after_a_while(tmp_path):
    book = Book(path=str(tmp_path / "held.db"))
    other = SqliteStore(book.store.path, environment="live")
    other.connection.execute("PRAGMA busy_timeout = 50")
    book.store.connection.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(StoreBusy, match="is held by another writer for too long"):
        other.commit(lambda tx: None)
    assert time.monotonic() - began < 5
    book.store.connection.execute("ROLLBACK")


def test_digits_that_another_process_grew_are_seen_by_an_open_reader(tmp_path):
    book = Book(path=str(tmp_path / "grown.db"))
    book.trades([trade(0, -SECOND), trade(1, SECOND, 50_000, 70_000), trade(2, 70 * SECOND)])
    reader = SqliteStore(book.store.path, readonly=True)
    before, fold = reader.candle(ID, T0), reader.fold(book.tape.id, T0 - MINUTE)
    assert before.quote_volume == 50_000 * 70_000
    book.store.put_instrument(instrument(4, 5))
    assert reader.candle(ID, T0).quote_volume == before.quote_volume * 10_000
    assert fold is not None


def test_digits_that_another_process_grew_are_seen_by_the_next_commit(tmp_path):
    book = Book(path=str(tmp_path / "grown.db"))
    other = SqliteStore(book.store.path, environment="live")
    assert other.scale(ID).unit == 10**5
    book.store.put_instrument(instrument(6, 5))
    candle = Candle(start=T0, quote_volume=10**13 + 1, revision=0, proof=Proof.PROVEN, origin=Origin.TAPE)
    other.commit(lambda tx: tx.put_candle(ID, candle, None, "stream", 1))
    assert book.store.candle(ID, T0).quote_volume == 10**13 + 1


def test_processes_that_make_a_store_at_once_all_get_it(tmp_path):
    path, failed = str(tmp_path / "new.db"), []
    barrier = threading.Barrier(8)

    def make() -> None:
        barrier.wait()
        try:
            SqliteStore(path, environment="live").put_instrument(instrument())
        except StoreError as error:
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []
    assert len(SqliteStore(path, readonly=True).instruments()) == 1


# What cannot be opened
