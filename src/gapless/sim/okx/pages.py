"""Which pages of history can be spoilt, and what lies beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gapless.sim.bars import interval_next, interval_start
from gapless.sim.market import Symbol
from gapless.sim.okx.names import BARS
from gapless.sim.pages import ASIDE
from gapless.sim.venue import Ask, Params

if TYPE_CHECKING:
    from gapless.sim.okx.rest import Endpoints

BY_TIME = "2"  # how pages of trades are asked for by time
BARRED = ("candles", "history-candles")
MINUTE = 60_000
EMPTY = '{"code":"0","msg":"","data":[]}'


class History:
    """Tells the spoiler of pages by id and by time."""

    def __init__(self, endpoints: Endpoints) -> None:
        """Takes the endpoints, which know the instruments."""
        self._endpoints = endpoints

    def asked(self, family: str, ask: Ask) -> str | None:
        """Returns the instrument whose history was asked for, or None; a page without a cursor is the present."""
        if family not in ("history-trades", *BARRED) or not ask.params.get("after"):
            return None
        return ask.params.get("instId", "")

    def bars(self, family: str) -> bool:
        """Tells whether the pages of a family are of bars."""
        return family in BARRED

    def aside(self, family: str, params: Params, way: int) -> Params:
        """Returns the parameters of a page that lies wholly before (-1) or behind (1) the one that was asked for."""
        after, limit = int(params["after"]), int(params.get("limit") or 100)
        if family in BARRED:
            interval = BARS[params.get("bar") or "1m"]
            at = interval_start(interval, after)
            step = (interval_next(interval, at) - at) * (limit + ASIDE)
        else:
            step = MINUTE if params.get("type") == BY_TIME else limit + ASIDE
        moved = {**params, "after": str(max(after + way * step, 0))}
        if params.get("before"):
            moved["before"] = str(max(int(params["before"]) + way * step, 0))
        return moved

    def empty(self, body: str) -> bool:
        """Tells whether a body has no rows."""
        return body == EMPTY

    def others(self, ask: Ask) -> list[Symbol]:
        """Lists the other instruments that trade."""
        own = self._endpoints.symbol(ask.params)
        return [symbol for symbol in self._endpoints.known() if symbol is not own and symbol.ended_ms is None]

    def of(self, other: Symbol, family: str, ask: Ask) -> Ask | None:
        """Returns the request for the page of the same time of another instrument."""
        params = {**ask.params, "instId": other.name}
        own = self._endpoints.symbol(ask.params)
        if family in BARRED or params.get("type") == BY_TIME:
            return replace(ask, params=params)
        if own.fills is None or other.fills is None:
            return None
        at = own.fills.numbered(int(params["after"]))
        rows = own.fills.cut(at, at + 1)
        if not len(rows):
            return None
        params["after"] = str(other.fills.timed(int(rows.time[0])))
        params.pop("before", None)
        return replace(ask, params=params)
