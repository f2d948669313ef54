"""Ladders: trades folded to volume by price, merged over time, and packed for the store.

All sums are exact Python integers. A sum may pass 64 bits (a coin with many digits and a tiny price), which
msgpack cannot write as a number: such a ladder is packed as decimal text, and read by the same decoder.
"""

from collections.abc import Iterable
from itertools import accumulate
from math import gcd
from operator import sub

from msgspec import DecodeError, Struct, msgpack
from msgspec.structs import astuple

from gapless.errors import StoreError
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


def encode(ladder: Ladder) -> bytes:
    """Pack a ladder for storage: prices as differences, each column in units of its greatest common divisor."""
    packed = _Packed(
        rows=len(ladder.prices),
        prices=_reduced([*ladder.prices[:1], *map(sub, ladder.prices[1:], ladder.prices)]),
        bids=_reduced(ladder.bids),
        asks=_reduced(ladder.asks),
        unknowns=_reduced(ladder.unknowns),
        trades=_reduced(ladder.trades),
        delta=ladder.delta,
        min_delta=ladder.min_delta,
        max_delta=ladder.max_delta,
    )
    try:
        return _ENCODER.encode(packed)
    except OverflowError:
        return _ENCODER.encode(_texts(astuple(packed)))


def decode(data: bytes) -> Ladder:
    """Unpack what `encode` packed; raises `StoreError` for anything else."""
    try:
        packed = _DECODER.decode(data)
    except DecodeError as error:
        raise StoreError(f"a stored ladder cannot be read: {error}") from error
    rows = packed.rows
    return Ladder(
        prices=tuple(accumulate(_restored(packed.prices, rows))),
        bids=tuple(_restored(packed.bids, rows)),
        asks=tuple(_restored(packed.asks, rows)),
        unknowns=tuple(_restored(packed.unknowns, rows)),
        trades=tuple(_restored(packed.trades, rows)),
        delta=packed.delta,
        min_delta=packed.min_delta,
        max_delta=packed.max_delta,
    )


def _reduced(column: Iterable[int]) -> list[int]:
    """Write a column as its divisor and its multiples of it; a column of zeros is the divisor 0 alone."""
    values = list(column)
    step = gcd(*values)
    return [step, *(value // step for value in values)] if step else [0]


def _restored(column: list[int], rows: int) -> list[int]:
    if column == [0]:
        return [0] * rows
    step, *multiples = column or [0]
    if len(multiples) != rows:
        raise StoreError(f"a stored ladder cannot be read: a column has {len(multiples)} of {rows} rows")
    return multiples if step == 1 else [step * multiple for multiple in multiples]


def _texts(value: object) -> object:
    return [_texts(part) for part in value] if isinstance(value, list | tuple) else str(value)


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


class _Packed(Struct, array_like=True):
    rows: int
    prices: list[int]
    bids: list[int]
    asks: list[int]
    unknowns: list[int]
    trades: list[int]
    delta: int
    min_delta: int
    max_delta: int


_ENCODER = msgpack.Encoder()
_DECODER = msgpack.Decoder(_Packed, strict=False)  # reads decimal text as integers, of any size
