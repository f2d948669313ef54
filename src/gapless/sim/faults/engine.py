"""Deciding when a fault strikes: marks that fall due, shares of frames, and counts of what really happened."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from gapless.sim.faults.script import FRAME_RATES, OWN_REQUESTS, REQUESTS, STANDING, Entry
from gapless.sim.journal import Journal

FOREVER_S = 1e12
FIRST_EVENTS = 100  # no fault touches a stream before it delivered so many


@dataclass(slots=True)
class Mark:
    """An entry with the real second of play at which it is due next."""

    entry: Entry
    due: float
    until: float = 0.0  # for periods: when the present one ends


@dataclass(slots=True)
class Faults:
    """Holds the script's state; `active` only while the market plays."""

    entries: list[Entry]
    journal: Journal
    seed: int = 1
    active: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    pending: list[Entry] = field(default_factory=list)
    clock_s: float = 0.0
    _marks: list[Mark] = field(default_factory=list)
    _rates: list[tuple[float, Entry]] = field(default_factory=list)
    _left: dict[int, int] = field(default_factory=dict)  # by identity: how often a pending entry still strikes
    _random: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        """Sorts entries into marks and shares."""
        self._random.seed(self.seed)
        total = 0.0
        for entry in self.entries:
            if entry.rate and entry.kind in FRAME_RATES:
                total += entry.rate
                self._rates.append((total, entry))
            else:
                first = entry.at if entry.at is not None else entry.every or 0.0
                self._marks.append(Mark(entry, first))

    def advance(self, played_s: float) -> None:
        """Makes marks that fell due pending; a mark still unused is not added again."""
        self.clock_s = played_s
        for mark in self._marks:
            if played_s < mark.due:
                continue
            late = mark.due
            mark.due = late + mark.entry.every if mark.entry.every else float("inf")
            if mark.due <= played_s and mark.entry.every:
                mark.due = played_s + mark.entry.every
            if mark.entry.kind in STANDING:
                mark.until = played_s + (mark.entry.lasts or FOREVER_S)
            elif not any(entry is mark.entry for entry in self.pending):
                self.pending.append(mark.entry)

    def inject(self, entry: Entry) -> None:
        """Makes an entry due now."""
        if entry.kind in STANDING:
            self._marks.append(Mark(entry, float("inf"), self.clock_s + (entry.lasts or FOREVER_S)))
        elif entry.rate:
            total = self._rates[-1][0] if self._rates else 0.0
            self._rates.append((total + entry.rate, entry))
        else:
            self.pending.append(entry)

    def period(self, kind: str) -> Entry | None:
        """Returns the entry of a period that stands now."""
        return next(iter(self.periods(kind)), None)

    def periods(self, kind: str) -> list[Entry]:
        """Returns all entries of a kind of period that stand now."""
        if not self.active:
            return []
        return [mark.entry for mark in self._marks if mark.entry.kind == kind and self.clock_s < mark.until]

    def take(self, kind: str) -> Entry | None:
        """Uses up a pending entry of a kind."""
        for entry in self.pending:
            if entry.kind == kind and self.active:
                self.pending.remove(entry)
                return entry
        return None

    def take_request(self) -> Entry | None:
        """Uses up the oldest pending fault of a request; what spoils a page waits for one that it can spoil."""
        for entry in self.pending:
            if self.active and entry.kind in (*REQUESTS, *OWN_REQUESTS):
                self.pending.remove(entry)
                return entry
        return None

    def waiting(self, kind: str) -> bool:
        """Tells whether an entry of a kind is pending."""
        return self.active and any(entry.kind == kind for entry in self.pending)

    def spend(self, entry: Entry) -> None:
        """Uses up one of the `count` times that a pending entry strikes."""
        left = self._left.pop(id(entry), max(int(entry.count), 1)) - 1
        if left:
            self._left[id(entry)] = left
        else:
            self.pending.remove(entry)

    def roll(self) -> Entry | None:
        """Draws for one frame whether a fault by rate strikes it."""
        if not self._rates:
            return None
        drawn = self._random.random()
        if drawn >= self._rates[-1][0]:
            return None
        return next(entry for total, entry in self._rates if drawn < total)

    def choose(self, count: int) -> int:
        """Draws a number in [0, count)."""
        return self._random.randrange(count)

    def happened(self, kind: str, market_ms: int, detail: str) -> None:
        """Counts and journals what really happened to somebody."""
        self.counts[kind] += 1
        self.journal.write("fault", kind=kind, market_ms=market_ms, detail=detail)
