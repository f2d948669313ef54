"""The price path: noise of ten octaves between hashed lattice points; any instant is known without those before it."""

from __future__ import annotations

import numpy as np

from gapless.sim.rows import Ints
from gapless.sim.synthetic.hashes import Floats, hashed, key_of, uniform

SECOND = 1_000
OCTAVES = 10
VOLATILITY = 1.1e-4  # of the price, a square root of a second


class Path:
    """Gives the price level in ticks at any time."""

    def __init__(self, key: int, middle: int) -> None:
        """Takes a key and the middle price in ticks."""
        self._keys = [key_of(key, octave) for octave in range(OCTAVES)]
        self._middle = middle

    def _seconds(self, first: int, last: int) -> Floats:
        """Returns the level at whole seconds [first, last], as a share of the middle."""
        grid = np.arange(first, last + 1, dtype=np.int64)
        total = np.ones(len(grid))
        for octave, key in enumerate(self._keys):
            period = 4**octave
            knots = np.arange(first // period, last // period + 2, dtype=np.int64)
            values = (uniform(hashed(key, knots)) - 0.5) * (2.0 * VOLATILITY * 2.0**octave)
            total += np.interp(grid, knots * period, values)
        return total

    def ticks(self, time: Ints) -> Ints:
        """Returns the level in ticks for times in ms; at least 10."""
        if not len(time):
            return time
        first, last = int(time.min()) // SECOND, int(time.max()) // SECOND + 1
        level = np.interp(time, np.arange(first, last + 1, dtype=np.int64) * SECOND, self._seconds(first, last))
        return np.maximum(np.floor(level * self._middle).astype(np.int64), 10)
