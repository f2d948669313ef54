"""REST endpoints of Advanced Trade that need no key."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
from multidict import MultiMapping

from gapless.sim.bars import interval_start
from gapless.sim.coinbase.advanced import app, wire
from gapless.sim.coinbase.day import Days, last_execution
from gapless.sim.coinbase.history import History
from gapless.sim.coinbase.pages import broken_off, known_rows, newest
from gapless.sim.coinbase.products import Products, alias_of
from gapless.sim.coinbase.takers import best_of
from gapless.sim.coinbase.texts import nano_text, trimmed
from gapless.sim.market import Depth, Level, Market, Symbol
from gapless.sim.requests import JSON, one
from gapless.sim.venue import Ask, Endpoint, Params, Refusal, Reply

PREFIX = "/api/v3/brokerage"
MOST_TRADES = 1000  # that may be asked for
BOOK = 1000  # levels of a side
INTERVALS = {
    "ONE_MINUTE": "1m",
    "FIVE_MINUTE": "5m",
    "FIFTEEN_MINUTE": "15m",
    "THIRTY_MINUTE": "30m",
    "ONE_HOUR": "1h",
    "TWO_HOUR": "2h",
    "FOUR_HOUR": "4h",
    "SIX_HOUR": "6h",
    "ONE_DAY": "1d",
}
STEPS = {"m": 60, "h": 3_600, "d": 86_400}  # s
_PRODUCT = re.compile(r"/market/products/([^/]+)(?:/(candles|ticker))?")


def error(status: int, kind: str, message: str) -> Reply:
    """Returns an error in the venue's form."""
    body = {"error": kind, "error_details": message, "message": message}
    return Reply(status, msgspec.json.encode(body), dict(JSON))


def invalid(message: str) -> Refusal:
    """Says that an argument is not allowed."""
    return Refusal(error(400, "INVALID_ARGUMENT", message))


