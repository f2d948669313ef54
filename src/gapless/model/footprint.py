"""Volume by price: the stored 1-minute ladder and the footprint formed from it."""

from msgspec import Struct


class Ladder(Struct, frozen=True):
    """Volume at each traded price of one span, ascending, with the running delta's bounds.

    `prices` are scaled integers; `bids`, `asks` and `unknowns` are the sums of aggressor sells, aggressor buys
    and trades without a side; `trades` counts executions. `delta` is asks minus bids over the span;
    `min_delta` and `max_delta` bound its running value in time order and include the 0 that it starts from.
    """

    prices: tuple[int, ...] = ()
    bids: tuple[int, ...] = ()
    asks: tuple[int, ...] = ()
    unknowns: tuple[int, ...] = ()
    trades: tuple[int, ...] = ()
    delta: int = 0
    min_delta: int = 0
    max_delta: int = 0
