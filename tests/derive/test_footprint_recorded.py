"""Footprints of recorded trades against the exchange's own bars of the same minutes."""

import csv
import gzip
import json
from functools import cache
from pathlib import Path

import pytest

from gapless.derive.footprint import footprint_of
from gapless.derive.ladder import ladder_of, merge
from gapless.model.footprint import Ladder
from gapless.model.number import scaled
from gapless.model.packed import decode, encode
from gapless.model.tape import Trade
from gapless.model.times import MINUTE

BEGIN = 1_723_161_300_000_000_000  # 2024-08-08T23:55Z, the first whole minute
MINUTES = range(BEGIN, BEGIN + 5 * MINUTE, MINUTE)
TICK = 10


@cache
def trades(folder: Path) -> list[Trade]:
    found = []
    for line in gzip.decompress((folder / "binance-usdm/btcusdt_20240808.raw.gz").read_bytes()).splitlines():
        message = json.loads(line.partition(b" ")[2])
        if message.get("stream") == "btcusdt@trade":
            t = message["data"]
            side = -1 if t["m"] else 1
            found.append(Trade(t["t"], t["T"] * 1_000_000, scaled(t["p"], 2), scaled(t["q"], 3), side, 1, t["t"], 0))
    return sorted(found, key=lambda trade: (trade.time, trade.seq))


def between(folder: Path, start: int, end: int) -> list[Trade]:
    return [trade for trade in trades(folder) if start <= trade.time < end]


@cache
def ladders(folder: Path) -> dict[int, Ladder]:
    return {start: ladder_of(between(folder, start, start + MINUTE)) for start in MINUTES}


def test_footprints_of_whole_minutes_equal_the_exchanges_sums(real_data):
    with (real_data / "binance-usdm/BTCUSDT-1m-2024-08-08T2340_2024-08-09T0010.csv").open() as file:
        bars = {int(row[0]) * 1_000_000: row for row in csv.reader(file) if row[0].isdigit()}
    for start in MINUTES:
        footprint = footprint_of(ladders(real_data)[start], tick=TICK, ticks_per_row=1)
        low, high = footprint.rows[0].price, footprint.rows[-1].price
        ours = [high, low, footprint.volume, footprint.trades, footprint.ask]
        bar = bars[start]
        assert ours == [scaled(bar[2], 2), scaled(bar[3], 2), scaled(bar[5], 3), int(bar[8]), scaled(bar[9], 3)]
        assert footprint.unknown == 0


@pytest.mark.parametrize("ticks_per_row", [1, 20, 100])
def test_stored_minutes_merge_to_the_footprint_of_the_whole_span(real_data, ticks_per_row):
    stored = [decode(encode(ladders(real_data)[start])) for start in MINUTES]
    shape = {"tick": TICK, "ticks_per_row": ticks_per_row}
    whole = footprint_of(ladder_of(between(real_data, BEGIN, BEGIN + 5 * MINUTE)), **shape)
    assert footprint_of(merge(stored), **shape) == whole
    assert whole.trades == 21_313 - 1_751  # all but those of the minute that the recording enters
    assert whole.rows[0].price <= whole.val <= whole.poc <= whole.vah <= whole.rows[-1].price


def test_a_stored_minute_takes_about_five_bytes_a_row(real_data):
    rows = sum(len(ladder.prices) for ladder in ladders(real_data).values())
    assert sum(len(encode(ladder)) for ladder in ladders(real_data).values()) < 5.5 * rows
