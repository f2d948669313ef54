"""Turns holes into steps: one page each, so that one request fills every hole that it can reach."""

from collections.abc import Iterable

from msgspec import Struct

from gapless.tape.coverage import Range


class Step(Struct, frozen=True):
    """One request's worth of a tape: ids `first` to `last`, of which `missing` are not held."""

    first: int
    last: int
    missing: int


def pages(holes: Iterable[Range], size: int) -> list[Step]:
    """Lay pages of at most `size` ids over holes, oldest first: each begins at a hole and takes all it reaches."""
    steps: list[Step] = []
    first = last = missing = 0
    for begin, end in sorted(holes):
        at = begin
        while at <= end:
            if missing and at < first + size:
                last = min(end, first + size - 1)
                missing += last - at + 1
            else:
                if missing:
                    steps.append(Step(first, last, missing))
                first, last = at, min(end, at + size - 1)
                missing = last - at + 1
            at = last + 1
    if missing:
        steps.append(Step(first, last, missing))
    return steps


def first_page(holes: list[Range], size: int) -> Step | None:
    """Give the first page over holes, however many and however long they are."""
    if not holes:
        return None
    end = holes[0][0] + size - 1
    return pages([(first, min(last, end)) for first, last in holes if first <= end], size)[0]


class Patience:
    """Which holes are old enough to be asked for: what arrives late by itself is not paid for."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def ripe(self, holes: list[Range], now: int, *, grace: int) -> list[Range]:
        """Give the holes that were seen at least `grace` ns ago; `now` is monotonic ns."""
        self._seen = {last: self._seen.get(last, now) for _, last in holes}
        return [hole for hole in holes if now - self._seen[hole[1]] >= grace]
