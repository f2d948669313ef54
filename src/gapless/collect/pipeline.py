"""From frames to rows and ledger: the synchronous core of a collector, one batch at a time."""

from collections.abc import Callable
from functools import partial
from typing import Any

from gapless.collect.due import Due
from gapless.collect.line import Line, Track
from gapless.collect.pending import Pending
from gapless.collect.reading import MISFITS, Reading, raw_of
from gapless.model import HOUR, MINUTE, SECOND, Bar, Evidence, Gap, Quote, Ticker, Trade
from gapless.model.book import DepthDiff, DepthSnapshot
from gapless.model.instrument import Status
from gapless.protocol.venue_clock import VenueClock
from gapless.tape.coverage import Range
from gapless.venues.spec import Stream, Venue

_BAR_GRACE = 3 * SECOND  # a closing bar comes 0.2 to 2 s after its end; later it is read by REST
_JUST_DUE = 30 * SECOND
_END = 2**62
_BLAMED = 10 * SECOND  # a hole seen this soon after a connection broke comes of that

Fast = Callable[[str, list[Trade]], None]
Heard = Callable[[Stream, list[Any], list[Any]], None]
"""(stream, what the venue sent, what was read of it): one batch of one stream."""


class Pipeline:
    """Takes decoded runs of one venue, keeps order and ledger, gathers what is to be committed.

    It holds no socket and awaits nothing. `fast` is called with trades on arrival, before they are committed, `heard`
    with everything that a stream brought, where somebody wants that.
    """

    def __init__(self, venue: Venue, pending: Pending, *, resume_within: int, fast: Fast) -> None:
        self.venue = venue
        self.pending = pending
        self.lines: dict[str, Line] = {}
        self.tickers: dict[str, Ticker] = {}
        self.quotes: dict[str, Quote] = {}
        self.messages = 0
        self.malformed = 0
        self.clock = VenueClock()
        self.depth: Callable[[str, DepthDiff | DepthSnapshot], None] = lambda instrument, diff: None
        self.statuses: Callable[[dict[str, Status]], None] = lambda statuses: None
        self.heard: Heard | None = None
        self.resume_within = resume_within
        pushed = "bars" in venue.streams.kinds
        self.due = Due(self.lines, pending, pushed=pushed, resume_within=resume_within)
        self.read_for = 0
        self._fast = fast
        self._reading = Reading(venue.streams)
        self._streams: dict[str, Stream] = {}
        self._at_large: dict[str, Stream] = {}
        self._flowed: dict[str, int] = {}
        self.spoke: dict[str, int] = {}  # when anything of an instrument last came, monotonic ns
        self.latest: dict[str, Trade] = {}  # by stream
        self._broken = ("", 0)
        self.shedding = False
        self.pressed = False
        self.carrying = False  # streams are on two connections meanwhile
        self.degraded = False  # streams are down: the clock alone says which bars are due

    def watch(self, streams: list[Stream]) -> None:
        """Learn which streams carry what."""
        self._streams.update({stream.name: stream for stream in streams})

    def attend(self, streams: list[Stream]) -> None:
        """Learn of streams that connections carry by themselves: they speak of no single instrument."""
        self._at_large.update({stream.name: stream for stream in streams})

    def streams(self) -> list[Stream]:
        """List the streams that are wanted."""
        return list(self._streams.values())

    def forget(self, instrument: str, mono: int) -> None:
        """Collect an instrument no longer: what is under way of it is left out, and a bar that is only just due."""
        line = self.lines.pop(instrument)
        self._streams = {name: one for name, one in self._streams.items() if one.instrument != instrument}
        self.tickers.pop(instrument, None)
        self.quotes.pop(instrument, None)
        self.latest.pop(instrument, None)
        track = line.bars
        if track is None or track.newest is None or line.ended or track.newest in track.sequence.coverage:
            return
        if self.clock.now(mono) < (track.newest + 1) * MINUTE + _JUST_DUE:
            self.cut(line, track.newest - 1)

    def flowed(self, instrument: str) -> int:
        """Give the monotonic ns at which trades of an instrument last came, 0 before any did."""
        return self._flowed.get(instrument, 0)

    def told(self, instrument: str) -> int:
        """Give since when (monotonic ns) others have named a trade of an instrument that has not come, else 0."""
        line = self.lines.get(instrument)
        return line.trades.told_since if line and line.trades else 0

    def agreed(self, instrument: str) -> int:
        """Give when (monotonic ns) others last named a trade of an instrument, and none that has not come; else 0."""
        line = self.lines.get(instrument)
        return line.trades.agreed if line and line.trades else 0

    def linked(self, name: str, first: int | None) -> bool:
        """Say whether a stream of trades is held up to an id, or nothing before that is wanted."""
        stream = self._streams.get(name)
        line = self.lines.get(stream.instrument) if stream else None
        track = line.trades if line else None
        if track is None or first is None:
            return False
        return first - 1 in track.sequence.coverage or track.begins is None or first <= track.begins

    def batch(
        self, runs: dict[str, list[Any]], received: int, mono: int, firsts: dict[str, int] | None = None,
        timer: Callable[[], int] | None = None,
    ) -> list[bytes]:  # fmt: skip
        """Take the runs of one batch; give the events that do not fit their tape, which leave holes.

        `firsts` is given while two connections carry the same streams: the first id of each stream of trades on this
        one is noted in it, and what comes twice is as it should be. With a `timer` it is measured in `read_for`, ns,
        how long the runs took to be read.
        """
        odd: list[bytes] = []
        read, self.read_for = self._reading.values if timer is None else partial(self._timed, timer), 0
        self.pending.began = self.pending.began or mono
        for name, run in runs.items():
            stream = self._streams.get(name)
            if stream is None:
                if name in self._at_large:
                    odd += self._speaks(self._at_large[name], run, mono)
                continue
            self.messages += len(run)
            line = self.lines[stream.instrument]
            try:
                values = read(stream, line, run, received)
            except MISFITS:
                values, run, misfits = self._reading.each(stream, line, run, received)
                odd += misfits
            if values and firsts is not None and isinstance(values[0], Trade):
                firsts.setdefault(name, line.trades.tape.first_of(values[0]) if line.trades else values[0].seq)
            if values:
                self._take(stream, line, values, mono, two=firsts is not None)
                if self.heard is not None:
                    self.heard(stream, run, values)
        self.malformed += len(odd)
        return odd

    def _speaks(self, stream: Stream, run: list[Any], mono: int) -> list[bytes]:
        """Take what speaks of no single instrument; give what cannot be read of it."""
        odd: list[bytes] = []
        for event in run:
            try:
                if stream.kind == "heartbeat":
                    self.clock.heard(self.venue.streams.beat(event).time, mono)
                elif stream.kind == "status":
                    self.statuses(self.venue.streams.statuses(event))
            except MISFITS:
                odd.append(raw_of(stream, event))
        return odd

    def _timed(self, timer: Callable[[], int], stream: Stream, line: Line, run: list[Any], received: int) -> list[Any]:
        began = timer()
        try:
            return self._reading.values(stream, line, run, received)
        finally:
            self.read_for += timer() - began

    def _take(self, stream: Stream, line: Line, values: list[Any], mono: int, *, two: bool) -> None:
        kind, name = stream.kind, stream.instrument
        self.spoke[name] = mono
        if line.trades and kind == line.trades.tape.kind:
            self.clock.heard(values[-1].time, mono)
            self._flowed[name] = mono
            self.latest[name] = values[-1]
            self._trades(line, line.trades, values, two=two)
        elif kind == "bars" and line.bars:
            self._bars(line, line.bars, values, mono)
        elif kind == "ticker":
            self.tickers[name] = values[-1]
            self._heard(line, values[-1].last_id, mono)
        elif kind == "quote":
            self.quotes[name] = values[-1]
        elif kind == "heartbeat":
            beat = values[-1]
            self.clock.heard(beat.time, mono)
            self._heard(line, beat.last_id, mono)
            self.due.quiet(line, beat.last_id, beat.time)
        elif kind == "depth":
            for diff in values:
                self.depth(name, diff)

    def _heard(self, line: Line, fill: int, mono: int) -> None:
        """Learn from a bar or a ticker of an execution that a trade must stand for."""
        track = line.trades
        if track is None or fill < 0 or (track.newest is None and track.earlier and track.ended):
            return  # what came while nobody listened is asked for, whatever comes now
        if track.newest is None and track.shown_fill < 0:
            track.shown_fill = fill  # it may be from before the stream began; what is named after it is not
        if fill <= (track.shown_fill if track.newest is None else track.newest_fill):
            track.agreed = mono
        elif fill > track.told_fill:
            track.told_fill = fill
            track.told_since = track.told_since or mono

    def _trades(self, line: Line, track: Track, rows: list[Trade], *, two: bool) -> None:
        if self.shedding:
            self._shed(track, rows)
            return
        line.ended = False  # it is traded
        if track.begins is None or rows[0].seq < track.begins:
            rows = _recent(line, track, rows)
        arrival = track.sequence.append(rows)
        if not two:
            track.doubled += arrival.doubled
        if (last := arrival.newest) is None:
            track.stands(max(rows, key=lambda row: row.seq), within=self.resume_within)
            return
        if arrival.vouched:
            track.begin(arrival.vouched[0][0], rows[0].time, within=self.resume_within)
        for span in arrival.vouched:
            self.pending.vouch(track.tape, *span, Evidence.STREAM)
        track.saw(last.seq, last.time, last.first_fill + last.fills - 1)
        self._keep(line, track, arrival.rows, in_order=arrival.in_order)
        if arrival.rows:
            self._fast(line.instrument.id, arrival.rows)

    def _shed(self, track: Track, rows: list[Trade]) -> None:
        """Keep of trades only that they were there: a hole in the ledger, to be filled when there is room again."""
        last = max(rows, key=lambda row: row.seq)
        track.begin(track.tape.first_of(rows[0]), rows[0].time, within=self.resume_within)
        track.saw(last.seq, last.time, last.first_fill + last.fills - 1)
        self._want(track)

    def _keep(self, line: Line, track: Track, rows: list[Trade], *, in_order: bool) -> None:
        """Hand rows over for the next commit, with the minutes that they complete in memory."""
        if track.begins is not None and track.newest is not None:
            self.pending.want(track.tape, track.begins, track.newest)
        if not rows:
            return
        self.pending.trades(track.tape, rows)
        track.newest_row = max(rows[-1].seq, track.newest_row or 0)
        touched = line.minutes.extend(rows, in_order=in_order)
        line.closed_until = line.closed_until or touched[0]
        if in_order and len(touched) > 1:
            self._complete(line, track, touched[-1], rows[-1].received)
        elif in_order and touched[0] > line.forming:
            self._complete(line, track, touched[0], rows[-1].received)
        line.forming = max(line.forming, touched[-1])

    def _complete(self, line: Line, track: Track, before: int, at: int) -> None:
        """Fold the owned minutes that lie before the forming one, and tell what came twice meanwhile."""
        if track.doubled > track.told:
            self.pending.event("doubled", track.tape.name, at, doubled=track.doubled - track.told)
            track.told = track.doubled
        for start in line.minutes.before(before):
            if fold := line.minutes.fold(start):
                self.pending.fold(track.tape, fold)
        line.minutes.forget_before(before)

    def _bars(self, line: Line, track: Track, events: list[tuple[Bar, bool, int]], mono: int) -> None:
        self._heard(line, events[-1][0].last_id, mono)
        for bar, closed, time in events:
            self.clock.heard(time, mono)
            number = bar.start // MINUTE
            line.ended = False  # it is traded again
            track.begin(number, bar.start, within=self.resume_within)
            if not closed:
                continue
            # A bar that came before its trades waits; the clock closes it.
            line.closed_until = min(line.closed_until or bar.start, bar.start)
            track.sequence.coverage.add(number, number, Evidence.STREAM)
            track.saw(number, bar.start)
            self.pending.bars(line.instrument.id, [bar])
            self.pending.vouch(track.tape, number, number, Evidence.STREAM)
            self._want(track)

    def _want(self, track: Track) -> None:
        if track.begins is not None and track.newest is not None and track.begins <= track.newest:
            self.pending.want(track.tape, track.begins, track.newest)

    def fill(self, line: Line, rows: list[Trade], vouched: Range, evidence: Evidence) -> None:
        """Take a page of trades that vouches for a range of ids."""
        track = line.trades
        if track is None:
            return
        if track.begins is None:
            track.begin(vouched[0], rows[0].time if rows else self.clock.now(0), within=self.resume_within)
        arrival = track.sequence.fill(rows, vouched, evidence)
        self.pending.vouch(track.tape, *vouched, evidence)
        newest = rows[-1] if rows else None
        if newest:
            track.saw(newest.seq, newest.time, newest.first_fill + newest.fills - 1)
        self._keep(line, track, arrival.rows, in_order=False)

    def fill_bars(self, line: Line, bars: list[Bar], vouched: Range, evidence: Evidence) -> None:
        """Take closed bars that vouch for a range of minutes."""
        track = line.bars
        if track is None:
            return
        held = track.sequence.coverage
        fresh = [bar for bar in bars if bar.start // MINUTE not in held]
        held.add(*vouched, evidence)
        track.saw(vouched[1], vouched[1] * MINUTE)
        self.pending.bars(line.instrument.id, fresh)
        self.pending.vouch(track.tape, *vouched, evidence)
        self._want(track)

    def trim(self, line: Line, first: int) -> None:
        """Note that the venue has no bars before a minute."""
        track = line.bars
        if track and track.begins is not None and track.begins < first:
            track.begins = first
            self.pending.trim(track.tape, first)

    def cut(self, line: Line, last: int) -> None:
        """Note that the venue has no bars after a minute."""
        track = line.bars
        if track and track.newest is not None and track.newest > last:
            track.newest = last
            self.pending.cut(track.tape, last)

    def ticked(self, mono: int) -> None:
        """Let the clock speak: bars that are due and did not come, minutes whose time is up."""
        now = self.clock.now(mono)
        self.pending.began = self.pending.began or mono
        self.due_bars(now, grace=_BAR_GRACE)
        self.due.minutes(now)

    def due_bars(self, now: int, *, grace: int = 0) -> None:
        """Want every bar that has closed by a time of the venue's, ns UTC, and had so long to come by itself."""
        self.due.bars(now - grace, now if self.clock.is_sure else 0, degraded=self.degraded)

    def broke(self, cause: str, mono: int) -> None:
        """Learn that a connection broke or a stream fell silent: the holes of the next seconds come of it."""
        self._broken = (cause, mono)

    def name(self, track: Track, hole: Range, *, at: int, mono: int) -> None:
        """Give a hole its name in the ledger: where it comes from, as far as that shows."""
        cause, since = self._broken
        if track.is_history(hole):
            cause = "history"
        elif track.live is not None and hole[1] < track.live:
            cause = "stopped"
        elif mono - since > _BLAMED or not since:
            cause = "jump"
        self.pending.gap(track.tape, Gap(tape=track.tape.id, first=hole[0], last=hole[1], opened=at, cause=cause))


def _recent(line: Line, track: Track, rows: list[Trade]) -> list[Trade]:
    """Leave out of what a stream begins with, where nobody wants it, what is older than history is asked for.

    A stream may begin with the newest trades that there are, and of what is traded seldom those are weeks old.
    """
    wanted = [*track.earlier, (_END if track.begins is None else track.begins, _END)]
    since = max(row.time for row in rows) - max(line.bars.history * MINUTE if line.bars else 0, HOUR)
    return [row for row in rows if row.time >= since or any(first <= row.seq <= last for first, last in wanted)]
