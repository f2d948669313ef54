"""Reads numbers of contracts as sizes in base units: exact, or where a contract is worth quote units, rounded once."""

from collections.abc import Sequence
from functools import lru_cache

from gapless.errors import BadNumber
from gapless.model import Tape
from gapless.model.number import digits_of, divided, scaled
from gapless.venues.quantities import exact

_COUNTED = 8  # digits of a number of inverse contracts: finer than any lot


def sizes(counts: Sequence[str], prices: Sequence[int], tape: Tape) -> list[int]:
    """Give the sizes of numbers of contracts at their prices, in units of their tape.

    Those of an inverse contract are count x worth / price, each rounded half to even to the digits of the tape, and
    never to nothing.
    """
    if tape.contract_size == "1" and not tape.inverse:
        return exact(counts, tape.size_digits)
    worth, digits = _worth(tape.contract_size)
    if tape.inverse:
        unit, per = worth * 10 ** (tape.price_digits + tape.size_digits), 10 ** (_COUNTED + digits)
        if min(prices) <= 0:
            raise BadNumber(f"at a price of {min(prices)} nothing of {tape.name} has a size")
        found = exact(counts, _COUNTED)
        return [
            max(divided(count * unit, price * per), 1) if count else 0
            for count, price in zip(found, prices, strict=True)
        ]
    if digits > tape.size_digits:
        raise BadNumber(f"a contract of {tape.contract_size} has more digits than the sizes of {tape.name}")
    return [count * worth for count in exact(counts, tape.size_digits - digits)]


def turnover(count: str, tape: Tape) -> int:
    """Give what a number of inverse contracts is worth, in units of the quote sums of their tape."""
    worth, digits = _worth(tape.contract_size)
    unit = 10 ** (tape.price_digits + tape.size_digits)
    return divided(scaled(count, _COUNTED) * worth * unit, 10 ** (_COUNTED + digits))


@lru_cache
def _worth(contract_size: str) -> tuple[int, int]:
    """Read what a contract is worth: an integer in units of 10^-digits, and the digits."""
    digits = digits_of(contract_size)
    return scaled(contract_size, digits), digits
