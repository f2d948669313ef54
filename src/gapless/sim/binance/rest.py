"""REST endpoints: parameters, weights and replies, at any market instant."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gapless.sim.bars import interval_next, interval_start
from gapless.sim.binance import wire
from gapless.sim.binance.errors import bad_limit, illegal, mandatory, refusal
from gapless.sim.binance.info import exchange_info
from gapless.sim.binance.ticker import ticker_of, ticker_row
from gapless.sim.binance.venue import Venue
from gapless.sim.market import Market, Symbol
from gapless.sim.rows import VOID, Rows, Series
from gapless.sim.venue import Ask, Endpoint, Params

HOUR_MS = 3_600_000
FUTURES_DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
PAGES = ("aggTrades", "trades", "historicalTrades")
DATA = ("klines", *PAGES, "ticker/24hr", "depth")


def _remembered(rows: Rows, forgotten: list[tuple[int, int]]) -> Rows:
    """Leaves out the ids that the venue has forgotten."""
    for first, last in forgotten:
        rows = rows.where((rows.ids < first) | (rows.ids > last))
    return rows


class Endpoints:
    """Answers requests from a market; raises Refusal for what the venue refuses."""

    def __init__(self, venue: Venue, market: Market, api_key: str, market_ms: Callable[[], int]) -> None:
        """Binds the endpoints of the venue; `market_ms` tells the market's time."""
        self.market_ms = market_ms
        self.venue = venue
        self.market = market
        self.api_key = api_key
        calls: dict[str, tuple[Callable[[Params], int], Callable[[Ask], str]]] = {
            "ping": (lambda p: 1, lambda ask: "{}"),
            "time": (lambda p: 1, lambda ask: f'{{"serverTime":{ask.server_ms * self._unit(ask)}}}'),
            "exchangeInfo": (lambda p: 1 if venue.futures else 20, self.info),
            "klines": (self._klines_weight, self.klines),
            "aggTrades": (lambda p: 20 if venue.futures else 4, self.agg_trades),
            "trades": (lambda p: 5 if venue.futures else 25, self.trades),
            "historicalTrades": (lambda p: 20 if venue.futures else 25, self.historical),
            "ticker/24hr": (self._day_weight, self.day_ticker),
            "ticker/price": (
                lambda p: (1 if "symbol" in p else 2) if venue.futures else (2 if "symbol" in p else 4),
                self.price,
            ),
            "ticker/bookTicker": (
                lambda p: (2 if "symbol" in p else 5) if venue.futures else (2 if "symbol" in p else 4),
                self.best,
            ),
            "depth": (self._depth_weight, self.depth),
        }
        self.endpoints = {
            f"{venue.prefix}/{name}": Endpoint(
                name.rpartition("/")[2],
                *call,
                data=name in DATA,
                clock=name in ("time", "exchangeInfo"),
                page=name in PAGES,
                day=name == "ticker/24hr",
            )
            for name, call in calls.items()
        }

    def _unit(self, ask: Ask) -> int:
        """Returns 1000 where spot is asked for microseconds, else 1."""
        wanted = ask.headers.get("X-MBX-TIME-UNIT", "").upper() == "MICROSECOND"
        return 1000 if wanted and not self.venue.futures else 1

    def _klines_weight(self, params: Params) -> int:
        if not self.venue.futures:
            return 2
        text = params.get("limit", "")
        limit = int(text) if text.isdigit() else 0
        if not limit:
            return 5
        return 1 if limit <= 100 else 2 if limit <= 500 else 5 if limit <= 1000 else 10

    def _day_weight(self, params: Params) -> int:
        if self.venue.futures:
            return 1 if "symbol" in params else 40
        if "symbol" in params:
            return 2
        count = params["symbols"].count(",") + 1 if "symbols" in params else 101
        return 2 if count <= 20 else 40 if count <= 100 else 80

    def _depth_weight(self, params: Params) -> int:
        text = params.get("limit", "")
        limit = int(text) if text.isdigit() else 0
        if self.venue.futures:
            return 1 if not limit else 2 if limit <= 50 else 5 if limit <= 100 else 10 if limit <= 500 else 20
        return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250

    def symbol(self, params: Params) -> Symbol:
        """Returns the symbol that a request names; futures accept lower case."""
        name = params.get("symbol", "")
        if not name:
            raise mandatory("symbol")
        symbol = self.market.symbols.get(name.upper() if self.venue.futures else name)
        if symbol is None or not symbol.known(self.market_ms()):
            raise refusal(-1121, "Invalid symbol.")
        return symbol

    def known(self, *, trading: bool = False) -> list[Symbol]:
        """Lists the symbols that the venue knows, or only those that trade."""
        now = self.market_ms()
        return [s for s in self.market.symbols.values() if s.known(now) and not (trading and s.ended_ms is not None)]

    def _number(self, params: Params, name: str) -> int | None:
        text = params.get(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 20:
            raise illegal(name)
        value = int(text)
        return value // 1000 if name.endswith("Time") and value > 10**14 and not self.venue.futures else value

    def _limit(self, params: Params, default: int, most: int) -> int:
        limit = self._number(params, "limit")
        if limit is None:
            return default
        if limit == 0 or (limit > most and self.venue.futures):
            raise bad_limit()
        return min(limit, most)

    def _times(self, params: Params) -> tuple[int | None, int | None]:
        start, end = self._number(params, "startTime"), self._number(params, "endTime")
        if start is not None and end is not None and start > end:
            raise refusal(-1023, "Start time is greater than end time.")
        return start, end

    def info(self, ask: Ask) -> str:
        """Answers exchangeInfo, on spot also for one or several symbols."""
        chosen = self.known()
        if not self.venue.futures and "symbol" in ask.params:
            chosen = [self.symbol(ask.params)]
        elif not self.venue.futures and "symbols" in ask.params:
            chosen = [self.symbol({"symbol": name}) for name in self._names(ask.params)]
        return msgspec.json.encode(exchange_info(self.venue, chosen, ask.server_ms * self._unit(ask))).decode()

    def _names(self, params: Params) -> list[str]:
        try:
            return msgspec.json.decode(params["symbols"], type=list[str])
        except msgspec.MsgspecError:
            raise illegal("symbols") from None

    def klines(self, ask: Ask) -> str:
        """Answers klines: oldest first, the last one may be forming."""
        params = ask.params
        symbol, interval = self.symbol(params), params.get("interval", "")
        if not interval:
            raise mandatory("interval")
        if interval not in self.venue.intervals:
            raise refusal(-1120, "Invalid interval.")
        limit = self._limit(params, 500, self.venue.page)
        start, end = self._times(params)
        last = interval_start(interval, min(ask.now, end) if end is not None else ask.now)
        first = interval_start(interval, symbol.began_ms)
        if start is not None:
            at = interval_start(interval, max(start, first))
            first = at if at >= start else interval_next(interval, at)
        rows: list[str] = []
        if start is not None:
            at = first
            while at <= last and len(rows) < limit:
                self._add_bar(rows, symbol, interval, at, ask)
                at = interval_next(interval, at)
            return f"[{','.join(rows)}]"
        at = last
        while at >= first and len(rows) < limit:
            self._add_bar(rows, symbol, interval, at, ask)
            at = interval_start(interval, at - 1)
        return f"[{','.join(reversed(rows))}]"

    def _add_bar(self, rows: list[str], symbol: Symbol, interval: str, at: int, ask: Ask) -> None:
        bar = symbol.bars.bar(interval, at, ask.now)
        if bar is not None:
            rows.append(wire.bar_row(symbol, interval, bar, self._unit(ask)))

    def agg_trades(self, ask: Ask) -> str:
        """Answers aggTrades: by id, by time from the start of the window, or the most recent."""
        params = ask.params
        symbol, limit = self.symbol(params), self._limit(params, 500, 1000)
        start, end = self._times(params)
        from_id = self._number(params, "fromId")
        series, upto = symbol.aggs, symbol.aggs.pushed(ask.now)
        if start is not None and end is not None and self.venue.one_hour_span and end - start > HOUR_MS:
            raise refusal(-1127, "More than 1 hours between startTime and endTime.")
        lost = symbol.forgotten_aggs
        reach = limit + sum(last - first + 1 for first, last in lost)
        newest = from_id is None and start is None
        if from_id is not None:
            lo = self._within_memory(symbol, series, max(series.numbered(from_id), series.start), ask)
            hi = min(lo + reach, upto)
        elif start is not None:
            lo = self._within_memory(symbol, series, max(series.timed(start), series.start), ask)
            hi = min(lo + reach, upto, series.timed(end + 1) if end is not None else upto)
        else:
            hi = min(upto, series.timed(end + 1)) if end is not None else upto
            lo = self._within_memory(symbol, series, max(hi - reach, series.start), ask)
        rows = series.cut(lo, max(hi, lo))
        self._check_window(symbol, ask, rows, start)
        rows = _remembered(rows, lost)
        rows = rows.cut(max(len(rows) - limit, 0), len(rows)) if newest else rows.cut(0, limit)
        return f"[{','.join(wire.agg_rows(symbol, self._page(ask, rows), self.venue.futures, self._unit(ask)))}]"

    def _within_memory(self, symbol: Symbol, series: Series, lo: int, ask: Ask) -> int:
        """Moves the begin of a page to where spot still remembers; futures refuse such a page instead."""
        if symbol.remembered_ms is None or self.venue.futures:
            return lo
        return max(lo, series.timed(ask.now - symbol.remembered_ms))

    def _check_window(self, symbol: Symbol, ask: Ask, rows: Rows, start: int | None) -> None:
        hours = self.venue.window_hours
        if hours is None:
            return
        window = hours * HOUR_MS
        oldest = ask.now - min(window, symbol.remembered_ms or window)
        if (start is not None and start < oldest) or (
            "fromId" in ask.params and len(rows) and int(rows.time[0]) < oldest
        ):
            raise refusal(-4166, f"Search window is restricted to recent {hours // 24} days only.")

    def _page(self, ask: Ask, rows: Rows) -> Rows:
        """Cuts a page between two rows of the same millisecond when a fault asks for it."""
        if not ask.split:
            return rows
        times = rows.time.tolist()
        for position in range(len(times) - 1, 0, -1):
            if times[position] == times[position - 1]:
                ask.did_split = True
                return rows.cut(0, position)
        return rows

    def _recent(self, series: Series, upto: int, limit: int) -> Rows:
        """Returns the last `limit` rows before a position that are no spent ids."""
        reach = limit + 16
        while True:
            lo = max(upto - reach, series.start)
            rows = series.cut(lo, upto)
            rows = rows.where(rows.flag != VOID)
            if len(rows) >= limit or lo == series.start:
                return rows.cut(max(len(rows) - limit, 0), len(rows))
            reach *= 2

    def trades(self, ask: Ask) -> str:
        """Answers the most recent single trades."""
        symbol, limit = self.symbol(ask.params), self._limit(ask.params, 500, 1000)
        if symbol.fills is None:
            return "[]"
        recent = self._recent(symbol.fills, symbol.fills.pushed(ask.now), limit)
        rows = self._page(ask, _remembered(recent, symbol.forgotten_fills))
        return f"[{','.join(wire.trade_rows(symbol, rows, self.venue.futures, self._unit(ask)))}]"

    def historical(self, ask: Ask) -> str:
        """Answers single trades from an id on; USD-M wants a key."""
        if self.venue.futures:
            key = ask.headers.get("X-MBX-APIKEY")
            if not key:
                raise refusal(-2014, "API-key format invalid.", 401)
            if key != self.api_key:
                raise refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        default, most = (100, 500) if self.venue.futures else (500, 1000)
        symbol, limit = self.symbol(ask.params), self._limit(ask.params, default, most)
        from_id = self._number(ask.params, "fromId")
        if symbol.fills is None:
            return "[]"
        upto = symbol.fills.pushed(ask.now)
        if from_id is None:
            rows = _remembered(self._recent(symbol.fills, upto, limit), symbol.forgotten_fills)
        else:
            lo = max(symbol.fills.numbered(from_id), symbol.fills.start)
            if symbol.remembered_ms is not None:
                lo = max(lo, symbol.fills.timed(ask.now - symbol.remembered_ms))
            reach = limit + limit // 2 + 16 + sum(last - first + 1 for first, last in symbol.forgotten_fills)
            rows = symbol.fills.cut(lo, max(min(lo + reach, upto), lo))
            rows = _remembered(rows.where(rows.flag != VOID), symbol.forgotten_fills)
            rows = rows.cut(0, min(limit, len(rows)))
        return f"[{','.join(wire.trade_rows(symbol, self._page(ask, rows), self.venue.futures, self._unit(ask)))}]"

    def _chosen(self, ask: Ask) -> tuple[list[Symbol], bool]:
        if "symbol" in ask.params:
            return [self.symbol(ask.params)], True
        if "symbols" in ask.params and not self.venue.futures:
            return [self.symbol({"symbol": name}) for name in self._names(ask.params)], False
        return self.known(trading=True), False

    def _listed(self, rows: list[str], single: bool) -> str:
        return rows[0] if single and rows else f"[{','.join(rows)}]"

    def day_ticker(self, ask: Ask) -> str:
        """Answers ticker/24hr."""
        chosen, single = self._chosen(ask)
        pairs = [(symbol, ticker_of(symbol, ask.now)) for symbol in chosen]
        rows = [
            ticker_row(symbol, t, ask.now, self.venue.futures, self._unit(ask)) for symbol, t in pairs if t is not None
        ]
        return self._listed(rows, single)

    def price(self, ask: Ask) -> str:
        """Answers ticker/price."""
        chosen, single = self._chosen(ask)
        rows = []
        for symbol in chosen:
            last = self._last(symbol, ask.now)
            time = f',"time":{ask.now}' if self.venue.futures else ""
            rows.append(f'{{"symbol":"{symbol.name}","price":"{symbol.price.text(last)}"{time}}}')
        return self._listed(rows, single)

    def _last(self, symbol: Symbol, now: int) -> int:
        series = symbol.fills or symbol.aggs
        rows = self._recent(series, series.pushed(now), 1)
        return int(rows.price[-1]) if len(rows) else 0

    def best(self, ask: Ask) -> str:
        """Answers ticker/bookTicker."""
        chosen, single = self._chosen(ask)
        rows = []
        for symbol in chosen:
            book = symbol.book.at(ask.now, 1) if symbol.book is not None else None
            zero = (0, 0)
            (b, bq), (a, aq) = (
                (book.bids[:1] or [zero])[0] if book else zero,
                (book.asks[:1] or [zero])[0] if book else zero,
            )
            price, size = symbol.price.text, symbol.size.text
            tail = f',"lastUpdateId":{book.number if book else 0},"time":{ask.now}' if self.venue.futures else ""
            rows.append(
                f'{{"symbol":"{symbol.name}","bidPrice":"{price(b)}","bidQty":"{size(bq)}","askPrice":"{price(a)}","askQty":"{size(aq)}"{tail}}}'
            )
        return self._listed(rows, single)

    def depth(self, ask: Ask) -> str:
        """Answers depth; a market without a book gives empty sides."""
        symbol, limit = self.symbol(ask.params), self._number(ask.params, "limit")
        if self.venue.futures:
            if limit is not None and limit not in FUTURES_DEPTHS:
                raise refusal(-4021, f"{limit} is not valid depth limit.")
            limit = limit or 500
        else:
            if limit == 0:
                raise bad_limit()
            limit = min(limit or 100, 5000)
        if symbol.book is None:
            return '{"lastUpdateId":0,"bids":[],"asks":[]}'
        return wire.depth_reply(symbol, symbol.book.at(ask.now, limit), self.venue.futures)
