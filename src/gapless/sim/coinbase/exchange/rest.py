"""REST endpoints of Coinbase Exchange: parameters, cursors and replies at any market instant."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from gapless.sim.bars import interval_start
from gapless.sim.coinbase.day import Day, Days, last_execution
from gapless.sim.coinbase.exchange import wire
from gapless.sim.coinbase.history import History
from gapless.sim.coinbase.pages import known_rows, newest
from gapless.sim.coinbase.products import Products
from gapless.sim.coinbase.settings import ADJACENT
from gapless.sim.coinbase.takers import best_of
from gapless.sim.coinbase.texts import MICROS, exact, micro_text, micros, padded, read_time, trimmed
from gapless.sim.market import Depth, Level, Market, Symbol
from gapless.sim.requests import JSON, one
from gapless.sim.venue import Ask, Endpoint, Params, Refusal, Reply

PAGE = 1000  # trades
CANDLES = 300
INTERVALS = {60: "1m", 300: "5m", 900: "15m", 3_600: "1h", 21_600: "6h", 86_400: "1d"}
TOO_FINE = "granularity too small for the requested time range. Count of aggregations requested exceeds 300"
LEVELS = {"1": 1, "2": 1_000}
_PRODUCT = re.compile(r"/products/([^/]+)(?:/(candles|trades|ticker|stats|book))?")


def refusal(status: int, message: str) -> Refusal:
    """Returns an error in the venue's form."""
    return Refusal(error(status, message))


def error(status: int, message: str) -> Reply:
    """Returns the reply `{"message":...}`."""
    return Reply(status, msgspec.json.encode({"message": message}), dict(JSON))


