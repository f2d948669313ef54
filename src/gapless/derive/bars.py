"""Bars of all timeframes as minutes close: which bars a minute ends, and all of them folded in one pass."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from gapless.model import DAY, MINUTE, Candle, Origin, Proof, State, Timeframe
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


def bars_ending(
    minutes: Sequence[Candle], frames: Iterable[tuple[int, Timeframe]]
) -> Iterator[tuple[Timeframe, Candle]]:
    """Fold the bars that end with the last of some consecutive minutes, in one pass from the newest to the oldest.

    `frames` are (minutes of the bar, timeframe), the shortest first, as of `closing`. Each bar equals what
    `bar_of_minutes` makes of its minutes: 59 timeframes cost about as much as the longest of them.
    """
    opened = closed = oldest = high = low = None
    volume = quote = trades = taker = taker_quote = revision = held = passed = 0
    worst, forming, venue, edge, border, polled = Proof.PROVEN, False, True, False, False, False
    walk = reversed(minutes)
    for count, frame in frames:
        for _ in range(count - passed):
            minute = next(walk)
            if not minute.proof:
                continue
            held += 1
            oldest = minute
            if minute.state is not State.EMPTY:
                opened = minute
                closed = closed or minute
                if minute.high is not None and (high is None or minute.high > high):
                    high = minute.high
                if minute.low is not None and (low is None or minute.low < low):
                    low = minute.low
            volume += minute.volume or 0
            quote += minute.quote_volume or 0
            trades += minute.trades or 0
            taker += minute.taker_buy_volume or 0
            taker_quote += minute.taker_buy_quote_volume or 0
            revision += minute.revision
            worst = min(worst, minute.proof)
            forming |= minute.state is State.OPEN
            venue &= minute.origin is Origin.VENUE
            edge |= minute.edge
            border |= minute.border
            polled |= minute.polled
        passed = count
        start = minutes[-count].start
        short = count < frame.minutes
        if oldest is None:
            yield frame, Candle(start=start, short=short)
            continue
        first, last = opened or oldest, closed or oldest
        yield frame, Candle(
            start, first.open, high if opened else first.high, low if opened else first.low, last.close,
            volume, quote, trades, taker, taker_quote, first.first_seq, last.last_seq,
            State.OPEN if forming else first.state, short, Origin.VENUE if venue else Origin.TAPE,
            worst if held == count and worst > Proof.PARTIAL else Proof.PARTIAL, revision, edge, border, polled,
        )  # fmt: skip


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

    def trim(self, keep: int) -> None:
        """Forget all but the newest `keep` ns, once in a while."""
        if self.end - self.begin > 2 * keep:
            self.begin = self.end - keep
            self._candles = {at: candle for at, candle in self._candles.items() if at >= self.begin}


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