class Endpoints:
    """Answers requests from a market; raises Refusal for what the venue refuses."""

    def __init__(
        self, market: Market, market_ms: Callable[[], int], api_key: str, *, page: int, candles: int, taker: bool
    ) -> None:
        """Takes the market, its clock, the key that private paths accept, and the caps of its pages."""
        self._products = Products(market, market_ms)
        self._days = Days()
        self._api_key = api_key
        self._page = page
        self._most_candles = candles
        self._taker = taker
        self._whole = {
            "/time": Endpoint("time", one, self._time, clock=True),
            "/products": Endpoint("products", one, self._private, day=True),
            "/market/products": Endpoint("products", one, self._list, day=True),
            "/market/product_book": Endpoint("book", one, self._book, data=True),
        }
        self._app = app.endpoints(market, market_ms)
        self._each: dict[str | None, Endpoint] = {
            None: Endpoint("products", one, self._one, day=True),
            "candles": Endpoint("candles", one, self._candles, data=True),
            "ticker": Endpoint("trades", one, self._trades, data=True, page=True),
        }

    def history(self) -> History:
        """Tells of the pages of history."""
        return History(self.symbol, self._products.listed)

    def find(self, path: str) -> Endpoint | None:
        """Returns the endpoint of a path."""
        if not path.startswith(PREFIX):
            return self._app.get(path)
        rest = path.removeprefix(PREFIX)
        if rest in self._whole:
            return self._whole[rest]
        found = _PRODUCT.fullmatch(rest)
        return self._each[found[2]] if found is not None else None

    def symbol(self, ask: Ask) -> Symbol:
        """Returns the product that the path of a request means."""
        return self._named(ask)[1]

    def _named(self, ask: Ask) -> tuple[str, Symbol]:
        found = _PRODUCT.fullmatch(ask.path.removeprefix(PREFIX))
        name = found[1] if found is not None else ask.params.get("product_id", "")
        symbol = self._products.meant(name)
        if symbol is None:
            raise Refusal(error(404, "NOT_FOUND", f"Product {name} not supported"))
        return name, symbol

    def _number(self, params: Params, name: str) -> int | None:
        text = params.get(name)
        if text is None or text == "":
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 12:
            raise invalid(f"{name} is invalid")
        return int(text)

    def _time(self, ask: Ask) -> str:
        seconds = ask.server_ms // 1000
        iso = nano_text(seconds * 10**9)
        return f'{{"iso":"{iso}","epochSeconds":"{seconds}","epochMillis":"{ask.server_ms}"}}'

    def _private(self, ask: Ask) -> str:
        """Answers the path of those with a key: the same products."""
        if ask.headers.get("CB-ACCESS-KEY") != self._api_key:
            raise Refusal(Reply(401, b"Unauthorized\n", {"Content-Type": "text/plain; charset=utf-8"}))
        return self._list(ask)

    def _names(self) -> list[tuple[str, Symbol]]:
        """Lists products under all names."""
        listed = self._products.listed()
        aliases = [(alias_of(symbol), symbol) for symbol in listed]
        return [(symbol.name, symbol) for symbol in listed] + [(name, symbol) for name, symbol in aliases if name]

    def _list(self, ask: Ask) -> str:
        params, rows = ask.params, self._names()
        if params.get("product_type", "SPOT") != "SPOT":
            rows = []
        wanted = params.getall("product_ids", []) if isinstance(params, MultiMapping) else []
        if wanted:
            rows = [row for row in rows if row[0] in wanted]
        offset, limit = self._number(params, "offset") or 0, self._number(params, "limit")
        rows = rows[offset:] if limit is None else rows[offset : offset + limit]
        products = [self._described(name, symbol, ask.now) for name, symbol in rows]
        body = {"products": products, "num_products": len(products), "pagination": None}
        return msgspec.json.encode(body).decode()

    def _described(self, name: str, symbol: Symbol, now: int) -> dict[str, object]:
        other, last = alias_of(symbol), last_execution(symbol, now)
        own = name == symbol.name
        price = int(last.price[0]) if len(last) else 0
        alias_to = [other] if own and other is not None else []
        return wire.product(symbol, name, "" if own else symbol.name, alias_to, price, self._days.of(symbol, now))

    def _one(self, ask: Ask) -> str:
        return msgspec.json.encode(self._described(*self._named(ask), ask.now)).decode()

    def _candles(self, ask: Ask) -> str:
        symbol, granularity = self.symbol(ask), ask.params.get("granularity", "")
        interval = INTERVALS.get(granularity)
        if interval is None:
            raise invalid("granularity is invalid")
        begin, end = self._number(ask.params, "start"), self._number(ask.params, "end")
        if begin is None or end is None or begin > end:
            raise invalid("start and end are required, start before end")
        step = int(interval[:-1]) * STEPS[interval[-1]]
        if (end - begin) // step >= self._most_candles:
            raise invalid(f"number of candles requested should be less than {self._most_candles}")
        most = min(self._number(ask.params, "limit") or self._most_candles, self._most_candles)
        at = interval_start(interval, min(end * 1000, ask.now))
        least = max(-(-begin // step) * step * 1000, interval_start(interval, symbol.began_ms))
        rows: list[str] = []
        while at >= least and len(rows) < most:
            bar = symbol.bars.bar(interval, at, ask.now)
            if bar is not None and bar.trades:
                rows.append(wire.candle_row(symbol, bar, product=False))
            at -= step * 1000
        return f'{{"candles":[{",".join(rows)}]}}'

    def _trades(self, ask: Ask) -> str:
        (name, symbol), limit = self._named(ask), self._number(ask.params, "limit")
        if not limit:
            raise invalid("limit is required")
        if limit > MOST_TRADES:
            raise Refusal(error(500, "INTERNAL", "Something went wrong"))
        begin, end = self._number(ask.params, "start"), self._number(ask.params, "end")
        series = symbol.fills
        if series is None:
            return '{"trades":[],"best_bid":"","best_ask":""}'
        most = min(limit, self._page)
        lost = sum(last - first + 1 for first, last in symbol.forgotten_fills)
        hi = series.pushed(ask.now) if end is None else min(series.timed((end + 1) * 1000), series.pushed(ask.now))
        lo = max(hi - most - lost, series.timed(begin * 1000) if begin is not None else series.start)
        rows = newest(known_rows(symbol, lo, hi, ask.now), most)
        if ask.split and (part := broken_off(rows)) is not None:
            rows, ask.did_split = part, True
        bid, offer = self._best(symbol, ask.now)
        listed = ",".join(wire.trade_rows(symbol, name, rows, taker=self._taker, rest=True))
        return f'{{"trades":[{listed}],"best_bid":"{bid}","best_ask":"{offer}"}}'

    def _best(self, symbol: Symbol, now: int) -> tuple[str, str]:
        book = best_of(symbol, now)
        if book is None or not book.bids or not book.asks:
            return "", ""
        return trimmed(symbol.price, book.bids[0][0]), trimmed(symbol.price, book.asks[0][0])

    def _book(self, ask: Ask) -> str:
        (name, symbol), limit = self._named(ask), self._number(ask.params, "limit")
        levels = min(limit or BOOK, BOOK)
        book = symbol.book.at(ask.now, levels) if symbol.book is not None else Depth(0, ask.now, [], [])
        last = last_execution(symbol, ask.now)
        price = trimmed(symbol.price, int(last.price[0])) if len(last) else ""
        bid, offer = (book.bids or [(0, 0)])[0][0], (book.asks or [(0, 0)])[0][0]
        twice = bid + offer
        bids, asks = _side(symbol, book.bids), _side(symbol, book.asks)
        return (
            f'{{"pricebook":{{"product_id":"{name}","bids":{bids},"asks":{asks},'
            f'"time":"{nano_text(book.time * wire.NANOS)}"}},"last":"{price}",'
            f'"mid_market":"{wire.half(symbol.price, twice)}",'
            f'"spread_bps":"{wire.percent((offer - bid) * 200, twice)}",'
            f'"spread_absolute":"{trimmed(symbol.price, offer - bid)}"}}'
        )


def _side(symbol: Symbol, side: list[Level]) -> str:
    price, size = symbol.price, symbol.size
    return "[" + ",".join(f'{{"price":"{trimmed(price, p)}","size":"{trimmed(size, q)}"}}' for p, q in side) + "]"
