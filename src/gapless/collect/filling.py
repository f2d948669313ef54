"""Puts answers on the tape, counts them, and keeps what each cost and why its source was asked."""

from bisect import bisect_left

from msgspec import Struct, field

from gapless.collect.line import Line, Track
from gapless.collect.pipeline import Pipeline
from gapless.collect.sources import Found
from gapless.model import MINUTE, MS, Bar, Evidence, Gap, Trade
from gapless.ports import Clock
from gapless.tape.coverage import Range
from gapless.tape.page import bar_runs
from gapless.tape.route import Choice

_CHUNK = 5_000  # rows of a file that are taken at once
_BACKLOG = 20_000  # pending rows above which the next chunk waits


class Repaired(Struct):
    """What repair has done: requests, ids regained, ids of the time before, wrong answers, ids that nobody has."""

    requests: int = 0
    ids: int = 0
    history: int = 0
    rejected: int = 0
    permanent: int = 0
    refusals: dict[str, str] = field(default_factory=dict)


class Filling:
    """Writes what sources gave into a pipeline."""

    def __init__(self, pipeline: Pipeline, clock: Clock, done: Repaired) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._done = done

    async def trades(self, line: Line, rows: list[Trade], ids: list[Range], evidence: Evidence) -> None:
        """Put rows of these ids on the tape, a chunk at a time, as fast as the store keeps up."""
        seqs = [row.seq for row in rows]
        for first, last in ids:
            low, high = bisect_left(seqs, first), bisect_left(seqs, last + 1)
            begin = first
            for at in range(low, max(high, low + 1), _CHUNK):
                end = min(at + _CHUNK, high)
                until = last if end == high else rows[end - 1].seq
                self._pipeline.fill(line, rows[at:end], (begin, until), evidence)
                begin = until + 1
                while self._pipeline.pending.rows > _BACKLOG:
                    await self._clock.sleep(20 * MS)

    def bars(self, line: Line, track: Track, found: Found, evidence: Evidence) -> list[Range]:
        """Put bars on the tape, and the minutes that were shown to be empty; give what was not held."""
        runs = [(run[0].start // MINUTE, run[-1].start // MINUTE, run) for run in bar_runs(found.bars)]
        empty: list[tuple[int, int, list[Bar]]] = [(first, last, []) for first, last in found.empty]
        filled: list[Range] = []
        for first, last, run in sorted([*runs, *empty], key=lambda part: part[0]):
            filled += track.sequence.coverage.missing(first, last)
            self._pipeline.fill_bars(line, run, (first, last), evidence)
        return filled

    def give_up(self, track: Track, hole: Range, reason: str) -> None:
        """Make a hole permanent, with what each source said of it."""
        at = self._clock.wall()
        track.give_up(hole)
        self._done.permanent += hole[1] - hole[0] + 1
        gap = Gap(
            tape=track.tape.id, first=hole[0], last=hole[1], opened=at, cause="", state="permanent",
            closed=at, reason=reason,
        )  # fmt: skip
        self._pipeline.pending.gap(track.tape, gap)
        self._pipeline.pending.event("permanent", track.tape.name, at, first=hole[0], last=hole[1], reason=reason)

    def told(self, track: Track, filled: list[Range], choice: Choice, *, weight: int, began: int) -> None:
        """Count what an answer filled; keep its source, weight and time, and why that source was asked."""
        if not filled:
            return
        ids = sum(last - first + 1 for first, last in filled)
        if track.is_history(filled[-1]):
            self._done.history += ids
        else:
            self._done.ids += ids
        ms = round((self._clock.monotonic() - began) / MS)
        self._pipeline.pending.event(
            "repaired", track.tape.name, self._clock.wall(),
            ids=ids, source=choice.source, weight=weight, ms=ms, why=choice.why,
        )  # fmt: skip

    def rejected(self, track: Track, source: str, why: str) -> None:
        """Count and keep an answer that cannot be right."""
        self._done.rejected += 1
        self._pipeline.pending.event("rejected", track.tape.name, self._clock.wall(), source=source, reason=why)
