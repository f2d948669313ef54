"""Markets to judge signals on: recorded months of minutes, and a stationary flow in which nothing happens."""

import csv
import gzip
import io
import os
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import zstandard

from gapless.derive.candles import fold
from gapless.derive.signals import Ready, Window
from gapless.model import MINUTE, Candle, Origin, Proof, State, Timeframe
from gapless.model.number import digits_of, scaled
from gapless.model.signal import Signal

MONTHS = (
    "binance-usdm/ALGOUSDT-1m-2026-02.csv.zst",
    "binance-usdm/NEARUSDT-1m-2026-02.csv.zst",
    "binance-spot/btcusdt_1m_202412.csv.gz",
)
_PRICES = ("open", "high", "low", "close")


class Market(NamedTuple):
    """Minutes of one instrument, without a break."""

    name: str
    price_digits: int
    size_digits: int
    minutes: list[Candle]


def folder() -> Path:
    """Give the folder of recorded data."""
    return Path(os.environ.get("GAPLESS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


def recorded(path: Path) -> Market:
    """Read a recorded month; a minute that it does not have is missing."""
    if not path.is_file():
        raise SystemExit(f"bench: there is no recorded data at {path}; GAPLESS_TEST_DATA names its folder")
    packed = path.read_bytes()
    text = gzip.decompress(packed) if path.suffix == ".gz" else zstandard.decompress(packed, max_output_size=2**27)
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    price_digits = max(digits_of(row[name]) for row in rows for name in _PRICES)
    size_digits = max(digits_of(row["volume"]) for row in rows)
    bars = {}
    for row in rows:
        trades = int(row.get("count") or row.get("trades") or 0)
        bar = Candle(
            _start(row), *(scaled(row[name], price_digits) for name in _PRICES), scaled(row["volume"], size_digits),
            trades=trades, state=State.TRADED if trades else State.EMPTY, origin=Origin.VENUE, proof=Proof.OFFICIAL,
        )  # fmt: skip
        bars[bar.start] = bar
    starts = range(min(bars), max(bars) + MINUTE, MINUTE)
    minutes = [bars.get(start) or Candle(start=start) for start in starts]
    return Market(path.name.partition("-")[0].partition("_")[0], price_digits, size_digits, minutes)


def _start(row: dict[str, str]) -> int:
    if opened := row.get("open_time"):
        return int(opened) * 1_000_000
    return int(datetime.fromisoformat(row["close_datetime"]).timestamp()) // 60 * MINUTE


def stationary(
    per_minute: float, minutes: int, *, seed: int, spread: float, busy: Callable[[int], float] = lambda minute: 1
) -> Market:
    """Make trades at random times (Poisson) of log-normal sizes; `busy` multiplies their rate in a minute."""
    flow, bars = random.Random(seed), []
    for number in range(minutes):
        rate, trades, volume = per_minute * busy(number), 0, 0
        at = flow.expovariate(rate)
        while at < 1:
            trades, volume = trades + 1, volume + 1 + round(1_000 * flow.lognormvariate(0, spread))
            at += flow.expovariate(rate)
        state = State.TRADED if trades else State.EMPTY
        bars.append(
            Candle(number * MINUTE, 100, 100, 100, 100, volume, trades=trades, state=state, proof=Proof.OFFICIAL)
        )
    return Market("stationary", 2, 3, bars)


def judged(rule: Ready, market: Market, timeframe: Timeframe) -> Iterator[tuple[int, Signal]]:
    """Give what a rule says of each bar of a market, with the bar's number."""
    bars = list(fold(market.minutes, timeframe))
    coarse, needed = (list(fold(market.minutes, rule.coarse[0])), rule.coarse[1]) if rule.coarse else ([], 0)
    closed = 0
    for number, bar in enumerate(bars, 1):
        end = timeframe.end_of(bar.start)
        while rule.coarse and closed < len(coarse) and rule.coarse[0].end_of(coarse[closed].start) <= end:
            closed += 1
        if found := rule.judge(window(market, timeframe, bars[max(0, number - rule.bars) : number],
                                      coarse[max(0, closed - needed) : closed])):  # fmt: skip
            yield number - 1, found


def window(market: Market, timeframe: Timeframe, bars: Sequence[Candle], coarse: Sequence[Candle] = ()) -> Window:
    """Make a window of a market without footprints."""
    return Window(
        instrument=market.name, price_digits=market.price_digits, size_digits=market.size_digits, tick=1,
        timeframe=timeframe, bars=bars, coarse=coarse,
    )  # fmt: skip
