"""What keeps rows, ledger and budgets."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from gapless.model import Candle, Gap, Instrument, MinuteFold, Span, Tape, TapeKind, Timeframe, Trade
from gapless.model.log import LogEntry
from gapless.model.signal import Judged, SignalFilter

R = TypeVar("R")
ExpiredKind = Literal["trades", "ladders"]
RowKind = Literal["trades", "candles", "events", "log", "signals"]


class MinuteRow(Struct, frozen=True):
    """A minute of a tape as the store knows it; `last_seq` and `fold` are None while it forms."""

    start: int
    first_seq: int
    last_seq: int | None


class JobRow(Struct, frozen=True):
    """When a job ran last (ns UTC of the machine), and what came of it."""

    name: str
    last_run: int
    result: str


class Reads(Protocol):
    """What can be asked of the ledger and the rows, also in the middle of a transaction."""

    def spans(self, tape: int, first: int, last: int) -> list[Span]:
        """List the vouched spans that touch ids `first` - 1 to `last` + 1, ascending."""

    def wanted(self, tape: int) -> list[tuple[int, int]]:
        """List the wanted ranges of ids, ascending."""

    def gaps(self, tape: int, state: str) -> list[Gap]:
        """List the named gaps of a tape in one state."""

    def trades(self, tape: int, first: int, last: int) -> list[Trade]:
        """List the trades with ids `first` to `last`, ascending."""

    def trade_before(self, tape: int, seq: int) -> Trade | None:
        """Give the newest trade with an id below `seq`."""

    def trade_after(self, tape: int, seq: int) -> Trade | None:
        """Give the oldest trade with an id above `seq`."""

    def minute(self, tape: int, start: int) -> MinuteRow | None:
        """Give a minute that has trades."""

    def minute_from(self, tape: int, time: int) -> MinuteRow | None:
        """Give the first minute with trades at or after a time."""

    def fold(self, tape: int, start: int) -> MinuteFold | None:
        """Give the fold of a closed minute."""

    def folds(self, tape: int, start: int, end: int) -> list[MinuteFold]:
        """List the folds of the closed minutes that begin in [start, end)."""

    def instrument(self, name: str) -> Instrument:
        """Give an instrument by its id."""

    def candles(self, instrument: str, start: int, end: int) -> list[Candle]:
        """List the closed 1m candles that begin in [start, end)."""

    def candle(self, instrument: str, start: int) -> Candle | None:
        """Give the candle of a minute; revision -1 where the venue's bar is known and the minute not yet closed."""

    def candle_before(self, instrument: str, start: int) -> Candle | None:
        """Give the newest candle with prices before a time."""

    def candle_after(self, instrument: str, start: int) -> Candle | None:
        """Give the next closed candle after the one that begins at a time."""

    def expired(self, tape: int, kind: ExpiredKind) -> list[tuple[int, int]]:
        """List what retention dropped of a tape, ascending: ids of trades, minutes since 1970 of ladders."""

    def kept(self, tape: int) -> list[tuple[int, int]]:
        """List the ids of a tape that were imported or asked for, ascending: they do not age."""

    def log_span(self) -> tuple[int, int]:
        """Give the oldest and newest commit number of the log, (0, 0) when it is empty."""

    def judging(self) -> dict[str, tuple[int, bytes]]:
        """Give the instruments whose bars are judged, each with since when (ns) and by which settings."""

    def unjudged(self) -> dict[str, tuple[int, int]]:
        """Give the instruments whose minutes have changed and are not yet judged, with the first and last of these."""

    def tapes(self, instrument: str | None = None) -> list[Tape]:
        """List the tapes (of one instrument), in the order they were opened; the first with trades is primary."""

    def standing(self, instrument: str, minutes: int, start: int, kind: str) -> Judged | None:
        """Give the newest judgement by one rule of the bar of so many minutes that begins at `start`."""

    def version(self) -> int:
        """Give a number that changes whenever somebody else has written."""


