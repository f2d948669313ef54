"""Footprints of any bar, closed or forming, from the stored 1-minute ladders: one answer for every face."""

import time
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from gapless.derive.footprint import automatic_ticks_per_row, footprint_of
from gapless.derive.footprint_settings import DEFAULTS, FootprintSettings
from gapless.derive.quality import Held, quality_of
from gapless.errors import BadInput, UnknownName
from gapless.model import MINUTE, Candle, Evidence, Instrument, MinuteFold, Proof, State, Tape, Timeframe
from gapless.model.footprint import Footprint
from gapless.model.proof import derived
from gapless.model.times import in_epoch
from gapless.query.footprint_minutes import BarMinutes
from gapless.query.footprint_rows import BarFootprint, divergence_rows, footprint_object, relate
from gapless.query.market import Market

_Typical = dict[tuple[str, Timeframe, int, int], tuple[int, int, int]]
_TYPICAL: WeakKeyDictionary[Market, _Typical] = WeakKeyDictionary()


def footprint(
    market: Market,
    instrument: Instrument,
    timeframe: Timeframe,
    start: int,
    *,
    ticks_per_row: int | None = None,
    settings: FootprintSettings = DEFAULTS,
) -> BarFootprint:
    """Give the footprint of the bar that contains `start` (ns UTC), the forming one included.

    Without `ticks_per_row` the automatic one of the instrument and timeframe is used. Raises `UnknownName` where
    no trades are kept of the instrument, `BadInput` where the rows would be too many.
    """
    began = time.perf_counter()
    begin = timeframe.start_of(start)
    tape = trades_tape(market, instrument)
    chosen = ticks_per_row or typical_ticks_per_row(market, instrument, timeframe, settings=settings)
    minutes = BarMinutes(market.reader, instrument, tape, begin, timeframe.end_of(begin))
    return bar_of(minutes, timeframe, begin, ticks_per_row=chosen, settings=settings, began=began)


def footprints(
    market: Market,
    instrument: Instrument,
    timeframe: Timeframe,
    *,
    start: int | None = None,
    end: int | None = None,
    last: int | None = None,
    live: bool = False,
    ticks_per_row: int | None = None,
    settings: FootprintSettings = DEFAULTS,
    profile: bool = False,
) -> tuple[list[BarFootprint], list[tuple[int, int]]]:
    """Give the footprints of the bars that `Market.candles` gives, and what is missing of all that was asked for.

    All have rows of one height. A bar that cannot be formed carries its error and never costs the others.
    """
    tape = trades_tape(market, instrument)
    answer = market.candles(instrument, timeframe, start=start, end=end, last=last, live=live)
    if not answer.rows:
        return [], answer.missing
    chosen = ticks_per_row or typical_ticks_per_row(market, instrument, timeframe, settings=settings)
    first, until = answer.rows[0].start, timeframe.end_of(answer.rows[-1].start)
    minutes = BarMinutes(market.reader, instrument, tape, first, until)
    bars = []
    for row in answer.rows:
        began = time.perf_counter()
        try:
            bar = bar_of(
                minutes, timeframe, row.start, ticks_per_row=chosen, settings=settings, began=began, profile=profile
            )
        except BadInput as error:
            bar = _failed(row, timeframe, chosen, error)
        bars.append(bar)
    return bars, _joined([*answer.missing, *(span for bar in bars for span in bar.missing)])


def footprint_answer(
    market: Market,
    instrument: Instrument,
    timeframe: Timeframe,
    start: int | None = None,
    end: int | None = None,
    last: int | None = None,
    *,
    live: bool = False,
    ticks_per_row: int | None = None,
    settings: FootprintSettings = DEFAULTS,
    epoch: str | None = None,
) -> dict[str, Any]:
    """Give many footprints as every face lists them: `rows` with proof, revision, sources, missing, elapsed_ms.

    Each row also has `cvd`, the delta summed since midnight UTC within the answer, and `poc_naked`: no later bar
    of the answer touched its point of control. `requested`, `successful` and `failed` count the bars.
    """
    began = time.perf_counter()
    bars, missing = footprints(
        market, instrument, timeframe, start=start, end=end, last=last, live=live,
        ticks_per_row=ticks_per_row, settings=settings,
    )  # fmt: skip
    rows = [footprint_object(bar, instrument, timeframe=timeframe, epoch=epoch) for bar in bars]
    failed = sum(bar.error is not None for bar in bars)
    return {
        "rows": relate(rows, bars, instrument),
        "proof": min((bar.proof for bar in bars), default=Proof.MISSING).text,
        "revision": sum(bar.revision for bar in bars),
        "sources": sorted({source for bar in bars for source in bar.sources} or {"store"}),
        "missing": [[in_epoch(a, epoch), in_epoch(b, epoch)] for a, b in missing],
        "divergences": divergence_rows(bars, instrument, window=settings.divergence_bars, epoch=epoch),
        "requested": len(bars),
        "successful": len(bars) - failed,
        "failed": failed,
        "elapsed_ms": round((time.perf_counter() - began) * 1_000, 3),
    }


