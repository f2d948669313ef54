"""Ten days of a tiny market, collected by stream, and what grows old of it."""

import asyncio
from functools import cache

from tapes import ID, T0, Book, bars_of, trade

from gapless.collect.retention import Removed, Retention
from gapless.model import DAY, MINUTE, SECOND, Trade
from gapless.tape.aging import Ages

AGES = Ages(trades=3 * DAY, ladders=6 * DAY, events=None, log=None)
STEP = 7 * MINUTE + 13 * SECOND  # between pairs of trades, the second 40 s after the first: some share a minute


def _rows() -> list[Trade]:
    pairs = [(2 * n + k + 1, n * STEP + k * 40 * SECOND) for n in range(10 * DAY // STEP) for k in (0, 1)]
    return [trade(seq, at, 100 + seq % 7, seq % 5 + 1, 1 if seq % 3 else -1) for seq, at in pairs]


ROWS = _rows()
BORDER = ROWS[-1].time // MINUTE * MINUTE - 3 * DAY  # the newest candle ends where the newest minute begins


class Still:
    """A machine whose time does not pass."""

    def __init__(self, wall: int = T0 + 30 * DAY) -> None:
        self._wall = wall

    def wall(self) -> int:
        return self._wall

    def monotonic(self) -> int:
        return 0

    async def sleep(self, ns: int) -> None: ...


def market(rows: list[Trade], *, path: str = ":memory:") -> Book:
    """Collect trades by stream, run by run, with their bars."""
    book = Book(path=path)
    bars = bars_of(rows)
    begin = 0
    for at, row in enumerate(rows):
        if at + 1 == len(rows) or rows[at + 1].seq > row.seq + 1 or at + 1 - begin == 50:
            run = rows[begin : at + 1]
            book.trades(run, wanted=[(book.tape, rows[0].seq, row.seq)])
            begin = at + 1
    last = rows[-1].time // MINUTE
    for start, bar in bars.items():
        if start // MINUTE < last:
            book.bar(bar)
    book.due(*range((rows[0].time - T0) // MINUTE, (last * MINUTE - T0) // MINUTE), now=20 * DAY)
    return book


@cache
def _ten_days() -> bytes:
    return market(ROWS).store.connection.serialize()


def ten_days() -> Book:
    """Give a book in which all rows were collected; making it once is enough."""
    book = Book()
    book.store.connection.deserialize(_ten_days())
    book.store.forget()
    book.known_at = 10**6
    return book


def drop(book: Book, ages: Ages = AGES, *, imported: tuple[str, ...] | list[str] = ()) -> Removed:
    """Let a book grow old."""
    return asyncio.run(Retention(book.store, ages, Still(), imported=imported).run())


def everything(book: Book) -> list[object]:
    """Give all that stays for ever: candles with proof and revision, former ones, and folds but for their ladders."""
    folds = book.store.folds(book.tape.id, T0, T0 + 20 * DAY)
    former = book.store.connection.execute("SELECT count(*) FROM revision").fetchone()
    return [book.store.candles(ID, T0, T0 + 20 * DAY), [(f.bar, f.first_seq, f.last_seq) for f in folds], former]


def ids(ranges: list[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in ranges)
