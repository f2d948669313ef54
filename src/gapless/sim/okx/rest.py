"""REST endpoints: parameters and replies, at any market instant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gapless.sim.bars import DAY, interval_next, interval_start
from gapless.sim.day import day_bar
from gapless.sim.market import Market, Symbol
from gapless.sim.okx import wire
from gapless.sim.okx.errors import missing, no_before, unknown_instrument, wrong
from gapless.sim.okx.instruments import TYPES, family_of, instrument_row, kind_of
from gapless.sim.okx.names import BARS
from gapless.sim.okx.pages import BY_TIME, History
from gapless.sim.okx.table import Table
from gapless.sim.okx.ticker import ticker_row
from gapless.sim.requests import one
from gapless.sim.rows import Rows, Series
from gapless.sim.venue import Ask, Endpoint, Params

PREFIX = "/api/v5"
BY_ID = "1"
MOST_BARS = 300
MOST_LEVELS = 400
MOST_LEVELS_FULL = 5_000
CLOCK, DATA, PAGES = ("time",), ("time", "instruments"), ("trades", "history-trades")


class Endpoints:
    """Answers requests from a market; raises Refusal for what the venue refuses."""

    def __init__(self, table: Table, market: Market, market_ms: Callable[[], int]) -> None:
        """Binds the endpoints; `market_ms` tells the market's time."""
        self._table = table
        self._market = market
        self._market_ms = market_ms
        calls: dict[str, Callable[[Ask], list[str]]] = {
            "public/time": lambda ask: [f'{{"ts":"{ask.server_ms}"}}'],
            "public/instruments": self.instruments,
            "market/candles": self.candles,
            "market/history-candles": self.history_candles,
            "market/trades": self.trades,
            "market/history-trades": self.history_trades,
            "market/tickers": self.tickers,
            "market/ticker": self.ticker,
            "market/books": self.books,
            "market/books-full": self.books_full,
        }
        self.endpoints = {f"{PREFIX}/{path}": _endpoint(path.partition("/")[2], call) for path, call in calls.items()}

    def find(self, path: str) -> Endpoint | None:
        """Returns the endpoint of a path."""
        return self.endpoints.get(path)

    def history(self) -> History:
        """Tells of pages of history."""
        return History(self)

    def symbol(self, params: Params) -> Symbol:
        """Returns the instrument that a request names."""
        name = params.get("instId", "")
        if not name:
            raise missing("instId")
        symbol = self._market.symbols.get(name)
        if symbol is None or not symbol.known(self._market_ms()):
            raise unknown_instrument()
        return symbol

    def known(self) -> list[Symbol]:
        """Lists the instruments that the venue knows."""
        now = self._market_ms()
        return [symbol for symbol in self._market.symbols.values() if symbol.known(now)]

    def _number(self, params: Params, name: str) -> int | None:
        text = params.get(name, "")
        if not text:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 19:
            raise wrong(name)
        return int(text)

    def _limit(self, params: Params, default: int, most: int, name: str = "limit") -> int:
        limit = self._number(params, name)
        if limit is None:
            return default
        if not 1 <= limit <= most:
            raise wrong(name)
        return limit

    def instruments(self, ask: Ask) -> list[str]:
        """Answers public/instruments."""
        return [instrument_row(symbol) for symbol in self._of_type(ask.params)]

    def _of_type(self, params: Params) -> list[Symbol]:
        kind = params.get("instType", "")
        if not kind:
            raise missing("instType")
        if kind not in TYPES:
            raise wrong("instType")
        family = params.get("instFamily") or params.get("uly")
        if kind == "OPTION" and not family:
            raise missing("instFamily")
        if kind == "EVENTS" and not params.get("seriesId"):
            raise missing("seriesId")
        chosen = [symbol for symbol in self.known() if kind_of(symbol) == kind]
        if family:
            chosen = [symbol for symbol in chosen if family_of(symbol) == family]
        if params.get("instId"):
            named = self.symbol(params)
            chosen = [symbol for symbol in chosen if symbol is named]
        return chosen

    def candles(self, ask: Ask) -> list[str]:
        """Answers market/candles: newest first, the first may be forming; only the newest bars."""
        return self._candles(ask, reach=self._table.recent_bars)

    def history_candles(self, ask: Ask) -> list[str]:
        """Answers market/history-candles: newest first, closed ones."""
        return self._candles(ask, reach=None)

    def _candles(self, ask: Ask, *, reach: int | None) -> list[str]:
        params = ask.params
        symbol, name = self.symbol(params), params.get("bar") or "1m"
        if name not in BARS:
            raise wrong("bar")
        interval, limit = BARS[name], self._limit(params, 100, MOST_BARS)
        after, before = self._number(params, "after"), self._number(params, "before")
        newest = interval_start(interval, ask.now)
        oldest = max(interval_start(interval, symbol.began_ms), 0 if before is None else before + 1)
        if reach is not None:
            length = interval_next(interval, newest) - newest
            oldest = max(oldest, newest - (reach - 1) * length)
        at = newest if after is None else min(newest, interval_start(interval, after - 1))
        rows: list[str] = []
        while at >= oldest and len(rows) < limit:
            bar = symbol.bars.bar(interval, at, ask.now)
            closed = symbol.bars.close_push(interval_next(interval, at)) <= ask.now
            if bar is not None and (closed or reach is not None):
                rows.append(wire.bar_row(symbol, interval, bar, ask.now, closed))
            at = interval_start(interval, at - 1)
        return rows

    def trades(self, ask: Ask) -> list[str]:
        """Answers market/trades: the newest, without a cursor."""
        symbol = self.symbol(ask.params)
        limit = self._limit(ask.params, 100, self._table.recent_trades)
        series = _fills(symbol)
        return self._page(ask, symbol, series, series.pushed(ask.now), limit)

    def history_trades(self, ask: Ask) -> list[str]:
        """Answers market/history-trades: backwards from an id or an instant; `before` alone gives the newest page."""
        params = ask.params
        symbol, limit = self.symbol(params), self._limit(params, 100, 100)
        kind = params.get("type") or BY_ID
        if kind not in (BY_ID, BY_TIME):
            raise wrong("type")
        after, before = self._number(params, "after"), self._number(params, "before")
        if kind == BY_TIME and before is not None:
            raise no_before()
        series = _fills(symbol)
        end = series.pushed(ask.now)
        if after is not None:
            end = min(end, series.numbered(after) if kind == BY_ID else series.timed(after))
        first = series.numbered(before + 1) if before is not None else series.start
        return self._page(ask, symbol, series, end, limit, max(first, self._remembered(symbol, series, ask.now)))

    def _remembered(self, symbol: Symbol, series: Series, now: int) -> int:
        """Returns the position from which on trades are served."""
        window = self._table.history_days * DAY
        return series.timed(now - min(window, symbol.remembered_ms or window))

    def _page(self, ask: Ask, symbol: Symbol, series: Series, end: int, limit: int, first: int = 0) -> list[str]:
        """Writes at most `limit` rows before a position, without what the venue has forgotten."""
        lost = symbol.forgotten_fills
        reach = limit + sum(last - begin + 1 for begin, last in lost)
        begin = max(end - reach, first, series.start)
        rows = series.cut(begin, max(end, begin))
        for lost_first, lost_last in lost:
            rows = rows.where((rows.ids < lost_first) | (rows.ids > lost_last))
        rows = rows.cut(max(len(rows) - limit, 0), len(rows))
        return wire.trade_rows(symbol, _split(ask, rows))

    def tickers(self, ask: Ask) -> list[str]:
        """Answers market/tickers."""
        chosen = [symbol for symbol in self._of_type(ask.params) if symbol.ended_ms is None]
        return [row for symbol in chosen for row in _ticker(symbol, ask.now)]

    def ticker(self, ask: Ask) -> list[str]:
        """Answers market/ticker."""
        return _ticker(self.symbol(ask.params), ask.now)

    def books(self, ask: Ask) -> list[str]:
        """Answers market/books: rows of four."""
        return self._books(ask, MOST_LEVELS, full=True)

    def books_full(self, ask: Ask) -> list[str]:
        """Answers market/books-full: rows of three, as of the last whole second."""
        return self._books(replace(ask, now=ask.now // 1000 * 1000), MOST_LEVELS_FULL, full=False)

    def _books(self, ask: Ask, most: int, *, full: bool) -> list[str]:
        symbol, levels = self.symbol(ask.params), self._limit(ask.params, 1, most, "sz")
        if symbol.book is None:
            return [f'{{"asks":[],"bids":[],"ts":"{ask.now}"}}']
        depth = symbol.book.at(ask.now, levels)
        asks, bids = (wire.rungs(symbol, side, full=full) for side in (depth.asks, depth.bids))
        return [f'{{"asks":{asks},"bids":{bids},"ts":"{depth.time}"}}']


def _endpoint(family: str, call: Callable[[Ask], list[str]]) -> Endpoint:
    def answer(ask: Ask) -> str:
        return f'{{"code":"0","msg":"","data":[{",".join(call(ask))}]}}'

    def kind(params: Params) -> str:
        return f"{family}:{params.get('instType', '')}"

    return Endpoint(
        family,
        one,
        answer,
        data=family not in DATA,
        clock=family in CLOCK,
        page=family in PAGES,
        day=family in ("ticker", "tickers"),
        bucket=kind if family == "instruments" else None,
    )


def _fills(symbol: Symbol) -> Series:
    return symbol.fills if symbol.fills is not None else symbol.aggs


def _ticker(symbol: Symbol, now: int) -> list[str]:
    bar = day_bar(symbol, now)
    depth = symbol.book.at(now, 1) if symbol.book is not None else None
    return [ticker_row(symbol, bar, depth, now)] if bar is not None else []


def _split(ask: Ask, rows: Rows) -> Rows:
    """Cuts a page short between two rows of the same millisecond when a fault asks for it."""
    times = rows.time.tolist() if ask.split else []
    for position in range(1, len(times)):
        if times[position] == times[position - 1]:
            ask.did_split = True
            return rows.cut(position, len(times))
    return rows
