"""What the Python reader gives of volume by price: footprints, many of them at once, and profiles."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

Span = tuple[datetime, datetime]


class FootprintRow(Struct, frozen=True, kw_only=True):
    """Volume of one price row, named by its lowest tick: aggressor sells (bid), buys (ask), and without a side."""

    price: Decimal
    bid: Decimal
    ask: Decimal
    unknown: Decimal
    delta: Decimal
    trades: int


class Imbalance(Struct, frozen=True, kw_only=True):
    """A row whose buys or sells outweigh the diagonally opposite side."""

    price: Decimal
    side: str
    volume: Decimal
    opposite: Decimal


class Zone(Struct, frozen=True, kw_only=True):
    """Adjacent imbalances of one side."""

    side: str
    low: Decimal
    high: Decimal
    rows: int


class Finding(Struct, frozen=True, kw_only=True):
    """A heuristic that fired at the bar's high or low."""

    kind: str
    at: str
    rows: int
    volume: Decimal


class Quality(Struct, frozen=True, kw_only=True):
    """How much a footprint says: a score of 1 to 10, the share of the venue's volume held (None: unknown), reasons."""

    score: int
    completeness: float | None
    reasons: tuple[str, ...]


class Footprint(Struct, frozen=True, kw_only=True):
    """The volume of one bar by price and side, rows from low to high, and what follows from it.

    `cvd` and `poc_naked` are known only among the bars of one answer; `error` says why there are no rows though
    there are trades. What an answer says of its moment (`quality`, `sources`, `elapsed_ms`) an event does not.
    """

    instrument: str
    timeframe: str
    start: datetime
    end: datetime
    short: bool
    state: str
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    rows: tuple[FootprintRow, ...]
    poc: Decimal | None
    vah: Decimal | None
    val: Decimal | None
    value_area_share: float | None
    rows_per_step: int
    tick: Decimal
    ticks_per_row: int
    row_height: Decimal
    volume: Decimal
    bid: Decimal
    ask: Decimal
    unknown: Decimal
    trades: int
    delta: Decimal
    min_delta: Decimal
    max_delta: Decimal
    imbalances: tuple[Imbalance, ...]
    stacked: tuple[Zone, ...]
    unfinished: tuple[str, ...] | None
    high_nodes: tuple[Decimal, ...]
    low_nodes: tuple[Decimal, ...]
    findings: tuple[Finding, ...]
    thresholds: dict[str, int]
    proof: str
    quality: Quality | None = None
    revision: int
    sources: tuple[str, ...] = ()
    missing: tuple[Span, ...]
    error: str | None
    elapsed_ms: float | None = None
    cvd: Decimal | None = None
    poc_naked: bool | None = None


class Profile(Struct, frozen=True, kw_only=True):
    """The volume profile of one session, rows from low to high; its value area grows by two rows at a time.

    `hvn` and `lvn` are the rows of high and of low volume. `poc_naked`: no later session has touched the point of
    control, the open one included; None where a later one is not held whole.
    """

    instrument: str
    session: str
    start: datetime
    end: datetime
    short: bool
    state: str
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    rows: tuple[FootprintRow, ...]
    poc: Decimal | None
    vah: Decimal | None
    val: Decimal | None
    value_area_share: float | None
    rows_per_step: int
    hvn: tuple[Decimal, ...]
    lvn: tuple[Decimal, ...]
    poc_naked: bool | None
    tick: Decimal
    ticks_per_row: int
    row_height: Decimal
    volume: Decimal
    bid: Decimal
    ask: Decimal
    unknown: Decimal
    trades: int
    delta: Decimal
    min_delta: Decimal
    max_delta: Decimal
    proof: str
    quality: Quality | None
    revision: int
    sources: tuple[str, ...]
    missing: tuple[Span, ...]
    error: str | None
    elapsed_ms: float


class BatchItem(Struct, frozen=True, kw_only=True):
    """What became of one candle of a batch: held, fetched, partial, missing or failed, and why it is not whole.

    `footprint` is None where the candle could not be understood or formed.
    """

    id: str
    timeframe: str
    outcome: str
    error: str | None
    footprint: Footprint | None


class Batch(Struct, frozen=True, kw_only=True):
    """The footprints of many candles, in the order asked; whole ones are successful, all others failed."""

    requested: int
    successful: int
    failed: int
    results: tuple[BatchItem, ...]
    elapsed_ms: float
