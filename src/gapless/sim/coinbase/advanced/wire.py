"""Texts of Advanced Trade: frames, their events, and REST replies."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from gapless.sim.bars import Bar
from gapless.sim.coinbase.day import Day
from gapless.sim.coinbase.texts import micros, nano_text, trimmed
from gapless.sim.market import Depth, Diff, Level, Symbol
from gapless.sim.rows import Rows, Scale
from gapless.sim.synthetic.hashes import key_of

NANOS = 1_000_000  # in a ms
PERCENT_DIGITS = 14
CASH = 2  # decimals of an approximate sum of quote currency
ORDINARY = {  # what no product of the simulator differs in
    "watched": False,
    "new": False,
    "cancel_only": False,
    "limit_only": False,
    "post_only": False,
    "auction_mode": False,
    "product_type": "SPOT",
    "fcm_trading_session_details": None,
    "mid_market_price": "",
    "view_only": False,
    "product_venue": "CBE",
    "best_bid_price": "",
    "best_ask_price": "",
}


def frame(channel: str, push: int, number: int, events: str) -> str:
    """Wraps the events of a frame; `number` counts the frames of its connection."""
    sent = nano_text(push * NANOS + key_of(push, 61) % NANOS)
    return f'{{"channel":"{channel}","timestamp":"{sent}","sequence_num":{number},"events":[{events}]}}'


def side(buyer_is_maker: bool, *, taker: bool) -> str:
    """Returns the side of a trade: the maker's by documentation, or the taker's."""
    return "BUY" if buyer_is_maker != taker else "SELL"


def trade_rows(symbol: Symbol, name: str, rows: Rows, *, taker: bool, rest: bool = False) -> list[str]:
    """Writes trades newest first, as both the stream and REST send them."""
    price, size = symbol.price, symbol.size
    tail = ',"bid":"","ask":"","exchange":"coinbase"' if rest else ""
    out = [
        f'{{"product_id":"{name}","trade_id":"{number}","price":"{trimmed(price, p)}","size":"{trimmed(size, q)}",'
        f'"time":"{nano_text(us * 1000)}","side":"{side(buyer, taker=taker)}"{tail}}}'
        for number, p, q, us, buyer in zip(
            rows.ids.tolist(),
            rows.price.tolist(),
            rows.qty.tolist(),
            micros(symbol.name, rows.time).tolist(),
            rows.maker.tolist(),
            strict=True,
        )
    ]
    out.reverse()
    return out


def trades(kind: str, rows: list[str]) -> str:
    """Writes an event of market_trades."""
    return f'{{"type":"{kind}","trades":[{",".join(rows)}]}}'


def percent(part: int, whole: int) -> str:
    """Writes a share in per cent as the venue does: 1.21471769193719."""
    if not whole:
        return "0"
    text = f"{Decimal(part * 100) / Decimal(whole):.{PERCENT_DIGITS}f}"
    return text.rstrip("0").rstrip(".") or "0"


def ticker_row(symbol: Symbol, price: int, day: Day, book: Depth | None) -> str:
    """Writes one ticker; without a book it is that of ticker_batch. The year's extremes are those of the day."""
    bar, write = day.bar, symbol.price
    low, high = trimmed(write, bar.low), trimmed(write, bar.high)
    head = (
        f'{{"type":"ticker","product_id":"{symbol.name}","price":"{trimmed(write, price)}",'
        f'"volume_24_h":"{trimmed(symbol.size, bar.volume)}","low_24_h":"{low}","high_24_h":"{high}",'
        f'"low_52_w":"{low}","high_52_w":"{high}",'
        f'"price_percent_chg_24_h":"{percent(price - bar.open, bar.open)}"'
    )
    if book is None:
        return head + "}"
    none: Level = (0, 0)
    bid, ask = (book.bids or [none])[0], (book.asks or [none])[0]
    return (
        f'{head},"best_bid":"{trimmed(write, bid[0])}","best_ask":"{trimmed(write, ask[0])}",'
        f'"best_bid_quantity":"{trimmed(symbol.size, bid[1])}","best_ask_quantity":"{trimmed(symbol.size, ask[1])}"}}'
    )


def tickers(kind: str, rows: list[str]) -> str:
    """Writes an event of ticker or ticker_batch."""
    return f'{{"type":"{kind}","tickers":[{",".join(rows)}]}}'


