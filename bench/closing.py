"""A minute that ends a bar of all 59 derived timeframes, for 300 instruments at once: midnight.

The frames of the last candles come in one piece. Measured is from the last candle that they close to the last of
17,700 derived bars; from the frames until these are committed and published; and until the signals on them are judged.
Beside it: polars folds the same minutes to the same timeframes, from columns that it has in memory.
"""

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from gapless.collect.line import load_line
from gapless.collect.pending import Pending
from gapless.collect.pipeline import Pipeline
from gapless.collect.writer import Writer
from gapless.derive.bars import ClosedBar
from gapless.derive.deriver import Deriver
from gapless.derive.settle import Settled
from gapless.derive.signals.settings import SignalSettings
from gapless.model import DAY, MS, Instrument
from gapless.model.timeframe import DERIVED
from gapless.net.clock import SystemClock
from gapless.startup import calm_collector
from gapless.store.sqlite import SqliteStore
from gapless.venues.registry import venue

INSTRUMENTS = 300
MINUTES = 62
TRADES = 5  # a minute
MIDNIGHT_MS = 1_767_830_400_000  # 2026-01-08
ROUNDS = 3

Row = tuple[int, int, int, int, int, int, int, int, int]  # start, open, high, low, close, volume, quote, n, taker


class Feed:
    """Frames of made trades, and of the bars that they make; one execution a trade."""

    def __init__(self, number: int) -> None:
        self.symbol = f"S{number:03d}USDT"
        self.rows: list[Row] = []
        self._random = random.Random(number)
        self._price = 60_000 + number
        self._seq = 1_000

    def minute(self, start: int) -> tuple[list[bytes], bytes]:
        """Make the frames of the trades of a minute (ms), and that of its closed bar."""
        frames, prices, sizes, taken = [], [], [], 0
        first = self._seq
        for at in range(TRADES):
            self._price += self._random.randint(-9, 9)
            size, maker, moment = self._random.randint(1, 99), self._random.random() < 0.5, start + 5_000 + at * 10_000
            prices.append(self._price)
            sizes.append(size)
            taken += 0 if maker else size
            frames.append(
                f'{{"stream":"{self.symbol.lower()}@aggTrade","data":{{"e":"aggTrade","E":{moment},"a":{self._seq},'
                f'"s":"{self.symbol}","p":"{self._price / 100:.2f}","q":"{size / 1_000:.3f}","f":{self._seq},'
                f'"l":{self._seq},"T":{moment},"m":{"true" if maker else "false"}}}}}'.encode()
            )
            self._seq += 1
        quote = sum(p * s for p, s in zip(prices, sizes, strict=True))
        bought = sum(p * s for p, s, f in zip(prices, sizes, frames, strict=True) if b'"m":false' in f)
        self.rows.append((start, prices[0], max(prices), min(prices), prices[-1], sum(sizes), quote, TRADES, taken))
        k = (
            f'"t":{start},"T":{start + 59_999},"s":"{self.symbol}","i":"1m","f":{first},"L":{self._seq - 1},'
            f'"o":"{prices[0] / 100:.2f}","c":"{prices[-1] / 100:.2f}","h":"{max(prices) / 100:.2f}",'
            f'"l":"{min(prices) / 100:.2f}","v":"{sum(sizes) / 1_000:.3f}","n":{TRADES},"x":true,'
            f'"q":"{quote / 100_000:.5f}","V":"{taken / 1_000:.3f}","Q":"{bought / 100_000:.5f}","B":"0"'
        )
        return frames, (
            f'{{"stream":"{self.symbol.lower()}@kline_1m","data":{{"e":"kline","E":{start + 60_001},'
            f'"s":"{self.symbol}","k":{{{k}}}}}}}'.encode()
        )


class Timed(Deriver):
    """Notes how long the bars of the last commit took, from the last 1m candle on."""

    took = 0.0

    def take(self, *args: Any, **named: Any) -> list[ClosedBar]:
        began = time.perf_counter()
        found = super().take(*args, **named)
        if found:
            self.took = (time.perf_counter() - began) * 1_000
        return found


