"""Timeframes and their grids: `1m` to `1440m`, `1h` to `24h`, `1d`, `1w`."""

import re
from typing import Literal

from msgspec import Struct

from gapless.errors import BadInput
from gapless.model.times import DAY, MINUTE

Grid = Literal["midnight", "epoch"]

_SHAPE = re.compile(r"(\d{1,4})([mhdw])", re.ASCII)
_MONDAY = 4 * DAY  # 1970-01-05, the first Monday of the epoch
WEEK = 7 * DAY
ALLOWED = "1m to 1440m, 1h to 24h, 1d, 1w"


class Timeframe(Struct, frozen=True):
    """A number of minutes and the grid on which bars of it begin.

    On the `midnight` grid bars begin anew every UTC midnight, so that the last bar of a day is short where
    the minutes do not divide 1,440. On the `epoch` grid they run through. `1w` begins on Monday 00:00 UTC.
    """

    minutes: int
    grid: Grid = "midnight"

    def __str__(self) -> str:
        if self.minutes == 10_080:
            return "1w"
        if self.minutes == 1_440:
            return "1d"
        return f"{self.minutes}m"

    @property
    def length(self) -> int:
        """The nominal length of a bar in nanoseconds."""
        return self.minutes * MINUTE

    def start_of(self, time: int) -> int:
        """Give the start of the bar that contains a time (ns)."""
        if self.minutes == 10_080:
            return time - (time - _MONDAY) % WEEK
        if self.grid == "epoch":
            return time - time % self.length
        midnight = time - time % DAY
        return midnight + (time - midnight) // self.length * self.length

    def end_of(self, start: int) -> int:
        """Give the end (exclusive, ns) of the bar that begins at `start`."""
        end = start + self.length
        if self.minutes == 10_080 or self.grid == "epoch":
            return end
        return min(end, start - start % DAY + DAY)

    def is_short(self, start: int) -> bool:
        """Say whether the bar that begins at `start` is cut by midnight."""
        return self.end_of(start) - start < self.length


def parse_timeframe(text: str, grid: Grid = "midnight") -> Timeframe:
    """Read `5m`, `4h`, `1d` or `1w`; `60m` and `1h` are the same timeframe."""
    match = _SHAPE.fullmatch(text.strip())
    if match:
        count, unit = int(match[1]), match[2]
        minutes = count * {"m": 1, "h": 60, "d": 1_440, "w": 10_080}[unit]
        if 1 <= minutes <= 1_440 or (minutes == 10_080 and unit == "w"):
            return Timeframe(minutes, grid)
    raise BadInput(f"{text!r} is no timeframe; allowed are {ALLOWED}")


MINUTE_1 = Timeframe(1)
DERIVED = tuple(Timeframe(n) for n in range(2, 61))
