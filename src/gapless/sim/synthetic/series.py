"""Positions, ids and times of generated events; a position is an id."""

from __future__ import annotations

import bisect

import numpy as np

from gapless.sim.bars import DAY
from gapless.sim.rows import Rows
from gapless.sim.synthetic.generator import Generator

LATE_MS = 120  # no event is pushed later than this after its chunk's end


class GeneratedSeries:
    """Serves executions or aggregates of one instrument from its generator."""

    def __init__(self, generator: Generator, began_ms: int, *, aggregates: bool) -> None:
        """Begins at a midnight."""
        self._generator = generator
        self._aggregates = aggregates
        self._day = generator.day_aggs if aggregates else generator.day_ids
        self.start = began_ms // DAY * self._day

    def _chunk_at(self, ms: int) -> int:
        day, rest = divmod(ms, DAY)
        count = self._generator.chunks
        return day * count + min(bisect.bisect_right(self._generator.edges, rest) - 1, count - 1)

    def _rows(self, chunk: int) -> Rows:
        made = self._generator.chunk(chunk)
        return made.aggs if self._aggregates else made.fills

    def _base(self, chunk: int) -> int:
        number, part = divmod(chunk, self._generator.chunks)
        day = self._generator.day(number)
        bounds = day.agg_bounds if self._aggregates else day.id_bounds
        return number * self._day + int(bounds[part])

    def _chunk_of(self, position: int) -> int:
        number, within = divmod(position, self._day)
        day = self._generator.day(number)
        bounds = day.agg_bounds if self._aggregates else day.id_bounds
        return number * self._generator.chunks + min(
            int(np.searchsorted(bounds, within, side="right")) - 1, self._generator.chunks - 1
        )

    def cut(self, lo: int, hi: int) -> Rows:
        """Returns the rows of positions [lo, hi)."""
        lo = max(lo, self.start)
        if hi <= lo:
            return self._rows(self._chunk_of(lo)).cut(0, 0)
        parts = []
        chunk = self._chunk_of(lo)
        while lo < hi:
            rows, base = self._rows(chunk), self._base(chunk)
            parts.append(rows.cut(lo - base, min(hi - base, len(rows))))
            lo = max(lo, base + len(rows))
            chunk += 1
        if len(parts) == 1:
            return parts[0]
        return Rows(*(np.concatenate(columns) for columns in zip(*(part.columns() for part in parts), strict=True)))

    def pushed(self, ms: int) -> int:
        """Returns the position after the last event pushed at or before `ms`."""
        chunk = self._chunk_at(ms)
        before = self._chunk_at(ms - LATE_MS)
        if before != chunk:
            rows = self._rows(before)
            count = int(np.searchsorted(rows.push, ms, side="right"))
            if count < len(rows):
                return max(self._base(before) + count, self.start)
        count = int(np.searchsorted(self._rows(chunk).push, ms, side="right"))
        return max(self._base(chunk) + count, self.start)

    def timed(self, ms: int) -> int:
        """Returns the position of the first event whose time is at or after `ms`."""
        chunk = self._chunk_at(ms)
        return max(self._base(chunk) + int(np.searchsorted(self._rows(chunk).time, ms, side="left")), self.start)

    def numbered(self, number: int) -> int:
        """Returns the position of the first event whose id is at least `number`."""
        return max(number, self.start)
