"""Columns of executions and of aggregates, as exact integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MARKET, RPI, OTHER, VOID = 0, 1, 2, 3  # what an id was spent on; OTHER is insurance fund and ADL


@dataclass(frozen=True, slots=True)
class Rows:
    """Holds events of one symbol in order of id; price and size are scaled integers, times are ms UTC.

    `push` is the market time at which the venue sends the event; it never decreases. For single executions `first` and
    `last` equal `ids`. `net` is the size without RPI fills.
    """

    ids: Ints
    price: Ints
    qty: Ints
    net: Ints
    first: Ints
    last: Ints
    time: Ints
    push: Ints
    maker: Bools
    flag: Ints

    def __len__(self) -> int:
        """Counts the rows."""
        return len(self.ids)

    def cut(self, lo: int, hi: int) -> Rows:
        """Returns the rows of positions [lo, hi) without copying."""
        return Rows(*(column[lo:hi] for column in self.columns()))

    def where(self, keep: Bools) -> Rows:
        """Returns the rows that a mask keeps."""
        return Rows(*(column[keep] for column in self.columns()))

    def columns(self) -> tuple[NDArray[Any], ...]:
        """Lists the columns in the order of the constructor."""
        return (
            self.ids,
            self.price,
            self.qty,
            self.net,
            self.first,
            self.last,
            self.time,
            self.push,
            self.maker,
            self.flag,
        )


class Series(Protocol):
    """Serves the events of one symbol and kind by position, id and time; positions run from `start` without a hole."""

    start: int

    def cut(self, lo: int, hi: int) -> Rows:
        """Returns the rows of positions [lo, hi)."""
        ...

    def pushed(self, ms: int) -> int:
        """Returns the position after the last event pushed at or before `ms`."""
        ...

    def timed(self, ms: int) -> int:
        """Returns the position of the first event whose time is at or after `ms`."""
        ...

    def numbered(self, number: int) -> int:
        """Returns the position of the first event whose id is at least `number`."""
        ...


class ArraySeries:
    """Serves rows that are all in memory."""

    def __init__(self, rows: Rows) -> None:
        """Takes rows in order of id."""
        self.rows = rows
        self.start = 0
        self._time = np.maximum.accumulate(rows.time) if len(rows) else rows.time

    def cut(self, lo: int, hi: int) -> Rows:
        """Returns the rows of positions [lo, hi)."""
        return self.rows.cut(max(lo, 0), max(hi, lo, 0))

    def pushed(self, ms: int) -> int:
        """Returns the position after the last event pushed at or before `ms`."""
        return int(np.searchsorted(self.rows.push, ms, side="right"))

    def timed(self, ms: int) -> int:
        """Returns the position of the first event whose time is at or after `ms`."""
        return int(np.searchsorted(self._time, ms, side="left"))

    def numbered(self, number: int) -> int:
        """Returns the position of the first event whose id is at least `number`."""
        return int(np.searchsorted(self.rows.ids, number, side="left"))


class EndedSeries:
    """Serves a series up to a position and nothing behind it: the symbol has stopped trading."""

    def __init__(self, series: Series, end: int) -> None:
        """Ends before the position `end`."""
        self._series = series
        self._end = end
        self.start = series.start

    def cut(self, lo: int, hi: int) -> Rows:
        """Returns the rows of positions [lo, hi)."""
        return self._series.cut(min(lo, self._end), min(hi, self._end))

    def pushed(self, ms: int) -> int:
        """Returns the position after the last event pushed at or before `ms`."""
        return min(self._series.pushed(ms), self._end)

    def timed(self, ms: int) -> int:
        """Returns the position of the first event whose time is at or after `ms`."""
        return min(self._series.timed(ms), self._end)

    def numbered(self, number: int) -> int:
        """Returns the position of the first event whose id is at least `number`."""
        return min(self._series.numbered(number), self._end)


@dataclass(frozen=True, slots=True)
class Scale:
    """Writes scaled integers as the venue does: `digits` count, the text is padded to `wire` decimals."""

    digits: int
    wire: int

    def text(self, value: int) -> str:
        """Formats an integer in units of 10^-digits."""
        pad = max(self.wire - self.digits, 0)
        if not self.digits:
            return f"{value}." + "0" * pad if pad else str(value)
        whole, part = divmod(abs(value), 10**self.digits)
        return f"{'-' if value < 0 else ''}{whole}.{part:0{self.digits}d}{'0' * pad}"

    def plain(self, value: int) -> str:
        """Formats without padding, as filters such as tickSize need it."""
        return Scale(self.digits, 0).text(value)


def rows_from(columns: dict[str, list[int]], maker: list[bool], push: Ints | None = None) -> Rows:
    """Builds rows from lists named as the fields; `net`, `first`, `last` and `flag` may be left out."""
    got = {name: np.array(values, dtype=np.int64) for name, values in columns.items()}
    ids = got["ids"]
    pushed = got["push"] if push is None else push
    return Rows(
        ids=ids,
        price=got["price"],
        qty=got["qty"],
        net=got.get("net", got["qty"]),
        first=got.get("first", ids),
        last=got.get("last", ids),
        time=got["time"],
        push=np.maximum.accumulate(pushed) if len(pushed) else pushed,
        maker=np.array(maker, dtype=np.bool_),
        flag=got.get("flag", np.zeros(len(ids), dtype=np.int64)),
    )
