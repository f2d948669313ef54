"""Reads a store as one market: the same answers for the command line, Python and HTTP."""

import time
from collections.abc import Callable, Iterator
from typing import Literal

from msgspec.structs import replace

from gapless.derive.candles import fold, with_missing
from gapless.derive.judge import candle_of
from gapless.derive.minutes import fold_minute
from gapless.errors import UnknownName
from gapless.model import (
    MINUTE,
    Bar,
    Candle,
    Instrument,
    MinuteFold,
    Origin,
    Proof,
    Span,
    State,
    Tape,
    Timeframe,
    Trade,
)
from gapless.ports import MinuteRow, TapeReader
from gapless.query.answer import CandleAnswer, TradeAnswer
from gapless.query.resolve import resolve
from gapless.tape.coverage import without

Basis = Literal["venue", "tape"]
_END = 2**63 - 1


class Market:
    """Answers questions about what a store holds; it never asks a venue.

    `tail` gives the forming minute of an instrument where the collector runs in this process.
    """

    def __init__(self, reader: TapeReader, *, tail: Callable[[str], Candle | None] | None = None) -> None:
        self.reader = reader
        self._tail = tail

    def as_of(self, at: int | None) -> "Market":
        """Give the market as it was known at a time (ns UTC of this machine), or itself without one.

        Raises `BadInput` where the log no longer reaches back so far.
        """
        return self if at is None else Market(self.reader.as_of(at))

    def instrument(self, text: str) -> Instrument:
        """Give the instrument that a text means."""
        return resolve(text, self.reader.instruments(), where="the store holds")

    def primary(self, instrument: str) -> Tape | None:
        """Give the tape that folds and footprints come from: the first of trades that was opened."""
        return next((tape for tape in self.reader.tapes(instrument) if tape.kind != "bars"), None)

    def bars(self, instrument: str) -> Tape | None:
        """Give the tape of the venue's own bars."""
        return next((tape for tape in self.reader.tapes(instrument) if tape.kind == "bars"), None)

    def candles(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        *,
        start: int | None = None,
        end: int | None = None,
        last: int | None = None,
        basis: Basis = "venue",
        live: bool = False,
    ) -> CandleAnswer:
        """Give candles of any timeframe for [start, end), or the last N closed ones; times are ns UTC."""
        began = time.perf_counter()
        newest = self.reader.newest_candle(instrument.id)
        closed_until = newest.start + MINUTE if newest else 0
        asked, until = bounds(timeframe, start, end, last, closed_until)
        begin = max(asked, timeframe.start_of(oldest)) if (oldest := self._oldest(instrument.id)) is not None else until
        minutes = self._minutes(instrument.id, begin, until, basis)
        rows = list(fold(minutes, timeframe))
        sources = self.evidence(instrument.id, begin, until)
        if live and (start is None or start <= timeframe.start_of(closed_until)):
            rows = self._with_forming(instrument.id, timeframe, rows, closed_until, end)
            if self._tail and rows and rows[-1].state is State.OPEN and self._tail(instrument.id):
                sources = sorted({*sources, "stream"})
        return CandleAnswer(
            instrument=instrument.id,
            timeframe=timeframe,
            price_digits=instrument.price_digits,
            size_digits=instrument.size_digits,
            rows=rows,
            sources=sources,
            missing=missing_of(minutes, begin if start is None or end is None else asked, until),
            elapsed_ms=(time.perf_counter() - began) * 1_000,
        )

    def _oldest(self, instrument: str) -> int | None:
        first = self.reader.oldest_candle(instrument)
        return first.start if first else None

    def _minutes(self, instrument: str, begin: int, until: int, basis: Basis) -> list[Candle]:
        if begin >= until:
            return []
        candles = with_missing(self.reader.candles(instrument, begin, until), begin, until)
        if basis == "venue":
            return candles
        primary = self.primary(instrument)
        if primary is None:
            return [_off_tape(candle) for candle in candles]
        folds = {fold.bar.start: fold for fold in self.reader.folds(primary.id, begin, until)}
        rows = []
        for candle in candles:
            found = folds.get(candle.start)
            # A minute to which a trade came late has no fold yet.
            if found is None and candle.proof and (row := self.reader.minute(primary.id, candle.start)):
                found = fold_of(self.reader, primary, row)
            rows.append(_on_tape(candle, found.bar) if found else _off_tape(candle))
        return rows

    def forming(self, instrument: str, start: int) -> Candle | None:
        """Give the forming minute from its trades so far; None when nothing has traded in it."""
        if self._tail and (candle := self._tail(instrument)) and candle.start == start:
            return candle
        tape = self.primary(instrument)
        row = self.reader.minute(tape.id, start) if tape else None
        if tape is None or row is None:
            return None
        folded = fold_of(self.reader, tape, row)
        return _opened(candle_of(folded.bar, Origin.TAPE, Proof.PARTIAL)) if folded else None

    def _with_forming(
        self, instrument: str, timeframe: Timeframe, rows: list[Candle], closed_until: int, end: int | None
    ) -> list[Candle]:
        begin = timeframe.start_of(closed_until)
        if end is not None and end <= begin:
            return rows
        minutes = with_missing(self.reader.candles(instrument, begin, closed_until), begin, closed_until)
        if tail := self.forming(instrument, closed_until):
            minutes.append(tail)
        bars = list(fold(minutes, timeframe)) if minutes else []
        return rows + [_opened(bar) for bar in bars]

    def evidence(self, instrument: str, begin: int, until: int) -> list[str]:
        """Name what vouches for the venue's bars of [begin, until), and the store."""
        tape = self.bars(instrument)
        if tape is None or begin >= until:
            return ["store"]
        spans = overlapping(self.reader, tape, begin // MINUTE, until // MINUTE - 1)
        return sorted({"store", *(span.evidence.text for span in spans)})

    def trades(self, instrument: Instrument, *, start: int | None = None, end: int | None = None) -> TradeAnswer:
        """Give the trades of the primary tape with times in [start, end)."""
        began = time.perf_counter()
        tape = self.primary(instrument.id)
        if tape is None:
            raise UnknownName(f"the store holds no trades of {instrument.id}; it holds candles")
        rows = list(self.stream_trades(instrument, start=start, end=end))
        return self.trade_answer(instrument, tape, rows, began=began)

    def trade_answer(
        self, instrument: Instrument, tape: Tape, rows: list[Trade], *, began: float, since: int | None = None
    ) -> TradeAnswer:
        """Say of trades of a tape, ascending, how well they are proven and what is missing between them.

        `since` is the id that was asked for, where the answer is to reach back to it.
        """
        asked = (rows[0].seq if since is None else min(since, rows[0].seq), rows[-1].seq) if rows else (0, -1)
        spans = overlapping(self.reader, tape, *asked) if rows else []
        holes = without(asked, spans) if rows else []
        return TradeAnswer(
            instrument=instrument.id,
            price_digits=instrument.price_digits,
            size_digits=instrument.size_digits,
            rows=rows,
            proof=_proof(spans, whole=bool(rows) and not holes),
            sources=sorted({"store", *(span.evidence.text for span in spans)}),
            missing=[self._hole_times(tape, hole) for hole in holes],
            elapsed_ms=(time.perf_counter() - began) * 1_000,
        )

    def stream_trades(self, instrument: Instrument, *, start: int | None, end: int | None) -> Iterator[Trade]:
        """Go through the trades with times in [start, end), by id."""
        tape = self.primary(instrument.id)
        return iter(()) if tape is None else self.reader.trades_in(tape.id, start or 0, end or _END - 2 * MINUTE)

    def _hole_times(self, tape: Tape, hole: tuple[int, int]) -> tuple[int, int]:
        before, after = self.reader.trade_before(tape.id, hole[0]), self.reader.trade_after(tape.id, hole[1])
        return (before.time if before else 0, after.time if after else 0)


def fold_of(reader: TapeReader, tape: Tape, row: MinuteRow) -> MinuteFold | None:
    """Fold a minute from its stored trades."""
    beyond = reader.minute_from(tape.id, row.start + 2 * MINUTE)
    rows = reader.trades(tape.id, row.first_seq, beyond.first_seq - 1 if beyond else _END)
    return fold_minute([trade for trade in rows if row.start <= trade.time < row.start + MINUTE], row.start)


def overlapping(reader: TapeReader, tape: Tape, first: int, last: int) -> list[Span]:
    """List the vouched spans that hold an id from `first` to `last`."""
    return [span for span in reader.spans(tape.id, first, last) if span.first <= last and span.last >= first]


def bounds(timeframe: Timeframe, start: int | None, end: int | None, last: int | None, closed: int) -> tuple[int, int]:
    """Give the whole bars that were asked for and have closed, as [begin, until) in ns; begin is 0 without a start."""
    until = timeframe.start_of(closed)
    if end is not None and end < until:
        floor = timeframe.start_of(end)
        until = floor if floor == end else timeframe.end_of(floor)
    if start is not None:
        floor = timeframe.start_of(start)
        return (floor if floor == start else timeframe.end_of(floor)), until
    begin = until if last else 0
    for _ in range(last or 0):
        begin = timeframe.start_of(begin - 1)
    return begin, until


def _on_tape(candle: Candle, bar: Bar) -> Candle:
    proof = Proof.PARTIAL if candle.proof is Proof.OFFICIAL else candle.proof
    dressed = candle_of(bar, Origin.TAPE, proof, edge=candle.edge, border=candle.border)
    return replace(dressed, revision=candle.revision) if candle.proof else Candle(start=candle.start)


def _off_tape(candle: Candle) -> Candle:
    if candle.state is State.EMPTY and candle.proof > Proof.OFFICIAL:
        return candle
    return Candle(start=candle.start)


def _opened(candle: Candle) -> Candle:
    return replace(candle, state=State.OPEN)


def _proof(spans: list[Span], *, whole: bool) -> Proof:
    if not spans:
        return Proof.MISSING
    if not whole:
        return Proof.PARTIAL
    return Proof.PROVEN if all(span.evidence.name == "STREAM" for span in spans) else Proof.REPAIRED


def missing_of(minutes: list[Candle], begin: int, until: int) -> list[tuple[int, int]]:
    """List the times of the closed bars asked for, [begin, until), that are not held: holes, and what lies before."""
    spans: list[tuple[int, int]] = []
    held = minutes[0].start if minutes else until
    if begin < held:
        spans.append((begin, held))
    for minute in minutes:
        if minute.proof is Proof.MISSING:
            if spans and spans[-1][1] == minute.start:
                spans[-1] = (spans[-1][0], minute.start + MINUTE)
            else:
                spans.append((minute.start, minute.start + MINUTE))
    return spans
