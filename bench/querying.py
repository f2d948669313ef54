"""Queries with 10 million candles stored: 200 rows of 1m, and 200 bars of 5m folded from them.

The alternatives read the same rows with pandas from the same file, and fold with polars.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from gapless.model import MINUTE, Instrument, parse_timeframe
from gapless.query.market import Market
from gapless.store.sqlite import SqliteStore

INSTRUMENTS, EACH = 10, 1_000_000
_BASE = 1_700_000_040_000_000_000
_TRIES = 200


def fill(path: Path) -> None:
    """Lay 10 million closed candles down, by SQL, for ten instruments."""
    store = SqliteStore(str(path))
    for number in range(INSTRUMENTS):
        store.put_instrument(
            Instrument(
                venue="binance", symbol=f"S{number}USDT", base=f"S{number}", quote="USDT", kind="perpetual",
                price_digits=2, size_digits=3, tick=10,
            )
        )  # fmt: skip
        store.open_tape(f"binance:S{number}USDT", "bars")
    store.connection.execute("PRAGMA cache_size = -400000")
    store.connection.execute(
        """
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)
        INSERT INTO candle
        SELECT instrument.id, 1, ? + n.i * 60000000000, 6400000 + n.i % 997, 6400100 + n.i % 997, 6399900 + n.i % 997,
            6400010 + n.i % 997, 1000 + n.i % 899, 6400000 + n.i, 12345, 40 + n.i % 17, 500, 3200000 + n.i, 54321,
            n.i * 40, n.i * 40 + 39, 1, 1, 5, 0, 0, 1
        FROM instrument, n ORDER BY instrument.id, n.i
        """,
        (EACH, _BASE),
    )
    store.close()


def _median_ms(call: Callable[[int], object]) -> float:
    spent = []
    for number in range(_TRIES):
        at = (number * 7_919_777) % (EACH - 2_000)
        began = time.perf_counter()
        call(at)
        spent.append((time.perf_counter() - began) * 1_000)
    return median(spent)


def run() -> list[tuple[str, str, str, str]]:
    """Give the rows of the table."""
    import pandas
    import polars

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        began = time.perf_counter()
        fill(path)
        filled = time.perf_counter() - began
        store = SqliteStore(str(path), readonly=True)
        market = Market(store)
        instruments = [market.instrument(f"binance:S{n}USDT") for n in range(INSTRUMENTS)]
        one, five = parse_timeframe("1m"), parse_timeframe("5m")

        def ours(bars: int, frame: object) -> Callable[[int], object]:
            def call(at: int) -> object:
                start = frame.start_of(_BASE + at * MINUTE)  # type: ignore[attr-defined]
                end = start + bars * frame.length  # type: ignore[attr-defined]
                answer = market.candles(instruments[at % INSTRUMENTS], frame, start=start, end=end)  # type: ignore[arg-type]
                assert len(answer.rows) == bars
                return answer

            return call

        sql = (
            "SELECT start, open, high, low, close, volume, quote_whole, trades, taker_buy_volume FROM candle "
            "WHERE instrument = ? AND resolution = 1 AND start >= ? AND start < ?"
        )

        def by_pandas(at: int) -> object:
            begin = _BASE + at * MINUTE
            return pandas.read_sql_query(
                sql, store.connection, params=(at % INSTRUMENTS + 1, begin, begin + 200 * MINUTE)
            )

        def by_polars(at: int) -> object:
            begin = _BASE + at * MINUTE
            rows = store.connection.execute(sql, (at % INSTRUMENTS + 1, begin, begin + 1_000 * MINUTE)).fetchall()
            names = ["start", "open", "high", "low", "close", "volume", "quote", "trades", "taker"]
            frame = polars.DataFrame(rows, schema=names, orient="row")
            return (
                frame.with_columns(polars.from_epoch("start", time_unit="ns"))
                .group_by_dynamic("start", every="5m")
                .agg(
                    polars.col("open").first(), polars.col("high").max(), polars.col("low").min(),
                    polars.col("close").last(), polars.col("volume", "quote", "trades", "taker").sum(),
                )
            )  # fmt: skip

        a, b = _median_ms(ours(200, one)), _median_ms(by_pandas)
        c, d = _median_ms(ours(200, five)), _median_ms(by_polars)
        store.close()
        return [
            (
                "200 candles of 10 million, median ms",
                f"{a:.2f}",
                f"{b:.2f} pandas, floats",
                f"{b / a:.1f} x (goal 1 ms)",
            ),
            ("200 bars of 5m folded, median ms", f"{c:.2f}", f"{d:.2f} polars, no proof", f"{d / c:.1f} x (goal 5 ms)"),
            ("  10 million candles laid down, s", f"{filled:.0f}", "", ""),
        ]
