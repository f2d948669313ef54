"""The synthetic market: its symbols over generators, its default clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gapless.sim.bars import DAY, HOUR, BarSource
from gapless.sim.market import Market, Symbol
from gapless.sim.rows import Scale
from gapless.sim.synthetic.book import GeneratedBook
from gapless.sim.synthetic.generator import Generator
from gapless.sim.synthetic.listing import Listing, listing
from gapless.sim.synthetic.series import GeneratedSeries

START_MS = 1_767_787_200_000  # Wednesday 2026-01-07 12:00 UTC
HISTORY_DAYS = 7
FOREVER = 2**62


def symbol_of(item: Listing, seed: int, index: int, began_ms: int, *, futures: bool = False) -> Symbol:
    """Builds one instrument, listed at `began_ms` with its first trade; two built alike agree in every event.

    Those of `futures` have ids that are spent without a trade and aggregates that last up to 100 ms; others do not.
    """
    generator = Generator(seed, index, item, futures=futures)
    fills = GeneratedSeries(generator, began_ms, aggregates=False)
    aggs = GeneratedSeries(generator, began_ms, aggregates=True)
    if began_ms % DAY:
        aggs.start = aggs.timed(began_ms)
        fills.start = int(aggs.cut(aggs.start, aggs.start + 1).first[0])
    pad = item.pad or (item.price_digits, item.size_digits)
    return Symbol(
        name=item.name,
        base=item.base,
        quote=item.quote,
        price=Scale(item.price_digits, pad[0]),
        size=Scale(item.size_digits, pad[1]),
        tick=item.tick,
        step=1,
        fills=fills,
        aggs=aggs,
        bars=BarSource(fills, began_ms // DAY * DAY, FOREVER),
        began_ms=began_ms,
        book=GeneratedBook(generator),
        warm=False,
    )


def synthetic_symbol(seed: int, index: int, began_ms: int, *, futures: bool, name: str | None = None) -> Symbol:
    """Builds one instrument of Binance."""
    item = listing(index)
    if name is not None:
        item = replace(item, name=name, base=name.removesuffix("USDT"))
    if not futures:
        item = replace(item, pad=(8, 8))
    return symbol_of(item, seed, index, began_ms, futures=futures)


def warm_day(market: Market, now: int) -> None:
    """Folds the last day's hours of all symbols on twins, then hands them over; for a thread of its own."""
    for index, symbol in enumerate(list(market.symbols.values())):
        if not symbol.warm and market.make is not None:
            twin = market.make(index, symbol.began_ms, None)
            twin.bars.window((now - DAY) // HOUR * HOUR, now)
            symbol.bars.adopt_hours(twin.bars)
            symbol.warm = True


def market_of(make: Callable[[int, int, str | None], Symbol], seed: int, instruments: int, at_ms: int | None) -> Market:
    """Builds a market of instruments by rank; its history begins seven days before the start, at midnight."""
    start = START_MS if at_ms is None else at_ms
    began = (start // DAY - HISTORY_DAYS) * DAY
    symbols = [make(index, began, None) for index in range(instruments)]
    return Market({symbol.name: symbol for symbol in symbols}, start, None, seed=seed, make=make)


def synthetic_market(seed: int, instruments: int, at_ms: int | None, *, futures: bool) -> Market:
    """Builds the market of a seed as Binance has it."""

    def make(index: int, began_ms: int, name: str | None) -> Symbol:
        return synthetic_symbol(seed, index, began_ms, futures=futures, name=name)

    return market_of(make, seed, instruments, at_ms)
