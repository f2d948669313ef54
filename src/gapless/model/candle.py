"""Candles: the venue's bars, the folds of our trades, and what is served."""

from msgspec import Struct

from gapless.model.proof import Origin, Proof, State

UNTOLD = -1  # a value that the venue's bar does not tell


class Bar(Struct, frozen=True, gc=False):
    """The nine values of one bar, scaled, with the ids of its first and last trade (-1 where there are none).

    Prices are in units of 10^-price_digits, volumes of 10^-size_digits and quote sums of
    10^-(price_digits + size_digits); quote sums may pass 64 bits. What a venue's bars do not tell is `UNTOLD`.
    """

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int = UNTOLD
    trades: int = UNTOLD
    taker_buy_volume: int = UNTOLD
    taker_buy_quote_volume: int = UNTOLD
    first_id: int = -1
    last_id: int = -1


class Candle(Struct, frozen=True, gc=False):
    """A bar as it is served. Values are None when nothing is held; `start` is ns UTC.

    `first_seq` and `last_seq` are the first and last id of the bar on the primary tape (or as the venue's bar
    names them), -1 where there are none. `edge` says that the bar contains the beginning or end of the tape;
    `border` that the border rule explains a difference between the venue's bar and ours; `polled` that the
    venue's bar was asked for, and did not come by its stream. `lent` names, as bits (`LENT_QUOTE`, `LENT_COUNTS`),
    what the venue's bar does not tell and our fold does, which agrees with all that it tells.
    """

    start: int
    open: int | None = None
    high: int | None = None
    low: int | None = None
    close: int | None = None
    volume: int | None = None
    quote_volume: int | None = None
    trades: int | None = None
    taker_buy_volume: int | None = None
    taker_buy_quote_volume: int | None = None
    first_seq: int = -1
    last_seq: int = -1
    state: State = State.MISSING
    short: bool = False
    origin: Origin | None = None
    proof: Proof = Proof.MISSING
    revision: int = 0
    edge: bool = False
    border: bool = False
    polled: bool = False
    lent: int = 0


LENT_QUOTE = 1  # the quote volume
LENT_COUNTS = 2  # the number of trades, and what takers bought


VALUES = (
    "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume",
)  # fmt: skip


class MinuteFold(Struct, frozen=True):
    """One minute of a tape folded: its bar (ids are those of single executions), its ids, its ladder (encoded).

    The ladder is empty where it has expired.
    """

    bar: Bar
    first_seq: int
    last_seq: int
    ladder: bytes
