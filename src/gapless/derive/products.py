"""Chooses what of a venue is collected where only the venue was named: its usual products, or the busiest of them."""

from collections import Counter
from collections.abc import Iterable

from gapless.derive.tickers import turnover
from gapless.errors import BadNumber
from gapless.model import Instrument, Ticker
from gapless.model.instrument import Kind

_KINDS: tuple[Kind, ...] = ("spot", "perpetual", "forex", "future")


def usual(instruments: Iterable[Instrument]) -> list[Instrument]:
    """List the products that trade, of the kind and in the quote that are usual there.

    That is spot where the venue has it, else perpetuals; and US dollars, unless another quote is more than twice as
    common (as where everything is quoted in USDT, and a few in dollars).
    """
    open_ = [one for one in instruments if one.status == "trading"]
    kind = next((kind for kind in _KINDS if any(one.kind == kind for one in open_)), None)
    mine = [one for one in open_ if one.kind == kind]
    counts = Counter(one.quote for one in mine)
    if not counts:
        return []
    common, most = min(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    quote = "USD" if counts["USD"] * 2 >= most else common
    return [one for one in mine if one.quote == quote]


def busiest(instruments: Iterable[Instrument], tickers: Iterable[Ticker], most: int) -> list[Instrument]:
    """List the products with the highest quote volume of 24 h, the highest first; those without any are left out.

    Where a venue does not tell it, it is the volume at the last price. Equal ones go by their id.
    """
    turnovers = {ticker.instrument: _turnover(ticker) for ticker in tickers}
    traded = [(-turnovers.get(one.id, 0), one.id, one) for one in instruments if turnovers.get(one.id, 0) > 0]
    return [one for _, _, one in sorted(traded, key=lambda row: row[:2])[:most]]


def _turnover(ticker: Ticker) -> int:
    try:
        return turnover(ticker)
    except BadNumber:
        return 0
