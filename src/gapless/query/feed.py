"""Turns the log of commits into the events of streams, after a cursor, in commit order.

A stream is `trades:ID`, `candles:ID:TIMEFRAME`, `footprints:ID:TIMEFRAME`, `signals:ID:TIMEFRAME`, `signals:ID`,
`signals`, `gaps:ID`, `gaps`, `consolidated:SYMBOL` (its tape), `consolidated:SYMBOL:TIMEFRAME`, `switches:SYMBOL` or
`switches`.
Whatever reads the log from a cursor on is given the same events with the same cursors, at any time: rows are rendered
as they stood at their commit.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from gapless.derive.candles import bar_of_minutes, with_missing
from gapless.errors import BadInput
from gapless.model import MINUTE, MINUTE_1, Candle, Gap, Tape, Timeframe, iso, parse_timeframe
from gapless.model.log import LogEntry
from gapless.ports import TapeReader
from gapless.query.consolidated import consolidated
from gapless.query.consolidated_feed import candle_events, switch_events, trade_events
from gapless.query.events import Cursor, Event
from gapless.query.footprint_event import footprint_row
from gapless.query.market import Market
from gapless.query.present import candle_row, signal_row, trade_row

Kind = Literal["trades", "candles", "footprints", "signals", "gaps", "consolidated", "switches"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FORMS = (
    "trades:ID, candles:ID:TIMEFRAME, footprints:ID:TIMEFRAME, signals:ID:TIMEFRAME, signals:ID, signals, gaps:ID, "
    "gaps, consolidated:SYMBOL, consolidated:SYMBOL:TIMEFRAME, switches:SYMBOL, switches"
)
Emitted = Callable[[int, Tape, Timeframe, int], Candle | None]
"""Gives, where it is known still, the bar as commit NUMBER emitted it: (number, tape, timeframe, start)."""
STEP = 1_000  # items of the log that are read and rendered at once
_OF_BARS = ("candles", "footprints")
_OF_ALL = ("gaps", "signals", "switches")
_OF_SYMBOLS = ("consolidated", "switches")
_MAYBE_OF_BARS = ("consolidated", "signals")
_FRAME = re.compile(r"\d+[mhdw]", re.ASCII)
_CURSOR = re.compile(r"([0-9a-f]{1,15})\.([0-9a-f]{1,15})", re.ASCII)
_END = 2**62


class Stream(Struct, frozen=True):
    """What a client asked for; `name` is the text it used, which its events carry. None means all there are.

    The instrument of `consolidated` and `switches` is a unified symbol.
    """

    name: str
    kind: Kind
    instrument: str | None
    timeframe: Timeframe | None = None


class Step(Struct, frozen=True):
    """A stretch of the log, [begin, until), and the entry that follows it where one was seen."""

    begin: Cursor
    until: Cursor
    entries: list[LogEntry]
    following: LogEntry | None

    @property
    def items(self) -> int:
        """How many items it holds; a stream has at most as many events in it."""
        return sum(entry.size for entry in self.entries)


def parse_cursor(text: str) -> Cursor:
    """Read a cursor that `Cursor.text` wrote."""
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise BadInput(f"{text!r} is no cursor; allowed is one that an event of this stream carried")
    return Cursor(int(match[1], 16), int(match[2], 16))


def parse_stream(name: str, market: Market) -> Stream:
    """Read the name of a stream with a cursor; its instrument may be spelled as people do."""
    kind, colon, rest = name.partition(":")
    word = next((known for known in KINDS if known == kind), None)
    if word in _OF_ALL and word and not colon:
        return Stream(name, word, None)
    if word is None or not rest:
        raise BadInput(f"{name!r} is no stream; allowed are {FORMS}")
    instrument, timeframe = rest, ""
    if word in _OF_BARS or (word in _MAYBE_OF_BARS and _FRAME.fullmatch(rest.rpartition(":")[2])):
        instrument, _, timeframe = rest.rpartition(":")
    if not instrument:
        raise BadInput(f"{name!r} is no stream; allowed are {FORMS}")
    found = (consolidated(market, instrument).symbol) if word in _OF_SYMBOLS else market.instrument(instrument).id
    return Stream(name, word, found, parse_timeframe(timeframe) if timeframe or word in _OF_BARS else None)


def now(reader: TapeReader) -> Cursor:
    """Give the cursor after everything that is committed."""
    return Cursor(reader.log_span()[1] + 1, 0)


def step_after(reader: TapeReader, cursor: Cursor, *, items: int = STEP) -> Step | None:
    """Read the next items of the log after a cursor; None when there are none.

    Where the log no longer reaches back to the cursor, the step begins at its oldest commit, later than the cursor.
    """
    # One more than it holds, which follows it, and the one before the cursor, which is counted too.
    entries = reader.log_after(cursor.number, cursor.item - 1, items + 2)
    if not entries:
        return None
    begin = cursor if entries[0].number == cursor.number else _held(reader, cursor)
    kept: list[LogEntry] = []
    following = None
    for entry in entries:
        left = _from(entry, cursor)
        if items == 0:
            following = left
            break
        kept.append(_at_most(left, items))
        items -= kept[-1].size
    last = kept[-1]
    return Step(begin, Cursor(last.number, last.item + last.size), kept, following)


def _held(reader: TapeReader, cursor: Cursor) -> Cursor:
    """Give the cursor, or the beginning of the log where that is later."""
    oldest = reader.log_after(0, -1, 2)[0].number
    if oldest > cursor.number:
        oldest = reader.log_span()[0]  # of every environment: what others committed is no loss
    return max(cursor, Cursor(oldest, 0))


def _from(entry: LogEntry, cursor: Cursor) -> LogEntry:
    """Cut off what lies before a cursor."""
    passed = cursor.item - entry.item
    if entry.number != cursor.number or passed <= 0:
        return entry
    return replace(entry, item=cursor.item, first=entry.first + passed)


def _at_most(entry: LogEntry, items: int) -> LogEntry:
    return entry if entry.size <= items else replace(entry, last=entry.first + items - 1)


def events_of(
    reader: TapeReader, step: Step, stream: Stream, *, emitted: Emitted = lambda number, tape, frame, start: None
) -> Iterator[Event]:
    """Render what a step holds for a stream, in its order; bars are taken as they were `emitted` where that is known,
    which gives the same and spares the store."""
    if stream.kind == "gaps":
        yield from _gaps(reader, step, stream.instrument)
        return
    if stream.kind == "signals":
        yield from _signals(reader, step, stream)
        return
    if stream.kind == "switches":
        yield from switch_events(reader, step.entries, stream.instrument)
        return
    if stream.kind == "consolidated" and stream.instrument:
        yield from _consolidated(reader, step, stream.instrument, stream.timeframe)
        return
    tapes = reader.tapes(stream.instrument)
    if stream.kind == "trades":
        primary = next((tape for tape in tapes if tape.kind != "bars"), None)
        if primary is not None:
            yield from _trades(reader, step, primary)
    elif tapes:
        yield from _bars(reader, step, stream, tapes[0], emitted)


def _consolidated(reader: TapeReader, step: Step, symbol: str, frame: Timeframe | None) -> Iterator[Event]:
    if frame is None:
        return trade_events(reader, step.entries, symbol)
    return candle_events(reader, step.entries, step.following, symbol, frame)


def _trades(reader: TapeReader, step: Step, tape: Tape) -> Iterator[Event]:
    for entry in step.entries:
        if entry.kind != "trades" or entry.tape != tape.id:
            continue
        for trade in reader.trades(tape.id, entry.first, entry.last):
            after = Cursor(entry.number, entry.item + trade.seq - entry.first + 1)
            yield Event(after, "trade", entry.late, trade_row(trade, tape.price_digits, tape.size_digits))


def _bars(reader: TapeReader, step: Step, stream: Stream, tape: Tape, emitted: Emitted) -> Iterator[Event]:
    """Give a bar when its last minute closes and each time a minute of a closed one is revised, once a commit; or its
    footprint, where its trades were held whole by then."""
    frame = stream.timeframe or MINUTE_1
    mine = [entry for entry in step.entries if entry.kind == "candle" and entry.instrument == stream.instrument]
    for entry, following in zip(mine, [*mine[1:], step.following], strict=False):
        begin = frame.start_of(entry.first)
        if frame != MINUTE_1 and following and _in_bar(entry, following, begin, frame):
            continue
        candle = emitted(entry.number, tape, frame, begin)
        if candle is None:
            candle = _minute(reader, entry) if frame == MINUTE_1 else _bar(reader, entry, begin, frame)
        if candle is None:
            continue
        late = entry.late or entry.first + MINUTE < frame.end_of(begin)
        cursor = Cursor(entry.number, entry.item + 1)
        if stream.kind == "candles":
            yield Event(cursor, "candle", late, candle_row(candle, tape.price_digits, tape.size_digits))
        elif row := footprint_row(reader, entry.instrument, frame, candle):
            yield Event(cursor, "footprint", late, row)


def _in_bar(entry: LogEntry, following: LogEntry, begin: int, frame: Timeframe) -> bool:
    """Say whether the next candle entry is of the same commit and bar; a commit lists a bar's minutes together."""
    return (
        following.kind == "candle"
        and following.number == entry.number
        and following.instrument == entry.instrument
        and frame.start_of(following.first) == begin
    )


