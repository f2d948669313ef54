"""Texts of the venue: stream payloads and REST rows, numbers as exact decimal strings."""

from __future__ import annotations

from collections.abc import Iterator

from gapless.sim.bars import Bar, interval_next
from gapless.sim.market import Depth, Diff, Level, Symbol, quote_scale
from gapless.sim.rows import MARKET, RPI, VOID, Rows

KINDS = {MARKET: "MARKET", RPI: "RPI", VOID: "NA"}


def flag_text(value: bool) -> str:
    """Writes a JSON boolean."""
    return "true" if value else "false"


def _records(rows: Rows) -> Iterator[tuple[int, int, int, int, int, int, int, int, bool, int]]:
    return zip(
        rows.ids.tolist(),
        rows.price.tolist(),
        rows.qty.tolist(),
        rows.net.tolist(),
        rows.first.tolist(),
        rows.last.tolist(),
        rows.time.tolist(),
        rows.push.tolist(),
        rows.maker.tolist(),
        rows.flag.tolist(),
        strict=True,
    )


def agg_frames(symbol: Symbol, rows: Rows, futures: bool) -> Iterator[tuple[int, int, str]]:
    """Yields (push, id, payload) of aggTrade events."""
    price, size, name = symbol.price, symbol.size, symbol.name
    for a, p, q, nq, f, last, t, push, m, _ in _records(rows):
        if futures:
            text = (
                f'{{"e":"aggTrade","E":{push},"a":{a},"s":"{name}","p":"{price.text(p)}","q":"{size.text(q)}",'
                f'"nq":"{size.text(nq)}","f":{f},"l":{last},"T":{t},"m":{flag_text(m)},"st":1}}'
            )
        else:
            text = (
                f'{{"e":"aggTrade","E":{push},"s":"{name}","a":{a},"p":"{price.text(p)}","q":"{size.text(q)}",'
                f'"f":{f},"l":{last},"T":{t},"m":{flag_text(m)},"M":true}}'
            )
        yield push, a, text


def trade_frames(symbol: Symbol, rows: Rows, futures: bool) -> Iterator[tuple[int, int, str]]:
    """Yields (push, id, payload) of trade events; spent ids have price and quantity 0 and another `X`."""
    price, size, name = symbol.price, symbol.size, symbol.name
    for i, p, q, _, _, _, t, push, m, flag in _records(rows):
        ptext, qtext = ("0", "0") if flag == VOID else (price.text(p), size.text(q))
        if futures:
            kind = KINDS.get(flag, "INSURANCE_FUND")
            text = (
                f'{{"e":"trade","E":{push},"T":{t},"s":"{name}","t":{i},"p":"{ptext}","q":"{qtext}",'
                f'"X":"{kind}","m":{flag_text(m)},"st":1}}'
            )
        else:
            text = (
                f'{{"e":"trade","E":{push},"s":"{name}","t":{i},"p":"{ptext}","q":"{qtext}","T":{t},'
                f'"m":{flag_text(m)},"M":true}}'
            )
        yield push, i, text


def kline_frame(symbol: Symbol, interval: str, bar: Bar, event_ms: int, closed: bool, futures: bool) -> str:
    """Writes a kline event; USD-M puts spaces after the commas inside `k`."""
    price, size, quote = symbol.price, symbol.size, quote_scale(symbol)
    fields = (
        f'"t":{bar.start}',
        f'"T":{interval_next(interval, bar.start) - 1}',
        f'"s":"{symbol.name}"',
        f'"i":"{interval}"',
        f'"f":{bar.first}',
        f'"L":{bar.last}',
        f'"o":"{price.text(bar.open)}"',
        f'"c":"{price.text(bar.close)}"',
        f'"h":"{price.text(bar.high)}"',
        f'"l":"{price.text(bar.low)}"',
        f'"v":"{size.text(bar.volume)}"',
        f'"n":{bar.trades}',
        f'"x":{flag_text(closed)}',
        f'"q":"{quote.text(bar.quote)}"',
        f'"V":"{size.text(bar.taker_volume)}"',
        f'"Q":"{quote.text(bar.taker_quote)}"',
        '"B":"0"',
    )
    inner = (", " if futures else ",").join(fields)
    return f'{{"e":"kline","E":{event_ms},"s":"{symbol.name}","k":{{{inner}}}}}'


