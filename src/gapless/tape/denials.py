"""What each source has said it does not have: a hole is given up only when every one of them has said so, for sure."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from gapless.model import HOUR
from gapless.tape.coverage import Range, cut

SURE = 4  # a source that can err is asked so often before its no counts


class Denial(Struct):
    """A source said `heard` times that it does not have ids `first` to `last`; it is not asked before `until`.

    `by_age` marks what was refused, as too old is, and not merely left out.
    """

    first: int
    last: int
    reason: str
    heard: int
    until: int
    by_age: bool = False


def _doubled(pause: int, heard: int) -> int:
    return min(pause << min(heard - 1, 16), HOUR)


class Denials:
    """The denials of one tape, by source. Times are monotonic ns."""

    def __init__(self) -> None:
        self._of: dict[str, list[Denial]] = {}

    def refused(self, source: str, ids: Range, reason: str, *, now: int, pause: int) -> int:
        """Learn that a source refuses an id, and by that all of the hole before it; give how often it has said so.

        Each time it says so, the pause before the next try doubles.
        """
        first, last, heard = *ids, 1
        others = []
        for known in self._of.get(source, []):
            if known.first <= last + 1 and known.last >= first - 1:
                first, last, heard = min(first, known.first), max(last, known.last), max(heard, known.heard + 1)
            else:
                others.append(known)
        self._of[source] = [*others, Denial(first, last, reason, heard, now + _doubled(pause, heard), True)]
        return heard

    def lacks(self, source: str, ids: Range, reason: str, *, now: int, pause: int, sure: bool = False) -> None:
        """Learn that an answer of a source left ids out, which it should have had if it knew them."""
        parts: list[Denial] = []
        new = [ids]
        for known in self._of.get(source, []):
            parts += [replace(known, first=a, last=b) for a, b in cut([(known.first, known.last)], [ids])]
            first, last = max(known.first, ids[0]), min(known.last, ids[1])
            if first <= last:
                heard = SURE if sure else known.heard + 1
                parts.append(Denial(first, last, reason, heard, now + _doubled(pause, heard)))
                new = cut(new, [(first, last)])
        heard = SURE if sure else 1
        parts += [Denial(a, b, reason, heard, now + _doubled(pause, heard)) for a, b in new]
        self._of[source] = sorted(parts, key=lambda denial: denial.first)

    def rests(self, source: str, seq: int, now: int) -> int:
        """Give until when a source is not to be asked for an id, 0 where it may be asked now."""
        return max((d.until for d in self._of.get(source, []) if d.first <= seq <= d.last and d.until > now), default=0)

    def behind_refused(self, source: str, seq: int) -> bool:
        """Say whether a source refused the ids that end right before one."""
        return any(d.by_age and d.last == seq - 1 for d in self._of.get(source, []))

    def sure(self, source: str) -> list[Denial]:
        """List what a source does not have for sure."""
        return [denial for denial in self._of.get(source, []) if denial.heard >= SURE]

    def borders(self) -> list[int]:
        """List, ascending, the ids at which a denial begins or has ended: holes are cut there."""
        return sorted({end for known in self._of.values() for d in known for end in (d.first, d.last + 1)})

    def hopeless(self, holes: Sequence[Range], sources: Iterable[str]) -> list[tuple[Range, str]]:
        """List the parts of holes that every source denies for sure, with what each of them said."""
        left = [(hole, "") for hole in holes]
        for source in sources:
            left = [
                ((max(a, d.first), min(b, d.last)), f"{why}; {d.reason}" if why else d.reason)
                for (a, b), why in left
                for d in self.sure(source)
                if d.first <= b and d.last >= a
            ]
        return sorted(left)

    def keep(self, holes: Sequence[Range]) -> None:
        """Forget denials of what is no hole any more, and lies beside none."""
        self._of = {
            source: [d for d in known if any(a <= d.last + 1 and b >= d.first - 1 for a, b in holes)]
            for source, known in self._of.items()
        }

    def clear(self) -> None:
        """Forget all."""
        self._of.clear()
