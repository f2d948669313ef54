"""Bars of all timeframes as minutes close: which bars a minute ends, and the newest minutes to fold them from."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from gapless.model import DAY, MINUTE, Candle, Timeframe
from gapless.model.timeframe import DERIVED


class ClosedBar(Struct, frozen=True, gc=False):
    """A bar that a commit closed, or revised (`late`)."""

    instrument: str
    timeframe: Timeframe
    candle: Candle
    late: bool


def _closing(minute: int) -> tuple[tuple[int, Timeframe], ...]:
    """List the derived timeframes of which a bar ends with a minute of the day, with its minutes, short ones first."""
    starts = [(minute - minute % frame.minutes, frame) for frame in DERIVED]
    ends = [(minute + 1 - begin, frame) for begin, frame in starts if min(begin + frame.minutes, 1_440) == minute + 1]
    return tuple(sorted(ends, key=lambda pair: pair[0]))


_CLOSING = tuple(map(_closing, range(1_440)))


def closing(start: int) -> tuple[tuple[int, Timeframe], ...]:
    """List the derived timeframes of which a bar ends with the minute that begins at `start` (ns), as (minutes of that
    bar, timeframe), the shortest bar first."""
    return _CLOSING[start % DAY // MINUTE]


class RecentMinutes:
    """The newest closed minutes of one instrument, as the store holds them; `begin` is from where on it has all."""

    __slots__ = ("_candles", "begin", "end")

    def __init__(self, begin: int, candles: Iterable[Candle]) -> None:
        self.begin = begin
        self.end = begin
        self._candles: dict[int, Candle] = {}
        for candle in candles:
            self.put(candle)

    def put(self, candle: Candle) -> None:
        """Take a minute that closed or was revised; one before `begin` is left to the store."""
        if candle.start >= self.begin:
            self._candles[candle.start] = candle
            self.end = max(self.end, candle.start + MINUTE)

    def held(self, start: int) -> bool:
        """Say whether a minute has closed."""
        return start in self._candles

    def span(self, start: int, end: int) -> list[Candle]:
        """List the minutes of [start, end), none of it before `begin`; one that is not held is a missing candle."""
        known = self._candles.get
        return [known(at) or Candle(start=at) for at in range(start, end, MINUTE)]

    def trim(self, keep: int) -> bool:
        """Forget all but the newest `keep` ns, once in a while; say whether it was time."""
        if self.end - self.begin <= 2 * keep:
            return False
        self.begin = self.end - keep
        self._candles = {at: candle for at, candle in self._candles.items() if at >= self.begin}
        return True


def touched(
    starts: Sequence[int], recent: RecentMinutes, extras: Sequence[Timeframe]
) -> dict[int, Sequence[tuple[int, Timeframe]]]:
    """List the bars that contain some minutes and whose time is over, of all derived timeframes and the extra ones.

    By their end they are (minutes of the bar, timeframe), the shortest first. `recent` knows how far minutes reach.
    """
    if not extras and len(starts) == 1 and starts[0] + MINUTE == recent.end:
        ending = closing(starts[0])
        return {recent.end: ending} if ending else {}
    found: dict[int, dict[Timeframe, int]] = {}
    for at in starts:
        newest = at + MINUTE == recent.end
        for count, frame in closing(at) if newest else ():
            found.setdefault(recent.end, {})[frame] = count
        for frame in extras if newest else (*DERIVED, *extras):
            start = frame.start_of(at)
            end = frame.end_of(start)
            if end <= recent.end:
                found.setdefault(end, {})[frame] = (end - start) // MINUTE
    return {
        end: sorted(((count, frame) for frame, count in frames.items()), key=lambda pair: pair[0])
        for end, frames in found.items()
    }
