"""How long a disk lasts, by what comes a day and how long each kind stays."""

from collections.abc import Iterable

Growth = tuple[float, float | None]
"""Bytes a day of one kind, and for how many days it still grows before as much goes as comes; None: for ever."""


def days_left(growing: Iterable[Growth], free: float) -> float | None:
    """Give the days until so many bytes are used up; None where everything that grows stops before."""
    if free <= 0:
        return 0.0
    kinds = [(rate, until) for rate, until in growing if rate > 0 and (until is None or until > 0)]
    passed = 0.0
    for stop in sorted({until for _, until in kinds if until is not None}):
        rate = sum(rate for rate, until in kinds if until is None or until > passed)
        if rate * (stop - passed) >= free:
            return passed + free / rate
        free -= rate * (stop - passed)
        passed = stop
    rate = sum(rate for rate, until in kinds if until is None)
    return passed + free / rate if rate else None
