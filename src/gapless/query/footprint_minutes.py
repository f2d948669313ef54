"""The minutes that footprints are formed from: candles, folds, ladders, and how well their trades are proven."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from gapless.derive.judge import footprint_proof
from gapless.derive.ladder import LadderFold
from gapless.model import HOUR, MINUTE, Instrument, MinuteFold, Origin, Proof, Span, Tape
from gapless.model.footprint import Ladder
from gapless.model.packed import decode
from gapless.ports import MinuteRow, TapeReader
from gapless.query.market import fold_of, overlapping


class BarMinutes:
    """The minutes of [begin, end): candles first, then folds, so that a fold is never older than its proof."""

    def __init__(
        self, reader: TapeReader, instrument: Instrument, tape: Tape, begin: int, end: int, *, shared: bool = False
    ) -> None:
        self.reader = reader
        self.instrument = instrument
        self.tape = tape
        newest = reader.newest_candle(instrument.id)
        self.closed_until = newest.start + MINUTE if newest else 0
        self.candles = {candle.start: candle for candle in reader.candles(instrument.id, begin, end)}
        self.folds = {fold.bar.start: fold for fold in reader.folds(tape.id, begin, end)}
        for row in self._unfolded(begin, end):
            if fold := fold_of(reader, tape, row):
                self.folds[row.start] = fold
        self.expired = {start for start, fold in self.folds.items() if not fold.ladder}
        for start in self.expired:
            del self.folds[start]
        self._shared = shared
        self._hours: dict[int, Ladder] = {}

    def _unfolded(self, begin: int, end: int) -> list[MinuteRow]:
        """List the minutes with trades that have no stored fold: the forming one, and those made stale."""
        rows = []
        for before, after in pairwise([begin - MINUTE, *self.folds, end]):
            at = before + MINUTE
            while at < after and (row := self.reader.minute_from(self.tape.id, at)) and row.start < after:
                rows.append(row)
                at = row.start + MINUTE
        return rows

    def ladder(self, start: int, end: int) -> Ladder:
        """Merge the ladders of [start, end); where bars share minutes, whole hours are merged once for all."""
        merged = LadderFold()
        at = start
        while at < end:
            if self._shared and at % HOUR == 0 and at + HOUR <= end:
                merged.add_ladder(self._hour(at))
                at += HOUR
            else:
                if fold := self.folds.get(at):
                    merged.add_ladder(decode(fold.ladder))
                at += MINUTE
        return merged.ladder()

    def _hour(self, start: int) -> Ladder:
        if start not in self._hours:
            merged = LadderFold()
            for at in range(start, start + HOUR, MINUTE):
                if fold := self.folds.get(at):
                    merged.add_ladder(decode(fold.ladder))
            self._hours[start] = merged.ladder()
        return self._hours[start]

    def proof(self, start: int) -> Proof:
        """Give the proof of the trades of a minute."""
        if start in self.expired:
            return Proof.MISSING
        return footprint_proof(self.candles.get(start), folded=start in self.folds)

    def spans(self, folds: Sequence[MinuteFold]) -> list[Span]:
        """List who vouches for the ids that these folds span, each with its part of them."""
        if not folds:
            return []
        first, last = min(fold.first_seq for fold in folds), max(fold.last_seq for fold in folds)
        found = overlapping(self.reader, self.tape, first, last)
        return [Span(max(span.first, first), min(span.last, last), span.evidence) for span in found]

    def volumes(self, proofs: Iterable[tuple[int, Proof]]) -> tuple[int, int | None]:
        """Give the volume held of closed minutes with their proofs, and the venue's own, None where it is unknown.

        Of whole trades nothing is missing: what the border rule explains lies in the next minute.
        """
        held, official, known = 0, 0, True
        for start, proof in proofs:
            candle, fold = self.candles.get(start), self.folds.get(start)
            volume = fold.bar.volume if fold else 0
            held += volume
            if proof >= Proof.REPAIRED:
                official += volume
            elif candle and candle.origin is Origin.VENUE and candle.volume is not None:
                official += candle.volume
            else:
                known = False
        return held, official if known else None
