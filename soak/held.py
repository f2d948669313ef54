"""What the service has committed, read from its file by another connection: rows, not what it says of them."""

import sqlite3
from pathlib import Path

_VENUE = 1  # the origin of a candle that is the venue's own bar
_MS = 1_000_000


class Held:
    """The committed rows of one instrument; `waiting` are ids below the newest one that are not there yet."""

    def __init__(self, store: Path, instrument: str) -> None:
        self.instrument = instrument
        self.first: int | None = None
        self.newest = -1
        self.waiting: set[int] = set()
        self._store = sqlite3.connect(f"file:{store}?mode=ro", uri=True, isolation_level=None)
        self._keys: tuple[int, int] | None = None

    def fresh(self) -> list[int]:
        """Give the ids that became held since it was asked last, ascending."""
        if self._keys is None and not self._found():
            return []
        assert self._keys is not None
        tape = self._keys[0]
        rows = self._ids(tape, self.newest + 1, 2**62)
        if rows:
            first = rows[0] if self.first is None else self.newest + 1
            self.first = rows[0] if self.first is None else self.first
            self.newest = rows[-1]
            self.waiting |= set(range(first, self.newest + 1)).difference(rows)
        if self.waiting:
            came = self.waiting.intersection(self._ids(tape, min(self.waiting), max(self.waiting)))
            self.waiting -= came
            rows = sorted({*rows, *came})
        return rows

    def has(self, seq: int) -> bool:
        """Say whether an id is held, by what was seen last."""
        return self.first is not None and self.first <= seq <= self.newest and seq not in self.waiting

    def has_bar(self, start: int) -> bool:
        """Say whether the venue's bar of a minute (ms) is held."""
        assert self._keys is not None
        found = self._store.execute(
            "SELECT 1 FROM candle WHERE instrument = ? AND resolution = 1 AND start = ? AND origin = ?",
            (self._keys[1], start * _MS, _VENUE),
        )
        return found.fetchone() is not None

    def _found(self) -> bool:
        self._keys = self._store.execute(
            "SELECT t.id, i.id FROM tape t JOIN instrument i ON i.id = t.instrument "
            "WHERE i.name = ? AND t.kind = 'agg'",
            (self.instrument,),
        ).fetchone()
        return self._keys is not None

    def _ids(self, tape: int, first: int, last: int) -> list[int]:
        rows = self._store.execute(
            "SELECT seq FROM trade WHERE tape = ? AND seq BETWEEN ? AND ? ORDER BY seq", (tape, first, last)
        )
        return [row[0] for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._store.close()
