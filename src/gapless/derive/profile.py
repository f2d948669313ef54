"""Volume profiles: point of control, value area, volume nodes; by integers, over the totals of rows low to high."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from itertools import groupby

from msgspec import Struct


def poc_of(totals: Sequence[int]) -> int:
    """Give the index of the largest total; ties go to the row nearest the middle, then to the lower one."""
    most, middle = max(totals), len(totals) - 1
    return min((i for i, total in enumerate(totals) if total == most), key=lambda i: abs(2 * i - middle))


def value_area(totals: Sequence[int], *, percent: int = 70, rows_per_step: int = 2) -> "ValueArea":
    """Grow from the point of control until `percent` of the volume is reached.

    Each step compares the next `rows_per_step` rows above with as many below and takes the larger sum; ties go
    up, what lies beyond the end counts 0, and a side without rows yields. `totals` must not be empty.
    """
    poc = poc_of(totals)
    low, high, reached = poc, poc + 1, totals[poc]  # half-open: the slices below need no special case
    wanted = percent * sum(totals)
    while 100 * reached < wanted:
        above = sum(totals[high : high + rows_per_step])
        below = sum(totals[max(0, low - rows_per_step) : low])
        if high < len(totals) and above >= below:
            high, reached = min(len(totals), high + rows_per_step), reached + above
        else:
            low, reached = max(0, low - rows_per_step), reached + below
    return ValueArea(poc, low, high - 1, reached)


def nodes(totals: Sequence[int], *, high_percent: int = 130, low_percent: int = 50) -> tuple[list[int], list[int]]:
    """Give the indexes of the high and of the low volume nodes.

    A node is a local extreme of the 3-row mean whose value is at least `high_percent`, or at most `low_percent`,
    of the mean row. Beyond both ends lie zero rows; of equal neighbours the middle one (the lower of two) counts.
    """
    padded = [0, *totals, 0]
    sums = [sum(padded[i : i + 3]) for i in range(len(totals))]
    runs, begin = [(0, 0, 0)], 0
    for value, group in groupby(sums):
        end = begin + len(list(group))
        runs.append((value, begin, end))
        begin = end
    runs.append((0, begin, begin))
    scaled_mean, scale = 3 * sum(totals), 100 * len(totals)  # (sum / 3) / (total / n) = sum * n / (3 * total)
    highs, lows = [], []
    for (before, *_), (value, start, end), (after, *_) in zip(runs, runs[1:], runs[2:], strict=False):
        row = (start + end - 1) // 2
        if before < value > after and value * scale >= high_percent * scaled_mean:
            highs.append(row)
        if before > value < after and value * scale <= low_percent * scaled_mean:
            lows.append(row)
    return highs, lows


def naked(bars: Iterable["PocBar | None"], *, height: int = 1) -> list[int]:
    """Give the indexes of the bars whose point of control no later bar's range has touched.

    Bars come in time order, None for one without trades. A point of control is a row, `height` price units high.
    """
    untouched: list[tuple[int, int]] = []
    for index, bar in enumerate(bars):
        if bar is None:
            continue
        lowest_touched = bisect_left(untouched, (bar.low - height + 1, 0))
        del untouched[lowest_touched : bisect_left(untouched, (bar.high + 1, 0))]
        insort(untouched, (bar.poc, index))
    return sorted(index for _, index in untouched)


def median_twice(values: Iterable[int]) -> int:
    """Give twice the median, which is an integer where the median may be none."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] + ordered[~middle]


class ValueArea(Struct, frozen=True):
    """Rows by index, `low` to `high` inclusive around `poc`, with the volume that they hold."""

    poc: int
    low: int
    high: int
    volume: int


class PocBar(Struct, frozen=True, gc=False):
    """A bar's point of control and range, in price units."""

    poc: int
    low: int
    high: int
