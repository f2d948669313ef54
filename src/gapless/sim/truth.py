"""The truth of every offered tape, written to the journal when play has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from gapless.sim.bars import CLOSE_DELAY, MINUTE, interval_next
from gapless.sim.journal import Journal
from gapless.sim.market import Market, Symbol, quote_scale
from gapless.sim.rows import VOID, Ints, Scale, Series

if TYPE_CHECKING:
    from gapless.sim.venue import SimVenue

BARS = "kline_"
FOLDS = "fold_1m"
COUNT = 7  # place of the number of trades in a row of a bar
PART = 20_000


def write_truth(journal: Journal, market: Market, stop: int, venue: SimVenue) -> None:
    """Writes the rows of all offered tapes up to the market instant `stop`, then `end`."""
    for (name, tape), first in sorted(journal.offered.items()):
        symbol = market.symbols.get(name)
        if symbol is None:
            continue
        if tape.startswith(BARS):
            journal.rows(name, tape, _bars(symbol, tape.removeprefix(BARS), first, stop, venue))
        elif tape == "agg":
            journal.rows(name, tape, _events(symbol, symbol.aggs, first, stop, venue, aggregate=True))
        elif symbol.fills is not None:
            journal.rows(name, tape, _events(symbol, symbol.fills, first, stop, venue, aggregate=False))
            if venue.folds:
                journal.rows(name, FOLDS, _folds(symbol, symbol.fills, first, stop, venue))
    for name in sorted({name for name, _ in journal.offered}):
        contract = market.symbols[name].contract if name in market.symbols else None
        if contract is not None:
            worth = Scale(contract.digits, 0).text(contract.value)
            journal.write("contract", symbol=name, worth=worth, inverse=contract.inverse)
    journal.write("end", market_ms=stop)


def _times(symbol: Symbol, venue: SimVenue, time: Ints) -> list[int] | list[str]:
    """Returns times in ms: integers, or decimals that tell the microsecond."""
    if venue.instants is None:
        return cast("list[int]", time.tolist())
    return [f"{us // 1000}.{us % 1000:03d}" for us in venue.instants(symbol.name, time).tolist()]


def _folds(symbol: Symbol, series: Series, first: int, stop: int, venue: SimVenue) -> Iterator[list[Any]]:
    """Yields the minutes with trades that began after the first trade and that a later one has closed."""
    at, end = series.numbered(first), series.pushed(stop)
    if end <= at:
        return
    begin = -(-int(series.cut(at, at + 1).time[0]) // MINUTE) * MINUTE
    closed = int(series.cut(end - 1, end).time[0]) // MINUTE * MINUTE
    for row in _bars(symbol, "1m", begin, closed + CLOSE_DELAY, venue):
        lo, hi = series.timed(row[0]), series.timed(row[0] + MINUTE)
        if row[COUNT] and not _forgotten(symbol, series, lo, hi):
            yield row


def _forgotten(symbol: Symbol, series: Series, lo: int, hi: int) -> bool:
    """Tells whether the venue itself has forgotten one of the executions of [lo, hi)."""
    ids = series.cut(lo, hi).ids
    return any(bool(((ids >= first) & (ids <= last)).any()) for first, last in symbol.forgotten_fills)


def _events(
    symbol: Symbol, series: Series, first: int, stop: int, venue: SimVenue, *, aggregate: bool
) -> Iterator[list[Any]]:
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
            _times(symbol, venue, rows_kept.time),
            rows_kept.maker.tolist(),
            strict=True,
        ):
            yield [i, price(p), size(q), f, last, t, m] if aggregate else [i, price(p), size(q), t, m]
        at += PART


def _bars(symbol: Symbol, interval: str, first: int, stop: int, venue: SimVenue) -> Iterator[list[Any]]:
    price, size, quote = symbol.price.text, symbol.size.text, quote_scale(symbol).text
    end = first
    while True:
        start, end = end, interval_next(interval, end)
        if end + CLOSE_DELAY > stop:
            return
        bar = symbol.bars.bar(interval, start, stop)
        if bar is None or symbol.bars.close_push(end) > stop or not (bar.trades or venue.flat_bars):
            continue
        prices = (price(bar.open), price(bar.high), price(bar.low), price(bar.close))
        if venue.sums is not None:
            yield [start, *prices, *venue.sums(symbol, interval, bar)]
        else:
            taken = size(bar.taker_volume), quote(bar.taker_quote)
            yield [start, *prices, size(bar.volume), quote(bar.quote), bar.trades, *taken]