def trades_tape(market: Market, instrument: Instrument) -> Tape:
    """Give the tape that footprints come from, or raise `UnknownName`."""
    tape = market.primary(instrument.id)
    if tape is None:
        raise UnknownName(f"the store holds no trades of {instrument.id}, and a footprint needs them; it holds candles")
    return tape


def typical_ticks_per_row(
    market: Market, instrument: Instrument, timeframe: Timeframe, *, settings: FootprintSettings = DEFAULTS
) -> int:
    """Give the automatic height of a row: from the newest closed bars, or the forming one where none has closed."""
    newest = market.reader.newest_candle(instrument.id)
    if newest is None:
        return 1
    closed = newest.start + MINUTE
    until = timeframe.start_of(closed)
    known = _TYPICAL.setdefault(market, {})
    key = (instrument.id, timeframe, settings.typical_bars, settings.rows_per_bar)
    found = known.get(key)
    if found is None or found[:2] != (until, instrument.price_digits):
        begin = until
        for _ in range(settings.typical_bars):
            begin = timeframe.start_of(begin - 1)
        ranges = market.reader.ranges(instrument.id, begin, until, timeframe) or market.reader.ranges(
            instrument.id, until, closed, timeframe
        )
        chosen = automatic_ticks_per_row(ranges, tick=instrument.tick, settings=settings)
        found = known[key] = (until, instrument.price_digits, chosen)
    return found[2]


def bar_of(
    minutes: BarMinutes,
    timeframe: Timeframe,
    start: int,
    *,
    ticks_per_row: int,
    began: float,
    settings: FootprintSettings = DEFAULTS,
    profile: bool = False,
) -> BarFootprint:
    """Form the footprint of a bar from its minutes, or its volume profile."""
    end = timeframe.end_of(start)
    closed = min(end, max(minutes.closed_until, start))
    proofs = {at: minutes.proof(at) for at in range(start, closed, MINUTE)}
    forming = closed < end and start <= minutes.closed_until and minutes.closed_until > 0
    folds = [minutes.folds[at] for at in range(start, end, MINUTE) if at in minutes.folds]
    begun = forming and any(fold.bar.start >= closed for fold in folds)
    proof = derived([*map(int, proofs.values()), *([int(Proof.PARTIAL)] if begun else [])])
    formed = footprint_of(
        minutes.ladder(start, end),
        tick=minutes.instrument.tick,
        ticks_per_row=ticks_per_row,
        close=folds[-1].bar.close if folds else None,
        profile=profile,
        settings=settings,
    )
    spans = minutes.spans(folds)
    missing = _joined((at, at + MINUTE) for at, one in proofs.items() if one <= Proof.PARTIAL)
    shown = min(proof, Proof.PARTIAL) if forming else proof
    volume, official = minutes.volumes(proofs.items())
    held = Held(
        trades=formed.trades,
        ids=sum(span.last - span.first + 1 for span in spans),
        streamed=sum(span.last - span.first + 1 for span in spans if span.evidence is Evidence.STREAM),
        proof=shown,
        hole=bool(missing),
        volume=volume,
        official=official if closed == end else None,
        age=minutes.closed_until - end,  # by the newest minute known of the instrument, not by a clock
    )
    return BarFootprint(
        start=start,
        end=end,
        short=timeframe.is_short(start),
        state=_state(proof, folds, forming=forming),
        proof=shown,
        quality=quality_of(held),
        revision=sum(minutes.candles[at].revision for at in proofs if at in minutes.candles),
        sources=sorted({"store", *(span.evidence.text for span in spans)}),
        missing=missing,
        open=folds[0].bar.open if folds else None,
        high=max((fold.bar.high for fold in folds), default=None),
        low=min((fold.bar.low for fold in folds), default=None),
        close=folds[-1].bar.close if folds else None,
        footprint=formed,
        elapsed_ms=(time.perf_counter() - began) * 1_000,
    )


def _state(proof: Proof, folds: Sequence[MinuteFold], *, forming: bool) -> State:
    if forming:
        return State.OPEN
    if proof is Proof.MISSING:
        return State.MISSING
    return State.TRADED if folds else State.EMPTY


def _failed(row: Candle, timeframe: Timeframe, ticks_per_row: int, error: BadInput) -> BarFootprint:
    return BarFootprint(
        start=row.start,
        end=timeframe.end_of(row.start),
        short=row.short,
        state=row.state,
        proof=Proof.MISSING,
        quality=None,
        revision=row.revision,
        sources=["store"],
        missing=[],
        open=None,
        high=None,
        low=None,
        close=None,
        footprint=Footprint(tick=1, ticks_per_row=ticks_per_row, rows_per_step=1, thresholds={}),
        elapsed_ms=0.0,
        error=str(error),
    )


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sort [start, end) spans and join those that touch or overlap."""
    result: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result
