"""How many bars a smoothing needs before what came earlier cannot matter any more."""

from functools import lru_cache

FORGOTTEN = 1e-9  # the weight of everything earlier


@lru_cache(maxsize=1_000)
def forgotten_after(*factors: float, most: int) -> int:
    """Give the bars after which exponential smoothings, one of the other, weigh what came before below 1e-9.

    A smoothing gives the newest value the weight `factor`, from 0 to 1; the bars are at most `most`. The weights of
    a cascade are those of a sum of geometric waiting times: `left[i]` is what has come through i of its stages.
    """
    left = [1.0, *[0.0] * (len(factors) - 1)] if factors else []
    bars = 0
    while sum(left) >= FORGOTTEN and bars < most:
        moved = [part * factor for part, factor in zip(left, factors, strict=True)]
        left = [part - gone + came for part, gone, came in zip(left, moved, [0.0, *moved], strict=False)]
        bars += 1
    return bars


def ema(period: int) -> float:
    """Give the factor of an EMA."""
    return 2 / (period + 1)


def wilder(period: int) -> float:
    """Give the factor of Wilder's smoothing."""
    return 1 / period
