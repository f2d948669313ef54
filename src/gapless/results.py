"""What the Python reader gives: typed rows with exact values, and frames of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from msgspec import Struct, field, json

from gapless.model.signal import Fact
from gapless.volumes import Footprint, Span

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

R = TypeVar("R")


class Candle(Struct, frozen=True, kw_only=True):
    """A bar; prices and volumes are None where nothing is held. `start` is UTC.

    `state` is open, traded, empty or missing; `origin` venue or tape; `proof` missing, partial, disputed,
    official, repaired or proven; `polled` says that a bar of the venue in it was asked for by REST, or read from a
    file, and did not come by the stream. `indicators` has the columns that were asked for, None where a value is not
    complete.
    """

    start: datetime
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    volume: Decimal | None
    quote_volume: Decimal | None
    trades: int | None
    taker_buy_volume: Decimal | None
    taker_buy_quote_volume: Decimal | None
    state: str
    short: bool
    origin: str | None
    proof: str
    revision: int
    polled: bool
    indicators: dict[str, float | int | None] = {}


class Trade(Struct, frozen=True, kw_only=True):
    """A trade of the primary tape; `side` is the aggressor's: buy, sell or unknown. `received` is when it came."""

    seq: int
    time: datetime
    price: Decimal
    size: Decimal
    side: str
    fills: int
    first_fill: int
    received: datetime


class SourceSpan(Struct, frozen=True, kw_only=True):
    """Minutes of [start, end) that came from one source; None where no source has them."""

    source: str | None
    start: datetime
    end: datetime


class ConsolidatedCandle(Candle, frozen=True, kw_only=True):
    """A bar of a consolidated instrument: `source` where all of it came from one, `sources` minute by minute."""

    source: str | None
    sources: tuple[SourceSpan, ...]


class ConsolidatedTrade(Struct, frozen=True, kw_only=True):
    """A trade of a consolidated tape, with the source that it came from and its id there."""

    source: str
    seq: int
    time: datetime
    price: Decimal
    size: Decimal
    side: str
    fills: int
    first_fill: int


class Switch(Struct, frozen=True, kw_only=True):
    """Another source became active: `instant` is the exchange time from which on it counts, `known_at` ours."""

    instrument: str
    former: str | None = field(name="from")
    to: str
    reason: str
    instant: datetime | None
    known_at: datetime
    sources: tuple[str, ...]


class Signal(Struct, frozen=True, kw_only=True):
    """What a rule found in a closed bar, as its newest judgement says.

    `end` is when the bar closed, `side` buy, sell or None, `state` found, confirmed or withdrawn, `judgement` how often
    it was judged anew, `values` the facts and thresholds that it rests on: prices and volumes as plain decimal text.
    """

    instrument: str
    timeframe: str
    start: datetime
    end: datetime
    kind: str
    side: str | None
    state: str
    price: Decimal
    score: float | None
    proof: str
    revision: int
    judgement: int
    known_at: datetime
    values: dict[str, Fact]


class Gap(Struct, frozen=True, kw_only=True):
    """A hole of a tape that was wanted and not held; `state` is open, repaired or permanent."""

    instrument: str
    tape: str
    first: int
    last: int
    ids: int
    state: str
    cause: str
    reason: str
    opened: datetime
    closed: datetime | None


class Hole(Struct, frozen=True, kw_only=True):
    """Ids that are wanted and not held now, between times where the neighbours tell them."""

    first: int
    last: int
    since: datetime | None
    until: datetime | None
    cause: str
    state: str
    reason: str


class Coverage(Struct, frozen=True, kw_only=True):
    """What the ledger says of one tape: ids wanted, held (by evidence) and void, rows, and every hole."""

    tape: str
    instrument: str
    kind: str
    epoch: int
    began: int | None
    first: int | None
    last: int | None
    first_time: datetime | None
    last_time: datetime | None
    intervals: int
    wanted: int
    held: int
    rows: int
    voids: int
    repaired: float
    before: int
    expired: int
    ladders_expired: int
    evidence: dict[str, int]
    holes: tuple[Hole, ...]


class Instrument(Struct, frozen=True, kw_only=True):
    """A product of a venue; `tick` is the price step."""

    id: str
    unified: str
    kind: str
    status: str
    tick: Decimal
    price_digits: int
    size_digits: int
    listed: datetime | None


class Ticker(Struct, frozen=True, kw_only=True):
    """A rolling 24 h summary; what the venue's tickers do not tell is None."""

    instrument: str
    time: datetime | None
    last: Decimal | None
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    volume: Decimal | None
    quote_volume: Decimal | None
    change_percent: Decimal | None
    trades: int | None
    first_id: int | None
    last_id: int | None
    bid: Decimal | None
    ask: Decimal | None


class Quote(Struct, frozen=True, kw_only=True):
    """The best bid and ask; `time` is None where the venue gives none."""

    instrument: str
    update: int
    time: datetime | None
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal


class Layout(Struct, frozen=True):
    """How rows lie in a frame: columns with their type, the index, and the records of a list of rows."""

    columns: tuple[tuple[str, str], ...]
    records: Callable[[Sequence[Any]], Iterable[tuple[Any, ...]]]


