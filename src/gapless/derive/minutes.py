"""Folds trades into minutes: incrementally on the hot path, and whole where order was lost."""

from collections.abc import Iterable, Sequence

from gapless.model import MINUTE, Bar, Ladder, MinuteFold, Trade
from gapless.model.packed import encode

_NEVER = -(2**63)


class Forming:
    """One minute while its trades come in order; sums are exact integers."""

    __slots__ = (
        "cells", "close", "delta", "first_fill", "first_seq", "high", "last_fill", "last_seq", "low", "max_delta",
        "min_delta", "open", "quote", "start", "taker", "taker_quote", "trades", "turn", "volume",
    )  # fmt: skip

    def __init__(self, start: int, first: Trade) -> None:
        self.start = start
        self.open = self.high = self.low = self.close = first.price
        self.first_seq = self.last_seq = first.seq
        self.first_fill = self.last_fill = first.first_fill
        self.volume = self.quote = self.taker = self.taker_quote = self.trades = 0
        self.delta = self.min_delta = self.max_delta = 0
        self.cells: dict[int, list[int]] = {}
        self.turn = 0

    def add(self, run: Sequence[Trade]) -> None:
        """Add trades of this minute that follow, in order, those already added."""
        high, low = self.high, self.low
        volume, quote, taker, taker_quote, count = 0, 0, 0, 0, 0
        delta, min_delta, max_delta = self.delta, self.min_delta, self.max_delta
        cells = self.cells
        for trade in run:
            price, size, side = trade.price, trade.size, trade.side
            if price > high:
                high = price
            elif price < low:
                low = price
            product = price * size
            volume += size
            quote += product
            count += trade.fills
            if side > 0:
                taker += size
                taker_quote += product
                delta += size
                if delta > max_delta:
                    max_delta = delta
            elif side:
                delta -= size
                if delta < min_delta:
                    min_delta = delta
            cell = cells.get(price)
            if cell is None:
                cell = cells[price] = [0, 0, 0, 0]
            cell[side + 1] += size
            cell[3] += trade.fills
        last = run[-1]
        self.turn += 1  # odd while the sums are written back, so that another thread can tell
        self.high, self.low, self.close = high, low, last.price
        self.volume += volume
        self.quote += quote
        self.taker += taker
        self.taker_quote += taker_quote
        self.trades += count
        self.delta, self.min_delta, self.max_delta = delta, min_delta, max_delta
        self.last_seq = last.seq
        self.last_fill = last.first_fill + last.fills - 1
        self.turn += 1

    def ladder(self) -> Ladder:
        """Give the volume at each price so far."""
        prices = tuple(sorted(self.cells))
        bids, unknowns, asks, trades = (tuple(self.cells[p][i] for p in prices) for i in range(4))
        return Ladder(
            prices=prices,
            bids=bids,
            asks=asks,
            unknowns=unknowns,
            trades=trades,
            delta=self.delta,
            min_delta=self.min_delta,
            max_delta=self.max_delta,
        )

    def snapshot(self) -> Bar:
        """Give the nine values so far, all of one moment, also to another thread than the one that adds."""
        while True:
            turn = self.turn
            bar = self.bar()
            if turn == self.turn and turn % 2 == 0:
                return bar

    def bar(self) -> Bar:
        """Give the nine values so far."""
        return Bar(
            self.start, self.open, self.high, self.low, self.close, self.volume, self.quote, self.trades,
            self.taker, self.taker_quote, self.first_fill, self.last_fill,
        )  # fmt: skip

    def fold(self) -> MinuteFold:
        """Give the minute as it is kept."""
        return MinuteFold(self.bar(), self.first_seq, self.last_seq, encode(self.ladder()))


def fold_minute(trades: Iterable[Trade], start: int) -> MinuteFold | None:
    """Fold all trades of one minute, in whatever order they are given; None when there are none."""
    run = sorted(trades, key=lambda trade: (trade.time, trade.seq))
    if not run:
        return None
    forming = Forming(start, run[0])
    forming.add(run)
    fold = forming.fold()
    seqs = [trade.seq for trade in run]
    return MinuteFold(fold.bar, min(seqs), max(seqs), fold.ladder)


class Minutes:
    """The minutes of one tape that are forming in memory.

    A minute is *owned* when every one of its trades passed through here in order; what is not owned is folded
    from the stored rows instead. `floor` is the start of the first minute that can be owned: whatever lies
    before may have rows that this object never saw.
    """

    __slots__ = ("_owned", "_spoilt", "floor")

    def __init__(self, floor: int = _NEVER) -> None:
        self.floor = floor
        self._owned: dict[int, Forming] = {}
        self._spoilt: set[int] = set()

    def extend(self, rows: Sequence[Trade], *, in_order: bool = True) -> list[int]:
        """Take rows newer than all before, or (`in_order` false) from anywhere; give the minutes they fall into."""
        if not in_order:
            touched = sorted({row.time - row.time % MINUTE for row in rows})
            self._spoil(touched)
            return touched
        touched = []
        begin, count = 0, len(rows)
        while begin < count:
            start = rows[begin].time - rows[begin].time % MINUTE
            end = start + MINUTE
            stop = count
            if rows[-1].time >= end:
                stop = begin + 1
                while rows[stop].time < end:
                    stop += 1
            self._add(start, rows if stop - begin == count else rows[begin:stop])
            touched.append(start)
            begin = stop
        return touched

    def _add(self, start: int, run: Sequence[Trade]) -> None:
        forming = self._owned.get(start)
        if forming is None:
            if start < self.floor or start in self._spoilt:
                return
            if self._owned and start < next(reversed(self._owned)):
                self._spoil([start])
                return
            forming = self._owned[start] = Forming(start, run[0])
        forming.add(run)

    def _spoil(self, starts: Iterable[int]) -> None:
        for start in starts:
            self._owned.pop(start, None)
            if start >= self.floor:
                self._spoilt.add(start)

    def fold(self, start: int) -> MinuteFold | None:
        """Give an owned minute as it is kept; None when it must be folded from the stored rows."""
        forming = self._owned.get(start)
        return forming.fold() if forming else None

    def forming(self, start: int) -> Forming | None:
        """Give an owned minute while it forms."""
        return self._owned.get(start)

    def before(self, start: int) -> list[int]:
        """List the owned minutes that begin before `start`."""
        return [key for key in self._owned if key < start]

    def forget_before(self, start: int) -> None:
        """Disown every minute before `start`; later rows of them are folded from the store."""
        self.floor = max(self.floor, start)
        for old in [key for key in self._owned if key < self.floor]:
            del self._owned[old]
        self._spoilt = {key for key in self._spoilt if key >= self.floor}