class Endpoints:
    """Answers requests from a market; raises Refusal for what the venue refuses."""

    def __init__(self, market: Market, market_ms: Callable[[], int], before: str) -> None:
        """Takes the market, its clock, and which of the newer rows `before` gives."""
        self._products = Products(market, market_ms)
        self._days = Days()
        self._before = before
        self._whole = {
            "/time": Endpoint("time", one, self._time, clock=True),
            "/currencies": Endpoint("currencies", one, self._currencies),
            "/products": Endpoint("products", one, self._list),
            "/products/stats": Endpoint("stats", one, self._all_stats, data=True, day=True),
        }
        self._each: dict[str | None, Endpoint] = {
            None: Endpoint("products", one, self._one),
            "candles": Endpoint("candles", one, self._candles, data=True),
            "trades": Endpoint("trades", one, self._trades, data=True),
            "ticker": Endpoint("ticker", one, self._ticker, data=True, day=True),
            "stats": Endpoint("stats", one, self._stats, data=True, day=True),
            "book": Endpoint("book", one, self._book, data=True),
        }

    def history(self) -> History:
        """Tells of the pages of history."""
        return History(self.symbol, self._products.listed)

    def find(self, path: str) -> Endpoint | None:
        """Returns the endpoint of a path."""
        if path in self._whole:
            return self._whole[path]
        found = _PRODUCT.fullmatch(path)
        return self._each[found[2]] if found is not None else None

    def symbol(self, ask: Ask) -> Symbol:
        """Returns the product that the path of a request names."""
        found = _PRODUCT.fullmatch(ask.path)
        symbol = self._products.named(found[1]) if found is not None else None
        if symbol is None:
            raise refusal(404, "NotFound")
        return symbol

    def _time(self, ask: Ask) -> str:
        seconds, rest = divmod(ask.server_ms, 1000)
        iso = micro_text(ask.server_ms * MICROS)
        return f'{{"iso":"{iso[:-4]}Z","epoch":{seconds}.{rest:03d}}}'

    def _currencies(self, ask: Ask) -> str:
        return msgspec.json.encode(wire.currencies(self._products.listed())).decode()

    def _list(self, ask: Ask) -> str:
        return msgspec.json.encode([wire.product(symbol) for symbol in self._products.listed()]).decode()

    def _one(self, ask: Ask) -> str:
        return msgspec.json.encode(wire.product(self.symbol(ask))).decode()

    def _candles(self, ask: Ask) -> str:
        symbol, given = self.symbol(ask), ask.params.get("granularity", "60")
        seconds = int(given) if given.isascii() and given.isdigit() and len(given) < 9 else 0
        if seconds not in INTERVALS:
            raise refusal(400, "Unsupported granularity")
        first, last = self._span(ask, seconds)
        step, interval, rows = seconds * 1000, INTERVALS[seconds], []
        at = interval_start(interval, min(last, ask.now))
        least = max(interval_start(interval, first), interval_start(interval, symbol.began_ms))
        while at >= least:
            bar = symbol.bars.bar(interval, at, ask.now)
            if bar is not None and bar.trades:
                rows.append(wire.candle(symbol, bar))
            at -= step
        return f"[{','.join(rows)}]"

    def _span(self, ask: Ask, seconds: int) -> tuple[int, int]:
        """Returns the first and the last instant that are asked for; one without the other counts for nothing."""
        begin, end = ask.params.get("start"), ask.params.get("end")
        if not begin or not end:
            return ask.now - (CANDLES - 1) * seconds * 1000, ask.now
        first, last = read_time(begin), read_time(end)
        if first is None or last is None:
            raise refusal(400, f"Invalid {'start' if first is None else 'end'}")
        if first > last:
            raise refusal(400, "start must be before end")
        if (last - first) // (seconds * 1000) > CANDLES:
            raise refusal(400, TOO_FINE)
        return first, last

    def _number(self, params: Params, name: str) -> int | None:
        text = params.get(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise refusal(400, f"Invalid {name}")
        return int(text)

    def _trades(self, ask: Ask) -> str:
        symbol, params = self.symbol(ask), ask.params
        limit = self._number(params, "limit")
        limit = PAGE if limit is None else min(limit, PAGE)
        if not limit:
            raise refusal(400, "Invalid limit")
        before, after = self._number(params, "before"), self._number(params, "after")
        series = symbol.fills
        if series is None:
            return "[]"
        hi = series.pushed(ask.now) if after is None else series.numbered(after)
        lost = sum(last - first + 1 for first, last in symbol.forgotten_fills)
        lo = hi - limit - lost if before is None else series.numbered(before + 1)
        if before is not None and self._before == ADJACENT:
            rows = known_rows(symbol, lo, min(lo + limit + lost, hi), ask.now)
            rows = rows.cut(0, limit)
        else:
            rows = newest(known_rows(symbol, max(lo, hi - limit - lost), hi, ask.now), limit)
        if len(rows):
            ask.told.update({"CB-BEFORE": str(int(rows.ids[-1])), "CB-AFTER": str(int(rows.ids[0]))})
        return wire.trades(symbol, rows)

    def _day(self, symbol: Symbol, ask: Ask) -> Day:
        day = self._days.of(symbol, ask.now)
        if day is None:
            raise refusal(404, "NotFound")
        return day

    def _ticker(self, ask: Ask) -> str:
        symbol = self.symbol(ask)
        day, last = self._day(symbol, ask), last_execution(symbol, ask.now)
        bid, offer = wire.best(best_of(symbol, ask.now))
        level = exact(symbol.price)
        return (
            f'{{"ask":"{level(offer[0])}","bid":"{level(bid[0])}","volume":"{padded(symbol.size, day.bar.volume)}",'
            f'"trade_id":{int(last.ids[0])},"price":"{trimmed(symbol.price, int(last.price[0]))}",'
            f'"size":"{trimmed(symbol.size, int(last.qty[0]))}",'
            f'"time":"{micro_text(int(micros(symbol.name, last.time)[0]))}","rfq_volume":"0.000000"}}'
        )

    def _stats(self, ask: Ask) -> str:
        symbol = self.symbol(ask)
        day, price, size = self._day(symbol, ask), symbol.price, symbol.size
        return (
            f'{{"open":"{trimmed(price, day.bar.open)}","high":"{trimmed(price, day.bar.high)}",'
            f'"low":"{trimmed(price, day.bar.low)}","last":"{trimmed(price, day.bar.close)}",'
            f'"volume":"{padded(size, day.bar.volume)}","volume_30day":"{padded(size, day.thirty)}",'
            '"rfq_volume_24hour":"0.000000","rfq_volume_30day":"0.000000"}'
        )

    def _all_stats(self, ask: Ask) -> str:
        rows = []
        for symbol in self._products.listed():
            day = self._days.of(symbol, ask.now)
            if day is None:
                continue
            price, size = symbol.price, symbol.size
            rows.append(
                f'"{symbol.name}":{{"stats_30day":{{"volume":"{padded(size, day.thirty)}"}},"stats_24hour":{{'
                f'"open":"{trimmed(price, day.bar.open)}","high":"{trimmed(price, day.bar.high)}",'
                f'"low":"{trimmed(price, day.bar.low)}","last":"{trimmed(price, day.bar.close)}",'
                f'"volume":"{padded(size, day.bar.volume)}"}}}}'
            )
        return f"{{{','.join(rows)}}}"

    def _book(self, ask: Ask) -> str:
        symbol, level = self.symbol(ask), ask.params.get("level", "1")
        if level not in LEVELS:
            raise refusal(400, "unexpected level: _")
        none = Depth(0, ask.now, [], [])
        book = symbol.book.at(ask.now, LEVELS[level]) if symbol.book is not None else none
        return (
            f'{{"bids":{_orders(symbol, book.bids)},"asks":{_orders(symbol, book.asks)},"sequence":{book.number},'
            f'"auction_mode":false,"auction":null,"time":"{micro_text(book.time * MICROS)}"}}'
        )


def _orders(symbol: Symbol, side: list[Level]) -> str:
    """Writes book levels with the number of their orders."""
    price, size = exact(symbol.price), exact(symbol.size)
    return "[" + ",".join(f'["{price(p)}","{size(q)}",{1 + p % 5}]' for p, q in side) + "]"
