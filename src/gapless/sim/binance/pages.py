"""Pages of history that are wrong: other ids than were asked for, the page before once more, another symbol's rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gapless.sim.bars import interval_next, interval_start
from gapless.sim.binance.rest import Endpoints
from gapless.sim.faults.engine import Faults
from gapless.sim.faults.script import Entry
from gapless.sim.venue import Ask, Params, Refusal

TRADES = ("aggTrades", "trades", "historicalTrades")
ASIDE = 7  # rows between the range that was asked for and the page that is served
EMPTY = "[]"


class Spoiler:
    """Spoils pages while such a fault is due; remembers the last page of each endpoint and symbol."""

    def __init__(self, rest: Endpoints, faults: Faults) -> None:
        """Takes the endpoints, which make the wrong pages too."""
        self._rest = rest
        self._faults = faults
        self._served: dict[tuple[str, str], str] = {}

    def page(self, endpoint: str, ask: Ask, body: str, call: Callable[[Ask], str]) -> tuple[str, str | None]:
        """Returns the page to serve, and how it is wrong if it is."""
        if endpoint not in TRADES and endpoint != "klines":
            return body, None
        key = endpoint, ask.params.get("symbol", "")
        wrong = self._wrong(endpoint, key, ask, body, call) if self._faults.waiting("wrong_page") else None
        self._served[key] = body
        if wrong is None:
            return body, None
        entry, page = wrong
        self._faults.spend(entry)
        return page, entry.mode

    def _wrong(
        self, endpoint: str, key: tuple[str, str], ask: Ask, body: str, call: Callable[[Ask], str]
    ) -> tuple[Entry, str] | None:
        if body == EMPTY or not ("fromId" in ask.params or "startTime" in ask.params):
            return None  # no history was asked for, or there is none
        for entry in self._faults.pending:
            if entry.kind != "wrong_page" or (entry.mode == "bars") != (endpoint == "klines"):
                continue
            if entry.symbol is not None and entry.symbol != key[1]:
                continue
            if entry.mode == "repeat":
                page = self._served.get(key, EMPTY)
            elif entry.mode == "other":
                page = self._of_another(ask, call)
            else:
                page = self._aside(endpoint, ask, call)
            if page not in (EMPTY, body):
                return entry, page
        return None

    def _aside(self, endpoint: str, ask: Ask, call: Callable[[Ask], str]) -> str:
        before, after = (self._asked(_moved(endpoint, ask.params, way), ask, call) for way in (-1, 1))
        first, second = (before, after) if self._faults.choose(2) else (after, before)
        return first if first != EMPTY else second

    def _of_another(self, ask: Ask, call: Callable[[Ask], str]) -> str:
        own = self._rest.symbol(ask.params)
        others = [symbol for symbol in self._rest.known(trading=True) if symbol is not own]
        if not others:
            return EMPTY
        other = others[self._faults.choose(len(others))]
        params = {**ask.params, "symbol": other.name}
        if "fromId" in params:  # ids differ from symbol to symbol: the rows of the same time
            rows = own.aggs.cut(own.aggs.numbered(int(params["fromId"])), own.aggs.numbered(int(params["fromId"])) + 1)
            if not len(rows):
                return EMPTY
            params["fromId"] = str(other.aggs.timed(int(rows.time[0])))
        return self._asked(params, ask, call)

    def _asked(self, params: Params, ask: Ask, call: Callable[[Ask], str]) -> str:
        try:
            return call(replace(ask, params=params, split=False))
        except Refusal:
            return EMPTY


def _moved(endpoint: str, params: Params, way: int) -> Params:
    """Returns the parameters of a page that lies wholly before (-1) or behind (1) the one that was asked for."""
    limit = int(params.get("limit", "500"))
    if "fromId" in params:
        return {**params, "fromId": str(max(int(params["fromId"]) + way * (limit + ASIDE), 0))}
    start = int(params["startTime"])
    if endpoint == "klines":
        interval = params.get("interval", "1m")
        at = interval_start(interval, start)
        span = (interval_next(interval, at) - at) * (limit + ASIDE)
    else:
        span = int(params.get("endTime", str(start + 60_000))) - start + 1_000
    moved = {**params, "startTime": str(max(start + way * span, 0))}
    if "endTime" in params:
        moved["endTime"] = str(max(int(params["endTime"]) + way * span, 0))
    elif way < 0:
        moved["endTime"] = str(start - 1)
    return moved