def _updates(symbol: Symbol, name: str, kind: str, ms: int, bids: list[Level], asks: list[Level]) -> str:
    at, price, size = nano_text(ms * NANOS + key_of(ms, 67) % NANOS // 1000 * 1000), symbol.price, symbol.size
    rows = [
        f'{{"side":"{side}","event_time":"{at}","price_level":"{trimmed(price, p)}",'
        f'"new_quantity":"{trimmed(size, q)}"}}'
        for side, levels in (("bid", bids), ("offer", asks))
        for p, q in levels
    ]
    return f'{{"type":"{kind}","product_id":"{name}","updates":[{",".join(rows)}]}}'


def book_snapshot(symbol: Symbol, book: Depth) -> str:
    """Writes the snapshot event of level2."""
    return _updates(symbol, symbol.name, "snapshot", book.time, book.bids, book.asks)


def book_update(symbol: Symbol, diff: Diff) -> str:
    """Writes an update event of level2; quantities are absolute, 0 deletes."""
    return _updates(symbol, symbol.name, "update", diff.time, diff.bids, diff.asks)


def nothing_new(symbol: Symbol) -> str:
    """Writes the update event of a book that has not changed."""
    return f'{{"type":"update","product_id":"{symbol.name}","updates":[]}}'


def candle_row(symbol: Symbol, bar: Bar, product: bool = True) -> str:
    """Writes one candle, of the stream with its product, of REST without."""
    price, tail = symbol.price, f',"product_id":"{symbol.name}"' if product else ""
    return (
        f'{{"start":"{bar.start // 1000}","high":"{trimmed(price, bar.high)}","low":"{trimmed(price, bar.low)}",'
        f'"open":"{trimmed(price, bar.open)}","close":"{trimmed(price, bar.close)}",'
        f'"volume":"{trimmed(symbol.size, bar.volume)}"{tail}}}'
    )


def candles(kind: str, rows: list[str]) -> str:
    """Writes an event of candles."""
    return f'{{"type":"{kind}","candles":[{",".join(rows)}]}}'


def heartbeat(now: int, counter: int, alive_s: float) -> str:
    """Writes the event of a heartbeat; the time is written by the venue's own language, with its monotonic clock."""
    ns = now * NANOS + key_of(now, 71) % NANOS
    at = nano_text(ns).replace("T", " ").rstrip("Z")
    return f'{{"current_time":"{at} +0000 UTC m=+{alive_s:.9f}","heartbeat_counter":{counter}}}'


def subscriptions(held: dict[str, list[str]]) -> str:
    """Writes the event that lists the whole set of a connection; what has no products lists itself."""
    return msgspec.json.encode({"subscriptions": {name: listed or [name] for name, listed in held.items()}}).decode()


def error(message: str) -> str:
    """Writes an `error` frame, which carries no number."""
    return msgspec.json.encode({"type": "error", "message": message}).decode()


def status(symbols: Iterable[Symbol]) -> str:
    """Writes the event of the status channel."""
    products = [
        {
            "product_type": "SPOT",
            "id": symbol.name,
            "base_currency": symbol.base,
            "quote_currency": symbol.quote,
            "base_increment": symbol.size.plain(symbol.step),
            "quote_increment": symbol.price.plain(symbol.tick),
            "display_name": f"{symbol.base}/{symbol.quote}",
            "status": state(symbol),
            "status_message": "",
            "min_market_funds": "1",
        }
        for symbol in symbols
    ]
    return msgspec.json.encode({"type": "snapshot", "products": products}).decode()


def state(symbol: Symbol) -> str:
    """Returns the status of a product."""
    return "online" if symbol.ended_ms is None else "delisted"


def product(symbol: Symbol, name: str, alias: str, alias_to: list[str], last: int, day: Day | None) -> dict[str, Any]:
    """Describes a product as /market/products does, `name` being its own or an alias of it."""
    price, size = symbol.price, symbol.size
    base, _, quote = name.rpartition("-")
    delisted = symbol.ended_ms is not None
    product = day.bar.volume * last if day is not None else 0
    cash = Scale(CASH, CASH).text(product // 10 ** (max(price.digits + size.digits - CASH, 0)))
    return {
        "product_id": name,
        "price": trimmed(price, last) if last else "",
        "price_percentage_change_24h": percent(last - day.bar.open, day.bar.open) if day is not None else "",
        "volume_24h": trimmed(size, day.bar.volume) if day is not None else "",
        "volume_percentage_change_24h": "0" if day is not None else "",
        "base_increment": size.plain(symbol.step),
        "quote_increment": price.plain(symbol.tick),
        "quote_min_size": "1",
        "quote_max_size": "150000000",
        "base_min_size": size.plain(symbol.step),
        "base_max_size": "1000000",
        "base_name": base,
        "quote_name": "US Dollar" if quote == "USD" else quote,
        **ORDINARY,
        "is_disabled": delisted,
        "status": state(symbol),
        "trading_disabled": delisted,
        "quote_currency_id": quote,
        "base_currency_id": base,
        "alias": alias,
        "alias_to": alias_to,
        "base_display_symbol": base,
        "quote_display_symbol": "USD" if quote == "USDC" else quote,
        "price_increment": price.plain(symbol.tick),
        "display_name": name,
        "approximate_quote_24h_volume": cash if day is not None else "",
        "high_24h": trimmed(price, day.bar.high) if day is not None else "",
        "low_24h": trimmed(price, day.bar.low) if day is not None else "",
    }


def half(scale: Scale, twice: int) -> str:
    """Writes the half of a scaled integer."""
    return trimmed(Scale(scale.digits + 1, scale.digits + 1), twice * 5)
