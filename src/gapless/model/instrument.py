"""What is traded: an instrument of a venue, and the ids people use for it."""

from typing import Literal

from msgspec import Struct

from gapless.model.tape import Tape, TapeKind
from gapless.model.times import iso

Kind = Literal["spot", "perpetual", "future", "forex"]
Status = Literal["trading", "halted", "delisted"]
Environment = Literal["live", "demo", "sim"]


class Instrument(Struct, frozen=True, kw_only=True):
    """One product of one venue, as the venue describes it.

    `price_digits` and `size_digits` say how many digits after the point the venue uses; `tick` is the price
    step in units of 10^-price_digits. `listed` and `delisted` are ns UTC. `contract_size` is plain decimal text: what
    one contract is worth, in base units, or in quote units where it is `inverse`. Sizes are base units everywhere.
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
    inverse: bool = False
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
        if self.kind not in ("perpetual", "future"):
            return pair
        return f"{pair}:{self.base if self.inverse else self.quote}" + (f"-{self._expiry}" if self._expiry else "")

    def scale(self, kind: TapeKind) -> Tape:
        """A tape that no store holds: with the digits and the unit in which rows of a kind are read."""
        return Tape(
            instrument=self.id, kind=kind, price_digits=self.price_digits, size_digits=self.size_digits, tick=self.tick,
            contract_size=self.contract_size, inverse=self.inverse,
        )  # fmt: skip

    @property
    def _expiry(self) -> str:
        """The day on which a dated contract ends, YYMMDD; empty for others."""
        return iso(self.delisted)[2:10].replace("-", "") if self.kind == "future" and self.delisted else ""


def spellings(instrument: Instrument) -> tuple[str, ...]:
    """List the usual spellings of an instrument, lower case, without punctuation that people vary."""
    return tuple(sorted({squeeze(instrument.base + instrument.quote), *own_spellings(instrument)}))


def own_spellings(instrument: Instrument) -> tuple[str, ...]:
    """List those of its spellings that mean no other instrument of its pair: its symbol and its unified symbol."""
    return tuple(sorted({squeeze(instrument.symbol), squeeze(instrument.unified)}))


def squeeze(text: str) -> str:
    """Reduce a spelling to what distinguishes it: letters, digits and the settlement mark."""
    head, colon, tail = text.partition(":")
    kept = "".join(c for c in head.lower() if c.isalnum())
    return kept + (":" + tail.lower() if colon else "")
