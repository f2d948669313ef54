"""24 h tickers from the bars of a rolling day, aligned to whole minutes."""

from __future__ import annotations

from dataclasses import dataclass

from gapless.sim.bars import Bar
from gapless.sim.day import day_bar, last_size
from gapless.sim.market import Depth, Symbol, quote_scale

PERCENT_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Ticker:
    """One symbol's last 24 hours as texts; times are ms."""

    bar: Bar
    change: str
    percent: str
    average: str
    last_qty: str
    close_ms: int


def ticker_of(symbol: Symbol, now: int) -> Ticker | None:
    """Returns the ticker at a market instant, or None when nothing has traded."""
    bar = day_bar(symbol, now)
    if bar is None:
        return None
    change = bar.close - bar.open
    percent = change * 100 * 10**PERCENT_DIGITS // bar.open if bar.open else 0
    average = bar.quote // bar.volume if bar.volume else bar.close
    last = symbol.size.text(last_size(symbol, now))
    return Ticker(bar, symbol.price.text(change), _thousandths(percent), symbol.price.text(average), last, now)


def _thousandths(value: int) -> str:
    whole, part = divmod(abs(value), 10**PERCENT_DIGITS)
    return f"{'-' if value < 0 else ''}{whole}.{part:0{PERCENT_DIGITS}d}"


def ticker_event(symbol: Symbol, ticker: Ticker, now: int, futures: bool) -> str:
    """Writes a 24hrTicker event; only spot has best bid and ask."""
    bar, price, size, quote = ticker.bar, symbol.price, symbol.size, quote_scale(symbol)
    book = symbol.book.at(now, 1) if symbol.book is not None and not futures else None
    extra = f'"x":"{price.text(bar.open)}",' if not futures else ""
    best = "" if futures else _best(symbol, book, ("b", "B", "a", "A")) + ","
    tail = ',"st":1' if futures else ""
    return (
        f'{{"e":"24hrTicker","E":{now},"s":"{symbol.name}","p":"{ticker.change}","P":"{ticker.percent}","w":"{ticker.average}",{extra}'
        f'"c":"{price.text(bar.close)}","Q":"{ticker.last_qty}",{best}"o":"{price.text(bar.open)}","h":"{price.text(bar.high)}",'
        f'"l":"{price.text(bar.low)}","v":"{size.text(bar.volume)}","q":"{quote.text(bar.quote)}","O":{bar.start},"C":{now},'
        f'"F":{bar.first},"L":{bar.last},"n":{bar.trades}{tail}}}'
    )


def mini_event(symbol: Symbol, ticker: Ticker, now: int, futures: bool) -> str:
    """Writes a 24hrMiniTicker event."""
    bar, price, size, quote = ticker.bar, symbol.price, symbol.size, quote_scale(symbol)
    pair, tail = (f'"ps":"{symbol.name}",', ',"st":1') if futures else ("", "")
    return (
        f'{{"e":"24hrMiniTicker","E":{now},"s":"{symbol.name}",{pair}"c":"{price.text(bar.close)}","o":"{price.text(bar.open)}",'
        f'"h":"{price.text(bar.high)}","l":"{price.text(bar.low)}","v":"{size.text(bar.volume)}","q":"{quote.text(bar.quote)}"{tail}}}'
    )


def ticker_row(symbol: Symbol, ticker: Ticker, now: int, futures: bool, unit: int = 1) -> str:
    """Writes a REST ticker/24hr row."""
    bar, price, size, quote = ticker.bar, symbol.price, symbol.size, quote_scale(symbol)
    book = symbol.book.at(now, 1) if symbol.book is not None and not futures else None
    extra = f'"prevClosePrice":"{price.text(bar.open)}",' if not futures else ""
    best = "" if futures else _best(symbol, book, ("bidPrice", "bidQty", "askPrice", "askQty")) + ","
    return (
        f'{{"symbol":"{symbol.name}","priceChange":"{ticker.change}","priceChangePercent":"{ticker.percent}",'
        f'"weightedAvgPrice":"{ticker.average}",{extra}"lastPrice":"{price.text(bar.close)}","lastQty":"{ticker.last_qty}",{best}'
        f'"openPrice":"{price.text(bar.open)}","highPrice":"{price.text(bar.high)}","lowPrice":"{price.text(bar.low)}",'
        f'"volume":"{size.text(bar.volume)}","quoteVolume":"{quote.text(bar.quote)}","openTime":{bar.start * unit},'
        f'"closeTime":{now * unit},"firstId":{bar.first},"lastId":{bar.last},"count":{bar.trades}}}'
    )


def _best(symbol: Symbol, book: Depth | None, names: tuple[str, str, str, str]) -> str:
    bid = book.bids[0] if book and book.bids else (0, 0)
    ask = book.asks[0] if book and book.asks else (0, 0)
    price, size = symbol.price, symbol.size
    values = (price.text(bid[0]), size.text(bid[1]), price.text(ask[0]), size.text(ask[1]))
    return ",".join(f'"{name}":"{value}"' for name, value in zip(names, values, strict=True))


def coin_margined(rows: list[str], symbols: list[Symbol]) -> list[str]:
    """Returns COIN-M rows made from USD-M ones, as all-market arrays of the merged host carry them (`st` 2)."""
    out = []
    for text, symbol in zip(rows, symbols, strict=True):
        name = f"{symbol.base}USD_PERP"
        changed = text.replace(f'"s":"{symbol.name}"', f'"s":"{name}"').replace(
            f'"ps":"{symbol.name}"', f'"ps":"{symbol.base}USD"'
        )
        out.append(changed.replace('"st":1', '"st":2'))
    return out