class Transaction(Reads, Protocol):
    """A transaction in progress: it reads its own writes, and all of them or none are kept."""

    def add_trades(self, tape: int, rows: Sequence[Trade]) -> None:
        """Insert trades; those already there stay as they are."""

    def put_spans(self, tape: int, old: Sequence[Span], new: Sequence[Span], known_at: int) -> None:
        """Replace spans of the coverage."""

    def put_wanted(self, tape: int, ranges: Sequence[tuple[int, int]]) -> None:
        """Replace the wanted ranges of a tape."""

    def put_minute(self, tape: int, row: MinuteRow, fold: MinuteFold | None) -> None:
        """Insert or replace a minute."""

    def put_candle(self, instrument: str, candle: Candle, former: Candle | None, cause: str, known_at: int) -> None:
        """Insert or replace a candle; a former row is kept as the revision that it was."""

    def put_log(
        self, kind: str, instrument: str, tape: int, ids: tuple[int, int], *, late: bool, known_at: int
    ) -> None:
        """Note in the log what this commit brings, after what it noted before."""

    def put_gap(self, gap: Gap) -> None:
        """Insert a gap, or update the one of the same ids."""

    def put_judging(self, instrument: str, since: int, spec: bytes) -> None:
        """Have the bars of an instrument judged that end after a time, whoever commits them."""

    def put_unjudged(self, instrument: str, first: int, last: int) -> None:
        """Note that minutes from `first` to `last` have changed and are to be judged."""

    def all_judged(self, instrument: str) -> None:
        """Note that nothing of an instrument is left to be judged."""

    def put_signal(self, judged: Judged, *, late: bool) -> Judged:
        """Keep a judgement and note it in the log; give it with its id."""

    def put_event(self, kind: str, subject: str, detail: dict[str, Any], at: int) -> None:
        """Keep an event: a connection, a repair, a double, a jump of the clock."""

    def put_delivery(self, receiver: str, number: int, item: int) -> None:
        """Keep the place in the log up to which a receiver was given the signals."""

    def put_job(self, job: JobRow) -> None:
        """Keep when a job ran last and what came of it."""

    def put_expired(self, tape: int, kind: ExpiredKind, ranges: Sequence[tuple[int, int]], at: int) -> None:
        """Replace what is listed as dropped; a range that was there before keeps its time."""

    def put_kept(self, tape: int, ranges: Sequence[tuple[int, int]]) -> None:
        """Replace the ids of a tape that do not age."""


class Removal(Transaction, Protocol):
    """A transaction that also deletes rows; `drop_...` gives how many went."""

    def unfolded(self, tape: int, start: int, end: int) -> list[MinuteRow]:
        """List the minutes with trades that begin in [start, end) and have no stored fold."""

    def last_of(self, tape: int, first: int, last: int, rows: int) -> int | None:
        """Give the id of the last of the next `rows` trades with ids `first` to `last`; None when there are fewer."""

    def drop_trades(self, tape: int, first: int, last: int) -> int:
        """Delete the trades with ids `first` to `last`."""

    def drop_ladders(self, tape: int, first: int, last: int) -> int:
        """Delete the ladders of minutes `first` to `last` since 1970; the folds stay."""

    def drop_events(self, before: int, most: int) -> int:
        """Delete the oldest events from before a time, at most so many."""

    def drop_signals(self, before: int, most: int) -> int:
        """Delete the oldest signals of bars that began before a time, at most so many."""

    def drop_log(self, before: int, most: int) -> int:
        """Delete whole commits known before a time from the old end of the log, about `most` entries at a time."""

    def forget_archives(self, prefix: str) -> None:
        """Forget which archive files were imported, by the begin of their names: they may be imported again."""


