"""Signals in the store: whose bars are judged, and every judgement as it was made; the newest one stands."""

from collections.abc import Iterator
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any

import msgspec

from gapless.model import Proof
from gapless.model.signal import Judged, Signal, SignalFilter
from gapless.store.reading import Reading

_COLUMNS = "signal.id, name, minutes, start, judgement, state, revision, proof, body, known_at"
_FROM = "FROM signal JOIN instrument ON instrument.id = signal.instrument"
_PACK = msgspec.msgpack.Encoder()
_SIGNAL = msgspec.msgpack.Decoder(Signal)
_PROOFS = tuple(Proof)
_ANY = SignalFilter()
_BY_TIME = attrgetter("end", "id")


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

    def unjudged(self) -> dict[str, tuple[int, int]]:
        """Give the instruments whose minutes have changed and are not yet judged, from the first to the last."""
        rows = self.connection.execute(
            "SELECT name, first, last FROM unjudged JOIN instrument ON instrument.id = unjudged.instrument "
            "WHERE environment = ?",
            (self.environment(),),
        )
        return {name: (first, last) for name, first, last in rows}

    def put_unjudged(self, instrument: str, first: int, last: int) -> None:
        """Note that minutes from `first` to `last` have changed and are to be judged."""
        self.connection.execute(
            "INSERT INTO unjudged VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)",
            (self.scale(instrument).key, first, last),
        )

    def all_judged(self, instrument: str) -> None:
        """Note that nothing of an instrument is left to be judged."""
        self.connection.execute("DELETE FROM unjudged WHERE instrument = ?", (self.scale(instrument).key,))

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

    def judgements(self, instrument: str, minutes: int, start: int) -> list[Judged]:
        """List every judgement of one bar, by kind, in the order they were made."""
        rows = self.connection.execute(
            f"SELECT {_COLUMNS} {_FROM} WHERE signal.instrument = ? AND minutes = ? AND start = ? "
            "ORDER BY kind, judgement",
            (self.scale(instrument).key, minutes, start),
        )
        return [_judged(row) for row in rows]

    def signals(
        self, start: int, end: int, *, number: int, limit: int, which: SignalFilter = _ANY, newest: bool = True
    ) -> list[Judged]:
        """List the newest judgement, as of commit `number`, of every signal whose bar closed in [start, end) and which
        the filter takes: by time, oldest first, and of more than `limit` the newest, else the oldest."""
        keys = [self.scale(name).key for name in which.instruments] or [
            key for (key,) in self.connection.execute(
                "SELECT id FROM instrument WHERE environment = ?", (self.environment(),)
            )
        ]  # fmt: skip
        # Of each instrument in the order of its index: only what is given is read.
        found = merge(*(self._in_order(key, start, end, number, which, newest=newest) for key in keys),
                      key=_BY_TIME, reverse=newest)  # fmt: skip
        kept = list(islice(found, limit))
        return kept[::-1] if newest else kept

    def _in_order(
        self, key: int, start: int, end: int, number: int, which: SignalFilter, *, newest: bool
    ) -> Iterator[Judged]:
        where, params = _told_by_columns(which)
        order = "DESC" if newest else "ASC"
        rows = self.connection.execute(
            f"SELECT {_COLUMNS} {_FROM} WHERE signal.instrument = ? AND ended >= ? AND ended < ? "  # noqa: S608
            "AND written <= ? "
            f"{where}AND NOT EXISTS (SELECT 1 FROM signal later WHERE later.instrument = signal.instrument "
            "AND later.minutes = signal.minutes AND later.start = signal.start AND later.kind = signal.kind "
            "AND later.judgement > signal.judgement AND later.written <= ?) "
            f"ORDER BY ended {order}, signal.id {order}",
            (key, start, end, number, *params, number),
        )
        return filter(which.takes, map(_judged, rows))

    def delivery(self, receiver: str) -> tuple[int, int] | None:
        """Give the place in the log up to which a receiver was given the signals."""
        row = self.one("SELECT number, item FROM delivery WHERE target = ?", (receiver,))
        return (row[0], row[1]) if row else None

    def put_delivery(self, receiver: str, number: int, item: int) -> None:
        """Keep the place in the log up to which a receiver was given the signals."""
        self.connection.execute("INSERT OR REPLACE INTO delivery VALUES (?, ?, ?)", (receiver, number, item))

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


def _told_by_columns(which: SignalFilter) -> tuple[str, list[Any]]:
    """Write what of a filter the columns tell as a condition; the rest is in the body of a signal."""
    conditions, params = ["proof >= ?"], list[Any]([int(which.min_proof)])
    for column, values in (("minutes", which.minutes), ("state", which.states)):
        if values:
            conditions.append(f"{column} IN ({', '.join('?' * len(values))})")
            params += values
    if which.kinds:
        conditions.append(f"({' OR '.join(['kind = ? OR kind GLOB ?'] * len(which.kinds))})")
        params += [text for kind in which.kinds for text in (kind, f"{kind}.*")]
    return "".join(f"AND {condition} " for condition in conditions), params
