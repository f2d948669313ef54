"""A process that is killed while it writes leaves rows and ledger agreeing; nothing that it said it holds is lost."""

import subprocess
import sys
from pathlib import Path

import pytest
from tapes import Book, trade

from gapless.model import SECOND
from gapless.store.sqlite import SqliteStore
from gapless.tape.coverage import without

WRITING = """
import sys
sys.path.insert(0, {folder!r})
from tapes import SECOND_ROWS, Book, trade
book = Book(path={path!r})
seq = (book.store.trade_before(book.tape.id, 2**62) or trade(0, 0)).seq + 1
while True:
    rows = [trade(n, n * SECOND_ROWS, 100 + n % 7, n % 5 + 1) for n in range(seq, seq + 300)]
    book.trades(rows, wanted=[(book.tape, 1, rows[-1].seq)])
    print(rows[-1].seq, flush=True)  # said only after the commit
    seq += 300
"""


@pytest.mark.parametrize("kills", [3])
def test_sigkill_in_the_middle_of_writing_loses_and_doubles_nothing(tmp_path, kills):
    path = str(tmp_path / "killed.db")
    program = WRITING.format(folder=str(Path(__file__).parents[1] / "derive"), path=path)
    program = program.replace("SECOND_ROWS, ", "").replace("SECOND_ROWS", str(SECOND // 10))
    said = 0
    for kill in range(kills):
        writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(4 + 5 * kill):
            said = int(writer.stdout.readline())
        writer.kill()
        tail = writer.stdout.read().split()
        writer.wait()
        said = max(said, int(tail[-1]) if tail and tail[-1].isdigit() else 0)
        store = SqliteStore(path, readonly=True)
        (tape, _) = store.tapes()
        (span,) = store.all_spans(tape.id)
        rows = store.trades(tape.id, 0, 2**62)
        assert (span.first, rows[0].seq) == (1, 1)
        assert span.last >= said  # what was said to be committed is there
        assert [row.seq for row in rows] == list(range(1, span.last + 1))  # and rows are there exactly where it says
        assert store.wanted(tape.id) == [(1, span.last)]
        assert [without(pair, [span]) for pair in store.wanted(tape.id)] == [[]]
        entries = [entry for entry in store.log_after(0, -1, 10**6) if entry.kind == "trades"]
        assert [seq for e in entries for seq in range(e.first, e.last + 1)] == list(range(1, span.last + 1))
        folds = store.folds(tape.id, 0, 2**62)
        ended = rows[-1].time // 60_000_000_000 * 60_000_000_000
        assert sum(fold.bar.trades for fold in folds if fold.bar.start < ended) == sum(row.time < ended for row in rows)
        assert store.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        store.close()


def test_what_is_on_disk_is_all_that_a_new_process_needs(tmp_path):
    book = Book(path=str(tmp_path / "again.db"))
    book.trades([trade(n, n * SECOND) for n in range(200)])
    before = [book.candles(), book.store.all_spans(book.tape.id), book.folds()]
    book.store.close()
    again = Book(path=str(tmp_path / "again.db"))
    assert [again.candles(), again.store.all_spans(again.tape.id), again.folds()] == before
