"""Volume by price: the stored 1-minute ladder and the footprint formed from it."""

from typing import Literal

from msgspec import Struct

FindingKind = Literal["absorption", "exhaustion"]
Extreme = Literal["high", "low"]


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


class Row(Struct, frozen=True, gc=False):
    """Volume of one price row; `price` is its lowest tick, `trades` counts executions of every side."""

    price: int
    bid: int
    ask: int
    unknown: int
    trades: int

    @property
    def total(self) -> int:
        """All volume of the row, of every side."""
        return self.bid + self.ask + self.unknown

    @property
    def delta(self) -> int:
        """Aggressor buys minus aggressor sells."""
        return self.ask - self.bid


class Imbalance(Struct, frozen=True, gc=False):
    """A row whose aggressor of `side` (1 buy, -1 sell) outweighs the diagonally opposite one.

    `volume` is that side's in the row at `price`; `opposite` is the bid one row below for a buy, the ask one
    row above for a sell.
    """

    price: int
    side: int
    volume: int
    opposite: int


class Zone(Struct, frozen=True, gc=False):
    """Adjacent imbalances of one side, from the row at `low` to the row at `high`, both included."""

    side: int
    low: int
    high: int
    rows: int


class Finding(Struct, frozen=True, gc=False):
    """A heuristic that fired at the bar's high or low.

    `volume` is the attacking volume that was judged (buys at the high, sells at the low) in the `rows` rows
    nearest the extreme: their sum for absorption, the extreme row's for exhaustion.
    """

    kind: FindingKind
    at: Extreme
    rows: int
    volume: int


class Footprint(Struct, frozen=True, kw_only=True):
    """The volume of one span by price row and side, and what follows from it.

    `rows` run from low to high without a hole: a row where nothing traded is a zero row. Each row is
    `ticks_per_row` ticks high, and every price here (`poc`, `val` and `vah` too) names a row by its lowest tick,
    in units of 10^-price_digits; the value area therefore reaches up to `vah + row_height`, exclusive.
    Without a trade there are no rows, and `poc`, `val` and `vah` are None.

    `value_volume` is the volume inside the value area, which grew by `rows_per_step` rows at a time.
    `unfinished` names the extremes where both sides traded, None where that cannot be judged (more than one
    tick a row). `high_nodes` and `low_nodes` are the HVN and LVN. `thresholds` holds every setting that the
    judgements above depend on.
    """

    tick: int
    ticks_per_row: int
    rows: tuple[Row, ...] = ()
    volume: int = 0
    delta: int = 0
    min_delta: int = 0
    max_delta: int = 0
    poc: int | None = None
    val: int | None = None
    vah: int | None = None
    value_volume: int = 0
    rows_per_step: int
    imbalances: tuple[Imbalance, ...] = ()
    stacked: tuple[Zone, ...] = ()
    unfinished: tuple[Extreme, ...] | None = None
    high_nodes: tuple[int, ...] = ()
    low_nodes: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()
    thresholds: dict[str, int]

    @property
    def row_height(self) -> int:
        """The height of a row in price units."""
        return self.tick * self.ticks_per_row

    @property
    def bid(self) -> int:
        """All aggressor sells."""
        return sum(row.bid for row in self.rows)

    @property
    def ask(self) -> int:
        """All aggressor buys."""
        return sum(row.ask for row in self.rows)

    @property
    def unknown(self) -> int:
        """All volume without a side."""
        return sum(row.unknown for row in self.rows)

    @property
    def trades(self) -> int:
        """All executions."""
        return sum(row.trades for row in self.rows)

    @property
    def value_area_share(self) -> float | None:
        """The share of the volume that the value area reached, for display; None without volume."""
        return self.value_volume / self.volume if self.volume else None
