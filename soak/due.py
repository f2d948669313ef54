"""Which events have fallen due at a market instant, by the simulator's own generator: the product is not asked."""

import numpy as np

from gapless.sim.bars import CLOSE_DELAY, MINUTE
from gapless.sim.market import Symbol
from gapless.sim.synthetic.market import synthetic_symbol

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


class Due:
    """The aggregates and closed bars of one instrument; times are market ms UTC, a bar is named by its start."""

    def __init__(self, symbol: Symbol, since: int) -> None:
        self.name = symbol.name
        self._symbol = symbol
        self._since = since
        self._bar: tuple[int, int] | None = None

    def newest(self, ms: int) -> int:
        """Give the newest id that was pushed at or before an instant."""
        return int(self._symbol.aggs.pushed(ms)) - 1

    def pushes(self, first: int, last: int) -> Floats:
        """Give when the ids `first` to `last` were pushed."""
        return self._symbol.aggs.cut(first, last + 1).push.astype(np.float64)

    def newest_bar(self, ms: int) -> int | None:
        """Give the newest minute that was pushed as closed at or before an instant, and is wholly after the start."""
        start = (ms - CLOSE_DELAY) // MINUTE * MINUTE - MINUTE
        while start >= self._since:
            if self._bar is None or self._bar[0] != start:
                self._bar = (start, int(self._symbol.bars.close_push(start + MINUTE)))
            if self._bar[1] <= ms:
                return start
            start -= MINUTE
        return None


def first_due(seed: int, instruments: int, start: int) -> list[Due]:
    """Give the instruments that there are from the start (ms) on."""
    from gapless.sim.synthetic.market import synthetic_market

    market = synthetic_market(seed, instruments, start, futures=True)
    return [Due(symbol, start) for symbol in market.symbols.values()]


def listed_due(seed: int, index: int, listed: int, name: str) -> Due:
    """Give an instrument that was listed later (ms) as the `index`-th of its market."""
    return Due(synthetic_symbol(seed, index, listed, futures=True, name=name), listed)
