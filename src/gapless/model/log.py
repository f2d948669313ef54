"""The log of commits: what each of them brought, in order."""

from msgspec import Struct

_SIZED = ("trades", "switch")


def items_of(kind: str, first: int, last: int) -> int:
    """Give how many items an entry takes: of trades one an id, of a switch as many as it names."""
    return last - first + 1 if kind in _SIZED else 1


class LogEntry(Struct, frozen=True):
    """One thing that a commit brought.

    `kind` is `trades` (`first` to `last` are ids that became held), `candle` (`first` is its start, `last` its
    revision), `signal` (`first` is the id of a judgement), `gap` (`first` to `last` are its ids; a gap that was named
    or filled), `origin` (a candle that came to be served otherwise, without a revision) or `switch` (a source became
    active: `last` items, from 1 on). `item` counts within the commit. `late` marks what was repaired or revised.
    """

    number: int
    item: int
    kind: str
    instrument: str
    tape: int
    first: int
    last: int
    late: bool
    known_at: int

    @property
    def size(self) -> int:
        """How many items it takes."""
        return items_of(self.kind, self.first, self.last)