async def measured(path: Path, signals: SignalSettings) -> tuple[list[float], list[Row]]:
    """Give ms: from the last frames to the last bar, of that from the last candle on, and to the last signal judged;
    and the minutes."""
    binance, clock, store = venue("binance"), SystemClock(), SqliteStore(str(path), environment="live")
    pending = Pending()
    pipeline = Pipeline(binance, pending, resume_within=0, fast=lambda name, rows: None)
    feeds = [Feed(number) for number in range(INSTRUMENTS)]
    for feed in feeds:
        instrument = Instrument(venue="binance", symbol=feed.symbol, base=feed.symbol[:-4], quote="USDT",
                                kind="perpetual", price_digits=2, size_digits=3, tick=1)  # fmt: skip
        store.put_instrument(instrument)
        tapes = [store.open_tape(instrument.id, kind) for kind in ("agg", "bars")]
        pipeline.lines[instrument.id] = load_line(store, instrument, *tapes)
        pipeline.watch([binance.streams.stream(instrument, kind) for kind in ("agg", "bars")])
    settled: list[tuple[int, Settled]] = []
    live = dict.fromkeys(pipeline.lines, (MIDNIGHT_MS - MINUTES * 60000) * MS)
    primary = {name: line.trades.tape for name, line in pipeline.lines.items() if line.trades}

    def take() -> list[Any]:
        now = pipeline.clock.now(clock.monotonic())
        return [pending.take(primary, now=now, known_at=clock.wall(), since=live)] if pending else []

    deriver = Timed(signals)
    writer = Writer(store, clock, [pending], take, lambda done: settled.append((clock.monotonic(), done)),
                    lambda pause: None, deriver)  # fmt: skip
    for start in range(MIDNIGHT_MS - MINUTES * 60_000, MIDNIGHT_MS, 60_000):
        made = [feed.minute(start) for feed in feeds]
        for at in range(0, INSTRUMENTS, 50):
            frames = [frame for frames, _ in made[at : at + 50] for frame in frames]
            pipeline.batch(binance.streams.group(frames).runs, clock.wall(), clock.monotonic())
        if start < MIDNIGHT_MS - 60_000:
            bars = [bar for _, bar in made]
            pipeline.batch(binance.streams.group(bars).runs, clock.wall(), clock.monotonic())
        await writer.flush()
        while store.unjudged():
            await writer.flush()
    settled.clear()
    writing = asyncio.create_task(writer.run())
    await asyncio.sleep(0.5)
    last = [bar for _, bar in made]
    began = clock.monotonic()
    pipeline.batch(binance.streams.group(last).runs, clock.wall(), began)
    beside = SqliteStore(str(path), environment="live", readonly=True)
    await asyncio.sleep(0.2)
    while not settled or beside.unjudged():  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    emitted = next(at for at, done in settled if len(done.bars) == INSTRUMENTS * (len(DERIVED) + 1))
    judged = settled[-1][0]
    beside.close()
    writing.cancel()
    await asyncio.wait({writing})
    writer.close()
    store.close()
    times = [(emitted - began) / MS, deriver.took, (judged - began) / MS]
    return times, [row for feed in feeds for row in feed.rows]


def polars_ms(rows: list[Row]) -> float:
    """Fold the last hour's minutes of all instruments to 59 timeframes with polars, of which the last bars count."""
    import polars as pl

    names = ("start", "open", "high", "low", "close", "volume", "quote", "trades", "taker")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.Int64), orient="row")
    frame = frame.with_columns((pl.int_range(pl.len()) // MINUTES).alias("instrument"))
    day = MIDNIGHT_MS - DAY // MS
    began = time.perf_counter()
    for timeframe in DERIVED:
        length = timeframe.minutes * 60_000
        begin = day + (MIDNIGHT_MS - 1 - day) // length * length
        frame.filter(pl.col("start") >= begin).group_by("instrument", maintain_order=True).agg(
            pl.col("start", "open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last(),
            pl.col("volume", "quote", "trades", "taker").sum(),
        )  # fmt: skip
    return (time.perf_counter() - began) * 1_000


def run() -> list[tuple[str, str, str, str]]:
    """Give the rows of the table: what, ours, the alternative, ratio."""
    rounds = []
    for _ in range(ROUNDS):
        out = subprocess.run([sys.executable, "-m", "bench.closing", "once"], capture_output=True, text=True,
                             check=True, cwd=Path(__file__).parents[1])  # fmt: skip
        rounds.append([float(word) for word in out.stdout.split()])
    whole, bars, signals, other = (median(column) for column in zip(*rounds, strict=True))
    return [
        ("last 1m candle to the last of 300 x 59, ms", f"{bars:.0f}", f"{other:.0f} polars, 59 group_bys in memory",
         f"{bars / other:.1f} x (goal: 50 ms)"),
        ("  from the frames, settled and committed, ms", f"{whole:.0f}", "", ""),
        ("  to the last of 300 x 60 bars judged, ms", f"{signals:.0f}", "", ""),
    ]  # fmt: skip


def _measure() -> None:
    import uvloop

    calm_collector()
    with TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        times, rows = runner.run(measured(Path(folder) / "closing.db", SignalSettings()))
    print(*times, polars_ms(rows))


if __name__ == "__main__":
    _measure()
