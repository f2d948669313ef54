"""Puts answers on the tape, counts them, and keeps what each cost and why its source was asked."""

from bisect import bisect_left

from msgspec import Struct, field

from gapless.collect.line import Line, Track
from gapless.collect.pipeline import Pipeline
from gapless.model import MS, Evidence, Trade
from gapless.ports import Clock
from gapless.tape.coverage import Range
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
