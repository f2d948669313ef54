"""An order book kept by its venue's sequence rules: snapshots, diffs, and nothing shown that is not known.

All documented rules are one once a diff says which id it continues (`DepthDiff.since`). Sizes are absolute, so
a diff from `since` to `last` leads from a book at any id in between to the book at `last`:

- Binance spot: a diff begins at U, hence since = U - 1; its rule U <= local + 1 is since <= local.
- Binance USD-M: U says little (ids are shared by all symbols), `pu` links, hence since = pu. The documented
  first diff (U <= lastUpdateId <= u) has pu < U and so satisfies since <= lastUpdateId; we also take a first
  diff with pu <= lastUpdateId < U, before which nothing is missing either, and save a snapshot.
- A diff that ends at or before the local id brings nothing. One that begins after it proves a loss.

Source: developers.binance.com, "How to manage a local order book correctly", for both products.
"""

from bisect import bisect_left, insort
from collections import deque
from enum import Enum

from gapless.model.book import BookEvent, BookState, DepthDiff, DepthSnapshot, Levels

Best = tuple[int, int] | None
"""A (price, size), or None where none is known."""


class _Link(Enum):
    NEXT = 1
    PAST = 2
    GAP = 3


def _link(diff: DepthDiff, at: int) -> _Link:
    """Say how a diff stands to a book at an id."""
    if diff.since == at or diff.since < at < diff.last:
        return _Link.NEXT
    return _Link.PAST if diff.last <= at else _Link.GAP


class _Half:
    """One side of a book, sorted so that the best price is last, where most changes are and cost least.

    A key is the price for bids and its negative for asks. Where a snapshot was cut off, levels beyond its last
    one are left out: their neighbours were never seen, and a best price or a depth from them would be wrong.
    """

    __slots__ = ("edge", "keys", "sign", "sizes")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.clear()

    def clear(self) -> None:
        self.keys: list[int] = []
        self.sizes: dict[int, int] = {}
        self.edge: int | None = None

    def load(self, levels: Levels, *, limit: int | None) -> None:
        self.sizes = {self.sign * price: size for price, size in levels}
        self.keys = sorted(self.sizes)
        self.edge = self.keys[0] if limit is not None and self.keys and len(levels) >= limit else None

    def change(self, levels: Levels) -> None:
        keys, sizes, edge, sign = self.keys, self.sizes, self.edge, self.sign
        for price, size in levels:
            key = sign * price
            if edge is not None and key < edge:
                continue
            if size:
                if key not in sizes:
                    insort(keys, key)
                sizes[key] = size
            elif sizes.pop(key, None) is not None:
                del keys[bisect_left(keys, key)]

    def best(self) -> Best:
        return (self.sign * self.keys[-1], self.sizes[self.keys[-1]]) if self.keys else None

    def top(self, levels: int) -> list[tuple[int, int]]:
        return [(self.sign * key, self.sizes[key]) for key in self.keys[: -levels - 1 : -1]]


class Book:
    """A book as a state machine: diffs and snapshots in, an event for each out.

    Diffs may come before the first snapshot and are kept, at most the `keep` newest. They are kept while the
    book is live too, so that a snapshot which lags the stream can renew it at any time. A snapshot that is too
    old for the diffs kept changes nothing. In a `linked` book each diff names the one before it, in ids that may
    begin anew; then nothing else shows a loss: not a crossed book, which auctions have, and of the diffs before the
    book's id only one that is later in time.
    """

    def __init__(self, *, keep: int = 600, linked: bool = False) -> None:
        self._linked = linked
        self.state = BookState.WAITING
        self.last = 0
        self.time = 0
        self._bids = _Half(1)
        self._asks = _Half(-1)
        self._kept: deque[DepthDiff] = deque(maxlen=keep)

    def diff(self, diff: DepthDiff) -> BookEvent:
        """Take the next diff of the stream."""
        if self.state is not BookState.LIVE:
            self._kept.append(diff)
            return BookEvent.BUFFERED
        link = _link(diff, self.last)
        if link is _Link.PAST:
            lost = self._linked and diff.time > self.time
            return self._break(BookEvent.GAP) if lost else BookEvent.IGNORED
        self._kept.append(diff)
        if link is _Link.GAP:
            return self._break(BookEvent.GAP)
        self._change(diff)
        return self._judge(BookEvent.APPLIED)

    def snapshot(self, snapshot: DepthSnapshot) -> BookEvent:
        """Take a snapshot, in any state, and bring it up to date with the diffs kept."""
        at, later = snapshot.last, []
        for diff in self._kept:
            link = _link(diff, at)
            if link is _Link.GAP:
                return BookEvent.OLD
            if link is _Link.NEXT:
                later.append(diff)
                at = diff.last
        if self.state is BookState.LIVE and at < self.last:
            return BookEvent.OLD
        self._bids.load(snapshot.bids, limit=snapshot.limit)
        self._asks.load(snapshot.asks, limit=snapshot.limit)
        self.state, self.last, self.time = BookState.LIVE, snapshot.last, snapshot.time
        for diff in later:
            self._change(diff)
        return self._judge(BookEvent.JOINED)

    def best(self) -> tuple[Best, Best]:
        """Give the best bid and the best ask as far as they are known."""
        return self._bids.best(), self._asks.best()

    def top(self, levels: int) -> tuple[Levels, Levels]:
        """Give at most so many known bids and asks, best first; fewer where the snapshot showed no more."""
        return self._bids.top(levels), self._asks.top(levels)

    @property
    def depth(self) -> tuple[int, int]:
        """How many levels of each side are known."""
        return len(self._bids.keys), len(self._asks.keys)

    def _change(self, diff: DepthDiff) -> None:
        self._bids.change(diff.bids)
        self._asks.change(diff.asks)
        self.last, self.time = diff.last, diff.time

    def _judge(self, event: BookEvent) -> BookEvent:
        bids, asks = self._bids, self._asks
        if bids.keys and asks.keys:
            crossed = bids.keys[-1] >= -asks.keys[-1] and not self._linked
            return self._break(BookEvent.CROSSED) if crossed else event
        cut_off = any(half.edge is not None and not half.keys for half in (bids, asks))
        return BookEvent.EXHAUSTED if cut_off else event

    def _break(self, event: BookEvent) -> BookEvent:
        """Show nothing until a newer snapshot comes."""
        self.state = BookState.BROKEN
        self._bids.clear()
        self._asks.clear()
        return event
