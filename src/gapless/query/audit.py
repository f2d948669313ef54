"""The audit: for every tape what is held, what was repaired, voids, and every hole by name."""

from typing import Any

from msgspec import Struct

from gapless.model import MINUTE, Evidence, Gap, Span, Tape
from gapless.model.times import iso
from gapless.ports import TapeReader
from gapless.tape.coverage import split, without


class Hole(Struct, frozen=True):
    """Ids of a tape that are wanted and not held; times are ns UTC where the neighbours tell them."""

    first: int
    last: int
    since: int | None
    until: int | None
    cause: str
    state: str
    reason: str


class TapeAudit(Struct, frozen=True):
    """What the ledger says of one tape.

    `held` counts vouched ids within what is wanted, `wanted` all wanted ids, `rows` the rows among them;
    `voids` are held ids without a row. `repaired` is the share of held ids with other evidence than the stream.
    `expired` counts the ids that retention dropped, `ladders_expired` the minutes without their ladders: neither is
    wanted, held or a hole.
    """

    tape: Tape
    began: int | None
    first: int | None
    last: int | None
    first_time: int | None
    last_time: int | None
    intervals: int
    wanted: int
    held: int
    rows: int
    voids: int
    repaired: float
    before: int
    expired: int
    ladders_expired: int
    evidence: dict[str, int]
    holes: list[Hole]


def audit(reader: TapeReader) -> list[TapeAudit]:
    """Audit every tape of a store."""
    return [audit_tape(reader, tape) for tape in reader.tapes()]


def audit_tape(reader: TapeReader, tape: Tape) -> TapeAudit:
    """Audit one tape."""
    wanted = reader.wanted(tape.id)
    spans = reader.all_spans(tape.id)
    evidence: dict[str, int] = {}
    held = rows = 0
    holes: list[Hole] = []
    named = [gap for state in ("permanent", "open") for gap in reader.gaps(tape.id, state)]
    for first, last in wanted:
        for span in spans:
            a, b = max(span.first, first), min(span.last, last)
            if a <= b:
                held += b - a + 1
                evidence[span.evidence.text] = evidence.get(span.evidence.text, 0) + b - a + 1
        rows += _rows(reader, tape, first, last)
        for missing in without((first, last), spans):
            holes += _holes(reader, tape, missing, named)
    streamed = evidence.get(Evidence.STREAM.text, 0)
    first_id, last_id = (spans[0].first, spans[-1].last) if spans else (None, None)
    return TapeAudit(
        tape=tape,
        began=tape.began,
        first=first_id,
        last=last_id,
        first_time=_time(reader, tape, first_id, after=True),
        last_time=_time(reader, tape, last_id, after=False),
        intervals=len(wanted),
        wanted=_ids(wanted),
        held=held,
        rows=rows,
        voids=held - rows,
        repaired=(held - streamed) / held if held else 0.0,
        before=_outside(spans, wanted),
        expired=_ids(reader.expired(tape.id, "trades")),
        ladders_expired=_ids(reader.expired(tape.id, "ladders")),
        evidence=evidence,
        holes=holes,
    )


def _ids(ranges: list[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def _rows(reader: TapeReader, tape: Tape, first: int, last: int) -> int:
    if tape.kind == "bars":
        return reader.bar_counts(tape.instrument, first * MINUTE, (last + 1) * MINUTE)
    return reader.counts(tape.id, first, last)


def _holes(reader: TapeReader, tape: Tape, missing: tuple[int, int], named: list[Gap]) -> list[Hole]:
    """Write what is missing as holes: what is permanent by itself, apart from what may still be filled."""
    lost = [gap for gap in named if gap.state == "permanent"]
    return [_hole(reader, tape, part, named) for part in split([missing], _borders(lost))]


def _borders(gaps: list[Gap]) -> list[int]:
    return sorted({border for gap in gaps for border in (gap.first, gap.last + 1)})


def _hole(reader: TapeReader, tape: Tape, hole: tuple[int, int], named: list[Gap]) -> Hole:
    first, last = hole
    gap = next((gap for gap in named if gap.first <= last and gap.last >= first), None)
    return Hole(
        first,
        last,
        _time(reader, tape, first, after=False),
        _time(reader, tape, last, after=True),
        gap.cause if gap else "not named yet",
        gap.state if gap else "open",
        gap.reason if gap else "",
    )


def _time(reader: TapeReader, tape: Tape, seq: int | None, *, after: bool) -> int | None:
    if seq is None:
        return None
    if tape.kind == "bars":
        return seq * MINUTE
    trade = reader.trade_after(tape.id, seq - 1) if after else reader.trade_before(tape.id, seq + 1)
    return trade.time if trade else None


def _outside(spans: list[Span], wanted: list[tuple[int, int]]) -> int:
    """Count held ids that nobody asked for."""
    inside = sum(max(0, min(s.last, b) - max(s.first, a) + 1) for s in spans for a, b in wanted)
    return sum(s.last - s.first + 1 for s in spans) - inside


def audit_object(found: TapeAudit) -> dict[str, Any]:
    """Write the audit of a tape for programs."""
    return {
        "tape": found.tape.name,
        "instrument": found.tape.instrument,
        "kind": found.tape.kind,
        "epoch": found.tape.epoch,
        "began": found.began,
        "first": found.first,
        "last": found.last,
        "first_time": iso(found.first_time) if found.first_time is not None else None,
        "last_time": iso(found.last_time) if found.last_time is not None else None,
        "intervals": found.intervals,
        "wanted": found.wanted,
        "held": found.held,
        "rows": found.rows,
        "voids": found.voids,
        "repaired": round(found.repaired, 6),
        "before": found.before,
        "expired": found.expired,
        "ladders_expired": found.ladders_expired,
        "evidence": found.evidence,
        "holes": [
            {
                "first": hole.first,
                "last": hole.last,
                "since": iso(hole.since) if hole.since is not None else None,
                "until": iso(hole.until) if hole.until is not None else None,
                "cause": hole.cause,
                "state": hole.state,
                "reason": hole.reason,
            }
            for hole in found.holes
        ],
    }
