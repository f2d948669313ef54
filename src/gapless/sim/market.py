"""What every simulated market offers: symbols with their events, bars, recorded streams and order book."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from gapless.sim.bars import BarSource
from gapless.sim.rows import Scale, Series

Level = tuple[int, int]  # price, quantity, scaled


@dataclass(frozen=True, slots=True)
class Frame:
    """One recorded stream payload; `key` is the id of its event (trade, aggregate, bar start in ms), else -1."""

    push: int
    order: int
    payload: bytes
    key: int = -1
    closing: bool = False


@dataclass(frozen=True, slots=True)
class Depth:
    """A book at one instant: best levels first; `number` is the last update id that it contains."""

    number: int
    time: int
    bids: list[Level]
    asks: list[Level]


@dataclass(frozen=True, slots=True)
class Diff:
    """A change of the book: absolute quantities, 0 removes; covers update ids `first` to `last`, follows `previous`."""

    first: int
    last: int
    previous: int
    time: int
    bids: list[Level]
    asks: list[Level]


class Book(Protocol):
    """Serves the order book of one symbol; `step_ms` is how often it can change."""

    def at(self, ms: int, levels: int) -> Depth:
        """Returns the best levels as they stood at a market instant."""
        ...

    def diff(self, after: int, upto: int) -> Diff | None:
        """Returns what changed in (after, upto], or None."""
        ...


@dataclass(frozen=True, slots=True)
class Contract:
    """What one unit of size stands for, where it is a contract: `value` x 10^-digits of the base, or of the quote.

    `kind` is the venue's word for it.
    """

    kind: str
    value: int
    digits: int
    inverse: bool = False  # the value is in the quote currency, and the base is what it settles in
    expires_ms: int | None = None


@dataclass(slots=True)
class Symbol:
    """One instrument of a simulated market; `fills` is None when single executions are not known."""

    name: str
    base: str
    quote: str
    price: Scale
    size: Scale
    tick: int
    step: int
    fills: Series | None
    aggs: Series
    bars: BarSource
    began_ms: int
    contract: Contract | None = None
    recorded: dict[str, list[Frame]] = field(default_factory=dict)
    book: Book | None = None
    warm: bool = True  # a day's ticker can be had at once
    ended_ms: int | None = None  # when it stopped trading
    gone_ms: int | None = None  # when the venue ceases to know it
    forgotten_aggs: list[tuple[int, int]] = field(default_factory=list)  # ids that no source has any more
    forgotten_fills: list[tuple[int, int]] = field(default_factory=list)
    renumbered_ms: list[int] = field(default_factory=list)  # when the numbers of its book began anew
    remembered_ms: int | None = None  # how far back trades are known, where it is less than by the venue's rule

    def known(self, ms: int) -> bool:
        """Tells whether the venue knows the symbol at a market instant."""
        return self.gone_ms is None or ms < self.gone_ms


@dataclass(slots=True)
class Market:
    """All symbols of one venue; play begins at `start_ms` and ends by itself at `end_ms` (None: never)."""

    symbols: dict[str, Symbol]
    start_ms: int
    end_ms: int | None
    seed: int | None = None  # of a synthetic market
    make: Callable[[int, int, str | None], Symbol] | None = None  # builds (rank, listed at ms, name), if synthetic
    broadcast: dict[str, list[Frame]] = field(default_factory=dict)


def quote_scale(symbol: Symbol) -> Scale:
    """Returns the scale of quote sums: exact, and at least as wide as the venue writes."""
    digits = symbol.price.digits + symbol.size.digits
    return Scale(digits, max(digits, min(symbol.price.wire + symbol.size.wire, 8)))
