"""The synthetic order book: at every 100 ms a pure function of time, so that diffs and snapshots agree."""

from __future__ import annotations

import numpy as np

from gapless.sim.market import Depth, Diff, Level
from gapless.sim.rows import Ints
from gapless.sim.synthetic.generator import Generator
from gapless.sim.synthetic.hashes import below, hashed, key_of

STEP_MS = 100
REACH = 400  # ticks from the middle that the book shows on each side
IDS_A_STEP = 64  # update ids spent in a step
FIRST_ID = 5_000_000_000


class GeneratedBook:
    """Derives levels from the price path: an even tick is never taken, bids lie below it, asks above."""

    def __init__(self, generator: Generator) -> None:
        """Shares the path of the trades."""
        self._path = generator.path
        self._futures = generator.futures
        self._lot = generator.item.lot
        self._tick = generator.item.tick
        self._key = key_of(generator.key, 19)

    def _number(self, ms: int) -> int:
        return FIRST_ID + ms // STEP_MS % 10**10 * IDS_A_STEP

    def _quantities(self, ticks: Ints, ms: int) -> Ints:
        """Returns the quantity at each price: it changes every 1.6 to 25 s, and a quarter of the prices is empty."""
        own = hashed(self._key, ticks)
        period = STEP_MS * (16 + below(own, 240))
        word = hashed(key_of(self._key, 1), ticks * 1_000_003 + (ms + below(own << np.uint64(7), 25_000)) // period)
        empty = (word & np.uint64(3)) == 0
        return np.where(empty, 0, 1 + below(word, 8 * self._lot))

    def _side(self, ms: int, reach: int, sign: int) -> tuple[Ints, Ints]:
        middle = int(self._path.ticks(np.array([ms], dtype=np.int64))[0]) // 2 * 2
        ticks = middle + sign * np.arange(1, reach + 1, dtype=np.int64)
        ticks = ticks[ticks > 0]
        return ticks, self._quantities(ticks, ms)

    def _levels(self, ms: int, sign: int, levels: int) -> list[Level]:
        ticks, quantities = self._side(ms, min(levels * 2 + 24, REACH), sign)
        held = np.flatnonzero(quantities)[:levels]
        return list(zip((ticks[held] * self._tick).tolist(), quantities[held].tolist(), strict=True))

    def at(self, ms: int, levels: int) -> Depth:
        """Returns the best levels as they stood at a market instant."""
        step = ms // STEP_MS * STEP_MS
        return Depth(self._number(step), step, self._levels(step, -1, levels), self._levels(step, 1, levels))

    def diff(self, after: int, upto: int) -> Diff | None:
        """Returns what changed in (after, upto]; USD-M ids jump, spot's follow each other."""
        then, now = after // STEP_MS * STEP_MS, upto // STEP_MS * STEP_MS
        if then == now:
            return None
        sides = []
        for sign in (-1, 1):
            old = dict(zip(*(column.tolist() for column in self._side(then, REACH, sign)), strict=True))
            new = dict(zip(*(column.tolist() for column in self._side(now, REACH, sign)), strict=True))
            changed = [(t * self._tick, q) for t, q in new.items() if old.get(t, 0) != q]
            changed += [(t * self._tick, 0) for t, q in old.items() if q and t not in new]
            sides.append(sorted(changed))
        previous = self._number(then)
        first = previous + 1 + (7 if self._futures else 0)
        return Diff(first, self._number(now), previous, now, sides[0], sides[1])
