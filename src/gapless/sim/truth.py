"""The truth of every offered tape, written to the journal when play has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gapless.sim.bars import CLOSE_DELAY, interval_next
from gapless.sim.journal import Journal
from gapless.sim.market import Market, Symbol, quote_scale
from gapless.sim.rows import VOID, Series

BARS = "kline_"
PART = 20_000


def write_truth(journal: Journal, market: Market, stop: int, *, flat_bars: bool) -> None:
    """Writes the rows of all offered tapes up to the market instant `stop`, then `end`."""
    for (name, tape), first in sorted(journal.offered.items()):
        symbol = market.symbols.get(name)
        if symbol is None:
            continue
        if tape.startswith(BARS):
            rows = _bars(symbol, tape.removeprefix(BARS), first, stop)
            journal.rows(name, tape, (row for row in rows if flat_bars or row[7]))
        elif tape == "agg":
            journal.rows(name, tape, _events(symbol, symbol.aggs, first, stop, aggregate=True))
        elif symbol.fills is not None:
            journal.rows(name, tape, _events(symbol, symbol.fills, first, stop, aggregate=False))
    journal.write("end", market_ms=stop)


def _events(symbol: Symbol, series: Series, first: int, stop: int, *, aggregate: bool) -> Iterator[list[Any]]:
    price, size = symbol.price.text, symbol.size.text
    at, end = series.numbered(first), series.pushed(stop)
    while at < end:
        rows = series.cut(at, min(at + PART, end))
        rows_kept = rows.where(rows.flag != VOID)
        for i, p, q, f, last, t, m in zip(
            rows_kept.ids.tolist(),
            rows_kept.price.tolist(),
            rows_kept.qty.tolist(),
            rows_kept.first.tolist(),
            rows_kept.last.tolist(),
            rows_kept.time.tolist(),
            rows_kept.maker.tolist(),
            strict=True,
        ):
            yield [i, price(p), size(q), f, last, t, m] if aggregate else [i, price(p), size(q), t, m]
        at += PART


def _bars(symbol: Symbol, interval: str, first: int, stop: int) -> Iterator[list[Any]]:
    price, size, quote = symbol.price.text, symbol.size.text, quote_scale(symbol).text
    end = first
    while True:
        start, end = end, interval_next(interval, end)
        if end + CLOSE_DELAY > stop:
            return
        bar = symbol.bars.bar(interval, start, stop)
        if bar is None or symbol.bars.close_push(end) > stop:
            continue
        yield [
            start,
            price(bar.open),
            price(bar.high),
            price(bar.low),
            price(bar.close),
            size(bar.volume),
            quote(bar.quote),
            bar.trades,
            size(bar.taker_volume),
            quote(bar.taker_quote),
        ]
