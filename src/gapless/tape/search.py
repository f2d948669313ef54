"""Finds the first id at or after a time on a tape of consecutive ids, where a venue can only be asked by id."""

from collections.abc import Sequence

from msgspec import Struct

from gapless.model import Trade
from gapless.tape.coverage import Range
from gapless.tape.page import Mark

_HALVED = 3  # every so many pages the middle is asked for: rates that mislead cannot do so for long
_WIDER = 4


class Search(Struct):
    """Pages of `size` ids, each laid where the first id at or after `time` (ns UTC) is likely.

    `high` is a row at or after the time; `low` one before it, or the id before the first one with no time while none
    is known. The answer is `high` once nothing lies between them.
    """

    time: int
    high: Mark
    low: Mark
    size: int
    asked: int = 0
    rate: float = 0.0
    reach: int = 0
    blank: bool = False

    @property
    def found(self) -> bool:
        """Whether `high` is the first id at or after the time."""
        return self.high[0] - self.low[0] <= 1

    def page(self) -> Range:
        """Give the ids to ask for next."""
        low, high = self.low[0] + 1, self.high[0] - 1
        self.asked += 1
        if self.blank or (self.asked % _HALVED == 0 and self.low[1]):
            middle = (low + high) // 2
        elif self.low[1]:
            share = (self.time - self.low[1]) / max(self.high[1] - self.low[1], 1)
            middle = low + int((high - low) * min(max(share, 0.0), 1.0))
        else:
            # Nothing is known below: as far as the last page tells, and further each time that it was not far enough.
            self.reach = max(int((self.high[1] - self.time) * self.rate), self.reach * _WIDER, self.size)
            middle = high - self.reach
        first = min(max(middle - self.size // 2, low), max(high - self.size + 1, low))
        return first, min(first + self.size - 1, high)

    def saw(self, ids: Range, rows: Sequence[Trade]) -> None:
        """Learn the rows of a page, ascending; ids that it does not have are older than what the venue remembers."""
        self.blank = not rows
        if not rows:
            self.low = max(self.low, (ids[1], self.low[1]))
            return
        if rows[-1].time > rows[0].time:
            self.rate = (rows[-1].seq - rows[0].seq) / (rows[-1].time - rows[0].time)
        for row in rows:
            if row.time >= self.time:
                self.high = min(self.high, (row.seq, row.time))
                break
            self.low = max(self.low, (row.seq, row.time))
        else:
            return
        if rows[0].time >= self.time and rows[0].seq > ids[0]:
            self.low = max(self.low, (rows[0].seq - 1, self.low[1]))
