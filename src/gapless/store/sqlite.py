"""The SQLite store: rows and ledger in one file, committed together."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gapless.errors import BadInput, StoreBusy, StoreError, UnknownName
from gapless.model import Candle, Environment, Gap, Instrument, MinuteFold, Span, Tape, TapeKind, Trade
from gapless.model.log import items_of
from gapless.model.signal import Judged
from gapless.ports import JobRow, MinuteRow
from gapless.store.past import Past
from gapless.store.retained import Retained
from gapless.store.rows import CANDLE, FOLD, bar_params, candle_params, plain_candle, trade_params
from gapless.store.schema import MIGRATIONS

R = TypeVar("R")
_PACK = msgspec.msgpack.Encoder()
_CHUNKS = (1_000, 100, 10, 1)
_TRADE_COLUMNS = 9
_TRIES = 200


def connect(path: str, *, readonly: bool) -> sqlite3.Connection:
    """Open a database file with the settings that durability and concurrent readers ask for."""
    try:
        if readonly and path != ":memory:":
            if not Path(path).is_file():
                raise BadInput(f"there is no store at {path}; `gapless run` or `gapless import` creates one")
            uri = f"{Path(path).absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None, check_same_thread=False)
        else:
            if path != ":memory:" and not Path(path).absolute().parent.is_dir():
                raise BadInput(f"the folder {Path(path).absolute().parent} of the store does not exist; make it first")
            connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        # Pages are mapped: a cache beside that only has to hold what a commit or an answer touches again.
        connection.execute(f"PRAGMA cache_size = {-2_048 if readonly else -4_096}")
        connection.execute("PRAGMA mmap_size = 1073741824")
        return connection
    except sqlite3.Error as error:
        raise StoreError(f"the store {path} cannot be opened: {error}") from error


class SqliteStore(Retained):
    """A store in one SQLite file, or in memory for tests (`:memory:`).

    One object writes; any number of readers, in this and other processes, read beside it. `environment` is the
    part of the store that is meant (live, demo, sim); a reader may leave it out.
    """

    def __init__(self, path: str, *, environment: Environment | None = None, readonly: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._number = self._item = 0
        connection = connect(path, readonly=readonly)
        try:
            _migrate(connection, path, readonly=readonly)
        except sqlite3.Error as error:
            connection.close()
            raise StoreError(f"{path} is no store of gapless: {error}") from error
        except StoreError:
            connection.close()
            raise
        super().__init__(connection, environment)

    def commit(self, work: Callable[["SqliteStore"], R]) -> R:
        """Run `work` in one transaction and give what it gave; what it wrote is on disk when this returns."""
        with self._lock:
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                self.freshen()
                self._number = self._item = 0
                try:
                    result = work(self)
                    self.connection.execute("COMMIT")
                except BaseException:
                    if self.connection.in_transaction:
                        self.connection.execute("ROLLBACK")
                    self.forget()
                    raise
                return result
            except sqlite3.OperationalError as error:
                raise _explained(error, self.path) from error

    def as_of(self, at: int) -> Past:
        """Give a reader of what was known at a time, ns UTC of this machine; what is later is the present.

        Raises `BadInput` where the log no longer reaches back so far.
        """
        return Past(self, at)

    @property
    def number(self) -> int:
        """The number of the commit in progress."""
        if not self._number:
            self._number = int(self.one("SELECT coalesce(max(number), 0) + 1 FROM log")[0])
        return self._number

    def put_log(
        self, kind: str, instrument: str, tape: int, ids: tuple[int, int], *, late: bool, known_at: int
    ) -> None:
        """Note in the log what this commit brings, after what it noted before."""
        key = self.scale(instrument).key
        self.connection.execute(
            "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (self.number, self._item, kind, key, tape, *ids, late, known_at),
        )
        self._item += items_of(kind, *ids)

    def put_instrument(self, instrument: Instrument) -> None:
        """Insert or update an instrument; digits only ever grow, and stored rows are rescaled exactly."""
        from gapless.store.rescale import rescale

        def work(tx: SqliteStore) -> None:
            environment = self.writing_environment()
            row = tx.one("SELECT id, price_digits, size_digits FROM instrument WHERE environment = ? AND name = ?",
                         (environment, instrument.id))  # fmt: skip
            if row is None:
                tx.connection.execute(
                    "INSERT INTO instrument (environment, name, price_digits, size_digits, described) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (environment, instrument.id, instrument.price_digits, instrument.size_digits,
                     _PACK.encode(instrument)),
                )  # fmt: skip
                return
            key, prices, sizes = row
            grown = (max(prices, instrument.price_digits), max(sizes, instrument.size_digits))
            if grown != (prices, sizes):
                rescale(tx.connection, key, (prices, sizes), grown)
            kept = msgspec.structs.replace(
                instrument,
                price_digits=grown[0],
                size_digits=grown[1],
                tick=instrument.tick * 10 ** (grown[0] - instrument.price_digits),
            )
            tx.connection.execute(
                "UPDATE instrument SET price_digits = ?, size_digits = ?, described = ? WHERE id = ?",
                (*grown, _PACK.encode(kept), key),
            )

        self.commit(work)
        self.forget()

    def open_tape(self, instrument: str, kind: TapeKind) -> Tape:
        """Give the newest epoch of a tape, opening the first one where there is none."""
        with self._lock:
            known = [tape for tape in self.tapes(instrument) if tape.kind == kind]
            if known:
                return known[-1]
            key = self.scale(instrument).key

            def work(tx: SqliteStore) -> None:
                tx.connection.execute(
                    "INSERT OR IGNORE INTO tape (instrument, kind, epoch) VALUES (?, ?, 0)", (key, kind)
                )

            self.commit(work)
            self.forget()
            return next(tape for tape in self.tapes(instrument) if tape.kind == kind)

    def add_trades(self, tape: int, rows: Sequence[Trade]) -> None:
        """Insert trades; those already there stay as they are.

        One statement carries up to 1,000 rows: `executemany` would hand over the interpreter's lock once a row.
        """
        begin = 0
        for size in _CHUNKS:
            sql = _insert_trades(size)
            while len(rows) - begin >= size:
                chunk = rows[begin : begin + size]
                flat = [value for trade in chunk for value in trade_params(tape, trade)]
                self.connection.execute(sql, flat)
                begin += size

    def put_spans(self, tape: int, old: Sequence[Span], new: Sequence[Span], known_at: int) -> None:
        """Replace spans of the coverage."""
        if len(old) == len(new) == 1 and old[0].first == new[0].first:
            self.connection.execute(
                "UPDATE coverage SET last = ?, evidence = ?, known_at = ? WHERE tape = ? AND first = ?",
                (new[0].last, int(new[0].evidence), known_at, tape, new[0].first),
            )
            return
        self.connection.executemany(
            "DELETE FROM coverage WHERE tape = ? AND first = ?", [(tape, span.first) for span in old]
        )
        self.connection.executemany(
            "INSERT INTO coverage (tape, first, last, evidence, known_at) VALUES (?, ?, ?, ?, ?)",
            [(tape, span.first, span.last, int(span.evidence), known_at) for span in new],
        )

    def put_wanted(self, tape: int, ranges: Sequence[tuple[int, int]]) -> None:
        """Replace the wanted ranges of a tape."""
        self.connection.execute("DELETE FROM wanted WHERE tape = ?", (tape,))
        self.connection.executemany("INSERT INTO wanted VALUES (?, ?, ?)", [(tape, *pair) for pair in ranges])

    def put_minute(self, tape: int, row: MinuteRow, fold: MinuteFold | None) -> None:
        """Insert or replace a minute."""
        if fold is None:
            self.connection.execute(
                "INSERT INTO minute (tape, start, first_seq) VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET first_seq = excluded.first_seq, last_seq = NULL",
                (tape, row.start, row.first_seq),
            )
            return
        scale = self.scale_of(tape)
        values = bar_params(fold.bar, scale.unit, fold.bar.first_id, fold.bar.last_id)
        marks = ", ".join("?" * (len(values) + 4))
        self.connection.execute(
            f"INSERT OR REPLACE INTO minute (tape, {FOLD}) VALUES ({marks})",  # noqa: S608
            (tape, *values, fold.first_seq, fold.last_seq, fold.ladder),
        )

    def put_candle(self, instrument: str, candle: Candle, former: Candle | None, cause: str, known_at: int) -> None:
        """Insert or replace a candle; a former row is kept as the revision that it was."""
        scale = self.scale(instrument)
        if former is not None:
            self.connection.execute(
                "INSERT OR REPLACE INTO revision SELECT ?, ?, ?, written, ?, ?, ?, ? FROM candle "
                "WHERE instrument = ? AND resolution = 1 AND start = ?",
                (scale.key, former.start, former.revision, self.number, known_at, cause,
                 _PACK.encode(plain_candle(former)), scale.key, former.start),
            )  # fmt: skip
        # The same revision rewritten (its bar is now the venue's) was known since the commit that brought it.
        since = self.one(
            "SELECT written FROM candle WHERE instrument = ? AND resolution = 1 AND start = ? AND revision = ?",
            (scale.key, candle.start, candle.revision),
        )
        if since and candle.revision >= 0:
            self.connection.execute(
                "INSERT OR IGNORE INTO remark SELECT instrument, start, ?, revision, origin, marks FROM candle "
                "WHERE instrument = ? AND resolution = 1 AND start = ?",
                (self.number, scale.key, candle.start),
            )
        values = candle_params(candle, scale.unit)
        marks = ", ".join("?" * (len(values) + 3))
        self.connection.execute(
            f"INSERT OR REPLACE INTO candle (instrument, resolution, {CANDLE}, written) VALUES ({marks})",  # noqa: S608
            (scale.key, 1, *values, since[0] if since else self.number),
        )

    def put_gap(self, gap: Gap) -> None:
        """Insert a gap, or update the one of the same ids."""
        self.connection.execute(
            "INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (gap.tape, gap.first, gap.last, gap.opened, gap.closed, gap.cause, gap.state, gap.reason),
        )

    def put_signal(self, judged: Judged, *, late: bool) -> Judged:
        """Keep a judgement and note it in the log; give it with its id."""
        identity = self.insert_signal(judged, self.number)
        self.put_log("signal", judged.instrument, 0, (identity, identity), late=late, known_at=judged.known_at)
        return msgspec.structs.replace(judged, id=identity)

    def put_event(self, kind: str, subject: str, detail: dict[str, Any], at: int) -> None:
        """Keep an event."""
        self.connection.execute(
            "INSERT INTO event (at, kind, subject, detail) VALUES (?, ?, ?, ?)",
            (at, kind, subject, _PACK.encode(detail)),
        )

    def put_job(self, job: JobRow) -> None:
        """Keep when a job ran last and what came of it."""
        self.connection.execute("INSERT OR REPLACE INTO job VALUES (?, ?, ?)", (job.name, job.last_run, job.result))

    def put_archive(self, name: str, sha256: str, *, verified: bool, rows: int, at: int) -> None:
        """Remember an imported archive file by its hash."""
        self.connection.execute(
            "INSERT OR REPLACE INTO archive VALUES (?, ?, ?, ?, ?)", (name, sha256, verified, rows, at)
        )


def _insert_trades(rows: int) -> str:
    group = "(" + ", ".join("?" * _TRADE_COLUMNS) + ")"
    return "INSERT OR IGNORE INTO trade VALUES " + ", ".join([group] * rows)  # noqa: S608


def _migrate(connection: sqlite3.Connection, path: str, *, readonly: bool) -> None:
    version = _version(connection, path)
    if readonly and version < len(MIGRATIONS):
        raise StoreError(f"the store {path} has the old schema {version}; open it once with `gapless run` or `import`")
    if readonly:
        return
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    while version < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if (now := _version(connection, path)) == version:  # else another process migrated it meanwhile
                for statement in _statements(MIGRATIONS[version]):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version + 1}")
                now = version + 1
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        version = now


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Keep a write-ahead log; two processes that switch it on at once do not wait by themselves."""
    for attempt in range(_TRIES):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if attempt == _TRIES - 1:
                raise
            time.sleep(0.02)


