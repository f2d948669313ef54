"""Explains a bar: for each of its parts where it came from, who vouches for it, and what became of it since."""

import time
from typing import Any

from gapless.derive.aged import aged
from gapless.derive.candles import bar_of_minutes, with_missing
from gapless.derive.judge import Held, bar_of, held, verdict_of
from gapless.model import MINUTE, VALUES, Bar, Candle, Gap, Instrument, MinuteFold, Proof, Tape, Timeframe
from gapless.model.candle import UNTOLD
from gapless.model.number import plain
from gapless.model.signal import Judged
from gapless.model.times import in_epoch
from gapless.ports import MinuteRow, TapeReader
from gapless.query.evidence import Reach, gaps_of, happened, reach_of, repairs_of, spans_of
from gapless.query.market import Market, fold_of, overlapping
from gapless.query.present import candle_row, signal_row


def explain(
    market: Market, instrument: Instrument, timeframe: Timeframe, start: int, *, epoch: str | None = None
) -> dict[str, Any]:
    """Say where every part of the bar that contains `start` (ns UTC) came from, as programs read it.

    `minutes` holds for each minute the venue's bar beside our fold, their difference (venue minus tape), the
    verdict (equal, border, different), the former revisions and what of it retention has dropped; `spans` who vouches
    for the ids, `gaps` the holes that touched the bar with what was asked to fill them and why, `events` what happened
    to connections while it was received, `doubled` the events of it that came again, `spent` what the repairs cost
    while its gaps were open; None where no event tells. `signals` has every judgement of the bar, by kind, in the
    order they were made.
    """
    began = time.perf_counter()
    reader = market.reader
    begin = timeframe.start_of(start)
    end = timeframe.end_of(begin)
    tape, bars = market.primary(instrument.id), market.bars(instrument.id)
    candles = with_missing(reader.candles(instrument.id, begin, end), begin, end)
    bar = bar_of_minutes(candles, timeframe)
    reach = reach_of(reader, tape, begin, end) if tape else None
    parts = [_Part(reader, instrument, tape, candle) for candle in candles]
    gaps = gaps_of(reader, tape, bars, reach=reach, minutes=(begin // MINUTE, end // MINUTE - 1))
    told = happened(reader, instrument, reach, gaps=gaps, since=begin, epoch=epoch)
    p, s = instrument.price_digits, instrument.size_digits
    return {
        "instrument": instrument.id,
        "timeframe": str(timeframe),
        "start": in_epoch(begin, epoch),
        "end": in_epoch(end, epoch),
        "short": timeframe.is_short(begin),
        "candle": candle_row(bar, p, s, epoch=epoch),
        "proof": bar.proof.text,
        "revision": bar.revision,
        "tape": tape.name if tape else None,
        "ids": _ids(reader, tape, reach),
        "minutes": [part.told(epoch) for part in parts],
        "spans": spans_of(reader, tape, bars, reach=reach, minutes=(begin // MINUTE, end // MINUTE - 1), epoch=epoch),
        "gaps": [_gap(reader, which, gap, epoch) for which, gap in gaps],
        **told,
        "signals": [signal_row(one, epoch=epoch) for one in _judgements(reader, instrument, timeframe, begin)],
        "missing": [
            [in_epoch(c.start, epoch), in_epoch(c.start + MINUTE, epoch)] for c in candles if c.proof is Proof.MISSING
        ],
        "elapsed_ms": round((time.perf_counter() - began) * 1_000, 3),
    }


def _judgements(reader: TapeReader, instrument: Instrument, timeframe: Timeframe, start: int) -> list[Judged]:
    """List the judgements of a bar; none is judged on the epoch grid."""
    return reader.judgements(instrument.id, timeframe.minutes, start) if timeframe.grid == "midnight" else []


def _ids(reader: TapeReader, tape: Tape | None, reach: Reach | None) -> dict[str, Any] | None:
    """Count the ids of the bar on the primary tape: rows, and voids, which are held without a row."""
    if tape is None or reach is None or reach.first is None or reach.last is None:
        return None
    spans = overlapping(reader, tape, reach.first, reach.last)
    vouched = sum(min(s.last, reach.last) - max(s.first, reach.first) + 1 for s in spans)
    rows = reader.counts(tape.id, reach.first, reach.last)
    return {"first": reach.first, "last": reach.last, "held": vouched, "rows": rows, "voids": vouched - rows}


def _gap(reader: TapeReader, tape: Tape, gap: Gap, epoch: str | None) -> dict[str, Any]:
    spans = overlapping(reader, tape, gap.first, gap.last)
    return {
        "tape": tape.name,
        "first": gap.first,
        "last": gap.last,
        "ids": gap.size,
        "state": gap.state,
        "cause": gap.cause,
        "reason": gap.reason,
        "opened": in_epoch(gap.opened, epoch),
        "closed": None if gap.closed is None else in_epoch(gap.closed, epoch),
        "filled_by": sorted({span.evidence.text for span in spans}),
        "repairs": repairs_of(reader, tape, gap),
    }


class _Part:
    """One minute of the bar: what is served, the venue's bar, our fold, and what the ledger says of the trades."""

    def __init__(self, reader: TapeReader, instrument: Instrument, tape: Tape | None, candle: Candle) -> None:
        self.reader = reader
        self.instrument = instrument
        self.tape = tape
        self.candle = candle
        self.bar = bar_of(candle)
        self.fold = self._fold()
        self.held = held(reader, tape, candle.start, fold=self.fold, bar=self.bar) if tape else Held()

    def _fold(self) -> MinuteFold | None:
        if self.tape is None:
            return None
        row: MinuteRow | None = self.reader.minute(self.tape.id, self.candle.start)
        if row is None:
            return None
        stored = self.reader.fold(self.tape.id, row.start) if row.last_seq is not None else None
        return stored or fold_of(self.reader, self.tape, row)

    def told(self, epoch: str | None) -> dict[str, Any]:
        """Write the minute for programs."""
        candle, fold = self.candle, self.fold
        return {
            "start": in_epoch(candle.start, epoch),
            "state": candle.state.text,
            "origin": None if candle.origin is None else candle.origin.text,
            "proof": candle.proof.text,
            "revision": candle.revision,
            "edge": candle.edge,
            "border": candle.border,
            "expired": self._expired(),
            "whole": self.held.whole,
            "streamed": self.held.whole and self.held.streamed,
            "first_seq": fold.first_seq if fold else None,
            "last_seq": fold.last_seq if fold else None,
            "venue": self._values(self.bar),
            "tape": self._values(fold.bar if fold else None),
            "difference": self._difference(),
            "verdict": self._verdict(),
            "revisions": self._revisions(epoch),
        }

    def _expired(self) -> list[str]:
        """Name what of the minute retention has dropped: trades, ladders."""
        if self.tape is None:
            return []
        minute, fold = self.candle.start // MINUTE, self.fold
        ladders = any(a <= minute <= b for a, b in self.reader.expired(self.tape.id, "ladders"))
        trades = fold is not None and aged(self.reader, self.tape.id, fold.first_seq, fold.last_seq)
        return ["trades"] * trades + ["ladders"] * ladders

    def _digits(self) -> dict[str, int | None]:
        p, s = self.instrument.price_digits, self.instrument.size_digits
        prices = dict.fromkeys(("open", "high", "low", "close"), p)
        sums = {"volume": s, "quote_volume": p + s, "taker_buy_volume": s, "taker_buy_quote_volume": p + s}
        return {**prices, **sums, "trades": None}

    def _text(self, name: str, value: int | None) -> str | int | None:
        digits = self._digits()[name]
        return value if value is None or digits is None else plain(value, digits)

    def _values(self, bar: Bar | None) -> dict[str, Any] | None:
        if bar is None:
            return None
        return {
            **{name: self._text(name, None if (value := getattr(bar, name)) == UNTOLD else value) for name in VALUES},
            "first_id": bar.first_id if bar.first_id >= 0 else None,
            "last_id": bar.last_id if bar.last_id >= 0 else None,
        }

    def _difference(self) -> dict[str, Any] | None:
        """Give venue minus tape for each value that is told and differs; None where there are not both."""
        if self.bar is None or self.fold is None:
            return None
        ours = self.fold.bar
        return {
            name: self._text(name, getattr(self.bar, name) - getattr(ours, name))
            for name in VALUES
            if getattr(self.bar, name) not in (UNTOLD, getattr(ours, name))
        }

    def _verdict(self) -> str | None:
        """Compare as the proof does; None where the trades are not whole, so that a difference means nothing."""
        if self.bar is None or self.tape is None or not self.held.whole:
            return None
        return verdict_of(self.bar, self.fold, self.tape, self.held).value

    def _revisions(self, epoch: str | None) -> list[dict[str, Any]]:
        """List the former rows, each with what replaced it: when, why, and the values that changed then."""
        former = self.reader.revisions(self.instrument.id, self.candle.start)
        follows = [*(candle for candle, _, _ in former[1:]), self.candle]
        p, s = self.instrument.price_digits, self.instrument.size_digits
        return [
            {
                "revision": old.revision,
                "replaced": in_epoch(known_at, epoch),
                "cause": cause,
                "changed": [name for name in (*VALUES, "proof") if getattr(old, name) != getattr(new, name)],
                "candle": candle_row(old, p, s, epoch=epoch),
            }
            for (old, known_at, cause), new in zip(former, follows, strict=False)
        ]
