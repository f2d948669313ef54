"""The newest minutes in memory: a window that follows each commit, and a reader that asks it before the store."""

import threading
from typing import Any, cast

from msgspec import Struct

from gapless.derive.bars import ClosedBar
from gapless.derive.settle import Settled
from gapless.model import MINUTE, Candle, MinuteFold, Tape, Timeframe
from gapless.ports import TapeReader

_MOST_BARS = 60_000  # emitted bars at hand: beyond them they are folded from the store


class _Known(Struct):
    """All that the store holds of an instrument's minutes from `begin` on (ns), up to `end`."""

    instrument: str
    digits: tuple[int, int]
    tapes: frozenset[int]
    begin: int
    end: int
    candles: dict[int, Candle] = {}
    folds: dict[tuple[int, int], MinuteFold] = {}


class _Emitted(Struct):
    """The bars that a commit emitted, and the digits of its instruments then; looked up only where somebody asks."""

    bars: list[ClosedBar]
    digits: dict[str, tuple[int, int]]
    found: dict[tuple[str, Timeframe, int], Candle] = {}

    def bar(self, instrument: str, timeframe: Timeframe, start: int) -> Candle | None:
        """Give one of them."""
        if not self.found:
            self.found = {(bar.instrument, bar.timeframe, bar.candle.start): bar.candle for bar in self.bars}
        return self.found.get((instrument, timeframe, start))