class TapeReader(Reads, Protocol):
    """Reads a store, also beside a running collector."""

    def instruments(self) -> list[Instrument]:
        """List the instruments, by id."""

    def oldest_candle(self, instrument: str) -> Candle | None:
        """Give the oldest closed candle."""

    def newest_candle(self, instrument: str) -> Candle | None:
        """Give the newest closed candle."""

    def waiting(self, instrument: str) -> list[int]:
        """List the minutes whose bar is known and which are not closed (revision -1), of the newest week."""

    def ranges(self, instrument: str, start: int, end: int, timeframe: Timeframe) -> list[int]:
        """List high - low of the bars of a timeframe that traded, oldest first, from the minutes of [start, end)."""

    def trades_in(self, tape: int, start: int, end: int) -> Iterator[Trade]:
        """Go through the trades with times in [start, end), by id."""

    def all_spans(self, tape: int) -> list[Span]:
        """List every vouched span of a tape, ascending."""

    def bar_counts(self, instrument: str, start: int, end: int) -> int:
        """Count the bars of the venue that begin in [start, end)."""

    def archive(self, name: str) -> str | None:
        """Give the sha256 of an imported archive file."""

    def revisions(self, instrument: str, start: int) -> list[tuple[Candle, int, str]]:
        """List the former rows of a candle, each with when it was known and why it changed."""

    def log_after(self, number: int, item: int, limit: int, *, kind: str | None = None) -> list[LogEntry]:
        """List what came after (commit number, item), of one kind or all, oldest first; the first entry may begin
        before `item`."""

    def candle_as_of(self, instrument: str, start: int, number: int) -> Candle | None:
        """Give a closed candle as it stood after a commit."""

    def candles_as_of(self, instrument: str, start: int, end: int, number: int) -> list[Candle]:
        """List the closed 1m candles that begin in [start, end) as they stood after a commit."""

    def as_of(self, at: int) -> "TapeReader":
        """Give a reader of what was known at a time, ns UTC of this machine; what is later is the present.

        Raises `BadInput` where the log no longer reaches back so far.
        """

    def events(self, kinds: Sequence[str], since: int) -> list[tuple[str, str, dict[str, Any], int]]:
        """List kept events as (kind, subject, detail, at)."""

    def switches(self, symbol: str | None = None) -> list[tuple[str, dict[str, Any], int]]:
        """List which source was active from when on, for every consolidated instrument (one), as (symbol, detail, at),
        in the order they were kept."""

    def jobs(self) -> list[JobRow]:
        """List what is kept of jobs, by name."""

    def counts(self, tape: int, first: int, last: int) -> int:
        """Count the ids from `first` to `last` that trades stand for: one each, but on a tape of spans."""

    def row_bytes(self, kind: RowKind) -> float | None:
        """Give the bytes on disk that a row takes, by some of them; None where the store does not tell."""

    def unused_bytes(self) -> int:
        """Give the bytes within the store that deletes have freed: what comes uses them first."""

    def ladder_bytes(self, tape: int, first: int, last: int) -> tuple[int, int]:
        """Count the ladders of minutes `first` to `last` since 1970, and their bytes."""

    def older(self, kind: RowKind, before: int) -> int:
        """Count the events, signals or entries of the log from before a time; of the log all but the newest commit."""

    def hourly(self, kind: RowKind) -> int:
        """Count the events or entries of the log of the hour up to the newest one."""

    def delivery(self, receiver: str) -> tuple[int, int] | None:
        """Give the place in the log up to which a receiver was given the signals."""

    def signal(self, identity: int) -> Judged | None:
        """Give one judgement of a signal."""

    def signals(
        self, start: int, end: int, *, number: int, limit: int, which: SignalFilter = ..., newest: bool = True
    ) -> list[Judged]:
        """List the newest judgement, as of commit `number`, of every signal whose bar closed in [start, end) and which
        the filter takes: by time, oldest first, and of more than `limit` the newest, else the oldest."""

    def judgements(self, instrument: str, minutes: int, start: int) -> list[Judged]:
        """List every judgement of one bar, by kind, in the order they were made."""


class TapeStore(TapeReader, Protocol):
    """Keeps rows and ledger together: one `commit`, and readers."""

    def commit(self, work: Callable[[Removal], R]) -> R:
        """Run `work` in one transaction and give what it gave; what it wrote is on disk when this returns."""

    def put_instrument(self, instrument: Instrument) -> None:
        """Insert or update an instrument; digits only ever grow, and stored rows are rescaled exactly."""

    def open_tape(self, instrument: str, kind: TapeKind) -> Tape:
        """Give the newest epoch of a tape, opening the first one where there is none."""

    def put_archive(self, name: str, sha256: str, *, verified: bool, rows: int, at: int) -> None:
        """Remember an imported archive file by its hash."""

    def close(self) -> None:
        """Close the store."""


class Locks(Protocol):
    """One collector a tape: locks that die with their process."""

    def hold(self, tapes: dict[int, str]) -> None:
        """Take tapes, by key with the name of their instrument, or raise `StoreBusy` and take none."""

    def free(self, tapes: dict[int, str]) -> None:
        """Let go of tapes."""


HostRecord = Callable[[bytes | None], bytes | None]
"""Given what is kept of a host (None: nothing), answers what to keep (None: leave it)."""


class BudgetStore(Protocol):
    """Remembers, for all processes of the machine, what was spent and what is forbidden, host by host."""

    def update(self, host: str, change: HostRecord) -> bytes | None:
        """Read a host's record and write what `change` answers, in one step that no other process interrupts."""

    def states(self) -> dict[str, bytes]:
        """Give every host's record."""

    def close(self) -> None:
        """Close the store."""
