"""The synthetic market: its symbols over generators, its default clock."""

from __future__ import annotations

from dataclasses import replace

from gapless.sim.bars import DAY, HOUR, BarSource
from gapless.sim.market import Market, Symbol
from gapless.sim.rows import Scale
from gapless.sim.synthetic.book import GeneratedBook
from gapless.sim.synthetic.generator import Generator
from gapless.sim.synthetic.listing import listing
from gapless.sim.synthetic.series import GeneratedSeries

START_MS = 1_767_787_200_000  # Wednesday 2026-01-07 12:00 UTC
HISTORY_DAYS = 7
FOREVER = 2**62


def synthetic_symbol(seed: int, index: int, began_ms: int, *, futures: bool, name: str | None = None) -> Symbol:
    """Builds one instrument, listed at `began_ms` with its first trade; two built alike agree in every event."""
    item = listing(index)
    if name is not None:
        item = replace(item, name=name, base=name.removesuffix("USDT"))
    generator = Generator(seed, index, item, futures=futures)
    fills = GeneratedSeries(generator, began_ms, aggregates=False)
    aggs = GeneratedSeries(generator, began_ms, aggregates=True)
    if began_ms % DAY:
        aggs.start = aggs.timed(began_ms)
        fills.start = int(aggs.cut(aggs.start, aggs.start + 1).first[0])
    wire = (item.price_digits, item.size_digits) if futures else (8, 8)
    return Symbol(
        name=item.name,
        base=item.base,
        quote="USDT",
        price=Scale(item.price_digits, wire[0]),
        size=Scale(item.size_digits, wire[1]),
        tick=item.tick,
        step=1,
        fills=fills,
        aggs=aggs,
        bars=BarSource(fills, began_ms // DAY * DAY, FOREVER),
        began_ms=began_ms,
        book=GeneratedBook(generator),
        warm=False,
    )


def warm_day(market: Market, now: int, *, futures: bool) -> None:
    """Folds the last day's hours of all symbols on twins, then hands them over; for a thread of its own."""
    for index, symbol in enumerate(list(market.symbols.values())):
        if not symbol.warm and market.seed is not None:
            twin = synthetic_symbol(market.seed, index, symbol.began_ms, futures=futures)
            twin.bars.window((now - DAY) // HOUR * HOUR, now)
            symbol.bars.adopt_hours(twin.bars)
            symbol.warm = True


def synthetic_market(seed: int, instruments: int, at_ms: int | None, *, futures: bool) -> Market:
    """Builds the market of a seed; its history begins seven days before the start, at midnight."""
    start = START_MS if at_ms is None else at_ms
    began = (start // DAY - HISTORY_DAYS) * DAY
    symbols = [synthetic_symbol(seed, index, began, futures=futures) for index in range(instruments)]
    return Market({symbol.name: symbol for symbol in symbols}, start, None, seed=seed)
