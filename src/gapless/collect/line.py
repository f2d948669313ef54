"""What one instrument has on hand while it is collected: its tapes, their order, its forming minutes."""

from msgspec import Struct

from gapless.derive.minutes import Minutes
from gapless.model import MINUTE, Instrument, Tape, Trade
from gapless.ports import TapeReader
from gapless.tape.coverage import Coverage, Range, cut
from gapless.tape.sequence import Sequence
from gapless.tape.wanted import joined_ranges


class Track(Struct):
    """One tape while it is collected.

    `live` is the first id that came live in this run, None before. `begins` is the first id of the interval that is
    wanted now: that of the interval of an earlier run that `live` joins, else `history` ids before it. `earlier` are
    the intervals that earlier runs and imports left, the newest of which ended at `ended` (ns): their holes are
    repaired too. `shown_fill` is the newest execution that the venue has shown, when asked or first by bars and
    tickers, while nothing has come by stream, `told_fill` the newest that bars and tickers have named, and
    `told_since` (monotonic ns) since when that is ahead of what came, 0 where it is not; `agreed` when they last
    named nothing that had not come. `doubled` counts what came twice, `told` what of it was told. `newest_row` is the
    highest id that is a row and no void. `permanent` are holes that no source can fill, and `expired` are ids older
    than what is kept: nobody asks for them.
    """

    tape: Tape
    sequence: Sequence
    history: int = 0
    live: int | None = None
    begins: int | None = None
    joined: bool = False
    earlier: list[Range] = []
    ended: int = 0
    newest: int | None = None
    newest_time: int = 0
    newest_fill: int = -1
    shown_fill: int = -1
    told_fill: int = -1
    told_since: int = 0
    agreed: int = 0
    newest_row: int | None = None
    doubled: int = 0
    told: int = 0
    permanent: list[Range] = []
    expired: list[Range] = []

    def holes(self) -> list[Range]:
        """List what is wanted, not held and not given up, ascending."""
        held = self.sequence.coverage
        holes = [hole for wanted in self.earlier for hole in held.missing(*wanted)]
        if self.begins is not None and self.newest is not None:
            holes += held.missing(self.begins, self.newest)
        return cut(holes, joined_ranges([*self.permanent, *self.expired])) if self.permanent or self.expired else holes

    def give_up(self, hole: Range) -> None:
        """Ask no more for a hole that no source can fill."""
        self.permanent = joined_ranges([*self.permanent, hole])

    def saw(self, seq: int, time: int, fill: int = -1) -> None:
        """Learn of an id that some source has shown: up to it everything is wanted."""
        if self.newest is None or seq > self.newest:
            self.newest, self.newest_time, self.newest_fill = seq, time, fill
            if fill >= self.told_fill:
                self.told_since = 0

    def begin(self, first: int, time: int, *, within: int) -> None:
        """Begin with the first live id: join the interval of an earlier run if it is young enough."""
        if self.begins is not None:
            return
        self.live = first
        if self.joins(time, within=within) and self.earlier[-1][1] < first:
            self.begins = self.earlier.pop()[0]
            self.joined = True
        else:
            self.begins = first - self.history

    def poll(self, first: int, live: int) -> None:
        """Begin to ask for bars from a minute on; `live` is the first of which nothing was missed."""
        self.begins = first
        self.live = live if self.live is None else self.live

    def shelve(self) -> None:
        """End the interval that is wanted; what comes next does not follow on it."""
        if self.begins is not None and self.newest is not None:
            self.earlier = [*self.earlier, (self.begins, self.newest)]
        self.begins = self.newest = None

    def stands(self, row: Trade, *, within: int) -> None:
        """Learn that the newest that the venue has is held already: nothing came since an earlier run."""
        if self.begins is not None or not self.joins(row.time, within=within) or row.seq < self.earlier[-1][0]:
            return
        self.live, self.joined = row.seq, True
        self.begins, last = self.earlier.pop()
        self.saw(max(row.seq, last), row.time, row.first_fill + row.fills - 1)

    def is_history(self, hole: Range) -> bool:
        """Say whether a hole is of the time before the first live id, which no earlier run collected."""
        return self.live is not None and hole[1] < self.live and self.history > 0 and not self.joined

    def joins(self, time: int, *, within: int) -> bool:
        """Say whether what an earlier run left is young enough, at a time of the venue's, to be joined on to."""
        return bool(self.earlier) and time - self.ended <= within


class Line(Struct):
    """An instrument with its primary tape and its bars; `ended` once the venue trades it no more.

    `left` is the end of the newest candle that an earlier run left, ns UTC, 0 where there is none. Where no bars are
    pushed, they are asked for up to minute `polled_to`.
    """

    instrument: Instrument
    trades: Track | None
    bars: Track | None
    minutes: Minutes
    closed_until: int = 0
    forming: int = 0
    ended: bool = False
    left: int = 0
    polled_to: int = 2**62

    def begins_anew(self, since: int) -> None:
        """Join nothing that an earlier run left: no trades, and bars only where that ended after `since`, ns UTC."""
        if self.trades:
            self.trades.ended = 0
        if self.left < since:
            self.left = 0
        if self.bars and self.bars.ended < since:
            self.bars.ended = 0

    @property
    def tracks(self) -> list[Track]:
        """Its tapes: trades, bars, or the one that there is."""
        return [track for track in (self.trades, self.bars) if track]


def load_track(reader: TapeReader, tape: Tape) -> Track:
    """Take a tape up where the store left it."""
    earlier = reader.wanted(tape.id)
    ended = _time_of(reader, tape, earlier[-1][1]) if earlier else 0
    track = Track(
        tape, Sequence(Coverage(reader.all_spans(tape.id)), spanning=tape.kind == "span"), earlier=earlier, ended=ended
    )
    track.permanent = joined_ranges((gap.first, gap.last) for gap in reader.gaps(tape.id, "permanent"))
    track.expired = reader.expired(tape.id, "trades")
    if tape.kind != "bars" and (last := reader.trade_before(tape.id, 2**63 - 1)):
        track.newest_row = last.seq
    return track


def _time_of(reader: TapeReader, tape: Tape, seq: int) -> int:
    if tape.kind == "bars":
        return seq * MINUTE
    trade: Trade | None = reader.trade_before(tape.id, seq + 1)
    return trade.time if trade else 0


def load_line(reader: TapeReader, instrument: Instrument, trades: Tape | None, bars: Tape | None) -> Line:
    """Take an instrument up where the store left it; minutes that have stored rows are folded from the store."""
    line = Line(
        instrument,
        load_track(reader, trades) if trades else None,
        load_track(reader, bars) if bars else None,
        Minutes(),
    )
    if trades and (last := reader.trade_before(trades.id, 2**63 - 1)):
        line.minutes.floor = last.time - last.time % MINUTE + MINUTE
    newest = reader.newest_candle(instrument.id)
    line.closed_until = line.left = newest.start + MINUTE if newest else 0
    return line
