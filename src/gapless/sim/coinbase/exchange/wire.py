"""Texts of Coinbase Exchange: stream frames and REST rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from gapless.sim.bars import Bar
from gapless.sim.coinbase.day import Day
from gapless.sim.coinbase.texts import MICROS, SECOND, exact, micro_text, micros, name_key, padded, trimmed
from gapless.sim.market import Depth, Diff, Level, Symbol
from gapless.sim.rows import Ints, Rows
from gapless.sim.synthetic.hashes import hashed, key_of

STEP = 64  # numbers of a product's sequence between two of its executions


def maker_side(buyer_is_maker: bool) -> str:
    """Returns the side of `match` frames and of REST: the resting order's."""
    return "buy" if buyer_is_maker else "sell"


def taker_side(buyer_is_maker: bool) -> str:
    """Returns the side of `ticker` frames: the aggressor's."""
    return "sell" if buyer_is_maker else "buy"


def sequence_of(number: int) -> int:
    """Returns the product's sequence number at an execution: it grows with the ids, and jumps."""
    return number * STEP + 1


def sequence_after(number: int, seconds: int) -> int:
    """Returns the product's sequence number so many seconds after an execution."""
    return sequence_of(number) + min(max(seconds, 0) + 1, STEP - 2)


def _uuids(key: int, numbers: Ints) -> Iterator[str]:
    high, low = hashed(key, numbers), hashed(key_of(key, 1), numbers)
    for a, b in zip(high.tolist(), low.tolist(), strict=True):
        yield (
            f"{a >> 32:08x}-{a >> 16 & 0xFFFF:04x}-4{a & 0xFFF:03x}-"
            f"{b >> 60 & 0x3 | 0x8:x}{b >> 48 & 0xFFF:03x}-{b & 0xFFFFFFFFFFFF:012x}"
        )


def matches(symbol: Symbol, rows: Rows, kind: str = "match") -> Iterator[tuple[int, int, str]]:
    """Yields (push, id, frame) of `match` (or `last_match`) frames; executions of one instant share the taker."""
    key, name, price, size = name_key(symbol.name), symbol.name, symbol.price, symbol.size
    instants = micros(name, rows.time)
    for number, p, q, us, push, buyer, maker, taker in zip(
        rows.ids.tolist(),
        rows.price.tolist(),
        rows.qty.tolist(),
        instants.tolist(),
        rows.push.tolist(),
        rows.maker.tolist(),
        _uuids(key_of(key, 2), rows.ids),
        _uuids(key_of(key, 3), instants),
        strict=True,
    ):
        yield (
            push,
            number,
            f'{{"type":"{kind}","trade_id":{number},"maker_order_id":"{maker}","taker_order_id":"{taker}",'
            f'"side":"{maker_side(buyer)}","size":"{trimmed(size, q)}","price":"{trimmed(price, p)}",'
            f'"product_id":"{name}","sequence":{sequence_of(number)},"time":"{micro_text(us)}"}}',
        )


def ticker(symbol: Symbol, rows: Rows, day: Day, book: Depth | None) -> str:
    """Writes a `ticker` frame of the last of some executions of one taker; its side is the taker's."""
    number, price, size = int(rows.ids[-1]), symbol.price, symbol.size
    bid, ask = best(book)
    level = exact(price)
    return (
        f'{{"type":"ticker","sequence":{sequence_of(number)},"product_id":"{symbol.name}",'
        f'"price":"{trimmed(price, int(rows.price[-1]))}","open_24h":"{trimmed(price, day.bar.open)}",'
        f'"volume_24h":"{padded(size, day.bar.volume)}","low_24h":"{trimmed(price, day.bar.low)}",'
        f'"high_24h":"{trimmed(price, day.bar.high)}","volume_30d":"{padded(size, day.thirty)}",'
        f'"best_bid":"{level(bid[0])}","best_bid_size":"{padded(size, bid[1])}",'
        f'"best_ask":"{level(ask[0])}","best_ask_size":"{padded(size, ask[1])}",'
        f'"side":"{taker_side(bool(rows.maker[-1]))}","time":"{micro_text(int(micros(symbol.name, rows.time)[-1]))}",'
        f'"trade_id":{number},"last_size":"{trimmed(size, int(rows.qty[-1]))}"}}'
    )


def best(book: Depth | None) -> tuple[Level, Level]:
    """Returns the best bid and ask, zeros where there are none."""
    none = (0, 0)
    return (book.bids[0] if book and book.bids else none), (book.asks[0] if book and book.asks else none)


def heartbeat(symbol: Symbol, last: Rows, now: int) -> str:
    """Writes the `heartbeat` of a whole second; 0 where nothing has traded."""
    number = int(last.ids[-1]) if len(last) else 0
    passed = (now - int(last.time[-1])) // 1000 if len(last) else 0
    return (
        f'{{"type":"heartbeat","last_trade_id":{number},"product_id":"{symbol.name}",'
        f'"sequence":{sequence_after(number, passed)},"time":"{micro_text(now * MICROS // SECOND * SECOND)}"}}'
    )