def _attributes(*names: str) -> Callable[[Sequence[Any]], Iterable[tuple[Any, ...]]]:
    def records(rows: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        for row in rows:
            yield tuple(getattr(row, name) for name in names)

    return records


def _of(columns: tuple[tuple[str, str], ...]) -> Layout:
    return Layout(columns, _attributes(*(name for name, _ in columns)))


def _levels(rows: Sequence[Footprint]) -> Iterator[tuple[Any, ...]]:
    for bar in rows:
        for row in bar.rows:
            yield (bar.start, row.price, row.bid, row.ask, row.unknown, row.delta, row.trades, bar.proof)


CANDLES = _of((
    ("start", "time"), ("open", "number"), ("high", "number"), ("low", "number"), ("close", "number"),
    ("volume", "number"), ("quote_volume", "number"), ("trades", "count"), ("taker_buy_volume", "number"),
    ("taker_buy_quote_volume", "number"), ("state", "word"), ("short", "flag"), ("origin", "word"),
    ("proof", "word"), ("revision", "count"), ("polled", "flag"),
))  # fmt: skip
TRADES = _of((
    ("time", "time"), ("seq", "count"), ("price", "number"), ("size", "number"), ("side", "word"),
    ("fills", "count"), ("first_fill", "count"), ("received", "time"),
))  # fmt: skip


CONSOLIDATED = _of((*CANDLES.columns, ("source", "word")))
CONSOLIDATED_TRADES = _of((("source", "word"), *(column for column in TRADES.columns if column[0] != "received")))


def _signals(rows: Sequence[Signal]) -> Iterator[tuple[Any, ...]]:
    for row, plain in zip(rows, _SIGNALS.records(rows), strict=True):
        yield (*plain, json.encode(row.values).decode())


_SIGNALS = _of((
    ("end", "time"), ("start", "time"), ("instrument", "word"), ("timeframe", "word"), ("kind", "word"),
    ("side", "word"), ("state", "word"), ("price", "number"), ("score", "number"), ("proof", "word"),
    ("revision", "count"), ("judgement", "count"), ("known_at", "time"),
))  # fmt: skip
SIGNALS = Layout((*_SIGNALS.columns, ("values", "word")), _signals)


def candles_layout(indicators: Sequence[str] = ()) -> Layout:
    """Give the layout of candles with columns of indicators."""

    def records(rows: Sequence[Candle]) -> Iterator[tuple[Any, ...]]:
        for row, values in zip(rows, CANDLES.records(rows), strict=True):
            yield (*values, *(row.indicators[name] for name in indicators))

    return Layout((*CANDLES.columns, *((name, "number") for name in indicators)), records)


FOOTPRINTS = Layout((
    ("start", "time"), ("price", "number"), ("bid", "number"), ("ask", "number"), ("unknown", "number"),
    ("delta", "number"), ("trades", "count"), ("proof", "word"),
), _levels)  # fmt: skip


class Rows(Sequence[R], Generic[R]):
    """An answer: its rows in order, and what is known of them.

    `proof` is the worst of the rows, `revision` grows with every change of them, `sources` names the evidence,
    `missing` lists [start, end) of what was asked for and is not held, `elapsed_ms` is how long it took,
    `fetch` what a running gapless did to get what it did not hold (None: a store was read).
    """

    def __init__(
        self, rows: Sequence[R], layout: Layout, *, proof: str | None, revision: int, sources: Sequence[str],
        missing: Sequence[Span], elapsed_ms: float, fetch: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self._rows = tuple(rows)
        self._layout = layout
        self.proof = proof
        self.revision = revision
        self.sources = tuple(sources)
        self.missing = tuple(missing)
        self.elapsed_ms = elapsed_ms
        self.fetch = fetch

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[R]: ...
    def __getitem__(self, index: int | slice) -> R | Sequence[R]:
        return self._rows[index]

    def __repr__(self) -> str:
        return f"<{len(self._rows)} rows, {self.proof}, sources {', '.join(self.sources)}>"

    def _columns(self) -> dict[str, list[Any]]:
        """Lay the rows out by column, numbers as floats."""
        records = list(self._layout.records(self._rows))
        return {
            name: [None if r[i] is None else float(r[i]) for r in records]
            if kind == "number"
            else [r[i] for r in records]
            for i, (name, kind) in enumerate(self._layout.columns)
        }

    def to_polars(self) -> "polars.DataFrame":
        """Give a frame: Float64 for prices and volumes, times with microseconds in UTC."""
        import polars as pl

        kinds: dict[str, Any] = {
            "time": pl.Datetime("us", "UTC"),
            "number": pl.Float64,
            "count": pl.Int64,
            "word": pl.String,
            "flag": pl.Boolean,
        }
        schema = {name: kinds[kind] for name, kind in self._layout.columns}
        return pl.DataFrame(self._columns(), schema=schema)

    def to_pandas(self) -> "pandas.DataFrame":
        """Give a frame whose index is the first time column, in UTC; needs pandas."""
        pd: Any = _needed("pandas", "pandas", "to_pandas")
        index, *others = self._layout.columns
        columns = self._columns()
        frame = pd.DataFrame(
            {name: columns[name] for name, _ in others},
            index=pd.DatetimeIndex(pd.to_datetime(columns[index[0]], utc=True), name=index[0]),
        )
        kinds = {"number": "float64", "count": "Int64", "flag": "bool"}
        found: pandas.DataFrame = frame.astype({name: kinds[kind] for name, kind in others if kind in kinds})
        return found

    def to_arrow(self) -> "pyarrow.Table":
        """Give an Arrow table; needs pyarrow."""
        _needed("pyarrow", "arrow", "to_arrow")
        return self.to_polars().to_arrow()

    def to_ohlcv(self: "Rows[Candle]") -> list[list[float | None]]:
        """Give candles as ccxt does: [ms, open, high, low, close, volume], floats; None where nothing is held."""
        return [
            [
                round(candle.start.timestamp() * 1_000),
                *(
                    None if value is None else float(value)
                    for value in (candle.open, candle.high, candle.low, candle.close, candle.volume)
                ),
            ]
            for candle in self
        ]


def _needed(module: str, extra: str, method: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"{method}() needs {module}: pip install 'gapless[{extra}]'") from error
