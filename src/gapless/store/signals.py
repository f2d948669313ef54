"""Signals in the store: whose bars are judged, and every judgement as it was made; the newest one stands."""

from typing import Any

import msgspec

from gapless.model import Proof
from gapless.model.signal import Judged, Signal
from gapless.store.reading import Reading

_COLUMNS = "signal.id, name, minutes, start, judgement, state, revision, proof, body, known_at"
_FROM = "FROM signal JOIN instrument ON instrument.id = signal.instrument"
_PACK = msgspec.msgpack.Encoder()
_SIGNAL = msgspec.msgpack.Decoder(Signal)
_PROOFS = tuple(Proof)


class Signals(Reading):
    """Reads and keeps judgements."""

    def judging(self) -> dict[str, tuple[int, bytes]]:
        """Give the instruments whose bars are judged, each with since when (ns) and by which settings."""
        rows = self.connection.execute(
            "SELECT name, since, spec FROM judging JOIN instrument ON instrument.id = judging.instrument "
            "WHERE environment = ?",
            (self.environment(),),
        )
        return {name: (since, spec) for name, since, spec in rows}

    def put_judging(self, instrument: str, since: int, spec: bytes) -> None:
        """Have the bars of an instrument judged that end after a time, whoever commits them."""
        key = self.scale(instrument).key
        self.connection.execute("INSERT OR REPLACE INTO judging VALUES (?, ?, ?)", (key, since, spec))

    def standing(self, instrument: str, minutes: int, start: int, kind: str) -> Judged | None:
        """Give the newest judgement by one rule of the bar of so many minutes that begins at `start`."""
        row = self.one(
            f"SELECT {_COLUMNS} {_FROM} WHERE signal.instrument = ? AND minutes = ? AND start = ? AND kind = ? "
            "ORDER BY judgement DESC LIMIT 1",
            (self.scale(instrument).key, minutes, start, kind),
        )
        return _judged(row) if row else None

    def signal(self, identity: int) -> Judged | None:
        """Give one judgement."""
        row = self.one(f"SELECT {_COLUMNS} {_FROM} WHERE signal.id = ?", (identity,))
        return _judged(row) if row else None

    def signals(self, instrument: str | None, start: int, end: int, *, number: int, limit: int) -> list[Judged]:
        """List the newest judgement, as of commit `number`, of every signal whose bar begins in [start, end): by bar,
        oldest first, and of more than `limit` the newest."""
        where = "environment = ? AND start >= ? AND start < ? AND written <= ?"
        params: list[Any] = [self.environment(), start, end, number]
        if instrument is not None:
            where += " AND signal.instrument = ?"
            params.append(self.scale(instrument).key)
        rows = self.connection.execute(
            f"SELECT {_COLUMNS}, max(judgement) {_FROM} WHERE {where} "
            "GROUP BY signal.instrument, minutes, start, kind ORDER BY start DESC, signal.id DESC LIMIT ?",
            (*params, limit),
        )
        return [_judged(row[:-1]) for row in rows][::-1]

    def insert_signal(self, judged: Judged, number: int) -> int:
        """Keep a judgement that a commit made; give its id."""
        cursor = self.connection.execute(
            "INSERT INTO signal (instrument, minutes, start, kind, judgement, state, revision, proof, body, written, "
            "known_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (self.scale(judged.instrument).key, judged.minutes, judged.start, judged.signal.kind, judged.judgement,
             judged.state, judged.revision, int(judged.proof), _PACK.encode(judged.signal), number, judged.known_at),
        )  # fmt: skip
        return int(cursor.lastrowid or 0)


def _judged(row: tuple[Any, ...]) -> Judged:
    identity, name, minutes, start, judgement, state, revision, proof, body, known_at = row
    return Judged(
        id=identity, instrument=name, minutes=minutes, start=start, judgement=judgement, state=state,
        revision=revision, proof=_PROOFS[proof], signal=_SIGNAL.decode(body), known_at=known_at,
    )  # fmt: skip
