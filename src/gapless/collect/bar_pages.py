"""Asks REST for bars: which of a reply are final, which do not exist, which are left out."""

from functools import partial

from gapless.budget.priority import Priority
from gapless.collect.line import Line, Track
from gapless.collect.pipeline import Pipeline
from gapless.collect.sources import FINAL_AFTER, Found, Sources
from gapless.model import MINUTE, SECOND, Bar
from gapless.ports import Clock
from gapless.tape.page import omitted
from gapless.tape.plan import Step

_SAME_AFTER = 2 * SECOND


class BarPages:
    """Reads pages of bars, which carry no mark of being closed."""

    def __init__(self, sources: Sources, pipeline: Pipeline, clock: Clock) -> None:
        self._sources = sources
        self._pipeline = pipeline
        self._clock = clock
        self._seen: dict[int, tuple[Bar, int]] = {}

    async def ask(self, line: Line, track: Track, step: Step, priority: Priority) -> Found | None:
        """Ask for bars and one more: a bar that another follows in the same reply is final.

        None where the venue begins later: bars before the first one of a reply, with nothing held before them, do
        not exist, and what was wanted there is trimmed; unless minutes without trades are left out anywhere.
        """
        start, size = step.first * MINUTE, self._pipeline.venue.limits.page_bars
        get = partial(self._sources.rest_bars, track.tape, start, priority=priority)
        found = await get(end=(step.last + 2) * MINUTE)
        oldest_known = not track.sequence.coverage.within(0, step.first)
        if not found.bars and oldest_known:
            # Perhaps nothing was there yet: what is the oldest bar that the venue has from here on?
            found = await get(end=start + size * MINUTE)
        oldest = found.bars[0].start // MINUTE if found.bars else 0
        if oldest > step.last and oldest_known and not self._pipeline.venue.limits.empty_omitted:
            # Nothing in the whole step and nothing held before it: the venue begins here.
            self._pipeline.trim(line, min(oldest, step.last + 1))
            return None
        return self._sorted_out(track, step, found)

    def _sorted_out(self, track: Track, step: Step, found: Found) -> Found:
        """Keep the final bars of the step, and name the minutes that the venue passed over.

        Where it leaves out those without trades, a reply that has any bars shows them to be empty.
        """
        shown_to = found.bars[-1].start // MINUTE if found.bars else 0
        if self._pipeline.clock.now(self._clock.monotonic()) >= (step.last + 1) * MINUTE + FINAL_AFTER:
            shown_to = max(shown_to, step.last + 1)
        passed = omitted(found.bars, step.first, min(shown_to - 1, step.last))
        if found.bars and self._pipeline.venue.limits.empty_omitted:
            found.empty = passed
        else:
            found.lacks = passed
        if found.bars and not self._final(track, found.bars[-1]):
            found.bars.pop()
        found.bars = [bar for bar in found.bars if step.first <= bar.start // MINUTE <= step.last]
        return found

    def _final(self, track: Track, bar: Bar) -> bool:
        """Say whether the last bar of a reply is closed: few venues tell by REST, and it may lag the stream."""
        if self._pipeline.venue.limits.closed_bars:
            return True
        mono = self._clock.monotonic()
        now = self._pipeline.clock.now(mono)
        if now < bar.start + MINUTE:
            return False
        if now >= bar.start + MINUTE + FINAL_AFTER:
            return True
        seen = self._seen.get(track.tape.id)
        if seen and seen[0] == bar:
            return mono - seen[1] >= _SAME_AFTER
        self._seen[track.tape.id] = (bar, mono)
        return False
