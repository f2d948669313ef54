"""Puts events in order by the venue's own ids: what is new, what was doubled, what is missing."""

from collections.abc import Sequence as Rows
from itertools import pairwise

from msgspec import Struct

from gapless.model import Evidence, Trade
from gapless.tape.coverage import Coverage, Range
from gapless.tape.page import runs
from gapless.tape.wanted import joined_ranges


class Arrival(Struct):
    """What a batch of events brought: rows to keep, ranges now vouched for, and what was wrong with it.

    `newest` is the event of the highest id among those that were not held, also where it is no row or left out; None
    without any.
    """

    rows: list[Trade]
    vouched: list[Range]
    newest: Trade | None
    doubled: int = 0
    in_order: bool = True


class Sequence:
    """The order of one tape, fed with runs of events as they arrive.

    The fast path is one check of a whole run: it begins right after the newest id and has no break. Whatever
    else comes is sorted out one by one against the coverage. An event of price 0 and size 0 is an id spent
    without a trade: it is vouched for and gives no row. On a `spanning` tape an event stands for the ids of all its
    executions, the last of which is its own; one of which a part is held already is left out, and the rest of it is a
    hole, because its parts come one by one where history is asked.
    """

    __slots__ = ("_spanning", "coverage", "next")

    def __init__(self, coverage: Coverage, *, spanning: bool = False) -> None:
        self.coverage = coverage
        self._spanning = spanning
        newest = coverage.newest
        self.next: int | None = None if newest is None else newest + 1

    def append(self, run: list[Trade]) -> Arrival:
        """Take a run of streamed events; what comes late or twice is told apart from what is new."""
        first, last = run[0].first_fill if self._spanning else run[0].seq, run[-1].seq
        if first == self.next and (_joined(run) if self._spanning else _unbroken(run, first, last)):
            self.next = last + 1
            self.coverage.add(first, last, Evidence.STREAM)
            return Arrival(_traded(run), [(first, last)], run[-1])
        if self.next is not None and last < self.next and self._held(run):
            return Arrival([], [], None, len(run))
        return self._sort_out(run)

    def _held(self, run: list[Trade]) -> bool:
        """Say whether all of a run is held: while two connections carry a stream, most comes twice."""
        seqs = [trade.seq for trade in run]
        return not self.coverage.missing(min(seqs), max(seqs))

    def _sort_out(self, run: list[Trade]) -> Arrival:
        coverage = self.coverage
        fresh: dict[int, Trade] = {}
        newest: Trade | None = None
        for trade in run:
            if trade.seq in coverage or trade.seq in fresh:
                continue
            if newest is None or trade.seq > newest.seq:
                newest = trade
            if not self._held_in_part(trade):
                fresh[trade.seq] = trade
        rows = sorted(fresh.values(), key=lambda trade: trade.seq)
        rows = _apart(rows) if self._spanning else rows
        in_order = bool(rows) and rows[0].seq >= (self.next or 0)
        vouched = joined_ranges((row.first_fill, row.seq) for row in rows) if self._spanning else runs(rows)
        for first, last in vouched:
            coverage.add(first, last, Evidence.STREAM)
        if rows:
            self.next = max(self.next or 0, rows[-1].seq + 1)
        return Arrival(_traded(rows), vouched, newest, len(run) - len(rows), in_order)

    def _held_in_part(self, trade: Trade) -> bool:
        ids = (trade.first_fill, trade.seq)
        return self._spanning and self.coverage.missing(*ids) != [ids]

    def fill(self, rows: Rows[Trade], vouched: Range, evidence: Evidence) -> Arrival:
        """Take a page that vouches for a range of ids; rows already held are left out."""
        first, last = vouched
        coverage = self.coverage
        new = [trade for trade in rows if first <= trade.seq <= last and trade.seq not in coverage]
        coverage.add(first, last, evidence)
        self.next = max(self.next or 0, last + 1)
        return Arrival(_traded(new), [vouched], new[-1] if new else None, len(rows) - len(new), in_order=False)


def _unbroken(run: list[Trade], first: int, last: int) -> bool:
    return last - first + 1 == len(run) and [trade.seq for trade in run] == list(range(first, last + 1))


def _joined(run: list[Trade]) -> bool:
    """Say whether each event begins where the one before it ends."""
    return all(later.first_fill == earlier.seq + 1 for earlier, later in pairwise(run))


def _apart(rows: list[Trade]) -> list[Trade]:
    """Leave out events that stand for ids of one before them: which of the two is right, history tells."""
    kept: list[Trade] = []
    for row in rows:
        if not kept or row.first_fill > kept[-1].seq:
            kept.append(row)
    return kept


def _traded(run: list[Trade]) -> list[Trade]:
    """Leave out ids that were spent without a trade; most runs have none."""
    if 0 not in [trade.size for trade in run]:
        return run
    return [trade for trade in run if trade.size]
