"""The log as events of consolidated instruments: their tape, their candles, their switches.

Where a source becomes active its entry in the log has an item for the switch, one for each id that it had brought by
then and that joins the tape now, and one for each minute that may be another's now.
"""

from collections.abc import Iterator, Sequence

from gapless.consolidate.timeline import Turn
from gapless.model import MINUTE, Timeframe
from gapless.model.log import LogEntry
from gapless.ports import TapeReader
from gapless.query.consolidated import (
    Consolidated,
    consolidated,
    consolidated_row,
    consolidated_trade,
    switch_row,
    turns_of,
)
from gapless.query.events import Cursor, Event
from gapless.query.market import Market


def switch_events(reader: TapeReader, entries: Sequence[LogEntry], symbol: str | None) -> Iterator[Event]:
    """Give the switches (of one instrument)."""
    turns = turns_of(reader, symbol) if any(entry.kind == "switch" for entry in entries) else []
    for entry in entries:
        if entry.kind == "switch" and entry.first == 1:
            for turn in turns:
                if turn.number == entry.number and turn.source == entry.instrument and turn.switches:
                    yield Event(_after(entry, 1), "switch", False, switch_row(turn))


def trade_events(reader: TapeReader, entries: Sequence[LogEntry], symbol: str) -> Iterator[Event]:
    """Give the trades of the consolidated tape, with the switches between them."""
    whole = consolidated(Market(reader), symbol)
    for entry in entries:
        if entry.kind == "switch":
            if turn := _turn(whole, entry):
                yield from _joined(reader, whole, turn, entry)
        elif entry.kind == "trades" and (tape := whole.tape(entry.instrument)) and tape.id == entry.tape:
            rows = reader.trades(tape.id, entry.first, entry.last)
            for trade in whole.timeline.known(entry.number).of(entry.instrument, rows):
                row = consolidated_trade(entry.instrument, trade, whole.scales)
                yield Event(_after(entry, trade.seq), "trade", entry.late, row)


def _joined(reader: TapeReader, whole: Consolidated, turn: Turn, entry: LogEntry) -> Iterator[Event]:
    """Give a switch, and the trades that its source had brought by then."""
    if entry.first == 1 and turn.switches:
        yield Event(_after(entry, 1), "switch", False, switch_row(turn))
    for item, first, last in turn.ids(entry.first, entry.last):
        for trade in reader.trades(turn.tape, first, last):
            if trade.time >= turn.instant:
                row = consolidated_trade(turn.source, trade, whole.scales)
                yield Event(_after(entry, item + trade.seq - first), "trade", False, row)


def candle_events(
    reader: TapeReader, entries: Sequence[LogEntry], following: LogEntry | None, symbol: str, frame: Timeframe
) -> Iterator[Event]:
    """Give a bar when the active source closes its last minute, and each time something of a closed one changes."""
    whole = consolidated(Market(reader), symbol)
    places = [place for entry in entries for place in _minutes(whole, entry)]
    beyond = list(_minutes(whole, following)) if following else []
    last = {(at[0].number, frame.start_of(at[2])): at for at in (*places, *beyond)}
    for entry, item, minute in places:
        begin = frame.start_of(minute)
        if last[entry.number, begin] != (entry, item, minute):
            continue  # a commit tells each bar once
        before = whole.known(entry.number - 1).bar(begin, frame, entry.number - 1)
        bar = whole.known(entry.number).bar(begin, frame, entry.number)
        if bar is not None and bar != before:
            late = entry.late or before is not None or minute + MINUTE < frame.end_of(begin)
            yield Event(_after(entry, item), "candle", late, consolidated_row(bar[0], bar[1], whole.digits))


def _minutes(whole: Consolidated, entry: LogEntry) -> Iterator[tuple[LogEntry, int, int]]:
    """Go through the minutes that an entry may change, as (entry, item, minute)."""
    if entry.kind == "candle" and entry.instrument in whole.scales:
        yield entry, entry.first, entry.first
    elif entry.kind == "switch" and (turn := _turn(whole, entry)):
        begin = turn.items - turn.minutes + 1
        for item in range(max(entry.first, begin), entry.last + 1):
            yield entry, item, turn.minute + (item - begin) * MINUTE


def _turn(whole: Consolidated, entry: LogEntry) -> Turn | None:
    turns = whole.timeline.turns
    return next((one for one in turns if (one.number, one.source) == (entry.number, entry.instrument)), None)


def _after(entry: LogEntry, item: int) -> Cursor:
    """Give the place after an item of an entry, which counts as its `first` to `last` do."""
    return Cursor(entry.number, entry.item + item - entry.first + 1)
