"""Lets what was collected live grow old: trades, ladders, events and the log go, candles and what was asked for stay.

Everything happens in short commits, so that a collector beside us, in whichever process, waits for none of them, and
each of them leaves rows and ledger as one: what is dropped is listed as expired in the commit that drops it.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from gapless.derive.settle import Commit, settle
from gapless.errors import StoreBusy
from gapless.model import MINUTE, Instrument, Tape
from gapless.ports import Clock, Reads, Removal, RowKind, TapeStore
from gapless.tape.aging import Ages, left, missing, within
from gapless.tape.coverage import Range, cut
from gapless.tape.wanted import joined_ranges

_ROWS = 5_000  # trades, events and entries of the log that one commit deletes
_MINUTES = 500  # ladders that one commit deletes
_OLD = "older than what is kept"
_END = 2**62


class Removed(Struct):
    """How many rows of each kind went, and the gaps that grew too old to be filled."""

    trades: int = 0
    ladders: int = 0
    events: int = 0
    log: int = 0
    signals: int = 0
    gaps: int = 0

    @property
    def sentence(self) -> str:
        """What went, in one sentence."""
        named = {"log": "entries of the log", "gaps": "open gaps"}
        counts = {named.get(kind, kind): getattr(self, kind) for kind in self.__struct_fields__}
        parts = [f"{count:,} {what}" for what, count in counts.items() if count]
        return f"{', '.join(parts)} went" if parts else "nothing was too old"


Task = Callable[[Removal], Removed | None]
"""Drops a little inside a transaction; None when nothing is left to drop."""


class Going(Struct, frozen=True):
    """What of one kind is too old: rows and their bytes (None where the store does not tell).

    Of a tape, also the first and the last time, ns UTC; events, log and signals belong to none.
    """

    kind: str
    rows: int
    bytes: int | None
    tape: str | None = None
    start: int | None = None
    end: int | None = None


class Retention:
    """Drops what is too old. `run` may be cancelled at any time: what was committed is whole.

    Age is the venue's time: it counts back from the newest candle of any instrument of the venue (a store at which
    nobody collects does not grow older), never beyond this machine's time. Events and the log are aged by this
    machine's time. `imported` names instruments whose imported and asked-for trades and ladders age like all others.
    """

    def __init__(self, store: TapeStore, ages: Ages, clock: Clock, *, imported: Sequence[str] = ()) -> None:
        self._store = store
        self._ages = ages
        self._clock = clock
        self._imported = imported
        self._now: dict[str, int] = {}

    async def run(self) -> Removed:
        """Drop all that is too old, resting after each commit for as long as it took."""
        done = Removed()
        while await self._once(self._begin):
            pass
        for task in self._tasks():
            while went := await self._once(task):
                for kind in done.__struct_fields__:
                    setattr(done, kind, getattr(done, kind) + getattr(went, kind))
        return done

    def _tasks(self) -> Iterator[Task]:
        for tape in self._tapes:
            yield partial(self._drop_trades, tape)
            yield partial(self._drop_ladders, tape)
        yield self._drop_others

    async def _once(self, task: Task) -> Removed | None:
        began = self._clock.monotonic()
        try:
            went = await asyncio.to_thread(lambda: self._store.commit(task))
        except StoreBusy:
            went = Removed()
        await self._clock.sleep(self._clock.monotonic() - began)
        return went

    def _begin(self, tx: Removal) -> None:
        """Look at what there is, and let go of what was named."""
        known = self._store.instruments()
        self._look(known)
        for instrument in known:
            if instrument.id in self._imported:
                for tape in self._store.tapes(instrument.id):
                    tx.put_kept(tape.id, [])
                tx.forget_archives(f"{instrument.venue}/{instrument.symbol}-")

    def _look(self, known: list[Instrument]) -> None:
        wall = self._clock.wall()
        self._tapes = [tape for tape in self._store.tapes() if tape.kind != "bars"]
        self._primary: dict[str, Tape] = {}
        for tape in self._tapes:
            self._primary.setdefault(tape.instrument, tape)
        self._venue = {instrument.id: instrument.venue for instrument in known}
        self._now = {}
        for instrument in known:
            if newest := self._store.newest_candle(instrument.id):
                seen = max(newest.start + MINUTE, self._now.get(instrument.venue, 0))
                self._now[instrument.venue] = min(seen, wall)

    def plan(self) -> list[Going]:
        """Say what is too old; nothing is written."""
        store = self._store
        self._look(store.instruments())
        found: list[Going] = []
        each = store.row_bytes("trades")
        for tape in self._tapes:
            kept = [] if tape.instrument in self._imported else store.kept(tape.id)
            trades = list(self._old_trades(store, tape, kept))
            rows = sum(store.counts(tape.id, *ids) for ids in trades)
            if rows:
                ends = store.trade_after(tape.id, trades[0][0] - 1), store.trade_before(tape.id, trades[-1][1] + 1)
                times = [end.time if end else None for end in ends]
                found.append(Going("trades", rows, None if each is None else round(rows * each), tape.name, *times))
            ladders = list(self._old_ladders(store, tape, kept))
            sizes = [store.ladder_bytes(tape.id, *minutes) for minutes in ladders]
            if rows := sum(count for count, _ in sizes):
                times = [ladders[0][0] * MINUTE, (ladders[-1][1] + 1) * MINUTE]
                found.append(Going("ladders", rows, sum(size for _, size in sizes), tape.name, *times))
        return found + [self._going(kind, before) for kind, before in self._others() if store.older(kind, before)]

    def _going(self, kind: RowKind, before: int) -> Going:
        rows, each = self._store.older(kind, before), self._store.row_bytes(kind)
        return Going(kind, rows, None if each is None else round(rows * each))

    def _others(self) -> Iterator[tuple[RowKind, int]]:
        """Give since when what belongs to no tape stays: machine time for events and log, venue time for signals."""
        ages, wall = self._ages, self._clock.wall()
        if ages.events is not None:
            yield "events", wall - ages.events
        if ages.log_at_most is not None:
            yield "log", wall - ages.log_at_most
        if ages.signals is not None:
            yield "signals", max(self._now.values(), default=0) - ages.signals

    def _cutoff(self, tape: Tape, age: int | None) -> int | None:
        """Give the start of the first minute that stays, ns; the newest closed one always does."""
        newest = self._store.newest_candle(tape.instrument)
        now = self._now.get(self._venue.get(tape.instrument, ""))
        if age is None or newest is None or now is None:
            return None
        until = min(now - age, newest.start)
        return until - until % MINUTE

    # Trades

    def _old_trades(self, reads: Reads, tape: Tape, kept: Iterable[Range]) -> Iterator[Range]:
        """List the ids that go.

        The last trade before the first minute that stays remains with it: it proves where that minute begins.
        """
        cutoff = self._cutoff(tape, self._ages.trades)
        newest = reads.trade_before(tape.id, _END)
        if cutoff is None or newest is None:
            return
        row = reads.minute_from(tape.id, cutoff) or reads.minute(tape.id, newest.time - newest.time % MINUTE)
        before = reads.trade_before(tape.id, row.first_seq) if row else None
        if before is None:
            return
        spans = [(span.first, span.last) for span in reads.spans(tape.id, 0, before.seq)]
        ledger = joined_ranges([*spans, *reads.wanted(tape.id)])
        for part in cut([(0, before.seq - 1)], kept):
            first, last = _between_rows(reads, tape, part)
            if first > last:
                continue
            begins = [held[0] for held in within(ledger, (first, last))[:1]]
            if (oldest := reads.trade_after(tape.id, first - 1)) and oldest.seq <= last:
                begins.append(oldest.seq)
            if begins:
                yield min(begins), last

    def _drop_trades(self, tape: Tape, tx: Removal) -> Removed | None:
        """Drop the oldest trades of a tape that go, at most so many."""
        going = next(self._old_trades(tx, tape, tx.kept(tape.id)), None)
        if going is None:
            return None
        first, last = going
        last = tx.last_of(tape.id, first, last, _ROWS) or last
        self._close(tx, tape, first, last)
        rows = tx.drop_trades(tape.id, first, last)
        at, spans, wanted = self._clock.wall(), tx.spans(tape.id, first, last), tx.wanted(tape.id)
        known = joined_ranges([*((span.first, span.last) for span in spans), *wanted])
        dropped = within(known, (first, last))
        tx.put_spans(tape.id, spans, left(spans, (first, last)), at)
        tx.put_wanted(tape.id, cut(wanted, [(first, last)]))
        tx.put_expired(tape.id, "trades", joined_ranges([*tx.expired(tape.id, "trades"), *dropped]), at)
        return Removed(trades=rows, gaps=self._give_up(tx, tape, (first, last), at))

    def _close(self, tx: Removal, tape: Tape, first: int, last: int) -> None:
        """Fold and judge what nothing has closed so far, as long as its trades are there."""
        oldest, newest = tx.trade_after(tape.id, first - 1), tx.trade_before(tape.id, last + 1)
        if self._primary[tape.instrument].id != tape.id or not oldest or not newest or oldest.seq > last:
            return
        open_still = tx.unfolded(tape.id, oldest.time - oldest.time % MINUTE, newest.time + 1)
        if open_still:
            due = [(tape.instrument, row.start) for row in open_still]
            now = self._now[self._venue[tape.instrument]]
            primary = {tape.instrument: tape}
            settle(tx, Commit(now=now, known_at=self._clock.wall(), cause="retention", primary=primary, due=due))

    def _give_up(self, tx: Removal, tape: Tape, gone: Range, at: int) -> int:
        """Let open gaps expire of which nothing is wanted any more; give how many."""
        count = 0
        for gap in tx.gaps(tape.id, "open"):
            if gap.first > gone[1] or gap.last < gone[0]:
                continue
            if not missing(tx.wanted(tape.id), tx.spans(tape.id, gap.first, gap.last), (gap.first, gap.last)):
                tx.put_gap(replace(gap, state="expired", closed=at, reason=_OLD))
                tx.put_log("gap", tape.instrument, tape.id, (gap.first, gap.last), late=False, known_at=at)
                count += 1
        return count

    # Ladders

    def _old_ladders(self, reads: Reads, tape: Tape, kept: Iterable[Range]) -> Iterator[Range]:
        """List the minutes whose ladders go, counted since 1970."""
        cutoff = self._cutoff(tape, self._ages.ladders_at_least)
        oldest = reads.minute_from(tape.id, 0)
        if cutoff is None or oldest is None or self._primary[tape.instrument].id != tape.id:
            return
        stay = joined_ranges([*reads.expired(tape.id, "ladders"), *_minutes(reads, tape, kept)])
        for first, last in cut([(oldest.start // MINUTE, cutoff // MINUTE - 1)], stay):
            row = reads.minute_from(tape.id, first * MINUTE)
            if row is not None and row.start // MINUTE <= last:
                yield first, last

    def _drop_ladders(self, tape: Tape, tx: Removal) -> Removed | None:
        """Drop the oldest ladders of a tape that go, at most so many; folds stay, and tell which ids a minute had."""
        going = next(self._old_ladders(tx, tape, tx.kept(tape.id)), None)
        if going is None:
            return None
        first, last = going
        row = tx.minute_from(tape.id, first * MINUTE)
        last = min(last, (row.start if row else 0) // MINUTE + _MINUTES - 1)
        ladders = tx.drop_ladders(tape.id, first, last)
        expired = joined_ranges([*tx.expired(tape.id, "ladders"), (first, last)])
        tx.put_expired(tape.id, "ladders", expired, self._clock.wall())
        return Removed(ladders=ladders)

    # What belongs to no tape

    def _drop_others(self, tx: Removal) -> Removed | None:
        drops = {"events": tx.drop_events, "log": tx.drop_log, "signals": tx.drop_signals}
        went = Removed(**{kind: drops[kind](before, _ROWS) for kind, before in self._others()})
        return went if went != Removed() else None


def _minutes(reads: Reads, tape: Tape, kept: Iterable[Range]) -> Iterator[Range]:
    """Give the minutes, counted since 1970, from the first trade of each range to its last."""
    for first, last in kept:
        begin, end = reads.trade_after(tape.id, first - 1), reads.trade_before(tape.id, last + 1)
        if begin and end and begin.seq <= end.seq:
            yield begin.time // MINUTE, end.time // MINUTE


def _between_rows(reads: Reads, tape: Tape, ids: Range) -> Range:
    """Narrow ids to whole rows: a row that stands for some of them and for others stays, and so do all of its ids."""
    first, last = ids
    if (row := reads.trade_after(tape.id, last)) and tape.first_of(row) <= last:
        last = tape.first_of(row) - 1
    if (row := reads.trade_after(tape.id, first - 1)) and tape.first_of(row) < first:
        first = row.seq + 1
    return first, last
