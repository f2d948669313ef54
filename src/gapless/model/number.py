"""Exact numbers: integers in units of 10^-digits, checked at the edge."""

import re
from decimal import Decimal

from gapless.errors import BadNumber

_PLAIN = re.compile(r"-?\d+(\.\d*)?", re.ASCII)
INT64 = 2**63 - 1


def scaled(text: str, digits: int) -> int:
    """Read a plain decimal text as an integer in units of 10^-digits; exact or `BadNumber`."""
    if _PLAIN.fullmatch(text) is None:
        raise BadNumber(f"{text!r} is no plain decimal number")
    whole, _, fraction = text.partition(".")
    kept, dropped = fraction[:digits], fraction[digits:]
    if dropped.strip("0"):
        raise BadNumber(f"{text} has more than {digits} digits after the point")
    value = int(whole + kept.ljust(digits, "0"))
    if not -INT64 <= value <= INT64:
        raise BadNumber(f"{text} with {digits} digits does not fit into 64 bits")
    return value


def wide(text: str, digits: int) -> int:
    """Read a sum as an integer in units of 10^-digits, dropping nothing but zeros; its whole part fits into 64 bits."""
    if _PLAIN.fullmatch(text) is None:
        raise BadNumber(f"{text!r} is no plain decimal number")
    whole, _, fraction = text.partition(".")
    if fraction[digits:].strip("0"):
        raise BadNumber(f"{text} has more than {digits} digits after the point")
    if abs(int(whole)) > INT64:
        raise BadNumber(f"{text} does not fit into 64 bits")
    return int(whole + fraction[:digits].ljust(digits, "0"))


def digits_of(text: str) -> int:
    """Count the digits after the point that a plain decimal text needs (trailing zeros need none)."""
    return len(text.partition(".")[2].rstrip("0"))


def plain(value: int, digits: int) -> str:
    """Write a scaled integer as a plain decimal text with exactly `digits` digits after the point."""
    if digits == 0:
        return str(value)
    sign = "-" if value < 0 else ""
    whole, fraction = divmod(abs(value), 10**digits)
    return f"{sign}{whole}.{fraction:0{digits}d}"


def decimal(value: int, digits: int) -> Decimal:
    """Give a scaled integer as a Decimal, exactly: reading text never rounds, arithmetic does at 28 digits."""
    return Decimal(f"{value}E-{digits}")


def divided(numerator: int, denominator: int) -> int:
    """Divide exactly and round once, half to even; the denominator is above zero."""
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2))


def rounded(numerator: int, denominator: int, digits: int = 2) -> float:
    """Give a ratio as a number for display, rounded once to `digits` digits after the point."""
    unit: int = 10**digits
    return divided(numerator * unit, denominator) / unit
