"""Footprints of a stored day of 40 instruments: any single candle, and a batch of 1,000.

The day is made: random walks of four markets, 200 trades a minute, each laid down for ten instruments as the folds and
ladders that a collector would have committed; the trades themselves are kept of the first four instruments. The
alternative reads those trades from the same file and folds the same candles with polars, without value area,
imbalances or proof.
"""

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from gapless.derive.judge import candle_of
from gapless.derive.minutes import fold_minute
from gapless.model import (
    MINUTE,
    Evidence,
    Instrument,
    MinuteFold,
    Origin,
    Proof,
    Span,
    Timeframe,
    Trade,
    parse_timeframe,
)
from gapless.ports import MinuteRow
from gapless.query.footprint import footprint, trades_tape, typical_ticks_per_row
from gapless.query.footprint_batch import Item, footprint_batch
from gapless.query.market import Market
from gapless.startup import calm_collector
from gapless.store.sqlite import SqliteStore

INSTRUMENTS, MARKETS, A_MINUTE, BATCH = 40, 4, 200, 1_000
START = 1_767_744_000_000_000_000  # 2026-01-07T00:00Z
FRAMES = ("1m", "5m", "15m", "1h", "4h", "1d")


def walk(market: int) -> list[tuple[MinuteFold, list[Trade]]]:
    """Make a day of a market, minute by minute."""
    dice = random.Random(market)
    price, seq, day = 6_400_000, 0, []
    for minute in range(1_440):
        rows = []
        for n in range(A_MINUTE):
            price += 10 * dice.randint(-3, 3)
            at = START + minute * MINUTE + n * MINUTE // A_MINUTE
            seq += 1
            rows.append(Trade(seq, at, price, dice.randrange(1, 2_000), dice.choice((1, -1)), 1, seq, at))
        fold = fold_minute(rows, START + minute * MINUTE)
        assert fold
        day.append((fold, rows))
    return day


def fill(path: Path) -> list[Instrument]:
    """Lay the day down for every instrument."""
    store = SqliteStore(str(path))
    instruments = [
        Instrument(
            venue="binance", symbol=f"S{n}USDT", base=f"S{n}", quote="USDT", kind="perpetual", price_digits=2,
            size_digits=3, tick=10,
        )
        for n in range(INSTRUMENTS)
    ]  # fmt: skip
    for instrument in instruments:
        store.put_instrument(instrument)
    for market in range(MARKETS):
        day = walk(market)
        for number in range(market, INSTRUMENTS, MARKETS):
            name = instruments[number].id
            tape = store.open_tape(name, "agg").id
            store.commit(partial(lay, tape=tape, name=name, day=day, trades=number < MARKETS))
    store.close()
    return instruments


def lay(tx: SqliteStore, *, tape: int, name: str, day: list[tuple[MinuteFold, list[Trade]]], trades: bool) -> None:
    """Write the day of one instrument."""
    for fold, rows in day:
        if trades:
            tx.add_trades(tape, rows)
        tx.put_minute(tape, MinuteRow(fold.bar.start, fold.first_seq, fold.last_seq), fold)
        tx.put_candle(name, candle_of(fold.bar, Origin.VENUE, Proof.PROVEN), None, "stream", 0)
    tx.put_spans(tape, [], [Span(1, A_MINUTE * 1_440, Evidence.STREAM)], 0)


def by_polars(store: Any, tape: int, start: int, end: int, height: int) -> object:
    """Fold a candle's trades into price rows."""
    import polars

    rows = store.connection.execute(
        "SELECT price, size, side FROM trade WHERE tape = ? AND seq BETWEEN ? AND ?",
        (tape, (start - START) // MINUTE * A_MINUTE + 1, (end - START) // MINUTE * A_MINUTE),
    ).fetchall()
    frame = polars.DataFrame(rows, schema=["price", "size", "side"], orient="row")
    size, side = polars.col("size"), polars.col("side")
    return (
        frame.group_by(polars.col("price") // height)
        .agg(bid=size.filter(side < 0).sum(), ask=size.filter(side > 0).sum(), trades=polars.len())
        .sort("price")
    )


def spent(call: Callable[[int], object], tries: int) -> list[float]:
    """Give what each call took, ms."""
    times = []
    for number in range(tries):
        began = time.perf_counter()
        call(number)
        times.append((time.perf_counter() - began) * 1_000)
    return times


def single(market: Market, instruments: list[Instrument], frame: Timeframe) -> list[float]:
    """Form one footprint each of 80 candles, two of every instrument."""

    def one(number: int) -> object:
        at = START + number * 7_919 % 1_440 * MINUTE
        bar = footprint(market, instruments[number % INSTRUMENTS], frame, at)
        assert bar.footprint.rows
        return bar

    return spent(one, 2 * INSTRUMENTS)


def alone(market: Market, instruments: list[Instrument], frame: Timeframe) -> tuple[str, str, str, str]:
    """Compare footprints of a timeframe, one by one, with what polars makes of the trades."""
    tapes = [trades_tape(market, instrument).id for instrument in instruments[:MARKETS]]
    height = instruments[0].tick * typical_ticks_per_row(market, instruments[0], frame)

    def other(number: int) -> object:
        begin = frame.start_of(START + number * 7_919 % 1_440 * MINUTE)
        return by_polars(market.reader, tapes[number % MARKETS], begin, frame.end_of(begin), height)

    mine, theirs = single(market, instruments, frame), spent(other, 20)
    ratio = median(theirs) / median(mine)
    return (
        f"footprint of a {frame} candle, worst ms",
        f"{median(mine):.1f}, {max(mine):.1f}",
        f"{median(theirs):.1f} polars, from trades",
        f"{ratio:.1f} x (goal 20 ms)",
    )


def batch(market: Market, instruments: list[Instrument], frames: Sequence[str]) -> float:
    """Ask for 1,000 candles at once, of frames by turns; give the seconds."""
    items = [
        Item(instruments[n % INSTRUMENTS].id, frames[n % len(frames)], START + n * 7_919 % 1_440 * MINUTE)
        for n in range(BATCH)
    ]
    began = time.perf_counter()
    answer = footprint_batch(market, items)
    assert answer["successful"] == BATCH, answer["failed"]
    return time.perf_counter() - began


def run() -> list[tuple[str, str, str, str]]:
    """Give the rows of the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        began = time.perf_counter()
        instruments = fill(path)
        filled = time.perf_counter() - began
        store = SqliteStore(str(path), readonly=True)
        market = Market(store)
        calm_collector()  # as `gapless run` does
        table = [alone(market, instruments, parse_timeframe(text)) for text in FRAMES]
        for frames in (FRAMES[:4], FRAMES):
            seconds = batch(Market(store), instruments, frames)
            table.append((f"1,000 of {frames[0]} to {frames[-1]} at once, s", f"{seconds:.2f}", "", "(goal 3 s)"))
        store.close()
        return [*table, ("  a day of 40 instruments laid down, s", f"{filled:.0f}", "", "")]