def _levels(symbol: Symbol, side: list[Level]) -> str:
    price, size = exact(symbol.price), exact(symbol.size)
    return "[" + ",".join(f'["{price(p)}","{size(q)}"]' for p, q in side) + "]"


def snapshot(symbol: Symbol, book: Depth) -> str:
    """Writes the `snapshot` of level2_batch."""
    return (
        f'{{"type":"snapshot","product_id":"{symbol.name}","asks":{_levels(symbol, book.asks)},'
        f'"bids":{_levels(symbol, book.bids)},"time":"{micro_text(book.time * MICROS)}"}}'
    )


def l2update(symbol: Symbol, diff: Diff) -> str:
    """Writes an `l2update`; sizes are absolute."""
    price, size = exact(symbol.price), exact(symbol.size)
    changes = [f'["buy","{price(p)}","{size(q)}"]' for p, q in diff.bids]
    changes += [f'["sell","{price(p)}","{size(q)}"]' for p, q in diff.asks]
    return (
        f'{{"type":"l2update","product_id":"{symbol.name}","changes":[{",".join(changes)}],'
        f'"time":"{micro_text(diff.time * MICROS)}"}}'
    )


def subscriptions(held: dict[str, list[str]]) -> str:
    """Writes the whole set of a connection: products by channel, under the name that the venue gives the channel."""
    channels = [{"name": name, "product_ids": products, "account_ids": None} for name, products in held.items()]
    return msgspec.json.encode({"type": "subscriptions", "channels": channels}).decode()


def error(message: str, reason: str | None = None) -> str:
    """Writes an `error` frame."""
    body = {"type": "error", "message": message}
    return msgspec.json.encode(body if reason is None else {**body, "reason": reason}).decode()


def status(symbols: Iterable[Symbol]) -> str:
    """Writes the `status` of all products and their currencies."""
    listed = list(symbols)
    products = [
        {
            "id": symbol.name,
            "base_currency": symbol.base,
            "quote_currency": symbol.quote,
            "base_increment": symbol.size.plain(symbol.step),
            "quote_increment": symbol.price.plain(symbol.tick),
            "display_name": symbol.name,
            "status": state(symbol),
            "status_message": None,
            "min_market_funds": "1",
            "post_only": False,
            "limit_only": False,
            "cancel_only": False,
            "fx_stablecoin": False,
        }
        for symbol in listed
    ]
    return msgspec.json.encode({"type": "status", "products": products, "currencies": currencies(listed)}).decode()


def state(symbol: Symbol) -> str:
    """Returns the status of a product."""
    return "online" if symbol.ended_ms is None else "delisted"


def currencies(symbols: Iterable[Symbol]) -> list[dict[str, Any]]:
    """Lists the currencies of some products."""
    smallest = {symbol.base: symbol.size.plain(symbol.step) for symbol in symbols}
    smallest |= {symbol.quote: "0.01" for symbol in symbols}
    return [
        {
            "id": code,
            "name": code,
            "min_size": least,
            "status": "online",
            "message": "",
            "max_precision": least,
            "convertible_to": [],
            "details": {"type": "fiat" if code == "USD" else "crypto", "display_name": code},
        }
        for code, least in sorted(smallest.items())
    ]


def product(symbol: Symbol) -> dict[str, Any]:
    """Describes a product as /products does."""
    delisted = symbol.ended_ms is not None
    return {
        "id": symbol.name,
        "base_currency": symbol.base,
        "quote_currency": symbol.quote,
        "quote_increment": symbol.price.plain(symbol.tick),
        "base_increment": symbol.size.plain(symbol.step),
        "display_name": symbol.name,
        "min_market_funds": "1",
        "margin_enabled": False,
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "status": state(symbol),
        "status_message": "",
        "trading_disabled": delisted,
        "fx_stablecoin": False,
        "max_slippage_percentage": "0.03000000",
        "auction_mode": False,
        "high_bid_limit_percentage": "",
    }


def trades(symbol: Symbol, rows: Rows) -> str:
    """Writes a page of /trades: newest first, prices and sizes with eight decimals."""
    price, size = symbol.price, symbol.size
    out = [
        f'{{"trade_id":{number},"side":"{maker_side(buyer)}","size":"{padded(size, q)}","price":"{padded(price, p)}",'
        f'"time":"{micro_text(us)}"}}'
        for number, p, q, us, buyer in zip(
            rows.ids.tolist(),
            rows.price.tolist(),
            rows.qty.tolist(),
            micros(symbol.name, rows.time).tolist(),
            rows.maker.tolist(),
            strict=True,
        )
    ]
    return f"[{','.join(reversed(out))}]"


def candle(symbol: Symbol, bar: Bar) -> str:
    """Writes a row of /candles: numbers, low before high before open."""
    price, size = symbol.price, symbol.size
    values = (trimmed(price, bar.low), trimmed(price, bar.high), trimmed(price, bar.open), trimmed(price, bar.close))
    return f"[{bar.start // 1000},{','.join(values)},{trimmed(size, bar.volume)}]"
