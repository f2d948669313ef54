"""What one instrument has on hand while it is collected: its tapes, their order, its forming minutes."""

from msgspec import Struct

from gapless.derive.minutes import Minutes
from gapless.model import MINUTE, Instrument, Tape, Trade
from gapless.ports import TapeReader
from gapless.tape.coverage import Coverage, Range
from gapless.tape.sequence import Sequence


class Track(Struct):
    """One tape while it is collected.

    `begins` is the first id of the interval that is wanted now, None before the first live id, which reaches
    `history` ids further back; `resumes` is the end of the interval that an earlier run left and its time, to
    which the first live id may join.
    """

    tape: Tape
    sequence: Sequence
    history: int = 0
    begins: int | None = None
    resumes: tuple[int, int] | None = None
    newest: int | None = None
    newest_time: int = 0
    newest_fill: int = -1
    doubled: int = 0

    def holes(self) -> list[Range]:
        """List what is wanted of the current interval and not held."""
        if self.begins is None or self.newest is None:
            return []
        return self.sequence.coverage.missing(self.begins, self.newest)

    def saw(self, seq: int, time: int, fill: int = -1) -> None:
        """Learn of an id that some source has shown: up to it everything is wanted."""
        if self.newest is None or seq > self.newest:
            self.newest, self.newest_time, self.newest_fill = seq, time, fill

    def begin(self, first: int, time: int, *, within: int) -> None:
        """Begin with the first live id: join the interval of an earlier run if it is young enough."""
        if self.begins is not None:
            return
        joins = self.resumes is not None and time - self.resumes[1] <= within and self.resumes[0] < first
        self.begins = self.resumes[0] + 1 if joins and self.resumes else first - self.history


class Line(Struct):
    """An instrument with its primary tape and its bars."""

    instrument: Instrument
    trades: Track | None
    bars: Track | None
    minutes: Minutes
    closed_until: int = 0
    forming: int = 0


def load_track(reader: TapeReader, tape: Tape) -> Track:
    """Take a tape up where the store left it."""
    track = Track(tape, Sequence(Coverage(reader.all_spans(tape.id))))
    wanted = reader.wanted(tape.id)
    if wanted:
        last = wanted[-1][1]
        track.resumes = (last, _time_of(reader, tape, last))
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
    line.closed_until = newest.start + MINUTE if newest else 0
    return line
