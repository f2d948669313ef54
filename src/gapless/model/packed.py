"""Ladders as they lie in a store.

A sum may pass 64 bits (a coin with many digits and a tiny price), which msgpack cannot write as a number: such a
ladder is packed as decimal text, and read by the same decoder.
"""

from collections.abc import Iterable
from itertools import accumulate
from math import gcd
from operator import sub

from msgspec import DecodeError, Struct, msgpack
from msgspec.structs import astuple

from gapless.errors import StoreError
from gapless.model.footprint import Ladder


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
    return _written(packed)


def decode(data: bytes) -> Ladder:
    """Unpack what `encode` packed; raises `StoreError` for anything else."""
    packed = _read(data)
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


def rescaled(data: bytes, price: int, size: int) -> bytes:
    """Multiply the prices and the sizes of a packed ladder, exactly: only the divisors of its columns change."""
    packed = _read(data)
    for column, factor in ((packed.prices, price), (packed.bids, size), (packed.asks, size), (packed.unknowns, size)):
        if column:
            column[0] *= factor
    packed.delta *= size
    packed.min_delta *= size
    packed.max_delta *= size
    return _written(packed)


def _read(data: bytes) -> "_Packed":
    try:
        return _DECODER.decode(data)
    except DecodeError as error:
        raise StoreError(f"a stored ladder cannot be read: {error}") from error


def _written(packed: "_Packed") -> bytes:
    try:
        return _ENCODER.encode(packed)
    except OverflowError:
        return _ENCODER.encode(_texts(astuple(packed)))


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