def continuous(text: str, symbol: Symbol) -> str:
    """Turns a kline event into a continuous_kline event: named by pair and contract type."""
    head = f'"ps":"{symbol.name}","ct":"PERPETUAL",'
    text = text.replace('"e":"kline"', '"e":"continuous_kline"').replace(f'"s":"{symbol.name}", ', "")
    return text.replace(f'"s":"{symbol.name}",', head, 1)


def bar_row(symbol: Symbol, interval: str, bar: Bar, unit: int = 1) -> str:
    """Writes a REST kline; `unit` 1000 gives microseconds."""
    price, size, quote = symbol.price, symbol.size, quote_scale(symbol)
    return (
        f'[{bar.start * unit},"{price.text(bar.open)}","{price.text(bar.high)}","{price.text(bar.low)}",'
        f'"{price.text(bar.close)}","{size.text(bar.volume)}",{interval_next(interval, bar.start) * unit - 1},'
        f'"{quote.text(bar.quote)}",{bar.trades},'
        f'"{size.text(bar.taker_volume)}","{quote.text(bar.taker_quote)}","0"]'
    )


def agg_rows(symbol: Symbol, rows: Rows, futures: bool, unit: int = 1) -> list[str]:
    """Writes REST aggTrades."""
    price, size, out = symbol.price, symbol.size, []
    for a, p, q, nq, f, last, t, _, m, _ in _records(rows):
        net = f'"nq":"{size.text(nq)}",' if futures else ""
        best = "" if futures else ',"M":true'
        out.append(
            f'{{"a":{a},"p":"{price.text(p)}","q":"{size.text(q)}",{net}"f":{f},"l":{last},"T":{t * unit},'
            f'"m":{flag_text(m)}{best}}}'
        )
    return out


def trade_rows(symbol: Symbol, rows: Rows, futures: bool, unit: int = 1) -> list[str]:
    """Writes REST trades; spent ids do not appear."""
    price, size, quote, out = symbol.price, symbol.size, quote_scale(symbol), []
    for i, p, q, _, _, _, t, _, m, flag in _records(rows):
        if flag == VOID:
            continue
        tail = f'"isRPITrade":{flag_text(flag == RPI)}' if futures else '"isBestMatch":true'
        out.append(
            f'{{"id":{i},"price":"{price.text(p)}","qty":"{size.text(q)}","quoteQty":"{quote.text(p * q)}",'
            f'"time":{t * unit},"isBuyerMaker":{flag_text(m)},{tail}}}'
        )
    return out


def levels(symbol: Symbol, side: list[Level]) -> str:
    """Writes book levels."""
    price, size = symbol.price, symbol.size
    return "[" + ",".join(f'["{price.text(p)}","{size.text(q)}"]' for p, q in side) + "]"


def depth_reply(symbol: Symbol, depth: Depth, futures: bool) -> str:
    """Writes a REST depth reply, which is also spot's partial book event."""
    times = f'"E":{depth.time},"T":{depth.time},' if futures else ""
    bids, asks = levels(symbol, depth.bids), levels(symbol, depth.asks)
    return f'{{"lastUpdateId":{depth.number},{times}"bids":{bids},"asks":{asks}}}'


def depth_event(symbol: Symbol, diff: Diff, futures: bool) -> str:
    """Writes a depthUpdate event."""
    name, bids, asks = symbol.name, levels(symbol, diff.bids), levels(symbol, diff.asks)
    if futures:
        return (
            f'{{"e":"depthUpdate","E":{diff.time},"T":{diff.time},"s":"{name}","ps":"{name}","U":{diff.first},"u":{diff.last},'
            f'"pu":{diff.previous},"b":{bids},"a":{asks},"st":1}}'
        )
    return f'{{"e":"depthUpdate","E":{diff.time},"s":"{name}","U":{diff.first},"u":{diff.last},"b":{bids},"a":{asks}}}'


def book_ticker(symbol: Symbol, depth: Depth, futures: bool) -> str:
    """Writes a bookTicker event."""
    (b, bq), (a, aq) = depth.bids[0], depth.asks[0]
    price, size, name = symbol.price, symbol.size, symbol.name
    best = f'"b":"{price.text(b)}","B":"{size.text(bq)}","a":"{price.text(a)}","A":"{size.text(aq)}"'
    if futures:
        head = f'"e":"bookTicker","u":{depth.number},"s":"{name}","ps":"{name}"'
        return f'{{{head},{best},"T":{depth.time},"E":{depth.time},"st":1}}'
    return f'{{"u":{depth.number},"s":"{name}",{best}}}'
