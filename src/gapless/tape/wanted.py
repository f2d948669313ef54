"""What is wanted of a tape: ranges of ids."""

from collections.abc import Iterable

from gapless.tape.coverage import Range


def joined_ranges(ranges: Iterable[Range]) -> list[Range]:
    """Sort ranges and join those that touch or overlap."""
    result: list[Range] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return result


def trimmed(ranges: Iterable[Range], first: int) -> list[Range]:
    """Cut off what lies before an id in the range that contains it: the venue has nothing there.

    Ranges that end before it are another interval's and stay.
    """
    return [(max(a, first), b) if a < first <= b + 1 else (a, b) for a, b in ranges if not (a < first == b + 1)]


def ended(ranges: Iterable[Range], last: int) -> list[Range]:
    """Cut off what lies after an id: the venue will have nothing there."""
    return [(a, min(b, last)) for a, b in ranges if a <= last]
