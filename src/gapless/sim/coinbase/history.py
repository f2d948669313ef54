"""Which pages of history can be spoilt, and what lies beside them: pages by cursor, and by time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gapless.sim.coinbase.texts import read_time
from gapless.sim.market import Symbol
from gapless.sim.pages import ASIDE
from gapless.sim.venue import Ask, Params

TRADES, CANDLES = "trades", "candles"
CURSORS, TIMES = ("before", "after"), ("start", "end")
PAGE = 1000
MINUTE = 60  # s
EMPTY = ("[]", '{"candles":[]}', '{"trades":[]')


class History:
    """Tells the spoiler of the pages of either surface."""

    def __init__(self, symbol: Callable[[Ask], Symbol], listed: Callable[[], list[Symbol]]) -> None:
        """Takes how the product of a request is found, and all there are."""
        self._symbol = symbol
        self._listed = listed

    def asked(self, family: str, ask: Ask) -> str | None:
        """Returns the product whose history was asked for, or None; a page without a bound is the present."""
        bounded = any(ask.params.get(name) for name in (*CURSORS, *TIMES))
        return self._symbol(ask).name if bounded and family in (TRADES, CANDLES) else None

    def bars(self, family: str) -> bool:
        """Tells whether the pages of a family are of bars."""
        return family == CANDLES

    def empty(self, body: str) -> bool:
        """Tells whether a body has no rows."""
        return body.startswith(EMPTY)

    def others(self, ask: Ask) -> list[Symbol]:
        """Lists the other products that trade."""
        own = self._symbol(ask)
        return [symbol for symbol in self._listed() if symbol is not own and symbol.ended_ms is None]

    def of(self, other: Symbol, family: str, ask: Ask) -> Ask | None:
        """Returns the request for the page of the same time of another product; ids differ from product to product."""
        params, own = dict(ask.params), self._symbol(ask)
        for name in CURSORS:
            if name not in params:
                continue
            if own.fills is None or other.fills is None:
                return None
            at = own.fills.numbered(int(params[name]))
            rows = own.fills.cut(at, at + 1)
            if not len(rows):
                return None
            params[name] = str(other.fills.timed(int(rows.time[0])))
        parts = ask.path.split("/")
        parts[parts.index("products") + 1] = other.name
        return replace(ask, path="/".join(parts), params=params)

    def aside(self, family: str, params: Params, way: int) -> Params:
        """Returns the parameters of a page that lies wholly before (-1) or behind (1) the one that was asked for."""
        moved = dict(params)
        rows = int(params.get("limit") or PAGE) + ASIDE
        for name in CURSORS:
            if params.get(name):
                moved[name] = str(max(int(params[name]) + way * rows, 0))
        times = {name: read_time(params[name]) or 0 for name in TIMES if params.get(name)}
        span = (max(times.values()) - min(times.values())) // 1000 + MINUTE if times else 0
        for name, ms in times.items():
            moved[name] = str(max(ms // 1000 + way * span, 0))
        return moved
