"""Ladders: trades folded to volume by price, and merged over time. All sums are exact Python integers."""

from collections.abc import Iterable

from gapless.model.footprint import Ladder
from gapless.model.tape import Trade

_UNKNOWN, _ASK, _TRADES, _BID = range(4)  # a trade's side indexes its own sum: 0, 1 and, from the end, -1


def ladder_of(trades: Iterable[Trade]) -> Ladder:
    """Fold the trades of one span, ordered by (time, seq), to its ladder."""
    fold = LadderFold()
    fold.add_trades(trades)
    return fold.ladder()


def merge(ladders: Iterable[Ladder]) -> Ladder:
    """Join ladders of spans in time order; equals the ladder of the whole span."""
    fold = LadderFold()
    for ladder in ladders:
        fold.add_ladder(ladder)
    return fold.ladder()


class LadderFold:
    """A ladder that grows, in time order, by trades or by whole ladders."""

    __slots__ = ("_cells", "_delta", "_max_delta", "_min_delta")

    def __init__(self) -> None:
        self._cells: dict[int, list[int]] = {}
        self._delta = self._min_delta = self._max_delta = 0

    def add_trades(self, trades: Iterable[Trade]) -> None:
        """Add trades, ordered by (time, seq), none before what was added so far."""
        cells, delta, low, high = self._cells, self._delta, self._min_delta, self._max_delta
        for trade in trades:
            cell = cells.get(trade.price)
            if cell is None:
                cell = cells[trade.price] = [0, 0, 0, 0]
            side, size = trade.side, trade.size
            cell[side] += size
            cell[_TRADES] += trade.fills
            delta += side * size
            if delta > high:
                high = delta
            elif delta < low:
                low = delta
        self._delta, self._min_delta, self._max_delta = delta, low, high

    def add_ladder(self, ladder: Ladder) -> None:
        """Add the ladder of the span that follows what was added so far."""
        cells, before = self._cells, self._delta
        columns = zip(ladder.prices, ladder.unknowns, ladder.asks, ladder.trades, ladder.bids, strict=True)
        for price, unknown, ask, trades, bid in columns:
            cell = cells.get(price)
            if cell is None:
                cells[price] = [unknown, ask, trades, bid]
            else:
                cell[_UNKNOWN] += unknown
                cell[_ASK] += ask
                cell[_TRADES] += trades
                cell[_BID] += bid
        self._delta = before + ladder.delta
        self._min_delta = min(self._min_delta, before + ladder.min_delta)
        self._max_delta = max(self._max_delta, before + ladder.max_delta)

    def ladder(self) -> Ladder:
        """Give the ladder of everything added so far."""
        prices = sorted(self._cells)
        unknowns, asks, trades, bids = zip(*map(self._cells.__getitem__, prices), strict=True) if prices else [()] * 4
        return Ladder(tuple(prices), bids, asks, unknowns, trades, self._delta, self._min_delta, self._max_delta)
