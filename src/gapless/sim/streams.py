"""The streams of a venue by name, and where their events come from: a recording, or what the market makes."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from gapless.sim.bars import CLOSE_DELAY, Bar, interval_next, interval_start
from gapless.sim.events import Event
from gapless.sim.market import Frame, Symbol
from gapless.sim.rows import Rows, Series

Encode = Callable[[Rows], Iterator[tuple[int, int, str]]]  # (push, id, payload) of each row
MADE = 1 << 60  # order of made events: after recorded ones of the same instant
JOINED = MADE + 1  # order of those that share a frame with others of their instant
NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream: `text` names it among all of the venue, `label` among those of its symbol ("": of the whole market).

    `kind` and `detail` are the parts of the label as the venue writes them. `tape` is the tape that the stream carries
    (trade, agg, kline_1m ...), None for values without one. `route` tells on which connections it is delivered.
    """

    text: str
    symbol: str
    label: str
    kind: str
    detail: str = ""
    tape: str | None = None
    route: str = ""
    starts: bool = False  # play begins with its first subscription
    warms: bool = False  # needs the tickers of a day

    @property
    def bars(self) -> bool:
        """Tells whether it carries a tape of bars."""
        return self.tape is not None and self.tape.startswith("kline_")


class Source(Protocol):
    """Gives the events of one stream that were pushed in (after, upto], market ms."""

    def due(self, after: int, upto: int) -> list[Event]:
        """Returns events in order."""
        ...


class RecordedSource:
    """Plays recorded payloads as they are."""

    def __init__(self, stream: str, frames: list[Frame]) -> None:
        """Takes frames sorted by push time."""
        self._stream = stream
        self._frames = frames
        self._pushes = [frame.push for frame in frames]

    def due(self, after: int, upto: int) -> list[Event]:
        """Returns the recorded frames of the span."""
        lo = bisect.bisect_right(self._pushes, after)
        hi = bisect.bisect_right(self._pushes, upto)
        return [Event(f.push, f.order, self._stream, f.payload, f.key, closing=f.closing) for f in self._frames[lo:hi]]


class RowsSource:
    """Makes the events of executions or of aggregates, one each."""

    def __init__(self, stream: str, series: Series, encode: Encode) -> None:
        """Takes the series and the function that writes its rows."""
        self._stream = stream
        self._series = series
        self._encode = encode
        self._at = -1  # position of the next event, so that a quiet tick costs one comparison
        self._next_push = 0

    def due(self, after: int, upto: int) -> list[Event]:
        """Returns the events of the span."""
        if upto < self._next_push:
            return []
        series = self._series
        if self._at < 0:
            self._at = max(series.pushed(after), series.start)
        lo, hi = self._at, max(series.pushed(upto), self._at)
        following = series.cut(hi, hi + 1).push
        self._at, self._next_push = hi, int(following[0]) if len(following) else NEVER
        if hi == lo:
            return []
        rows = self._encode(series.cut(lo, hi))
        return [Event(push, MADE, self._stream, text.encode(), key) for push, key, text in rows]


class KlineSource:
    """Makes bar events: the forming bar at most once a period when it changed, the closed bar soon after its end."""

    def __init__(
        self, stream: str, symbol: Symbol, interval: str, period_ms: int, write: Callable[[Bar, int, bool], str]
    ) -> None:
        """Takes a function that writes (bar, push, closed)."""
        self._stream = stream
        self._interval = interval
        self._symbol = symbol
        self._period = period_ms
        self._write = write
        self._start: int | None = None
        self._shown = -1
        self._closed_at = -1

    def due(self, after: int, upto: int) -> list[Event]:
        """Returns closed bars of the span, then the forming one if it changed."""
        if self._start is None:
            self._start = interval_start(self._interval, after - CLOSE_DELAY)
        bars, events = self._symbol.bars, []
        while True:
            end = interval_next(self._interval, self._start)
            if end > upto or (closing := bars.close_push(end)) > upto:
                break
            if closing > after and (bar := bars.bar(self._interval, self._start, closing)) is not None:
                events.append(self._event(bar, closing, closed=True))
            self._start, self._shown, self._closed_at = end, -1, closing
        at = upto // self._period * self._period
        end = interval_next(self._interval, self._start)
        if at > max(after, self._closed_at) and self._start <= at < end:  # never before the closed bar it follows
            count = bars.count(self._start, end, at)
            if count > 0 and count != self._shown:
                bar = bars.bar(self._interval, self._start, at)
                if bar is not None and bar.trades:
                    events.append(self._event(bar, at, closed=False))
                    self._shown = count
        return events

    def _event(self, bar: Bar, push: int, *, closed: bool) -> Event:
        text = self._write(bar, push, closed)
        return Event(push, MADE, self._stream, text.encode(), bar.start, closing=closed)


class PeriodicSource:
    """Makes an event at every multiple of a period, when there is something to say."""

    def __init__(self, stream: str, period_ms: int, make: Callable[[int, int], str | None]) -> None:
        """Takes a function of (instant before, instant) that returns a payload or None."""
        self._stream = stream
        self._period = period_ms
        self._make = make
        self._last: int | None = None

    def due(self, after: int, upto: int) -> list[Event]:
        """Returns at most one event: of several periods passed at once only the newest is shown."""
        at = upto // self._period * self._period
        if self._last is None:
            self._last = after // self._period * self._period
        if at <= after:
            return []
        text = self._make(self._last, at)
        self._last = at
        return [] if text is None else [Event(at, MADE, self._stream, text.encode())]
