"""Numbers as the venue writes them."""

from __future__ import annotations

from gapless.sim.bars import Bar, interval_next
from gapless.sim.market import Symbol
from gapless.sim.synthetic.book import IDS_A_STEP, STEP_MS, number_at

BASE_DIGITS = 8  # of sums in the base of an inverse contract


def text(value: int, digits: int) -> str:
    """Writes an integer in units of 10^-digits without trailing zeros."""
    if not digits:
        return str(value)
    whole, part = divmod(value, 10**digits)
    return f"{whole}.{part:0{digits}d}".rstrip("0") if part else str(whole)


def numbered(symbol: Symbol, number: int, ms: int) -> int:
    """Returns the sequence number of an update of the book at a market instant: maintenance lets them begin anew."""
    if not symbol.renumbered_ms:
        return number
    begun = max((at for at in symbol.renumbered_ms if at <= ms), default=None)
    return number if begun is None else number - number_at(begun) + 1


def sequence(symbol: Symbol, ms: int) -> int:
    """Returns the sequence number of a trade at a market instant, of the row that the book counts in."""
    return numbered(symbol, number_at(ms) + ms % STEP_MS * IDS_A_STEP // STEP_MS, ms)


def amounts(symbol: Symbol, bar: Bar, base: str | None = None) -> tuple[str, str, str]:
    """Writes (vol, volCcy, volCcyQuote) of a bar; `base` is what an inverse contract's trades came to in its base.

    Without it, that is estimated by the average price.
    """
    contract, p, s = symbol.contract, symbol.price.digits, symbol.size.digits
    volume = text(bar.volume, s)
    if contract is None:
        turnover = text(bar.quote, p + s)
        return volume, turnover, turnover
    worth, digits = bar.volume * contract.value, s + contract.digits
    if contract.inverse:
        about = worth * bar.volume * 10 ** (BASE_DIGITS + p - digits) // bar.quote if bar.quote else 0
        return volume, base or text(about, BASE_DIGITS), text(worth, digits)
    return volume, text(worth, digits), text(bar.quote * contract.value, p + digits)


def sums(symbol: Symbol, interval: str, bar: Bar) -> list[str | None]:
    """Returns what a closed bar tells beside its prices: volume in base units, quote volume, no counts."""
    volume, currency, quote = amounts(symbol, bar, base_volume(symbol, interval, bar))
    return [volume if symbol.contract is None else currency, quote, None, None, None]


def base_volume(symbol: Symbol, interval: str, bar: Bar, upto: int | None = None) -> str | None:
    """Returns what the trades of a bar of an inverse contract came to in its base, trade by trade; else None.

    `upto` is the market instant at which it stood so, None for the whole bar.
    """
    contract, fills = symbol.contract, symbol.fills
    if contract is None or not contract.inverse or fills is None:
        return None
    end = fills.timed(interval_next(interval, bar.start))
    end = end if upto is None else min(end, fills.pushed(upto))
    begin = fills.timed(bar.start)
    rows = fills.cut(begin, max(end, begin))
    unit = contract.value * 10 ** (BASE_DIGITS + symbol.price.digits - contract.digits - symbol.size.digits)
    return text(round(float((rows.qty / rows.price).sum()) * unit), BASE_DIGITS)