class Hot:
    """The newest minutes of each instrument that is collected, and the bars that were emitted last.

    The engine brings its commits, in order; what somebody else commits in between empties the window. It fills from
    the first minute on that it is brought. Other threads read than the one that brings. Digits may grow at any time:
    what is at hand in those of before answers nothing. `hits` and `misses` count the questions, `bytes` the ladders.
    """

    def __init__(self, reader: TapeReader, *, minutes: int) -> None:
        self.hits = self.misses = self.bytes = 0
        self._reader = reader
        self._keep = minutes * MINUTE
        self._lock = threading.Lock()
        self._number = 0
        self._known: dict[str, _Known] = {}
        self._by_tape: dict[int, _Known] = {}
        self._emitted: dict[int, _Emitted] = {}
        self._alone = 0
        self._bars = 0

    @property
    def minutes(self) -> int:
        """How many minutes are at hand, of all instruments."""
        with self._lock:
            return sum(len(known.candles) for known in self._known.values())

    def take(self, settled: Settled) -> None:
        """Follow a commit."""
        with self._lock:
            if settled.number > self._number + 1:  # somebody else has committed in between
                self._known.clear()
                self._by_tape.clear()
                self._alone = settled.number
                self.bytes = 0
            self._number = settled.number or self._number
            for change in settled.changes:
                self._put(change.instrument, change.candle)
            for instrument, candle in settled.rewritten:
                self._put(instrument, candle)
            for tape, fold in settled.folds:
                self._fold(tape, fold)
            for tape_and_start in settled.stale:
                self._stale(*tape_and_start)
            if settled.bars:
                digits = {name: known.digits for name, known in self._known.items()}
                self._emitted[settled.number] = _Emitted(settled.bars, digits)
                self._bars += len(settled.bars)
            while self._bars > _MOST_BARS and len(self._emitted) > 1:
                self._bars -= len(self._emitted.pop(next(iter(self._emitted))).bars)

    def _put(self, instrument: str, candle: Candle) -> None:
        known = self._known.get(instrument)
        if known is None or known.digits != _digits(self._reader, instrument):
            if known is not None:
                self._drop(known)
            known = self._known[instrument] = self._fresh(instrument, candle)
        if candle.start >= known.begin:
            known.candles[candle.start] = candle
            known.end = max(known.end, candle.start + MINUTE)
            if known.end - known.begin > 2 * self._keep:
                self._trim(known)

    def _drop(self, known: _Known) -> None:
        """Forget an instrument."""
        del self._known[known.instrument]
        for tape in known.tapes:
            self._by_tape.pop(tape, None)
        self.bytes -= sum(len(fold.ladder) for fold in known.folds.values())

    def _fresh(self, instrument: str, candle: Candle) -> _Known:
        """Begin a window after everything that is held."""
        newest = self._reader.newest_candle(instrument) or candle
        tapes = frozenset(tape.id for tape in self._reader.tapes(instrument))
        begin = newest.start + MINUTE
        known = _Known(instrument, _digits(self._reader, instrument), tapes, begin, begin)
        self._by_tape |= dict.fromkeys(tapes, known)
        return known

    def _fold(self, tape: int, fold: MinuteFold) -> None:
        known = self._by_tape.get(tape)
        if known and fold.bar.start >= known.begin:
            former = known.folds.get((tape, fold.bar.start))
            known.folds[tape, fold.bar.start] = fold
            self.bytes += len(fold.ladder) - (len(former.ladder) if former else 0)

    def _stale(self, tape: int, start: int) -> None:
        """Leave a minute to the store, and all before it: rows came of which no fold was made."""
        known = self._by_tape.get(tape)
        if known and start >= known.begin:
            known.begin = start + MINUTE

    def _trim(self, known: _Known) -> None:
        known.begin = known.end - self._keep
        known.candles = {at: candle for at, candle in known.candles.items() if at >= known.begin}
        self.bytes -= sum(len(fold.ladder) for (_, at), fold in known.folds.items() if at < known.begin)
        known.folds = {key: fold for key, fold in known.folds.items() if key[1] >= known.begin}
        for other in [other for other in self._known.values() if other.end < known.begin]:
            self._drop(other)  # it is not collected any more

    def emitted(self, number: int, tape: Tape, timeframe: Timeframe, start: int) -> Candle | None:
        """Give a bar of the instrument of a tape as a commit emitted it, where that is not long ago."""
        if timeframe.grid != "midnight":
            return None
        with self._lock:
            commit = self._emitted.get(number)
            if commit is None or commit.digits.get(tape.instrument) != (tape.price_digits, tape.size_digits):
                return None
            return commit.bar(tape.instrument, timeframe, start)

    def newest(self) -> dict[tuple[str, Timeframe], Candle]:
        """Give the newest bar of every instrument and timeframe as it was last emitted, since we commit alone."""
        newest: dict[tuple[str, Timeframe], Candle] = {}
        with self._lock:
            digits = {name: known.digits for name, known in self._known.items()}
            commits = [commit for number, commit in self._emitted.items() if number >= self._alone]
        for commit in commits:
            for bar in commit.bars:
                if bar.instrument in digits and commit.digits.get(bar.instrument) == digits[bar.instrument]:
                    former = newest.get((bar.instrument, bar.timeframe))
                    if former is None or bar.candle.start >= former.start:
                        newest[bar.instrument, bar.timeframe] = bar.candle
        return newest

    def candles(self, reader: TapeReader, instrument: str, start: int, end: int) -> list[Candle] | None:
        """List the closed minutes that begin in [start, end); None where the store must be asked."""
        with self._lock:
            known = self._valid(reader, self._known.get(instrument), start)
            if known is None:
                return None
            found = (known.candles.get(at) for at in range(start + -start % MINUTE, min(end, known.end), MINUTE))
            return [candle for candle in found if candle]

    def folds(self, reader: TapeReader, tape: int, start: int, end: int) -> list[MinuteFold] | None:
        """List the folds of the closed minutes that begin in [start, end); None where the store must be asked."""
        with self._lock:
            known = self._valid(reader, self._by_tape.get(tape), start)
            if known is None:
                return None
            minutes = range(start + -start % MINUTE, min(end, known.end), MINUTE)
            return [fold for at in minutes if (fold := known.folds.get((tape, at)))]

    def _valid(self, reader: TapeReader, known: _Known | None, start: int) -> _Known | None:
        """Give a window that reaches back to a time and knows of every commit that the reader sees."""
        good = (
            known is not None
            and start >= known.begin
            and reader.log_span()[1] == self._number
            and known.digits == _digits(reader, known.instrument)
        )
        self.hits += good
        self.misses += not good
        return known if good else None


def _digits(reader: TapeReader, instrument: str) -> tuple[int, int]:
    described = reader.instrument(instrument)
    return described.price_digits, described.size_digits


class HotReader:
    """A reader of the store that takes the newest minutes from memory."""

    def __init__(self, reader: TapeReader, hot: Hot) -> None:
        self._reader = reader
        self._hot = hot

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def candles(self, instrument: str, start: int, end: int) -> list[Candle]:
        """List the closed 1m candles that begin in [start, end)."""
        found = self._hot.candles(self._reader, instrument, start, end)
        return self._reader.candles(instrument, start, end) if found is None else found

    def folds(self, tape: int, start: int, end: int) -> list[MinuteFold]:
        """List the folds of the closed minutes that begin in [start, end)."""
        found = self._hot.folds(self._reader, tape, start, end)
        return self._reader.folds(tape, start, end) if found is None else found


def hot_reader(reader: TapeReader, hot: Hot) -> TapeReader:
    """Put the newest minutes in memory before a reader."""
    return cast(TapeReader, HotReader(reader, hot))
