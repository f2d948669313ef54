"""Trades on arrival: no cursors, no promise beyond this: what a slow client was not given, it is told."""

from collections import deque
from collections.abc import Callable

import msgspec

from gapless.model import Instrument
from gapless.query.present import trade_row
from gapless.serve.requests import notice
from gapless.serve.system import System

MOST = 10_000  # trades that wait for one client
_ENCODE = msgspec.json.Encoder().encode


class FastTrades:
    """One subscription to trades on arrival; its queue is bounded, and what does not fit is named by ids."""

    def __init__(self, name: str, instrument: Instrument) -> None:
        self.name = name
        self._instrument = instrument
        self._waiting: deque[str] = deque()
        self._dropped: tuple[int, int] | None = None

    async def follow(self, system: System, woken: Callable[[], None]) -> None:
        """Take trades as they arrive, until cancelled."""
        p, s = self._instrument.price_digits, self._instrument.size_digits
        async for trades in system.fast_trades(self._instrument.id):
            for trade in trades:
                if self._dropped or len(self._waiting) >= MOST:
                    first = self._dropped[0] if self._dropped else trade.seq
                    self._dropped = (first, trade.seq)
                    continue
                row = {"stream": self.name, "cursor": None, "type": "trade", "data": trade_row(trade, p, s)}
                self._waiting.append(_ENCODE(row).decode())
            woken()

    def taken(self, most: int) -> list[str]:
        """Take the oldest lines that wait; after the last of them what was dropped is named and the queue opens."""
        lines = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        if not self._waiting and self._dropped:
            first, last = self._dropped
            lines.append(notice(self.name, "lagged", **{"from": first, "to": last}))
            self._dropped = None
        return lines
