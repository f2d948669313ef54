"""Tickers: the last day of an instrument, and its best prices."""

from __future__ import annotations

from gapless.sim.bars import DAY, HOUR, Bar
from gapless.sim.day import last_size
from gapless.sim.market import Depth, Symbol
from gapless.sim.okx.instruments import kind_of
from gapless.sim.okx.numbers import amounts, text


def ticker_row(symbol: Symbol, bar: Bar, depth: Depth | None, now: int) -> str:
    """Writes a row of tickers, of the stream and of REST alike."""
    p, s = symbol.price.digits, symbol.size.digits
    (bid, bid_size), (ask, ask_size) = (side[0] if side else (0, 0) for side in _sides(depth))
    volume, currency, _ = amounts(symbol, bar)
    return (
        f'{{"instType":"{kind_of(symbol)}","instId":"{symbol.name}","last":"{text(bar.close, p)}",'
        f'"lastSz":"{text(last_size(symbol, now), s)}","askPx":"{text(ask, p)}","askSz":"{text(ask_size, s)}",'
        f'"bidPx":"{text(bid, p)}","bidSz":"{text(bid_size, s)}","open24h":"{text(bar.open, p)}",'
        f'"high24h":"{text(bar.high, p)}","low24h":"{text(bar.low, p)}","volCcy24h":"{currency}","vol24h":"{volume}",'
        f'"sodUtc0":"{text(_opened(symbol, now // DAY * DAY, bar), p)}",'
        f'"sodUtc8":"{text(_opened(symbol, (now + 8 * HOUR) // DAY * DAY - 8 * HOUR, bar), p)}","ts":"{now}"}}'
    )


def _sides(depth: Depth | None) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    return (depth.bids, depth.asks) if depth is not None else ([], [])


def _opened(symbol: Symbol, start: int, bar: Bar) -> int:
    """Returns the price at which a day opened: the day's first trade, or the newest before there was one."""
    fills = symbol.fills or symbol.aggs
    rows = fills.cut(fills.timed(max(start, symbol.began_ms)), fills.timed(max(start, symbol.began_ms)) + 1)
    return int(rows.price[0]) if len(rows) and int(rows.time[0]) >= start else bar.close