def _version(connection: sqlite3.Connection, path: str) -> int:
    """Give the schema of a store; what is none, or newer than we are, is refused before anything is written."""
    asked = "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version"
    version, tables = connection.execute(asked).fetchone()
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the store {path} has schema {version} and this gapless knows up to {len(MIGRATIONS)}; "
            "a newer gapless wrote it and must open it"
        )
    if version == 0 and tables:
        raise StoreError(f"{path} is a database of something else; a store of gapless is wanted")
    return int(version)


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _explained(error: sqlite3.OperationalError, path: str) -> StoreError:
    text = str(error)
    if "locked" in text or "busy" in text:
        return StoreBusy(f"the store {path} is held by another writer for too long ({text})")
    if "full" in text:
        return StoreError(f"the disk of the store {path} is full")
    return StoreError(f"the store {path} cannot be written: {text}")


def sqlite_path(url: str) -> str:
    """Give the file of a `sqlite:///FILE` address, or of a plain path."""
    if url in ("memory://", ":memory:"):
        return ":memory:"
    for prefix in ("sqlite:///", "sqlite://"):
        if url.startswith(prefix):
            return os.path.expanduser(url[len(prefix) :])
    if "://" in url:
        raise UnknownName(f"{url!r} is no store; allowed are sqlite:///FILE, memory:// and a plain file name")
    return os.path.expanduser(url)
