"""Reads prices and sizes as venues write them: exact integers in units of 10^-digits of their tape, within bounds."""

import re
from collections.abc import Sequence
from functools import lru_cache

from gapless.errors import BadNumber
from gapless.model import Tape
from gapless.model.number import digits_of, divided, scaled, wide

_MOST_SIZE = 10**15  # units
_MOST_QUOTE = 10**15  # of the quote asset, whole


def exact(texts: Sequence[str], digits: int, padded: int | None = None) -> list[int]:
    """Read texts as integers in units of 10^-digits: one check for the whole run.

    Usual are `digits` after the point, then zeros up to `padded`, or no more than `digits`, without zeros at the end.
    Where a text is of another form, each is read alone.
    """
    zeros = 0 if padded is None else padded - digits
    joined = " ".join(texts)
    if _usual(digits, zeros).fullmatch(joined + " "):
        values = list(map(int, joined.replace(".", "").split(" ")))
        return [value // 10**zeros for value in values] if zeros else values
    if _short(digits).fullmatch(joined + " "):
        parts = [text.partition(".") for text in texts]
        return [int(whole + fraction.ljust(digits, "0")) for whole, _, fraction in parts]
    values = [scaled(text, digits) for text in texts]
    if min(values) < 0:
        raise BadNumber(f"{min(values)} in units of 10^-{digits} is negative")
    return values


def bounded(price: int, size: int, tape: Tape) -> None:
    """Refuse a trade that cannot be: thousands like it would still fit into the 64 bits of a minute's sums."""
    if size > _MOST_SIZE or price * size > _MOST_QUOTE * 10 ** (tape.price_digits + tape.size_digits):
        raise BadNumber(f"a trade of {size} at {price} in units of {tape.name} is too large to be one")


def levels(pairs: Sequence[Sequence[str]], tape: Tape) -> list[tuple[int, int]]:
    """Read levels of a book: price and size, and whatever else stands behind them."""
    return [(scaled(pair[0], tape.price_digits), scaled(pair[1], tape.size_digits)) for pair in pairs]


def nearest(text: str, digits: int) -> int:
    """Read a sum that its venue may tell with more digits than are kept, in units of 10^-digits: half to even."""
    needed = max(digits_of(text), digits)
    return divided(wide(text, needed), 10 ** (needed - digits))


@lru_cache
def _usual(digits: int, zeros: int) -> re.Pattern[str]:
    """Match a run of plain numbers, each followed by a space, that fit into 64 bits whatever their digits."""
    fraction = rf"\.[0-9]{{{digits}}}0{{{zeros}}}" if digits + zeros else ""
    return re.compile(rf"(?:[0-9]{{1,{max(18 - digits, 1)}}}+{fraction} )++")


@lru_cache
def _short(digits: int) -> re.Pattern[str]:
    """Match a run of plain numbers with at most so many digits after the point, each followed by a space."""
    fraction = rf"(?:\.[0-9]{{1,{digits}}})?" if digits else ""
    return re.compile(rf"(?:[0-9]{{1,{max(18 - digits, 1)}}}+{fraction} )++")
