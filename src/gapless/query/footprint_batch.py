"""Footprints of many candles at once: what lies together is read together, and each has an outcome of its own."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from gapless.errors import BadInput
from gapless.model import DAY, HOUR, Instrument, Proof, State, Timeframe, parse_time, parse_timeframe
from gapless.model.times import iso
from gapless.query.footprint import bar_of, trades_tape, typical_ticks_per_row
from gapless.query.footprint_minutes import BarMinutes
from gapless.query.footprint_rows import BarFootprint, footprint_object
from gapless.query.market import Market

Result = dict[str, Any]
WHOLE = ("held", "fetched")


class Item(Struct, frozen=True, forbid_unknown_fields=True):
    """A candle by any time in it: ISO 8601, an epoch by its magnitude, or as `-6h`."""

    id: str
    timeframe: str
    start: str | int


class Question(Struct, frozen=True):
    """An item that was understood; `index` is its place among those asked, `start` and `end` are its bar's, ns UTC."""

    index: int
    item: Item
    instrument: Instrument
    timeframe: Timeframe
    start: int
    end: int


def understood(market: Market, items: Sequence[Item], now: int) -> tuple[list[Question], list[Result]]:
    """Read items; those that name nothing become results that say why. `now` is what `-6h` counts from, ns UTC."""
    instruments: dict[str, Instrument] = {}
    questions, failed = [], []
    for index, item in enumerate(items):
        try:
            if item.id not in instruments:
                instruments[item.id] = market.instrument(item.id)
                trades_tape(market, instruments[item.id])
            frame = parse_timeframe(item.timeframe)
            start = frame.start_of(parse_time(str(item.start), now))
            questions.append(Question(index, item, instruments[item.id], frame, start, frame.end_of(start)))
        except BadInput as mistake:
            instruments.pop(item.id, None)
            failed.append(_failed(index, item, mistake))
    return questions, failed


def together(questions: Iterable[Question]) -> Iterator[list[Question]]:
    """Group questions whose minutes are read at once: of one instrument, near each other, within a day or one bar."""
    group: list[Question] = []
    end = 0
    for one in sorted(questions, key=lambda q: (q.instrument.id, q.start, -q.end)):
        near = group and one.instrument is group[0].instrument and one.start <= end + HOUR
        if not near or max(end, one.end) - group[0].start > max(DAY, group[0].end - group[0].start):
            if group:
                yield group
            group, end = [], 0
        group.append(one)
        end = max(end, one.end)
    if group:
        yield group


def formed(market: Market, group: Sequence[Question], *, epoch: str | None = None) -> list[tuple[Question, Result]]:
    """Form the footprints of a group; one that cannot be formed never costs the others."""
    first = group[0]
    end = max(question.end for question in group)
    tape = trades_tape(market, first.instrument)
    minutes = BarMinutes(market.reader, first.instrument, tape, first.start, end, shared=len(group) > 1)
    known: dict[tuple[Timeframe, int], Result] = {}
    for one in group:
        bar = (one.timeframe, one.start)
        known[bar] = known.get(bar) or _result(market, minutes, one, epoch=epoch)
    return [(one, known[one.timeframe, one.start] | {"index": one.index, "id": one.item.id}) for one in group]


def footprint_batch(
    market: Market, items: Sequence[Item], *, progress: Callable[[int, int], None] = lambda done, total: None,
    now: int | None = None, epoch: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Give the footprints of many candles: `{requested, successful, failed, results, elapsed_ms}`.

    Results stand in the order of the items; `progress` hears how many of them are done.
    """
    began = time.perf_counter()
    questions, results = understood(market, items, time.time_ns() if now is None else now)
    for group in together(questions):
        results += [result for _, result in formed(market, group, epoch=epoch)]
        progress(len(results), len(items))
    return {**summary(results), "results": sorted(results, key=lambda r: r["index"]), "elapsed_ms": elapsed(began)}


def summary(results: Sequence[Result]) -> dict[str, int]:
    """Count: whole answers are successful, all others failed, those that are partial too."""
    whole = sum(result["outcome"] in WHOLE for result in results)
    return {"requested": len(results), "successful": whole, "failed": len(results) - whole}


def elapsed(began: float) -> float:
    """Give the ms since a time of `perf_counter`."""
    return round((time.perf_counter() - began) * 1_000, 3)


def _result(market: Market, minutes: BarMinutes, asked: Question, *, epoch: str | None) -> Result:
    began = time.perf_counter()
    try:
        height = typical_ticks_per_row(market, asked.instrument, asked.timeframe)
        bar = bar_of(minutes, asked.timeframe, asked.start, ticks_per_row=height, began=began)
    except BadInput as mistake:
        return _failed(asked.index, asked.item, mistake)
    outcome, error = _outcome(bar)
    row = footprint_object(bar, asked.instrument, timeframe=asked.timeframe, epoch=epoch)
    return {**row, "outcome": outcome, "error": error}


def _outcome(bar: BarFootprint) -> tuple[str, str | None]:
    if bar.proof is Proof.MISSING and bar.state is not State.OPEN:
        return "missing", "nothing of it is held"
    if bar.missing:
        return "partial", "not held whole: " + ", ".join(f"{iso(a)} to {iso(b)}" for a, b in bar.missing[:3])
    return "held", None


def _failed(index: int, item: Item, mistake: BadInput) -> Result:
    plain = {"id": item.id, "timeframe": item.timeframe, "start": item.start}
    return {"index": index, **plain, "outcome": "failed", "error": str(mistake)}
