"""An order book's values: a snapshot of it, and the changes between two of its ids."""

from collections.abc import Sequence
from enum import Enum

from msgspec import Struct

Levels = Sequence[tuple[int, int]]
"""(price, size) pairs, scaled integers."""


class DepthDiff(Struct, frozen=True, gc=False):
    """The levels that changed in the updates `first` to `last`, with their new sizes; size 0 removes a level.

    `previous` is the last id of the diff before, where the venue names it, else None: then ids run on by one.
    `time` is the venue's, ns UTC.
    """

    first: int
    last: int
    previous: int | None
    time: int
    bids: Levels
    asks: Levels

    @property
    def since(self) -> int:
        """The id of the book that this diff changes."""
        return self.first - 1 if self.previous is None else self.previous


class DepthSnapshot(Struct, frozen=True, gc=False):
    """The levels of a book at the id `last`, best first; `time` is ns UTC.

    `limit` is the number of levels a side that was asked for: a side with as many may go on beyond them, in
    levels that nobody has seen. None says that both sides are whole.
    """

    last: int
    time: int
    bids: Levels
    asks: Levels
    limit: int | None = None


class BookState(Enum):
    """Whether a book can be read."""

    WAITING = "waiting"  # no snapshot yet
    LIVE = "live"
    BROKEN = "broken"  # was live; only a newer snapshot helps


class BookEvent(Enum):
    """What a diff or a snapshot did to a book."""

    BUFFERED = "buffered"  # kept until a snapshot comes
    APPLIED = "applied"
    IGNORED = "ignored"  # nothing in it is new
    JOINED = "joined"  # the snapshot, with the diffs kept since, is the live book
    OLD = "old"  # the snapshot ends before the diffs that are kept begin; they are kept for the next one
    GAP = "gap"  # a diff before this one is missing
    CROSSED = "crossed"  # the best bid is not below the best ask: something is missing, though no id says so
    EXHAUSTED = "exhausted"  # applied, but the price is out of the levels that the snapshot showed; at every diff

    @property
    def wants_snapshot(self) -> bool:
        """Whether only another snapshot makes the book whole."""
        return self in _WANTING


_WANTING = frozenset({BookEvent.OLD, BookEvent.GAP, BookEvent.CROSSED, BookEvent.EXHAUSTED})
