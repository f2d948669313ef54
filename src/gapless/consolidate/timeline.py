"""Who was active when, in exchange time: the turns of an instrument, as they were recorded, and what follows of them.

The consolidated tape is defined by them alone: of every source the trades whose times lie in its turns. A turn begins
after everything that was held of the source before it, so nothing that was told is taken back.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from gapless.model import MINUTE, Trade

_FOREVER = 2**63 - 1


class Turn(Struct, frozen=True, kw_only=True):
    """From an exchange-time instant on (ns UTC) a source is active.

    `former` is None for the first turn; where it is the source itself, only the `sources` changed (the primary first).
    It was recorded in commit `number`, at `known_at` (ns UTC of the machine), when the ids `held` of `tape`, the
    source's, were there from around the instant on, and `minutes` from `minute` on (ns) had closed.
    """

    unified: str
    source: str
    former: str | None
    reason: str
    instant: int
    number: int
    known_at: int
    sources: tuple[str, ...]
    tape: int = 0
    held: tuple[tuple[int, int], ...] = ()
    minute: int = 0
    minutes: int = 0

    @property
    def switches(self) -> bool:
        """Whether another source became active."""
        return self.former is not None and self.former != self.source

    @property
    def items(self) -> int:
        """How many items it takes in the log: itself, ids that it brings into the tape, minutes that it may change."""
        return 1 + sum(last - first + 1 for first, last in self.held) + self.minutes

    def ids(self, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        """Go through the ids that have the items `first` to `last` (the switch is 1), as (item, id, id) of ranges."""
        item = 2
        for begin, end in self.held:
            low, high = max(first, item), min(last, item + end - begin)
            if low <= high:
                yield low, begin + low - item, begin + high - item
            item += end - begin + 1


def turn_of(unified: str, detail: Mapping[str, Any], known_at: int) -> Turn:
    """Read a turn as it was kept."""
    return msgspec.convert({**detail, "unified": unified, "known_at": known_at}, Turn)


class Timeline:
    """The turns of one instrument, in the order they were recorded, which is that of their instants."""

    def __init__(self, turns: Iterable[Turn]) -> None:
        self.turns: Sequence[Turn] = tuple(turns)
        self._instants = [turn.instant for turn in self.turns]

    def known(self, number: int) -> "Timeline":
        """Give what was known of it after a commit; the first turn is as if it had always been."""
        if not self.turns or self.turns[-1].number <= number:
            return self
        return Timeline([turn for turn in self.turns if turn.number <= number] or self.turns[:1])

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that there are now, the primary first."""
        return self.turns[-1].sources if self.turns else ()

    @property
    def ever(self) -> tuple[str, ...]:
        """Every source that there ever was, those of now first."""
        return tuple(dict.fromkeys(source for turn in reversed(self.turns) for source in turn.sources))

    def active(self, time: int) -> str:
        """Give the source that is active at a time; before the first turn that of it."""
        return self.turns[max(bisect_right(self._instants, time) - 1, 0)].source

    def since(self, time: int) -> int:
        """Give when the turn began in which a time lies, 0 before the first one."""
        number = bisect_right(self._instants, time)
        return self._instants[number - 1] if number else 0

    def spans(self, start: int, end: int) -> Iterator[tuple[str, int, int]]:
        """Go through [start, end) as (source, start, end), each as long as one source is active."""
        at = start
        while at < end:
            number = bisect_right(self._instants, at)
            until = self._instants[number] if number < len(self._instants) else _FOREVER
            source, until = self.active(at), min(until, end)
            while until < end and self.active(until) == source:
                number += 1
                until = min(self._instants[number] if number < len(self._instants) else _FOREVER, end)
            yield source, at, until
            at = until

    def of(self, source: str, trades: Iterable[Trade]) -> Iterator[Trade]:
        """Give those trades of a source that belong to the consolidated tape."""
        return (trade for trade in trades if self.active(trade.time) == source)


def at_end(timeline: Timeline, minute: int) -> str:
    """Give the source that is active at the end of the minute that begins at a time."""
    return timeline.active(minute + MINUTE - 1)
