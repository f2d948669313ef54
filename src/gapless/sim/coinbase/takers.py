"""Events a taker, of which only the last execution is told: what a cascade skips."""

from __future__ import annotations

from collections.abc import Callable

from gapless.sim.events import Event
from gapless.sim.market import Depth, Symbol
from gapless.sim.rows import Rows
from gapless.sim.streams import MADE, NEVER


class TakerSource:
    """Makes an event for the last execution of every taker."""

    def __init__(self, stream: str, symbol: Symbol, write: Callable[[Rows, int], str | None]) -> None:
        """Takes a function of (execution, instant) that returns a payload or None."""
        self._stream = stream
        self._symbol = symbol
        self._write = write
        self._at = -1
        self._next_push = 0

    def due(self, after: int, upto: int) -> list[Event]:
        """Returns the events of the span."""
        takers, fills = self._symbol.aggs, self._symbol.fills
        if upto < self._next_push or fills is None:
            return []
        if self._at < 0:
            self._at = max(takers.pushed(after), takers.start)
        lo, hi = self._at, max(takers.pushed(upto), self._at)
        following = takers.cut(hi, hi + 1).push
        self._at, self._next_push = hi, int(following[0]) if len(following) else NEVER
        events = []
        rows = takers.cut(lo, hi)
        for last, push in zip(rows.last.tolist(), rows.push.tolist(), strict=True):
            position = fills.numbered(last)
            text = self._write(fills.cut(position, position + 1), push)
            if text is not None:
                events.append(Event(push, MADE, self._stream, text.encode()))
        return events


def best_of(symbol: Symbol, now: int) -> Depth | None:
    """Returns the best levels of a product, None where it has no book."""
    return symbol.book.at(now, 1) if symbol.book is not None else None
