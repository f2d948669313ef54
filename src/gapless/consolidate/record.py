"""Records a switch inside a transaction: from which instant on, and what of the new source is held since then."""

from typing import Any

from msgspec.structs import asdict, replace

from gapless.consolidate.timeline import Turn
from gapless.model import DAY, MINUTE, SECOND, Tape
from gapless.ports import Reads, Transaction
from gapless.tape.wanted import joined_ranges

KIND = "source_switch"
_LOOKED = 200  # newest trades of a source among which the latest is looked for
_END = 2**63 - 1
_REACH = 7 * DAY
_AHEAD = 10 * SECOND  # what has come since `now` was told


def record(
    tx: Transaction, *, unified: str, source: str, former: str | None, reason: str, sources: tuple[str, ...],
    known_at: int, now: int, after: int, environment: str,
) -> Turn:  # fmt: skip
    """Keep that `source` is active from an instant on: right after the newest trade that is held of the former one.

    So nothing that was told of the former comes again, and what the new one has brought since then joins on. Where
    the former never traded it is `now`, the venue's time; always later than `after`, the instant before. A trade from
    beyond `now` is not believed, where that is known (0 before anything came). A change of `sources` alone (`former`
    is the source) is kept with the instant that it is known at.
    """
    instant, tape = max(now, after + 1), _primary(tx, source)
    held: tuple[tuple[int, int], ...] = ()
    minute = minutes = 0
    if former is not None and former != source:
        instant = max(_latest(tx, _primary(tx, former), now + _AHEAD if now else _END) + 1 or now, after + 1)
        held = _held_since(tx, tape, instant) if tape else ()
        minute, minutes = _minutes_since(tx, sources, instant)
    turn = Turn(
        unified=unified, source=source, former=former, reason=reason, instant=instant, number=0, known_at=known_at,
        sources=sources, tape=tape.id if tape else 0, held=held, minute=minute, minutes=minutes,
    )  # fmt: skip
    tx.put_log("switch", source, turn.tape, (1, turn.items), late=False, known_at=known_at)
    turn = replace(turn, number=tx.log_span()[1])
    kept: dict[str, Any] = asdict(turn)
    del kept["unified"], kept["known_at"]
    tx.put_event(KIND, unified, kept | {"environment": environment}, known_at)
    return turn


def _primary(reads: Reads, source: str) -> Tape | None:
    return next((tape for tape in reads.tapes(source) if tape.kind != "bars"), None)


def _latest(reads: Reads, tape: Tape | None, limit: int) -> int:
    """Give the time of the latest trade up to a limit that is held of a tape, -1 where there is none."""
    newest = reads.trade_before(tape.id, _END) if tape else None
    if tape is None or newest is None:
        return -1
    rows = reads.trades(tape.id, newest.seq - _LOOKED + 1, newest.seq)
    return max((trade.time for trade in rows if trade.time <= limit), default=-1)


def _held_since(reads: Reads, tape: Tape, instant: int) -> tuple[tuple[int, int], ...]:
    """Give the ids that are held of a tape from around an instant on, as ranges."""
    newest = reads.trade_before(tape.id, _END)
    if newest is None or (begin := reads.minute_from(tape.id, instant - instant % MINUTE)) is None:
        return ()
    first, last, page = newest.seq + 1, newest.seq, _LOOKED
    while last >= begin.first_seq:  # backwards: the instant is mostly seconds ago
        rows = reads.trades(tape.id, max(last - page + 1, begin.first_seq), last)
        found = next((trade.seq for trade in rows if trade.time >= instant), None)
        if rows and found is None:
            break
        first = first if found is None else found
        last, page = last - page, page * 4
    spans = reads.spans(tape.id, first, newest.seq) if first <= newest.seq else []
    clipped = [(max(span.first, first), min(span.last, newest.seq)) for span in spans]
    return tuple((a, b) for a, b in joined_ranges(clipped) if a <= b)


def _minutes_since(reads: Reads, sources: tuple[str, ...], instant: int) -> tuple[int, int]:
    """Give the minute of an instant, and how many from it on may have closed at some source, at most a week."""
    minute = instant - instant % MINUTE
    newest = [row.start for source in sources for row in reads.candles(source, minute, minute + _REACH)[-1:]]
    return minute, (max(newest) - minute) // MINUTE + 1 if newest else 0
