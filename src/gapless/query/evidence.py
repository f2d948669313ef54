"""What the ledger and the events tell of a stretch of a tape: its ids, who vouches for them, holes, connections."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from gapless.model import DAY, Gap, Instrument, Span, Tape
from gapless.model.times import in_epoch
from gapless.ports import TapeReader
from gapless.query.market import overlapping

KINDS = (
    "connected", "disconnected", "connect_failed", "closing", "silent", "rejected", "malformed", "doubled", "repaired",
    "blocked", "request_failed", "repair_limited", "clock_jumped", "permanent",
)  # fmt: skip
_OPENED = "connected"
Event = tuple[str, str, dict[str, Any], int]


class Reach(Struct, frozen=True):
    """The ids of a stretch of time: `first` to `last` have rows in it, `low` to `high` is all that may lie in it.

    `received_first` and `received_last` are when the rows at its ends were first known, ns UTC of this machine;
    `received_next` is when the first row after it was, which ends the stretch for those who receive.
    """

    low: int
    high: int
    first: int | None = None
    last: int | None = None
    received_first: int | None = None
    received_last: int | None = None
    received_next: int | None = None


def reach_of(reader: TapeReader, tape: Tape, begin: int, end: int) -> Reach | None:
    """Find the ids of a tape with times in [begin, end), ns UTC; None where the tape has no rows at all."""
    following = reader.minute_from(tape.id, end)
    inner = reader.minute_from(tape.id, begin)
    newest = max((span.last for span in reader.all_spans(tape.id)), default=-1)
    high = following.first_seq - 1 if following else newest
    if inner is None or inner.start >= end:
        before = reader.trade_before(tape.id, high + 1)
        return Reach(before.seq + 1, high) if before else None
    first, last = reader.trade_after(tape.id, inner.first_seq - 1), reader.trade_before(tape.id, high + 1)
    if first is None or last is None or first.seq > last.seq:
        return Reach(inner.first_seq, max(high, inner.first_seq))  # what it had is gone
    before = reader.trade_before(tape.id, first.seq)
    low = before.seq + 1 if before else first.seq
    after = reader.trade_after(tape.id, last.seq)
    beyond = after.received if after else None
    return Reach(low, max(high, last.seq), first.seq, last.seq, first.received, last.received, beyond)


def spans_of(
    reader: TapeReader,
    tape: Tape | None,
    bars: Tape | None,
    *,
    reach: Reach | None,
    minutes: tuple[int, int],
    epoch: str | None,
) -> list[dict[str, Any]]:
    """List who vouches for what of the trades and of the venue's bars; `known` is when the rows at the ends came."""
    found = []
    if tape and reach:
        for first, last, span in _cut(reader, tape, reach.low, reach.high):
            rows = (reader.trade_after(tape.id, first - 1), reader.trade_before(tape.id, last + 1))
            known = [in_epoch(row.received, epoch) for row in rows if row and first <= row.seq <= last and row.received]
            found.append(_span(tape, first, last, span) | {"known": known})
    if bars:
        found += [_span(bars, first, last, span) | {"known": []} for first, last, span in _cut(reader, bars, *minutes)]
    return found


def _cut(reader: TapeReader, tape: Tape, low: int, high: int) -> list[tuple[int, int, Span]]:
    """Give the spans that overlap ids `low` to `high`, with the part of each that lies within."""
    return [(max(s.first, low), min(s.last, high), s) for s in overlapping(reader, tape, low, high)]


def _span(tape: Tape, first: int, last: int, span: Span) -> dict[str, Any]:
    return {
        "tape": tape.name,
        "first": first,
        "last": last,
        "ids": last - first + 1,
        "evidence": span.evidence.text,
        "whole_span": [span.first, span.last],
    }


def gaps_of(
    reader: TapeReader, tape: Tape | None, bars: Tape | None, *, reach: Reach | None, minutes: tuple[int, int]
) -> list[tuple[Tape, Gap]]:
    """List the named gaps of trades and bars that touch the stretch, whatever became of them."""
    asked = [(tape, reach.low, reach.high)] if tape and reach else []
    asked += [(bars, *minutes)] if bars else []
    found = [
        (which, gap)
        for which, low, high in asked
        for state in ("open", "repaired", "permanent", "expired")
        for gap in reader.gaps(which.id, state)
        if gap.first <= high and gap.last >= low
    ]
    return sorted(found, key=lambda pair: (pair[1].opened, pair[1].first))


def happened(
    reader: TapeReader,
    instrument: Instrument,
    reach: Reach | None,
    *,
    gaps: Sequence[tuple[Tape, Gap]],
    since: int,
    epoch: str | None,
) -> dict[str, Any]:
    """Tell what happened to the venue's connections while the stretch was received and its gaps were repaired.

    The connections that were up when it began are told by their own last `connected`, up to a day before. `doubled`
    are events that came again until the next stretch began, `spent` is what the repairs cost while its gaps were
    open; None where no event tells.
    """
    begin = reach.received_first if reach and reach.received_first else since
    until = max([begin, *_ends(reach, gaps)])
    events = [event for event in reader.events(KINDS, begin - DAY) if _concerns(event[1], instrument)]
    earlier = {event[1]: event for event in events if event[3] < begin}
    shown = [event for event in earlier.values() if event[0] == _OPENED]
    shown += [event for event in events if begin <= event[3] <= until and event[0] != "doubled"]
    counted = (reach.received_next if reach else None) or until
    doubled = [event for event in events if event[0] == "doubled" and begin < event[3] <= counted]
    spent = [event for event in events if event[0] == "repaired" and any(_within(event, *pair) for pair in gaps)]
    return {
        "events": [
            {"at": in_epoch(at, epoch), "kind": kind, "subject": subject, **({"detail": detail} if detail else {})}
            for kind, subject, detail, at in shown + doubled
        ],
        "doubled": sum(event[2].get("doubled", 0) for event in doubled) if doubled else None,
        "spent": _cost(spent),
    }


def _within(event: Event, tape: Tape, gap: Gap) -> bool:
    """Say whether a repair of a tape was made while a gap of it was open."""
    return event[1] == tape.name and gap.opened <= event[3] and (gap.closed is None or event[3] <= gap.closed)


def repairs_of(reader: TapeReader, tape: Tape, gap: Gap) -> list[dict[str, Any]]:
    """Tell what filled a gap, source by source: answers, their weight and time, and why that source was asked."""
    found: dict[str, dict[str, Any]] = {}
    for event in reader.events(("repaired",), gap.opened):
        if not _within(event, tape, gap):
            continue
        detail = event[2]
        source = found.setdefault(
            detail.get("source", "rest"), {"source": detail.get("source", "rest"), "answers": 0, "weight": 0, "ms": 0}
        )
        source["answers"] += 1
        source["weight"] += detail.get("weight", 0)
        source["ms"] += detail.get("ms", 0)
        if why := detail.get("why"):
            source["why"] = why
    return [{"why": None} | source for source in found.values()]


def _cost(repairs: Sequence[Event]) -> dict[str, int] | None:
    if not repairs:
        return None
    return {"weight": sum(detail.get("weight", 0) for _, _, detail, _ in repairs), "requests": len(repairs)}


def _ends(reach: Reach | None, gaps: Sequence[tuple[Tape, Gap]]) -> list[int]:
    ends = [gap.closed for _, gap in gaps if gap.closed is not None]
    return [*ends, reach.received_last] if reach and reach.received_last else ends


def _concerns(subject: str, instrument: Instrument) -> bool:
    return subject in (instrument.id, instrument.venue) or subject.startswith(
        (f"{instrument.venue}/", f"{instrument.id} ")
    )
