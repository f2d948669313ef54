"""Keeps an execution from being held twice where rows stand for several: somebody else may have brought it by now."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from gapless.model import Tape, Trade
from gapless.ports import Reads
from gapless.tape.coverage import Range, cut, without
from gapless.tape.wanted import joined_ranges

if TYPE_CHECKING:
    from gapless.derive.settle import Commit


def in_whole_rows(reads: Reads, commit: "Commit") -> "Commit":
    """Give a commit without the rows of which some executions are held by now; what else they stand for is a hole."""
    if all(tape.kind != "span" for tape, _ in commit.trades):
        return commit
    trades: list[tuple[Tape, list[Trade]]] = []
    lost: dict[int, list[Range]] = {}
    for tape, rows in commit.trades:
        if tape.kind == "span" and rows:
            first, last = min(row.first_fill for row in rows), max(row.seq for row in rows)
            spans, kept = reads.spans(tape.id, first, last), []
            for row in rows:
                ids = (row.first_fill, row.seq)
                if (missing := without(ids, spans)) == [ids]:
                    kept.append(row)
                else:
                    lost.setdefault(tape.id, []).extend(missing)
            rows = kept
        trades.append((tape, rows))
    vouched = [
        replace(vouch, first=first, last=last)
        for vouch in commit.vouched
        for first, last in cut([(vouch.first, vouch.last)], joined_ranges(lost.get(vouch.tape.id, ())))
    ]
    return replace(commit, trades=[(tape, rows) for tape, rows in trades if rows], vouched=vouched)
