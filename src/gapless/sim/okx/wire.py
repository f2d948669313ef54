"""Texts of the venue: pushes and REST rows, numbers as decimal strings without trailing zeros."""

from __future__ import annotations

from collections.abc import Iterator

from gapless.sim.bars import Bar
from gapless.sim.market import Depth, Level, Symbol
from gapless.sim.okx.numbers import amounts, base_volume, sequence, text
from gapless.sim.rows import Rows

ORDERS = 12  # most orders that a level is said to have


def pushed(channel: str, name: str, row: str, action: str = "") -> str:
    """Wraps a row as a push of its channel."""
    step = f',"action":"{action}"' if action else ""
    return f'{{"arg":{{"channel":"{channel}","instId":"{name}"}}{step},"data":[{row}]}}'


def agg_frames(symbol: Symbol, rows: Rows) -> Iterator[tuple[int, int, str]]:
    """Yields (push, first id, payload) of `trades`: one for each taker order and price, under its last id."""
    name, p, s = symbol.name, symbol.price.digits, symbol.size.digits
    for number, price, qty, first, time, push, maker in zip(
        rows.last.tolist(),
        rows.price.tolist(),
        rows.qty.tolist(),
        rows.first.tolist(),
        rows.time.tolist(),
        rows.push.tolist(),
        rows.maker.tolist(),
        strict=True,
    ):
        row = (
            f'{{"instId":"{name}","tradeId":"{number}","px":"{text(price, p)}","sz":"{text(qty, s)}",'
            f'"side":"{side_of(maker)}","ts":"{time}","count":"{number - first + 1}","source":"0",'
            f'"seqId":{sequence(symbol, time)}}}'
        )
        yield push, first, pushed("trades", name, row)


def trade_frames(symbol: Symbol, rows: Rows) -> Iterator[tuple[int, int, str]]:
    """Yields (push, id, payload) of `trades-all`."""
    name, p, s = symbol.name, symbol.price.digits, symbol.size.digits
    for number, price, qty, time, push, maker in zip(
        rows.ids.tolist(),
        rows.price.tolist(),
        rows.qty.tolist(),
        rows.time.tolist(),
        rows.push.tolist(),
        rows.maker.tolist(),
        strict=True,
    ):
        row = (
            f'{{"instId":"{name}","tradeId":"{number}","px":"{text(price, p)}","sz":"{text(qty, s)}",'
            f'"side":"{side_of(maker)}","ts":"{time}","source":"0"}}'
        )
        yield push, number, pushed("trades-all", name, row)


def side_of(maker: bool) -> str:
    """Returns the taker's side; `maker` tells that the buyer was the maker."""
    return "sell" if maker else "buy"


def trade_rows(symbol: Symbol, rows: Rows) -> list[str]:
    """Writes REST trades, the newest first; never aggregated."""
    name, p, s = symbol.name, symbol.price.digits, symbol.size.digits
    out = [
        f'{{"instId":"{name}","side":"{side_of(maker)}","sz":"{text(qty, s)}","source":"0","px":"{text(price, p)}",'
        f'"tradeId":"{number}","ts":"{time}"}}'
        for number, price, qty, time, maker in zip(
            rows.ids.tolist(),
            rows.price.tolist(),
            rows.qty.tolist(),
            rows.time.tolist(),
            rows.maker.tolist(),
            strict=True,
        )
    ]
    return out[::-1]


def bar_row(symbol: Symbol, interval: str, bar: Bar, upto: int, closed: bool) -> str:
    """Writes a candle as it stood at `upto`: [ts, o, h, l, c, vol, volCcy, volCcyQuote, confirm]."""
    p = symbol.price.digits
    prices = (text(value, p) for value in (bar.open, bar.high, bar.low, bar.close))
    sums = amounts(symbol, bar, base_volume(symbol, interval, bar, upto))
    told = ",".join(f'"{value}"' for value in (*prices, *sums))
    return f'["{bar.start}",{told},"{int(closed)}"]'


def _rung(symbol: Symbol, level: Level, *, full: bool = True) -> str:
    price, qty = level
    count = 1 + (price * 7 + qty) % ORDERS if qty else 0
    gone = '"0",' if full else ""
    return f'["{text(price, symbol.price.digits)}","{text(qty, symbol.size.digits)}",{gone}"{count}"]'


def rungs(symbol: Symbol, levels: list[Level], *, full: bool = True) -> str:
    """Writes levels: price, size, "0" where all is asked for, number of orders."""
    return f"[{','.join(_rung(symbol, level, full=full) for level in levels)}]"


def book_row(symbol: Symbol, asks: list[Level], bids: list[Level], ms: int, seq: int, previous: int) -> str:
    """Writes a snapshot or a change of `books`; the checksum is always 0."""
    return (
        f'{{"asks":{rungs(symbol, asks)},"bids":{rungs(symbol, bids)},"ts":"{ms}","checksum":0,"seqId":{seq},'
        f'"prevSeqId":{previous}}}'
    )


def top_row(symbol: Symbol, depth: Depth, seq: int, *, named: bool) -> str:
    """Writes a whole push of `books5` (which names its instrument) or `bbo-tbt`."""
    name = f'"instId":"{symbol.name}",' if named else ""
    return (
        f'{{"asks":{rungs(symbol, depth.asks)},"bids":{rungs(symbol, depth.bids)},{name}"ts":"{depth.time}",'
        f'"seqId":{seq}}}'
    )