def _minute(reader: TapeReader, entry: LogEntry) -> Candle | None:
    """Give the revision of a minute that an entry names."""
    candle = reader.candle_as_of(entry.instrument, entry.first, entry.number)
    if candle is None or candle.revision != entry.last:
        former = [row for row, _, _ in reader.revisions(entry.instrument, entry.first)]
        newest = reader.candle(entry.instrument, entry.first)
        known = [row for row in (newest, *former) if row is not None and row.revision == entry.last]
        candle = known[0] if known else None
    return candle


def _bar(reader: TapeReader, entry: LogEntry, begin: int, frame: Timeframe) -> Candle | None:
    """Fold the bar that begins at `begin` as it stood after a commit; None while its last minute has not closed."""
    end = frame.end_of(begin)
    minutes = with_missing(reader.candles(entry.instrument, begin, end), begin, end)
    if reader.log_after(entry.number, _END, 2):  # somebody committed since: ask for each minute as it stood
        minutes = with_missing(reader.candles_as_of(entry.instrument, begin, end, entry.number), begin, end)
    return bar_of_minutes(minutes, frame) if minutes[-1].proof else None


def _signals(reader: TapeReader, step: Step, stream: Stream) -> Iterator[Event]:
    for entry in step.entries:
        if entry.kind != "signal" or stream.instrument not in {None, entry.instrument}:
            continue
        judged = reader.signal(entry.first)
        if judged and (stream.timeframe is None or stream.timeframe.minutes == judged.minutes):
            yield Event(Cursor(entry.number, entry.item + 1), "signal", entry.late, signal_row(judged))


