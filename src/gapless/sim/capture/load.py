"""Turning gathered captures into a market of exact integers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd
from pathlib import Path

import numpy as np

from gapless.sim.bars import CLOSE_DELAY, MINUTE, Bar, BarSource
from gapless.sim.capture.aggregate import aggregate
from gapless.sim.capture.book import RecordedBook
from gapless.sim.capture.gather import Gathered, Gathering, TextBar, add_records, add_table
from gapless.sim.capture.records import Table, read
from gapless.sim.errors import SimError
from gapless.sim.market import Frame, Market, Symbol
from gapless.sim.rows import VOID, ArraySeries, Ints, Rows, Scale, rows_from

QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "BTC", "ETH", "BNB", "USD", "EUR", "TRY")
SPOT_WIRE = 8  # spot writes every price and quantity with eight decimals


def load_capture(paths: Sequence[Path], futures: bool) -> Market:
    """Reads capture files into a market; the files continue each other or overlap, in any order."""
    gathering = Gathering()
    for path in paths:
        got = read(path)
        if isinstance(got, Table):
            add_table(gathering, path, got)
        else:
            add_records(gathering, path, got)
    names = ", ".join(str(path) for path in paths)
    tapes = {name: entry for name, entry in gathering.symbols.items() if entry.fills or entry.aggs or entry.bars}
    if not tapes:
        raise SimError(f"capture {names}: holds no trades, aggregates or candles; at least one of them is needed")
    if len(tapes) == 1:
        next(iter(tapes.values())).snapshots.extend(gathering.loose)
    symbols = {name: _symbol(entry, gathering, futures) for name, entry in sorted(tapes.items())}
    _sort_frames(gathering.broadcast.values())
    return Market(symbols, gathering.first, _end(symbols.values(), gathering.last), broadcast=dict(gathering.broadcast))


def _end(symbols: Iterable[Symbol], last: int) -> int:
    """Play ends when the last whole minute has closed and its closing bar was pushed."""
    end = last
    for symbol in symbols:
        end = max(end, symbol.bars.close_push(last // MINUTE * MINUTE), last // MINUTE * MINUTE + CLOSE_DELAY)
        for series in (symbol.fills, symbol.aggs):
            if isinstance(series, ArraySeries) and len(series.rows):
                end = max(end, int(series.rows.push[-1]))
    return end


def _sort_frames(lists: Iterable[list[Frame]]) -> None:
    for frames in lists:
        frames.sort(key=lambda frame: (frame.push, frame.order))


def _decimals(texts: Iterable[str]) -> tuple[int, int]:
    """Returns (digits needed, digits written)."""
    needed = written = 0
    for text in set(texts):
        part = text.partition(".")[2]
        written = max(written, len(part))
        needed = max(needed, len(part.rstrip("0")))
    return needed, written


def scaled(text: str, digits: int) -> int:
    """Reads a decimal text as an integer in units of 10^-digits; digits beyond are zeros by construction."""
    whole, _, part = text.partition(".")
    return int(whole + part[:digits].ljust(digits, "0"))


def _scales(entry: Gathered, futures: bool) -> tuple[Scale, Scale]:
    bars = entry.bars.values()
    prices = [f.price for f in entry.fills.values()] + [a.price for a in entry.aggs.values()]
    sizes = [f.qty for f in entry.fills.values()] + [a.qty for a in entry.aggs.values()]
    if not prices:  # with trades at hand bars add no digits
        prices = [text for bar in bars for text in bar.prices]
        sizes = [bar.volume for bar in bars]
    price, size = _decimals(prices), _decimals(sizes)
    width = [price[1] if entry.wire else price[0], size[1] if entry.wire else size[0]]
    if not futures:
        width = [max(width[0], SPOT_WIRE), max(width[1], SPOT_WIRE)]
    return Scale(price[0], width[0]), Scale(size[0], width[1])


def _fills(entry: Gathered, price: Scale, size: Scale) -> Rows:
    ordered = [entry.fills[key] for key in sorted(entry.fills)]
    columns = {
        "ids": [f.id for f in ordered],
        "price": [0 if f.flag == VOID else scaled(f.price, price.digits) for f in ordered],
        "qty": [0 if f.flag == VOID else scaled(f.qty, size.digits) for f in ordered],
        "time": [f.time for f in ordered],
        "push": [f.push for f in ordered],
        "flag": [f.flag for f in ordered],
    }
    return rows_from(columns, [f.maker for f in ordered])


def _aggs(entry: Gathered, price: Scale, size: Scale) -> Rows:
    ordered = [entry.aggs[key] for key in sorted(entry.aggs)]
    columns = {
        "ids": [a.id for a in ordered],
        "price": [scaled(a.price, price.digits) for a in ordered],
        "qty": [scaled(a.qty, size.digits) for a in ordered],
        "net": [scaled(a.net, size.digits) for a in ordered],
        "first": [a.first for a in ordered],
        "last": [a.last for a in ordered],
        "time": [a.time for a in ordered],
        "push": [a.push for a in ordered],
    }
    return rows_from(columns, [a.maker for a in ordered])


def _bar(bar: TextBar, price: Scale, size: Scale) -> Bar:
    opened, high, low, close = (scaled(text, price.digits) for text in bar.prices)
    quote = price.digits + size.digits
    return Bar(
        bar.start,
        opened,
        high,
        low,
        close,
        scaled(bar.volume, size.digits),
        scaled(bar.quote, quote),
        bar.trades,
        scaled(bar.taker_volume, size.digits),
        scaled(bar.taker_quote, quote),
        bar.first,
        bar.last,
    )


def _leave_out_unclosed(entry: Gathered, began: int) -> None:
    """Leaves out recorded candles of a minute that was under way at the start and whose close was not recorded."""
    frames = entry.frames.get("kline_1m", [])
    frames[:] = [frame for frame in frames if frame.key >= began or frame.key in entry.bars]


def _step(values: Ints) -> int:
    distinct = np.unique(values[values > 0]).tolist()
    return gcd(*distinct) if distinct else 1


def split_name(name: str) -> tuple[str, str]:
    """Splits a symbol into base and quote by the usual quote assets."""
    for quote in QUOTES:
        if name.endswith(quote) and len(name) > len(quote):
            return name[: -len(quote)], quote
    return name[:-4] or name, name[-4:]


def _symbol(entry: Gathered, gathering: Gathering, futures: bool) -> Symbol:
    price, size = _scales(entry, futures)
    rows = _fills(entry, price, size) if entry.fills else None
    if entry.aggs:
        aggs = _aggs(entry, price, size)
    else:
        first_id = int(rows.ids[0]) // 2 + 1 if rows is not None else 1
        source = rows if rows is not None else rows_from({n: [] for n in ("ids", "price", "qty", "time", "push")}, [])
        aggs = aggregate(source, futures, first_id)
    official = {start: _bar(bar, price, size) for start, bar in entry.bars.items()}
    _leave_out_unclosed(entry, gathering.first)
    counted = ArraySeries(rows if rows is not None else aggs)
    whole = entry.fills or entry.aggs
    span = (gathering.first, gathering.last) if whole else (2**62, 0)
    _sort_frames(entry.frames.values())
    seen = np.concatenate(
        [counted.rows.price] if len(counted.rows) else [np.array([bar.close for bar in official.values()])]
    )
    sizes = counted.rows.qty if len(counted.rows) else np.array([bar.volume for bar in official.values()])
    base, quote = split_name(entry.name)
    return Symbol(
        name=entry.name,
        base=base,
        quote=quote,
        price=price,
        size=size,
        tick=_step(seen),
        step=_step(sizes),
        fills=ArraySeries(rows) if rows is not None else None,
        aggs=ArraySeries(aggs),
        bars=BarSource(counted, *span, official),
        began_ms=min(gathering.first, *official) if official else gathering.first,
        recorded=dict(entry.frames),
        book=RecordedBook.of(entry, price, size),
    )
