"""What is traded: an instrument of a venue, and the ids people use for it."""

from typing import Literal

from msgspec import Struct

Kind = Literal["spot", "perpetual", "future", "forex"]
Status = Literal["trading", "halted", "delisted"]
Environment = Literal["live", "demo", "sim"]


class Instrument(Struct, frozen=True, kw_only=True):
    """One product of one venue, as the venue describes it.

    `price_digits` and `size_digits` say how many digits after the point the venue uses; `tick` is the price
    step in units of 10^-price_digits. `listed` and `delisted` are ns UTC. `contract_size` is plain decimal text.
    """

    venue: str
    symbol: str
    base: str
    quote: str
    kind: Kind
    price_digits: int
    size_digits: int
    tick: int
    contract_size: str = "1"
    status: Status = "trading"
    listed: int | None = None
    delisted: int | None = None
    successor: str | None = None

    @property
    def id(self) -> str:
        """The id `venue:symbol`."""
        return f"{self.venue}:{self.symbol}"

    @property
    def unified(self) -> str:
        """The symbol across venues, in the notation that ccxt made common."""
        pair = f"{self.base}/{self.quote}"
        return f"{pair}:{self.quote}" if self.kind == "perpetual" else pair


def spellings(instrument: Instrument) -> tuple[str, ...]:
    """List the usual spellings of an instrument, lower case, without punctuation that people vary."""
    pair = instrument.base + instrument.quote
    names = {instrument.symbol, pair, instrument.unified}
    return tuple(sorted({squeeze(name) for name in names}))


def squeeze(text: str) -> str:
    """Reduce a spelling to what distinguishes it: letters, digits and the settlement mark."""
    head, colon, tail = text.partition(":")
    kept = "".join(c for c in head.lower() if c.isalnum())
    return kept + (":" + tail.lower() if colon else "")
