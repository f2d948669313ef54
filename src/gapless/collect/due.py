"""Which bars of a venue are due, which minutes are over, and which of them were empty."""

from gapless.collect.line import Line, Track
from gapless.collect.pending import Pending
from gapless.derive.judge import LATENESS
from gapless.model import DAY, MINUTE, Evidence

_FOR_EVER = 2**62


class Due:
    """What the clock of a venue makes due.

    Where bars are `pushed` each that has closed is wanted. Where none are, minutes are folded from trades, and bars are
    asked for only of the time before those began, as far back as history reaches or an earlier run left off, and while
    streams are down.
    """

    def __init__(self, lines: dict[str, Line], pending: Pending, *, pushed: bool, resume_within: int) -> None:
        self._lines = lines
        self._pending = pending
        self._pushed = pushed
        self._within = resume_within

    def bars(self, now: int, at: int, *, degraded: bool) -> None:
        """Want every bar that has closed by a time `now` of the venue's, where it is `at` by then; 0: nobody knows."""
        due = now // MINUTE - 1
        for line in self._lines.values():
            track = line.bars
            if track is None or line.ended:
                continue
            if not self._pushed:
                self._poll(line, track, due, at // MINUTE, degraded=degraded)
            elif track.begins is None and degraded and due > 0:
                track.begin(due + 1, now, within=self._within)
            last = min(due, line.polled_to)
            if track.begins is not None and last >= track.begins and (track.newest is None or last > track.newest):
                track.saw(last, last * MINUTE)
                self._pending.want(track.tape, track.begins, last)

    def _poll(self, line: Line, track: Track, due: int, minute: int, *, degraded: bool) -> None:
        """Say up to which minute bars are asked for; while streams are down there is no end."""
        if degraded and due > 0:
            if track.begins is not None and line.polled_to < due:
                track.shelve()
            if track.begins is None:
                track.poll(due if track.live is not None else self._first(line, track, due + 1), due + 1)
            line.polled_to = _FOR_EVER
        elif track.begins is None and minute > 0 and line.trades and line.trades.live is not None:
            track.poll(self._first(line, track, minute), minute + 1)
            line.polled_to = minute
        elif line.polled_to == _FOR_EVER and track.begins is not None:
            line.polled_to = minute or due + 1  # of the minute in which streams are back a part is missing

    def _first(self, line: Line, track: Track, minute: int) -> int:
        """Give the first minute whose bar is wanted: where an earlier run left off, else as far as history reaches."""
        if line.left and minute * MINUTE - line.left <= self._within:
            track.joined = True
            return min(line.left // MINUTE, minute)
        return minute - track.history

    def minutes(self, now: int) -> None:
        """Close the minutes whose time is up."""
        for line in self._lines.values():
            if line.ended or not (line.forming or line.closed_until):
                continue
            limit = now - LATENESS
            start = max(line.closed_until or line.forming, now - now % DAY - DAY)
            start -= start % MINUTE
            while start + MINUTE <= limit:
                self._pending.due(line.instrument.id, start)
                start += MINUTE
            line.closed_until = start

    def quiet(self, line: Line, newest: int, time: int) -> None:
        """Learn from a heartbeat that at a time, ns UTC, trade `newest` was the newest: the minutes since were empty.

        Those count whose bars are wanted, and those after.
        """
        trades, bars = line.trades, line.bars
        if trades is None or bars is None or bars.live is None or newest != trades.newest_fill:
            return
        since = bars.live if bars.begins is None else min(bars.begins, bars.live)
        for minutes in bars.sequence.coverage.missing(max(trades.newest_time // MINUTE + 1, since), time // MINUTE - 1):
            bars.sequence.coverage.add(*minutes, Evidence.ALIVE)
            self._pending.vouch(bars.tape, *minutes, Evidence.ALIVE)
            self._pending.closing = True
