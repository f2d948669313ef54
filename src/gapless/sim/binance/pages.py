"""Which pages of history can be spoilt, and what lies beside them."""

from __future__ import annotations

from dataclasses import replace

from gapless.sim.bars import interval_next, interval_start
from gapless.sim.binance.rest import PAGES, Endpoints
from gapless.sim.market import Symbol
from gapless.sim.pages import ASIDE
from gapless.sim.venue import Ask, Params

EMPTY = "[]"


class History:
    """Tells the spoiler of pages by id and by time."""

    def __init__(self, endpoints: Endpoints) -> None:
        """Takes the endpoints, which know the symbols."""
        self._endpoints = endpoints

    def asked(self, family: str, ask: Ask) -> str | None:
        """Returns the symbol whose history was asked for, or None."""
        past = "fromId" in ask.params or "startTime" in ask.params
        return ask.params.get("symbol", "") if past and family in (*PAGES, "klines") else None

    def bars(self, family: str) -> bool:
        """Tells whether the pages of a family are of bars."""
        return family == "klines"

    def empty(self, body: str) -> bool:
        """Tells whether a body has no rows."""
        return body == EMPTY

    def others(self, ask: Ask) -> list[Symbol]:
        """Lists the other symbols that trade."""
        own = self._endpoints.symbol(ask.params)
        return [symbol for symbol in self._endpoints.known(trading=True) if symbol is not own]

    def of(self, other: Symbol, family: str, ask: Ask) -> Ask | None:
        """Returns the request for the page of the same time of another symbol; ids differ from symbol to symbol."""
        params = {**ask.params, "symbol": other.name}
        if "fromId" in params:
            aggs = self._endpoints.symbol(ask.params).aggs
            at = aggs.numbered(int(params["fromId"]))
            rows = aggs.cut(at, at + 1)
            if not len(rows):
                return None
            params["fromId"] = str(other.aggs.timed(int(rows.time[0])))
        return replace(ask, params=params)

    def aside(self, family: str, params: Params, way: int) -> Params:
        """Returns the parameters of a page that lies wholly before (-1) or behind (1) the one that was asked for."""
        limit = int(params.get("limit", "500"))
        if "fromId" in params:
            return {**params, "fromId": str(max(int(params["fromId"]) + way * (limit + ASIDE), 0))}
        start = int(params["startTime"])
        if family == "klines":
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