def _gaps(reader: TapeReader, step: Step, instrument: str | None) -> Iterator[Event]:
    for entry in step.entries:
        if entry.kind != "gap" or instrument not in {None, entry.instrument}:
            continue
        tape = next((tape for tape in reader.tapes(entry.instrument) if tape.id == entry.tape), None)
        gap = _gap(reader, entry)
        if tape and gap:
            yield Event(Cursor(entry.number, entry.item + 1), "gap", entry.late, gap_row(tape, gap))


def _gap(reader: TapeReader, entry: LogEntry) -> Gap | None:
    """Give a gap as it stood when the entry was written."""
    for state in ("open", "repaired", "permanent", "expired"):
        for gap in reader.gaps(entry.tape, state):
            if (gap.first, gap.last) == (entry.first, entry.last):
                if gap.closed is not None and gap.closed > entry.known_at:
                    return replace(gap, state="open", closed=None, reason="")
                return gap
    return None


def gap_row(tape: Tape, gap: Gap) -> dict[str, Any]:
    """Write a gap as a row."""
    return {
        "instrument": tape.instrument,
        "tape": tape.name,
        "first": gap.first,
        "last": gap.last,
        "ids": gap.size,
        "state": gap.state,
        "cause": gap.cause,
        "reason": gap.reason,
        "opened": iso(gap.opened),
        "closed": iso(gap.closed) if gap.closed is not None else None,
    }
