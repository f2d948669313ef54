"""What is held of a tape: ranges of ids, each vouched for by some evidence."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from gapless.model import Evidence, Span

Range = tuple[int, int]


def merged(touching: Iterable[Span], new: Span) -> list[Span]:
    """Lay a new span over those that touch it: the stronger evidence stands, equal neighbours become one.

    The result replaces `touching`. Spans within `touching` must not overlap each other.
    """
    pieces: list[Span] = []
    cursor = new.first
    for old in sorted(touching):
        if old.evidence >= new.evidence:
            if cursor < old.first <= new.last + 1:
                pieces.append(Span(cursor, old.first - 1, new.evidence))
            pieces.append(old)
            cursor = max(cursor, old.last + 1)
            continue
        if old.first < new.first:
            pieces.append(Span(old.first, min(old.last, new.first - 1), old.evidence))
        if old.last > new.last:
            pieces.append(Span(max(old.first, new.last + 1), old.last, old.evidence))
    if cursor <= new.last:
        pieces.append(Span(cursor, new.last, new.evidence))
    return joined(pieces)


def joined(pieces: Iterable[Span]) -> list[Span]:
    """Sort spans and join neighbours of equal evidence."""
    result: list[Span] = []
    for piece in sorted(pieces):
        if result and result[-1].evidence == piece.evidence and result[-1].last + 1 == piece.first:
            result[-1] = Span(result[-1].first, piece.last, piece.evidence)
        else:
            result.append(piece)
    return result


def without(wanted: Range, held: Iterable[Span]) -> list[Range]:
    """List what of a wanted range is not held; `held` is sorted and may reach beyond it."""
    first, last = wanted
    holes: list[Range] = []
    for span in held:
        if span.last < first:
            continue
        if span.first > last:
            break
        if span.first > first:
            holes.append((first, span.first - 1))
        first = span.last + 1
    if first <= last:
        holes.append((first, last))
    return holes


def cut(ranges: Iterable[Range], away: Iterable[Range]) -> list[Range]:
    """Take ranges out of others; both ascending."""
    taken = [Span(first, last, Evidence.STREAM) for first, last in away]
    return [part for whole in ranges for part in without(whole, taken)]


def split(ranges: Iterable[Range], borders: Iterable[int]) -> list[Range]:
    """Cut ranges in two wherever one of the borders, ascending, begins a new part."""
    parts: list[Range] = []
    marks = list(borders)
    for first, last in ranges:
        for border in marks:
            if first < border <= last:
                parts.append((first, border - 1))
                first = border
        parts.append((first, last))
    return parts


class Coverage:
    """The vouched ranges of one tape, kept sorted in memory."""

    __slots__ = ("_firsts", "_spans")

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._spans: list[Span] = sorted(spans)
        self._firsts: list[int] = [span.first for span in self._spans]

    def __iter__(self) -> Iterator[Span]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    @property
    def newest(self) -> int | None:
        """The highest id held."""
        return self._spans[-1].last if self._spans else None

    def add(self, first: int, last: int, evidence: Evidence) -> None:
        """Vouch for ids `first` to `last`."""
        spans = self._spans
        if spans and (tail := spans[-1]).last + 1 == first and tail.evidence == evidence:
            spans[-1] = Span(tail.first, last, evidence)
            return
        low = max(bisect_right(self._firsts, first - 1) - 1, 0)
        high = bisect_right(self._firsts, last + 1)
        replacement = merged(
            [span for span in spans[low:high] if span.last >= first - 1 and span.first <= last + 1],
            Span(first, last, evidence),
        )
        kept = [span for span in spans[low:high] if span.last < first - 1 or span.first > last + 1]
        spans[low:high] = sorted(kept + replacement)
        self._firsts[low:high] = [span.first for span in spans[low : low + len(kept) + len(replacement)]]

    def __contains__(self, seq: int) -> bool:
        index = bisect_right(self._firsts, seq) - 1
        return index >= 0 and self._spans[index].last >= seq

    def within(self, first: int, last: int) -> list[Span]:
        """List the spans that overlap ids `first` to `last`."""
        low = max(bisect_right(self._firsts, first) - 1, 0)
        high = bisect_right(self._firsts, last)
        return [span for span in self._spans[low:high] if span.last >= first]

    def missing(self, first: int, last: int) -> list[Range]:
        """List what of ids `first` to `last` is not held."""
        return without((first, last), self.within(first, last)) if first <= last else []
