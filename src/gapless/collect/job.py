"""What is under way for the holes of one tape: who may be asked for which, and the question that is out."""

from collections.abc import Iterable

from msgspec import Struct, field

from gapless.budget.priority import Priority
from gapless.collect.line import Line, Track
from gapless.model import SECOND
from gapless.tape.coverage import Range, split
from gapless.tape.denials import Denials
from gapless.tape.plan import Patience, Step
from gapless.tape.route import Choice

_AGAIN = SECOND // 2  # no tape is asked for sooner; another source has its turn before the same one again


class Work(Struct):
    """The state of one tape; `parked` says until when a source is not asked for a hole, by its last id."""

    patience: Patience = field(default_factory=Patience)
    denials: Denials = field(default_factory=Denials)
    named: set[Range] = field(default_factory=set)
    parked: dict[tuple[str, int], int] = field(default_factory=dict)
    not_before: int = 0
    busy: bool = False
    fruitless: int = 0

    def free(self, source: str, hole: Range, now: int) -> bool:
        """Say whether a source may be asked for a hole; times are monotonic ns."""
        return self.parked.get((source, hole[1]), 0) <= now and not self.denials.rests(source, hole[0], now)

    def park(self, source: str, step: Step, holes: list[Range], until: int, now: int) -> None:
        """Let a source alone with the holes of a step, so that others and those behind them have their turn."""
        self.not_before = min(until, now + _AGAIN)
        for first, last in [*holes, *split(holes, self.denials.borders())]:
            if first <= step.last and last >= step.first:
                self.parked[source, last] = until

    def park_free(self, sources: Iterable[str], hole: Range, until: int, now: int) -> None:
        """Let the sources alone with a hole that are free to be asked for it and cannot have it."""
        self.parked |= {(source, hole[1]): until for source in sources if self.free(source, hole, now)}

    def at_once(self) -> None:
        """Forget every pause and every no."""
        self.not_before = self.fruitless = 0
        self.parked.clear()
        self.denials.clear()


class Job(Struct):
    """One question: what of a hole is asked of whom, and why of that source."""

    line: Line
    track: Track
    work: Work
    priority: Priority
    choice: Choice
    hole: Range
    step: Step

    @property
    def bars(self) -> bool:
        """Whether it is about bars."""
        return self.track is self.line.bars
