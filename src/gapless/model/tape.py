"""A tape and the trades on it."""

from enum import IntEnum
from typing import Literal

from msgspec import Struct

TapeKind = Literal["agg", "span", "trade", "bars"]


class Side(IntEnum):
    """The aggressor's side."""

    SELL = -1
    UNKNOWN = 0
    BUY = 1


SIDE_NAMES = {1: "buy", -1: "sell", 0: "unknown"}


class Tape(Struct, frozen=True, kw_only=True):
    """An ordered record of one kind of event of one instrument, numbered by the venue.

    `id` is the store's key (0 while it has none). A new `epoch` begins when ids restart, a symbol is relisted
    or digits grow. Prices are in units of 10^-price_digits, sizes of 10^-size_digits, `tick` in price units.
    Rows of `trade` are single executions, rows of `agg` aggregates with numbers of their own; a row of `span` stands
    for the ids from `first_fill` to its own. A tape of `bars` is numbered by the minute since 1970. `began` is the
    first id that the venue ever gave, where it is known: nothing lies before it. The venue writes sizes in units of
    `contract_size` (plain decimal text) of the base asset, or of the quote asset where the contract is `inverse`; ours
    are always base units.
    """

    id: int = 0
    instrument: str
    kind: TapeKind
    epoch: int = 0
    price_digits: int
    size_digits: int
    tick: int = 1
    contract_size: str = "1"
    inverse: bool = False
    began: int | None = None
    ended: int | None = None

    @property
    def name(self) -> str:
        """The tape as people read it: `binance:BTCUSDT agg`."""
        return f"{self.instrument} {self.kind}" + (f" #{self.epoch}" if self.epoch else "")

    def first_of(self, row: "Trade") -> int:
        """Give the first id that a row stands for."""
        return row.first_fill if self.kind == "span" else row.seq


class Trade(Struct, frozen=True, gc=False, array_like=True):
    """One execution (or one aggregate of `fills` executions) on a tape.

    `time` is the venue's ns UTC; `price` and `size` are scaled integers; `side` is the aggressor's (1 buy,
    -1 sell, 0 unknown); `first_fill` is the id of its first execution; `received` is when it was first known, ns.
    """

    seq: int
    time: int
    price: int
    size: int
    side: int
    fills: int
    first_fill: int
    received: int
