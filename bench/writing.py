"""The writer: a thread that commits trades beside a loop that never pauses, and with backpressure.

The alternative writes the same rows with `executemany`, which hands over the interpreter's lock once a row.
"""

import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gapless.collect.writer import HIGH, LOW
from gapless.model import Instrument, Trade
from gapless.store.rows import trade_params
from gapless.store.sqlite import SqliteStore

_ROWS = 5_000
_SECONDS = 4.0
Write = Callable[[SqliteStore, int, list[Trade]], None]


def by_values(store: SqliteStore, tape: int, rows: list[Trade]) -> None:
    """Write as the product does: statements of 1,000 VALUES."""
    store.commit(lambda tx: tx.add_trades(tape, rows))


def by_executemany(store: SqliteStore, tape: int, rows: list[Trade]) -> None:
    """Write row by row."""
    sql = "INSERT OR IGNORE INTO trade VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    store.commit(lambda tx: tx.connection.executemany(sql, [trade_params(tape, row) for row in rows]))


def _store(folder: Path) -> tuple[SqliteStore, int]:
    store = SqliteStore(str(folder / "bench.db"))
    store.put_instrument(
        Instrument(
            venue="binance", symbol="SYMUSDT", base="SYM", quote="USDT", kind="perpetual",
            price_digits=2, size_digits=3, tick=10,
        )
    )  # fmt: skip
    return store, store.open_tape("binance:SYMUSDT", "agg").id


def _rows(first: int) -> list[Trade]:
    return [
        Trade(n, n * 1_000_000, 6_400_000 + n % 997, 100 + n % 899, 1, 2, 2 * n, n) for n in range(first, first + _ROWS)
    ]


def saturated(write: Write) -> tuple[float, float]:
    """Write as fast as it goes beside a loop that never pauses; give rows/s and the loop's turns/s in millions."""
    with tempfile.TemporaryDirectory() as folder:
        store, tape = _store(Path(folder))
        stop = threading.Event()
        written = [0]

        def writer() -> None:
            while not stop.is_set():
                write(store, tape, _rows(written[0]))
                written[0] += _ROWS

        thread = threading.Thread(target=writer)
        began = time.perf_counter()
        thread.start()
        turns = 0
        while time.perf_counter() - began < _SECONDS:
            for turn in range(10_000):
                turns += turn & 1
        stop.set()
        thread.join()
        done, spent = written[0], time.perf_counter() - began
        store.close()
        return done / spent, turns / spent / 1e6


def with_backpressure(write: Write) -> float:
    """Produce rows and pause above the mark, as reading does; give durable rows/s."""
    with tempfile.TemporaryDirectory() as folder:
        store, tape = _store(Path(folder))
        queue: list[list[Trade]] = []
        room = threading.Condition()
        stop = threading.Event()
        written = [0]

        def writer() -> None:
            while not stop.is_set() or queue:
                with room:
                    room.wait_for(lambda: queue or stop.is_set(), timeout=1)
                    rows = queue.pop(0) if queue else []
                    if len(queue) * _ROWS < LOW:
                        room.notify_all()
                if rows:
                    write(store, tape, rows)
                    written[0] += len(rows)

        thread = threading.Thread(target=writer)
        began = time.perf_counter()
        thread.start()
        first = 0
        while time.perf_counter() - began < _SECONDS:
            with room:
                if len(queue) * _ROWS >= HIGH:
                    room.wait_for(lambda: len(queue) * _ROWS < LOW, timeout=5)
            rows = _rows(first)
            first += _ROWS
            with room:
                queue.append(rows)
                room.notify_all()
        stop.set()
        thread.join()
        spent = time.perf_counter() - began
        store.close()
        return written[0] / spent


def run() -> list[tuple[str, str, str, str]]:
    """Give the rows of the table."""
    (mine, loop), (other, other_loop) = saturated(by_values), saturated(by_executemany)
    pressed, other_pressed = with_backpressure(by_values), with_backpressure(by_executemany)
    return [
        (
            "writer beside a saturated loop, rows/s",
            f"{mine:,.0f}",
            f"{other:,.0f} executemany",
            f"{mine / other:.1f} x (goal 50,000)",
        ),
        ("  the loop meanwhile, M turns/s", f"{loop:.1f}", f"{other_loop:.1f}", ""),
        (
            "writer with backpressure, rows/s",
            f"{pressed:,.0f}",
            f"{other_pressed:,.0f} executemany",
            f"{pressed / other_pressed:.1f} x",
        ),
    ]
