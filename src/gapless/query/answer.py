"""What every face is given: rows with their proof, sources, and what is missing."""

from msgspec import Struct

from gapless.consolidate.minute import Digits, SourceSpan
from gapless.model import Candle, Proof, Timeframe, Trade
from gapless.model.signal import Judged

Span = tuple[int, int]


class WarmUp(Struct, frozen=True):
    """How many bars before the rows their indicators need, and how many of them are held without a break."""

    needed: int
    held: int


class CandleAnswer(Struct, kw_only=True):
    """Candles of one instrument and timeframe, ascending, and what is known of them.

    `proof` is the worst of the rows, `revision` the sum of theirs, so that it grows with every change;
    `sources` names the evidence; `missing` lists [start, end) of what was asked for and is not held, ns UTC.
    `indicators` has a value a row for each column, None where it is not complete.
    """

    instrument: str
    timeframe: Timeframe
    price_digits: int
    size_digits: int
    rows: list[Candle]
    sources: list[str]
    missing: list[Span]
    elapsed_ms: float
    indicators: dict[str, list[float | int | None]] = {}
    warm_up: WarmUp | None = None

    @property
    def proof(self) -> Proof:
        """The worst proof of the rows."""
        return min((row.proof for row in self.rows), default=Proof.MISSING)

    @property
    def revision(self) -> int:
        """The sum of the rows' revisions."""
        return sum(row.revision for row in self.rows)


class ConsolidatedAnswer(CandleAnswer, kw_only=True):
    """Candles of a consolidated instrument; `spans` say of every minute of the rows which source it came from."""

    spans: list[SourceSpan]


class ConsolidatedTrades(Struct, kw_only=True):
    """A stretch of a consolidated tape as (source, trade), in the digits of each source; `next` is where it goes on."""

    instrument: str
    digits: dict[str, Digits]
    rows: list[tuple[str, Trade]]
    proof: Proof
    sources: list[str]
    missing: list[Span]
    next: str | None
    elapsed_ms: float


class TradeAnswer(Struct, kw_only=True):
    """Trades of the primary tape of one instrument, by id."""

    instrument: str
    price_digits: int
    size_digits: int
    rows: list[Trade]
    proof: Proof
    sources: list[str]
    missing: list[Span]
    elapsed_ms: float


class SignalAnswer(Struct, kw_only=True):
    """Signals by the time that their bars closed, each as its newest judgement; `next` is where a page goes on, ns."""

    rows: list[Judged]
    next: int | None
    elapsed_ms: float
