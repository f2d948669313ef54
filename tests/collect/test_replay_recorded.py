"""Recorded markets, collected with holes, late bars and revisions, and replayed: the same signals, by their digest."""

import csv
import gzip
from pathlib import Path

import polars as pl
import pytest
from msgspec.structs import replace
from tapes import ID, MINUTE, Book, bars_of
from test_replay import Live, replayed

from gapless.collect.replay import digest
from gapless.derive.signals.settings import PatternSettings, SignalSettings, SpikeSettings
from gapless.model import Bar, Evidence, Proof, Trade
from gapless.model.number import scaled

RULES = SignalSettings(
    patterns=PatternSettings(timeframes=("1m", "3m", "5m"), context_bars=3),
    volume_spike=SpikeSettings(window_minutes=2, windows_min=4, windows_max=8, baseline_min=4),
)
MS = 1_000_000


def trx(folder: Path) -> tuple[list[Trade], list[Bar]]:
    """29 minutes of TRXUSDT: 10,000 trades of 16 of them, and the exchange's bars, with ids where trades tell them."""
    with gzip.open(folder / "binance-usdm/trxusdt_trades_20250304.csv.gz", "rt") as file:
        rows = [
            Trade(int(r["TradeId"]), int(r["TransactionTime"]) * MS, scaled(r["Price"], 5), int(float(r["Quantity"])),
                  -1 if r["IsBuyerMarketMaker"] == "1" else 1, 1, int(r["TradeId"]), 0)
            for r in csv.DictReader(file)
        ]  # fmt: skip
    with (folder / "binance-usdm/TRXUSDT-1m-2025-03-03T2356_2025-03-04T0024.csv").open() as file:
        bars = [_bar(row, 5, 0) for row in csv.DictReader(file)]
    ids = {bar.start: (bar.first_id, bar.last_id) for bar in bars_of(rows).values()}
    known = [replace(bar, first_id=pair[0], last_id=pair[1]) if (pair := ids.get(bar.start)) else bar for bar in bars]
    return rows, known


def near(folder: Path) -> list[Bar]:
    """An hour of bars of NEARUSDT."""
    frame = pl.read_csv(folder / "binance-usdm" / "NEARUSDT-1m-2026-02.csv.zst", infer_schema=False)
    return [_bar(row, 4, 0) for row in frame[14_400:14_460].to_dicts()]


def _bar(row: dict, p: int, s: int) -> Bar:
    prices = (scaled(row[name], p) for name in ("open", "high", "low", "close"))
    volume, bought = (scaled(row[name], s) for name in ("volume", "taker_buy_volume"))
    quote, bought_quote = (scaled(row[name], p + s) for name in ("quote_volume", "taker_buy_quote_volume"))
    return Bar(int(row["open_time"]) * MS, *prices, volume, quote, int(row["count"]), bought, bought_quote)


def collected(rows: list[Trade], bars: list[Bar]) -> tuple[Book, Live]:
    """Collect a recording as badly as it may go: a hole every 1,500 trades, filled much later but for one; frames out
    of order; every fifth bar comes by REST, every seventh first with another volume, every eleventh never."""
    book = Book("trade")
    live, lost = Live(book, RULES, since=bars[0].start), []
    waiting = [*enumerate(bars)]
    for at in range(0, max(len(rows), 1), 50):
        part = rows[at : at + 50]
        if at % 1_500 == 750:
            lost.append(part)
        elif part:
            live.frames(part[25:] + part[:25] if at % 400 == 0 and at else part)
        now = part[-1].time if part and at + 50 < len(rows) else 2**62
        while waiting and waiting[0][1].start + MINUTE <= now:
            _heard(live, *waiting.pop(0))
            live.commit()
        if at == 6_000:
            live.commit()
            live = Live(book, RULES, since=bars[0].start)  # killed and started again
        if len(lost) == 4:
            page = lost.pop(0)
            live.fill(page, page[0].seq, page[-1].seq)
        live.pipeline.ticked(live.mono)
        live.commit()
    for page in lost[1:]:
        live.fill(page, page[0].seq, page[-1].seq)
        live.commit()
    return book, live


def _heard(live: Live, number: int, bar: Bar) -> None:
    if number % 11 == 10:
        return
    if number % 5 == 4:
        minute = bar.start // MINUTE
        live.pipeline.fill_bars(live.line, [bar], (minute, minute), Evidence.REST)
    else:
        live.kline(replace(bar, volume=bar.volume + 1, quote_volume=bar.quote_volume + bar.close)
                   if number % 7 == 6 else bar)  # fmt: skip


@pytest.mark.parametrize(
    ("market", "signals", "sha256"),
    [
        ("TRX", 4, "789a2117a41a32c2c6a0b9d2c7d0ea8459c5929e62e8d63e81b6c71898a19b3b"),
        ("NEAR", 30, "ebd3f3f508eb53b98f1fe668a24a0217f6f608d2c654abe27eff01fcc79b0232"),
    ],
)
def test_a_recorded_hour_is_replayed_to_the_signals_that_were_found_live(real_data, market, signals, sha256):
    rows, bars = trx(real_data) if market == "TRX" else ([], near(real_data))
    book, live = collected(rows, bars)
    for bar in bars[6::7]:  # the venue corrects what it sent
        live.kline(bar)
        live.commit()
    start, end = bars[0].start, bars[-1].start + MINUTE
    candles = book.store.candles(ID, start, end)
    proofs = {candle.proof for candle in candles}
    assert proofs == (
        {Proof.OFFICIAL} if market == "NEAR" else {Proof.DISPUTED, Proof.OFFICIAL, Proof.REPAIRED, Proof.PROVEN}
    )
    assert max(candle.revision for candle in candles) > 0
    replay, there, here = replayed(book, start, end, RULES)
    assert (replay.differences, replay.minutes, len(there)) == ([], len(candles), signals)
    assert [judged.content for judged in here] == [judged.content for judged in there]
    assert digest(here) == digest(there) == sha256
