"""Reads a store of SQLite: the ledger, the rows, and what faces ask for."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from gapless.errors import BadInput, UnknownName
from gapless.model import (
    DAY,
    MINUTE,
    Candle,
    Environment,
    Evidence,
    Gap,
    Instrument,
    MinuteFold,
    Span,
    State,
    Tape,
    TapeKind,
    Timeframe,
    Trade,
)  # fmt: skip
from gapless.model.log import LogEntry
from gapless.model.timeframe import WEEK
from gapless.ports import JobRow, MinuteRow
from gapless.store.rows import CANDLE, FOLD, TRADE, candle_of_plain, candle_of_row, fold_of_row

_INSTRUMENT = msgspec.msgpack.Decoder(Instrument)
_EVIDENCE = {int(evidence): evidence for evidence in Evidence}


class Scale(Struct, frozen=True):
    """An instrument, its key in the tables, its digits, and 10^(price_digits + size_digits)."""

    key: int
    described: Instrument
    price_digits: int
    size_digits: int
    unit: int


class Reading:
    """Everything that is read; the same code serves readers and the writer inside its transaction."""

    def __init__(self, connection: sqlite3.Connection, environment: Environment | None) -> None:
        self.connection = connection
        self._environment = environment
        self._scales: dict[str, Scale] = {}
        self._tapes: dict[int, Scale] = {}
        self._seen = 0

    def freshen(self) -> None:
        """Forget what was remembered where somebody else has written since: digits may have grown."""
        if (version := self.version()) != self._seen:
            self._seen = version
            self.forget()

    def forget(self) -> None:
        """Forget what was remembered of instruments and tapes: somebody changed them."""
        self._scales.clear()
        self._tapes.clear()

    def one(self, sql: str, params: Sequence[Any] = ()) -> Any:
        """Give the first row, or None."""
        return self.connection.execute(sql, params).fetchone()

    def environment(self) -> Environment | None:
        """Give the environment that is read: the one asked for, else the only one held, else live."""
        if self._environment is None:
            held = [row[0] for row in self.connection.execute("SELECT DISTINCT environment FROM instrument")]
            if len(held) > 1 and "live" not in held:
                raise BadInput(f"the store holds {' and '.join(sorted(held))}; name one with --environment")
            if held:
                self._environment = held[0] if len(held) == 1 else "live"
        return self._environment

    def writing_environment(self) -> Environment:
        """Give the environment that is written to."""
        return self._environment or "live"

    def scale(self, instrument: str) -> Scale:
        """Give the key and digits of an instrument."""
        if not self.connection.in_transaction:
            self.freshen()
        known = self._scales.get(instrument)
        if known is None:
            row = self.one(
                "SELECT id, price_digits, size_digits, described FROM instrument WHERE environment = ? AND name = ?",
                (self.environment(), instrument),
            )
            if row is None:
                raise UnknownName(f"the store holds no instrument {instrument!r}")
            known = Scale(row[0], _INSTRUMENT.decode(row[3]), row[1], row[2], 10 ** (row[1] + row[2]))
            self._scales[instrument] = known
        return known

    def scale_of(self, tape: int) -> Scale:
        """Give the scale of the instrument of a tape."""
        if not self.connection.in_transaction:
            self.freshen()
        known = self._tapes.get(tape)
        if known is None:
            row = self.one("SELECT name FROM instrument JOIN tape ON tape.instrument = instrument.id WHERE tape.id = ?",
                           (tape,))  # fmt: skip
            known = self._tapes[tape] = self.scale(row[0])
        return known

    def instrument(self, name: str) -> Instrument:
        """Give an instrument by its id."""
        return self.scale(name).described

    def instruments(self) -> list[Instrument]:
        """List the instruments, by id."""
        rows = self.connection.execute(
            "SELECT described FROM instrument WHERE environment = ? ORDER BY name", (self.environment(),)
        )
        return [_INSTRUMENT.decode(row[0]) for row in rows]

    def tapes(self, instrument: str | None = None) -> list[Tape]:
        """List the tapes (of one instrument), in the order they were opened."""
        rows = self.connection.execute(
            "SELECT tape.id, name, kind, epoch, price_digits, size_digits, described, began, ended FROM tape "
            "JOIN instrument ON instrument.id = tape.instrument "
            "WHERE environment = ? AND (name = ? OR ? IS NULL) ORDER BY tape.id",
            (self.environment(), instrument, instrument),
        )
        return [_tape(*row) for row in rows]

    def spans(self, tape: int, first: int, last: int) -> list[Span]:
        """List the vouched spans that touch ids `first` - 1 to `last` + 1, ascending."""
        rows = self.connection.execute(
            "SELECT first, last, evidence FROM coverage WHERE tape = ? AND first <= ? AND first >= coalesce("
            "(SELECT max(first) FROM coverage WHERE tape = ? AND first <= ?), ?) ORDER BY first",
            (tape, last + 1, tape, first - 1, first),
        )
        return [Span(a, b, _EVIDENCE[e]) for a, b, e in rows if b >= first - 1]

    def all_spans(self, tape: int) -> list[Span]:
        """List every vouched span of a tape, ascending."""
        rows = self.connection.execute(
            "SELECT first, last, evidence FROM coverage WHERE tape = ? ORDER BY first", (tape,)
        )
        return [Span(a, b, _EVIDENCE[e]) for a, b, e in rows]

    def wanted(self, tape: int) -> list[tuple[int, int]]:
        """List the wanted ranges of ids, ascending."""
        return self.connection.execute(
            "SELECT first, last FROM wanted WHERE tape = ? ORDER BY first", (tape,)
        ).fetchall()

    def gaps(self, tape: int, state: str) -> list[Gap]:
        """List the named gaps of a tape in one state."""
        rows = self.connection.execute(
            "SELECT tape, first, last, opened, closed, cause, state, reason FROM gap "
            "WHERE tape = ? AND state = ? ORDER BY first",
            (tape, state),
        )
        return [
            Gap(tape=t, first=a, last=b, opened=o, closed=c, cause=cause, state=s, reason=reason)
            for t, a, b, o, c, cause, s, reason in rows
        ]

    def trades(self, tape: int, first: int, last: int) -> list[Trade]:
        """List the trades with ids `first` to `last`, ascending."""
        rows = self.connection.execute(
            f"SELECT {TRADE} FROM trade WHERE tape = ? AND seq BETWEEN ? AND ? ORDER BY seq",  # noqa: S608
            (tape, first, last),
        )
        return [Trade(*row) for row in rows]

    def trade_before(self, tape: int, seq: int) -> Trade | None:
        """Give the newest trade with an id below `seq`."""
        row = self.one(
            f"SELECT {TRADE} FROM trade WHERE tape = ? AND seq < ? ORDER BY seq DESC LIMIT 1",  # noqa: S608
            (tape, seq),
        )
        return Trade(*row) if row else None

    def trade_after(self, tape: int, seq: int) -> Trade | None:
        """Give the oldest trade with an id above `seq`."""
        row = self.one(
            f"SELECT {TRADE} FROM trade WHERE tape = ? AND seq > ? ORDER BY seq LIMIT 1",  # noqa: S608
            (tape, seq),
        )
        return Trade(*row) if row else None

    def minute(self, tape: int, start: int) -> MinuteRow | None:
        """Give a minute that has trades."""
        row = self.one("SELECT start, first_seq, last_seq FROM minute WHERE tape = ? AND start = ?", (tape, start))
        return MinuteRow(*row) if row else None

    def minute_from(self, tape: int, time: int) -> MinuteRow | None:
        """Give the first minute with trades at or after a time."""
        row = self.one(
            "SELECT start, first_seq, last_seq FROM minute WHERE tape = ? AND start >= ? ORDER BY start LIMIT 1",
            (tape, time),
        )
        return MinuteRow(*row) if row else None

    def fold(self, tape: int, start: int) -> MinuteFold | None:
        """Give the fold of a closed minute."""
        folds = self.folds(tape, start, start + 1)
        return folds[0] if folds else None

    def folds(self, tape: int, start: int, end: int) -> list[MinuteFold]:
        """List the folds of the closed minutes that begin in [start, end)."""
        unit = self.scale_of(tape).unit
        rows = self.connection.execute(
            f"SELECT {FOLD} FROM minute WHERE tape = ? AND start >= ? AND start < ? "  # noqa: S608
            "AND last_seq IS NOT NULL ORDER BY start",
            (tape, start, end),
        )
        return [fold_of_row(row, unit) for row in rows]

    def candle(self, instrument: str, start: int) -> Candle | None:
        """Give the candle of a minute; revision -1 where the venue's bar is known and the minute not yet closed."""
        return self._candle(instrument, "start = ?", (start,))

    def candle_before(self, instrument: str, start: int) -> Candle | None:
        """Give the newest candle with prices before a time."""
        return self._candle(instrument, "start < ? AND close IS NOT NULL ORDER BY start DESC", (start,))

    def candle_after(self, instrument: str, start: int) -> Candle | None:
        """Give the next closed candle after the one that begins at a time."""
        return self._candle(instrument, "start > ? AND revision >= 0 ORDER BY start", (start,))

    def oldest_candle(self, instrument: str) -> Candle | None:
        """Give the oldest closed candle."""
        return self._candle(instrument, "revision >= 0 ORDER BY start", ())

    def newest_candle(self, instrument: str) -> Candle | None:
        """Give the newest closed candle."""
        return self._candle(instrument, "revision >= 0 ORDER BY start DESC", ())

    def waiting(self, instrument: str) -> list[int]:
        """List the minutes whose bar is known and which are not closed (revision -1), of the newest week."""
        rows = self.connection.execute(
            "SELECT start FROM candle WHERE instrument = ?1 AND resolution = 1 AND revision < 0 AND start > "
            "(SELECT max(start) FROM candle WHERE instrument = ?1 AND resolution = 1) - ?2 ORDER BY start",
            (self.scale(instrument).key, 7 * DAY),
        )
        return [start for (start,) in rows]

    def _candle(self, instrument: str, condition: str, params: tuple[int, ...]) -> Candle | None:
        scale = self.scale(instrument)
        row = self.one(
            f"SELECT {CANDLE} FROM candle WHERE instrument = ? AND resolution = 1 AND {condition} LIMIT 1",  # noqa: S608
            (scale.key, *params),
        )
        return candle_of_row(row, scale.unit) if row else None

    def candles(self, instrument: str, start: int, end: int) -> list[Candle]:
        """List the closed 1m candles that begin in [start, end)."""
        scale = self.scale(instrument)
        rows = self.connection.execute(
            f"SELECT {CANDLE} FROM candle WHERE instrument = ? AND resolution = 1 "  # noqa: S608
            "AND start >= ? AND start < ? AND revision >= 0 ORDER BY start",
            (scale.key, start, end),
        )
        return [candle_of_row(row, scale.unit) for row in rows]

    def ranges(self, instrument: str, start: int, end: int, timeframe: Timeframe) -> list[int]:
        """List high - low of the bars of a timeframe that traded, oldest first, from the minutes of [start, end)."""
        length = timeframe.length
        whole = length if length == WEEK or timeframe.grid == "epoch" else DAY  # after which the grid begins anew
        began = timeframe.start_of(4 * DAY)
        rows = self.connection.execute(
            "SELECT max(high) - min(low) FROM candle WHERE instrument = ? AND resolution = 1 AND start >= ? "
            "AND start < ? AND revision >= 0 AND high IS NOT NULL AND state <> ? "
            "GROUP BY (start - ?) / ?, (start - ?) % ? / ? ORDER BY min(start)",
            (self.scale(instrument).key, start, end, State.EMPTY, began, whole, began, whole, length),
        )
        return [spread for (spread,) in rows]

    def trades_in(self, tape: int, start: int, end: int) -> Iterator[Trade]:
        """Go through the trades with times in [start, end), by id."""
        first = self.one("SELECT min(first_seq) FROM minute WHERE tape = ? AND start >= ? AND start < ?",
                         (tape, start - start % MINUTE, end))[0]  # fmt: skip
        if first is None:
            return
        beyond = self.minute_from(tape, end + MINUTE)
        rows = self.connection.execute(
            f"SELECT {TRADE} FROM trade WHERE tape = ? AND seq BETWEEN ? AND ? ORDER BY seq",  # noqa: S608
            (tape, first, beyond.first_seq if beyond else 2**63 - 1),
        )
        for row in rows:
            if start <= row[1] < end:
                yield Trade(*row)

    def revisions(self, instrument: str, start: int) -> list[tuple[Candle, int, str]]:
        """List the former rows of a candle, each with when it was known and why it changed."""
        rows = self.connection.execute(
            "SELECT candle, known_at, cause FROM revision WHERE instrument = ? AND start = ? ORDER BY revision",
            (self.scale(instrument).key, start),
        )
        return [(candle_of_plain(msgspec.msgpack.decode(blob)), known_at, cause) for blob, known_at, cause in rows]

    def log_after(self, number: int, item: int, limit: int, *, kind: str | None = None) -> list[LogEntry]:
        """List what came after (commit number, item), oldest first; the first entry may begin before `item`."""
        rows = self.connection.execute(
            "SELECT number, item, kind, name, tape, first, last, late, known_at FROM log "
            "JOIN instrument ON instrument.id = log.instrument "
            "WHERE environment = ? AND (number, item) >= (?, coalesce((SELECT max(item) FROM log WHERE number = ? "
            "AND item <= ?), 0)) AND (? IS NULL OR kind = ?) ORDER BY number, item LIMIT ?",
            (self.environment(), number, number, item, kind, kind, limit),
        )
        entries = [
            LogEntry(n, i, kind, name, tape, a, b, bool(late), at) for n, i, kind, name, tape, a, b, late, at in rows
        ]
        return [entry for entry in entries if entry.number > number or entry.item + entry.size - 1 > item]

    def log_span(self) -> tuple[int, int]:
        """Give the oldest and newest commit number of the log, (0, 0) when it is empty."""
        oldest, newest = self.one("SELECT (SELECT min(number) FROM log), (SELECT max(number) FROM log)")
        return (oldest or 0, newest or 0)

    def events(self, kinds: Sequence[str], since: int) -> list[tuple[str, str, dict[str, Any], int]]:
        """List kept events as (kind, subject, detail, at)."""
        rows = self.connection.execute(
            f"SELECT kind, subject, detail, at FROM event WHERE kind IN ({', '.join('?' * len(kinds))}) "  # noqa: S608
            "AND at >= ? ORDER BY id",
            (*kinds, since),
        )
        return [(kind, subject, msgspec.msgpack.decode(detail), at) for kind, subject, detail, at in rows]

    def switches(self, symbol: str | None = None) -> list[tuple[str, dict[str, Any], int]]:
        """List which source was active from when on, for every consolidated instrument (one)."""
        which, params = ("", ()) if symbol is None else ("AND subject = ?", (symbol,))
        rows = self.connection.execute(
            f"SELECT subject, detail, at FROM event WHERE kind = 'source_switch' {which} ORDER BY id",  # noqa: S608
            params,
        )
        kept = [(subject, msgspec.msgpack.decode(detail), at) for subject, detail, at in rows]
        return [row for row in kept if row[1].pop("environment") == self.environment()]

    def archive(self, name: str) -> str | None:
        """Give the hash of an imported archive file, or None."""
        row = self.one("SELECT sha256 FROM archive WHERE name = ?", (name,))
        return row[0] if row else None

    def jobs(self) -> list[JobRow]:
        """List what is kept of jobs."""
        rows = self.connection.execute("SELECT name, last_run, result FROM job ORDER BY name")
        return [JobRow(*row) for row in rows]

    def counts(self, tape: int, first: int, last: int) -> int:
        """Count the ids from `first` to `last` that trades stand for."""
        spanning = self.one("SELECT kind = 'span' FROM tape WHERE id = ?", (tape,))[0]
        what = "total(seq - max(first_fill, ?2) + 1)" if spanning else "count(*)"
        row = self.one(f"SELECT {what} FROM trade WHERE tape = ?1 AND seq BETWEEN ?2 AND ?3", (tape, first, last))  # noqa: S608
        return int(row[0])

    def bar_counts(self, instrument: str, start: int, end: int) -> int:
        """Count the venue's bars that begin in [start, end)."""
        row = self.one(
            "SELECT count(*) FROM candle WHERE instrument = ? AND resolution = 1 AND start >= ? AND start < ? "
            "AND origin = 1",
            (self.scale(instrument).key, start, end),
        )
        return int(row[0])

    def size(self) -> int:
        """Give the bytes of the database."""
        pages, size = self.one("PRAGMA page_count")[0], self.one("PRAGMA page_size")[0]
        return int(pages * size)

    def version(self) -> int:
        """Give a number that changes whenever somebody else has written."""
        return int(self.one("PRAGMA data_version")[0])

    def close(self) -> None:
        """Close the store."""
        self.connection.close()


def _tape(
    key: int, name: str, kind: TapeKind, epoch: int, prices: int, sizes: int, described: bytes, began: int | None,
    ended: int | None,
) -> Tape:  # fmt: skip
    known = msgspec.structs.replace(_INSTRUMENT.decode(described), price_digits=prices, size_digits=sizes)
    return msgspec.structs.replace(known.scale(kind), id=key, instrument=name, epoch=epoch, began=began, ended=ended)
