"""The synthetic order book: at every 100 ms a pure function of time, so that diffs and snapshots agree."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from gapless.sim.market import Depth, Diff, Level
from gapless.sim.rows import Ints
from gapless.sim.synthetic.generator import Generator
from gapless.sim.synthetic.hashes import below, hashed, key_of

STEP_MS = 100
BLOCK_STEPS = 100
KEEP_BLOCKS = 16
KEEP_WHOLES = 12
REACH = 400  # ticks from the middle that the book shows on each side
IDS_A_STEP = 64  # update ids spent in a step
FIRST_ID = 5_000_000_000


def number_at(ms: int) -> int:
    """Returns the update id at a market instant: the same on every connection, and it only grows."""
    return FIRST_ID + ms // STEP_MS % 10**10 * IDS_A_STEP


class GeneratedBook:
    """Derives levels from the price path: an even tick is never taken, bids lie below it, asks above."""

    def __init__(self, generator: Generator) -> None:
        """Shares the path of the trades."""
        self._path = generator.path
        self._futures = generator.futures
        self._lot = generator.item.lot
        self._tick = generator.item.tick
        self._key = key_of(generator.key, 19)
        self._middles: OrderedDict[int, list[int]] = OrderedDict()
        self._wholes: OrderedDict[tuple[int, int], dict[int, int]] = OrderedDict()

    def _quantities(self, ticks: Ints, ms: int) -> Ints:
        """Returns the quantity at each price: it changes every 1.6 to 25 s, and a quarter of the prices is empty."""
        own = hashed(self._key, ticks)
        period = STEP_MS * (16 + below(own, 240))
        word = hashed(key_of(self._key, 1), ticks * 1_000_003 + (ms + below(own << np.uint64(7), 25_000)) // period)
        empty = (word & np.uint64(3)) == 0
        return np.where(empty, 0, 1 + below(word, 8 * self._lot))

    def _middle(self, ms: int) -> int:
        """Returns the even tick between bids and asks; ten seconds are made at once."""
        block, place = divmod(ms // STEP_MS, BLOCK_STEPS)
        found = self._middles.get(block)
        if found is None:
            steps = np.arange(block * BLOCK_STEPS, (block + 1) * BLOCK_STEPS, dtype=np.int64)
            found = self._middles[block] = (self._path.ticks(steps * STEP_MS) // 2 * 2).tolist()
            if len(self._middles) > KEEP_BLOCKS:
                self._middles.popitem(last=False)
        return found[place]

    def _whole(self, ms: int, sign: int) -> dict[int, int]:
        """Returns quantity by tick of one side; the newest few instants are kept."""
        found = self._wholes.get((ms, sign))
        if found is None:
            ticks, quantities = self._side(ms, REACH, sign)
            found = self._wholes[ms, sign] = dict(zip(ticks.tolist(), quantities.tolist(), strict=True))
            if len(self._wholes) > KEEP_WHOLES:
                self._wholes.popitem(last=False)
        return found

    def _side(self, ms: int, reach: int, sign: int) -> tuple[Ints, Ints]:
        ticks = self._middle(ms) + sign * np.arange(1, reach + 1, dtype=np.int64)
        ticks = ticks[ticks > 0]
        return ticks, self._quantities(ticks, ms)

    def _levels(self, ms: int, sign: int, levels: int) -> list[Level]:
        ticks, quantities = self._side(ms, min(levels * 2 + 24, REACH), sign)
        held = np.flatnonzero(quantities)[:levels]
        return list(zip((ticks[held] * self._tick).tolist(), quantities[held].tolist(), strict=True))

    def at(self, ms: int, levels: int) -> Depth:
        """Returns the best levels as they stood at a market instant."""
        step = ms // STEP_MS * STEP_MS
        return Depth(number_at(step), step, self._levels(step, -1, levels), self._levels(step, 1, levels))

    def diff(self, after: int, upto: int) -> Diff | None:
        """Returns what changed in (after, upto]; USD-M ids jump, spot's follow each other."""
        then, now = after // STEP_MS * STEP_MS, upto // STEP_MS * STEP_MS
        if then == now:
            return None
        sides = []
        for sign in (-1, 1):
            old, new = self._whole(then, sign), self._whole(now, sign)
            changed = [(t * self._tick, q) for t, q in new.items() if old.get(t, 0) != q]
            changed += [(t * self._tick, 0) for t, q in old.items() if q and t not in new]
            sides.append(sorted(changed))
        previous = number_at(then)
        first = previous + 1 + (7 if self._futures else 0)
        return Diff(first, number_at(now), previous, now, sides[0], sides[1])
