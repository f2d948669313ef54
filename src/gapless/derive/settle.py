"""Settles a commit inside its transaction: rows, ledger, minutes and candles change together or not at all."""

from collections.abc import Iterable

from msgspec import Struct, field
from msgspec.structs import replace

from gapless.derive.aged import aged, as_judged, came_back, keep, lowered
from gapless.derive.bars import ClosedBar
from gapless.derive.deriver import Change, Deriver, leave_to_collector
from gapless.derive.grown import in_digits_held
from gapless.derive.judge import LATENESS, Held, bar_of, candle_of, held, revised
from gapless.derive.judge import judge as judge_minute
from gapless.derive.minutes import fold_minute
from gapless.derive.spanning import in_whole_rows
from gapless.model import DAY, MINUTE, Bar, Candle, Evidence, Gap, MinuteFold, Origin, Proof, Span, Tape, Trade
from gapless.model.signal import Judged
from gapless.ports import MinuteRow, Transaction
from gapless.tape.coverage import Coverage, Range, cut, merged, without
from gapless.tape.wanted import ended, joined_ranges, trimmed

_REACH = 7 * DAY


class Vouched(Struct, frozen=True):
    """Ids of a tape that some evidence vouches for."""

    tape: Tape
    first: int
    last: int
    evidence: Evidence


class Commit(Struct, kw_only=True):
    """Everything that one transaction brings.

    `primary` maps an instrument to the tape its folds come from, `since` to the minute from which it is live.
    `folds` are minutes that were folded in memory from all their trades. `due` are minutes whose time is up,
    whether or not everything came; `trims` are tapes of which nothing exists before an id, `cuts` those of which
    nothing will exist after one. `kept` are ids that were imported or asked for: they do not age. `stood` are candles
    that are derived again, as they stand where they were derived first: each keeps its number. `began` is when the
    first of all this was received (monotonic ns, 0 unknown). `now` is venue time.
    """

    now: int
    known_at: int
    began: int = 0
    cause: str = "stream"
    primary: dict[str, Tape] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    trades: list[tuple[Tape, list[Trade]]] = field(default_factory=list)
    bars: list[tuple[str, list[Bar]]] = field(default_factory=list)
    vouched: list[Vouched] = field(default_factory=list)
    wanted: list[tuple[Tape, int, int]] = field(default_factory=list)
    kept: list[tuple[Tape, int, int]] = field(default_factory=list)
    gaps: list[tuple[Tape, Gap]] = field(default_factory=list)
    folds: dict[tuple[int, int], MinuteFold] = field(default_factory=dict)
    due: list[tuple[str, int]] = field(default_factory=list)
    trims: list[tuple[Tape, int]] = field(default_factory=list)
    cuts: list[tuple[Tape, int]] = field(default_factory=list)
    stood: dict[tuple[str, int], Candle] = field(default_factory=dict)
    events: list[tuple[str, str, dict[str, object], int]] = field(default_factory=list)


class Settled(Struct):
    """What a commit did: candles closed and revised, gaps filled, and what was derived from it.

    `rewritten` are candles that are served otherwise without a revision, `folds` the minutes that were folded, by
    tape, `stale` those whose fold no longer holds. `gaps` are all that were named, given up or `repaired`. `number` is
    the commit's in the log, 0 where it noted nothing there; `began` as in `Commit`.
    """

    changes: list[Change] = field(default_factory=list)
    rewritten: list[tuple[str, Candle]] = field(default_factory=list)
    folds: list[tuple[int, MinuteFold]] = field(default_factory=list)
    stale: set[tuple[int, int]] = field(default_factory=set)
    repaired: list[Gap] = field(default_factory=list)
    gaps: list[tuple[Tape, Gap]] = field(default_factory=list)
    bars: list[ClosedBar] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    number: int = 0
    began: int = 0


def settle(tx: Transaction, commit: Commit, deriver: Deriver | None = None, *, judge: bool = True) -> Settled:
    """Write a commit and everything that follows from it.

    A collector gives its `deriver`, which makes bars of every timeframe and judges them, or without `judge` leaves
    that to a later commit. Without one, what is to be judged is left to whoever collects.
    """
    commit = in_whole_rows(tx, in_digits_held(tx, commit))
    result = Settled(began=commit.began)
    before = tx.log_span()[1]
    _write_rows(tx, commit, result)
    candidates = _write_ledger(tx, commit, result)
    due: dict[str, set[int]] = {}
    for instrument, start in commit.due:
        due.setdefault(instrument, set()).add(start)
        candidates.setdefault(instrument, set()).add(start)
    bars: dict[tuple[str, int], Bar] = {}
    polled = _polled(tx, commit)
    for instrument, incoming in commit.bars:
        bars.update({(instrument, bar.start): bar for bar in incoming})
        candidates.setdefault(instrument, set()).update(bar.start for bar in incoming)
    for instrument, starts in candidates.items():
        minutes = _Minutes(tx, commit, result, instrument)
        for start in sorted(starts):
            bar, key = bars.get((instrument, start)), (instrument, start)
            minutes.settle(start, bar, polled=key in polled, due=start in due.get(instrument, ()))
    for instrument, candle in result.rewritten:
        mark = (candle.start, candle.revision)
        tx.put_log("origin", instrument, 0, mark, late=True, known_at=commit.known_at)
    if deriver is None:
        leave_to_collector(tx, result.changes)
    else:
        result.bars = deriver.take(tx, result.changes, result.rewritten, since=commit.since)
        result.judged = deriver.judge(tx, commit.known_at) if judge else []
    number = tx.log_span()[1]
    result.number = number if number > before else 0
    return result


def judge(tx: Transaction, deriver: Deriver, *, known_at: int, began: int, most: int) -> Settled:
    """Judge what earlier commits left to be judged, of at most so many instruments; `began` as in `Commit`."""
    before = tx.log_span()[1]
    judged = deriver.judge(tx, known_at, most=most)
    number = tx.log_span()[1]
    return Settled(judged=judged, number=number if number > before else 0, began=began)


def _write_rows(tx: Transaction, commit: Commit, result: Settled) -> None:
    for vouch in commit.vouched:
        _vouch(tx, vouch, commit)
    for tape, rows in commit.trades:
        tx.add_trades(tape.id, rows)
        result.stale |= _index(tx, tape, rows)
    for event in commit.events:
        tx.put_event(*event)


def _write_ledger(tx: Transaction, commit: Commit, result: Settled) -> dict[str, set[int]]:
    """Write what is wanted and what is missing; give the minutes on which the new ids throw light, by instrument."""
    keep(tx, commit.kept)
    for tape, first, last in commit.wanted:
        ranges = joined_ranges([*tx.wanted(tape.id), (first, last)])
        tx.put_wanted(tape.id, cut(ranges, tx.expired(tape.id, "trades")))
    for tape, first in commit.trims:
        tx.put_wanted(tape.id, trimmed(tx.wanted(tape.id), first))
    for tape, last in commit.cuts:
        tx.put_wanted(tape.id, ended(tx.wanted(tape.id), last))
    for tape, gap in commit.gaps:
        _name(tx, result, tape, _given_up(tx, gap) if gap.state == "permanent" else gap, commit.known_at)
    for tape, gap in commit.gaps:
        if gap.state == "permanent":
            _fill(tx, result, tape, (gap.first, gap.last), ("open",), commit.known_at)
    candidates: dict[str, set[int]] = {}
    for vouch in commit.vouched:
        # What was given up comes by another way than the stream, if at all.
        states = ("open",) if vouch.evidence is Evidence.STREAM else ("open", "permanent", "expired")
        _fill(tx, result, vouch.tape, (vouch.first, vouch.last), states, commit.known_at)
        if vouch.tape.kind == "bars":
            minutes = range(vouch.first * MINUTE, (vouch.last + 1) * MINUTE, MINUTE)
            candidates.setdefault(vouch.tape.instrument, set()).update(minutes)
        primary = commit.primary.get(vouch.tape.instrument)
        if primary and primary.id == vouch.tape.id:
            candidates.setdefault(primary.instrument, set()).update(_between(tx, vouch))
    return candidates


def _index(tx: Transaction, tape: Tape, rows: list[Trade]) -> set[tuple[int, int]]:
    """Keep each minute's first id; give the minutes whose fold, stored or made in memory, these rows make stale.

    A minute is folded in memory when a later one begins: a row of it that arrived after that is not in the fold.
    """
    firsts: dict[int, int] = {}
    stale = set()
    newest = 0
    for row in rows:
        start = row.time - row.time % MINUTE
        known = firsts.get(start)
        if known is None or row.seq < known:
            firsts[start] = row.seq
        if start < newest:
            stale.add((tape.id, start))
        newest = max(newest, start)
    for start, first in firsts.items():
        row_now = tx.minute(tape.id, start)
        if row_now is not None and (last := row_now.last_seq) and aged(tx, tape.id, row_now.first_seq, last):
            _await(tx, tape, row_now, first)
            continue
        if row_now is None or first < row_now.first_seq or row_now.last_seq is not None:
            lowest = first if row_now is None else min(first, row_now.first_seq)
            tx.put_minute(tape.id, MinuteRow(start, lowest, None), None)
        if row_now is not None and row_now.last_seq is not None:
            stale.add((tape.id, start))
    return stale


def _await(tx: Transaction, tape: Tape, row: MinuteRow, first: int) -> None:
    """Leave a minute some of whose trades have expired as it was folded, until all of them are back."""
    fold = tx.fold(tape.id, row.start)
    if fold is not None and first < fold.first_seq:
        tx.put_minute(tape.id, MinuteRow(row.start, first, fold.last_seq), lowered(fold, first))


def _vouch(tx: Transaction, vouch: Vouched, commit: Commit) -> None:
    tape = vouch.tape
    touching = tx.spans(tape.id, vouch.first, vouch.last)
    after = merged(touching, Span(vouch.first, vouch.last, vouch.evidence))
    if after == touching:
        return
    tx.put_spans(tape.id, touching, after, commit.known_at)
    if tape.kind == "bars":
        return
    if vouch.evidence is not Evidence.STREAM:  # by stream nothing comes that could have expired
        came_back(tx, tape.id, "trades", (vouch.first, vouch.last), commit.known_at)
    late = vouch.evidence is not Evidence.STREAM or any(span.first > vouch.last for span in touching)
    for new in without((vouch.first, vouch.last), touching):
        tx.put_log("trades", tape.instrument, tape.id, new, late=late, known_at=commit.known_at)


def _name(tx: Transaction, result: Settled, tape: Tape, gap: Gap, known_at: int) -> None:
    tx.put_gap(gap)
    result.gaps.append((tape, gap))
    tx.put_log("gap", tape.instrument, tape.id, (gap.first, gap.last), late=False, known_at=known_at)


def _given_up(tx: Transaction, gap: Gap) -> Gap:
    """Let a permanent gap begin where the open one began of which it is left."""
    named = next((g for g in tx.gaps(gap.tape, "open") if g.first <= gap.first and gap.last <= g.last), None)
    return replace(gap, opened=named.opened, cause=named.cause) if named else gap


def _fill(tx: Transaction, result: Settled, tape: Tape, ids: Range, states: tuple[str, ...], known_at: int) -> None:
    """Close the gaps that some ids end: those of which nothing is missing, or only what is permanent by itself."""
    for gap in [gap for state in states for gap in tx.gaps(tape.id, state)]:
        if gap.last < ids[0] or gap.first > ids[1]:
            continue
        left = _missing(tx, tape.id, gap.first, gap.last)
        lost = tx.gaps(tape.id, "permanent") if left and gap.state == "open" else []
        if cut(left, [(one.first, one.last) for one in lost]):
            continue
        reason = "but for " + ", ".join(f"ids {a} to {b}" for a, b in left) + ", which no source has" if left else ""
        done = replace(gap, state="repaired", closed=known_at, reason=reason)
        _name(tx, result, tape, done, known_at)
        result.repaired.append(done)


def _between(tx: Transaction, vouch: Vouched) -> Iterable[int]:
    """List the minutes on which newly vouched ids can throw light: those of their rows, and on either side, where no
    id is missing on the way, those up to the next row. Of a longer time only its first and its last week are listed:
    a wrong time on one event, or years without a trade, must not hold up a commit.
    """
    tape, first, last = vouch.tape.id, vouch.first, vouch.last
    before, begin = tx.trade_before(tape, first), tx.trade_after(tape, first - 1)
    after, end = tx.trade_after(tape, last), tx.trade_before(tape, last + 1)
    if before and not _missing(tx, tape, before.seq, first):
        begin = before
    if after and not _missing(tx, tape, last, after.seq):
        end = after
    if begin is None or end is None or begin.seq > end.seq:
        return ()
    start, stop = begin.time - begin.time % MINUTE, end.time + 1
    if stop - start <= 2 * _REACH:
        return range(start, stop, MINUTE)
    return (*range(start, start + _REACH, MINUTE), *range((end.time - _REACH) // MINUTE * MINUTE, stop, MINUTE))


def _missing(tx: Transaction, tape: int, first: int, last: int) -> list[tuple[int, int]]:
    return without((first, last), tx.spans(tape, first, last))


def _polled(tx: Transaction, commit: Commit) -> set[tuple[str, int]]:
    """Name the bars of a commit, by instrument and start, for which no stream vouches."""
    tapes = {vouch.tape.instrument: vouch.tape for vouch in commit.vouched if vouch.tape.kind == "bars"}
    polled: set[tuple[str, int]] = set()
    for instrument, bars in commit.bars:
        if not bars or instrument not in tapes:
            continue
        numbers = [bar.start // MINUTE for bar in bars]
        spans = tx.spans(tapes[instrument].id, min(numbers), max(numbers))
        streamed = Coverage(span for span in spans if span.evidence is Evidence.STREAM)
        polled |= {(instrument, number * MINUTE) for number in numbers if number not in streamed}
    return polled


class _Minutes:
    """Closes and revises the minutes of one instrument inside a transaction."""

    def __init__(self, tx: Transaction, commit: Commit, result: Settled, instrument: str) -> None:
        self.tx = tx
        self.commit = commit
        self.result = result
        self.instrument = instrument
        self.tape = commit.primary.get(instrument)
        self.stale = result.stale

    def settle(self, start: int, incoming: Bar | None, *, polled: bool, due: bool) -> None:
        """Close or revise a minute where its time has come."""
        former = self.tx.candle(self.instrument, start)
        bar = incoming or bar_of(former)
        if incoming is None and former is not None:
            polled = former.polled
        if self.tape is None:
            silent = bar is None and self._silent(start)
            close = self._close_before(start) if silent else None
            alone = judge_minute(
                start, bar=bar, fold=None, tape=None, trades=Held(), previous_close=close, silent=close is not None
            )
            self._write(alone, former, polled=polled)
            return
        closed = former is not None and former.revision >= 0
        fold = self._fold(start)
        trades = held(self.tx, self.tape, start, fold=fold, bar=bar)
        silent = bar is None and fold is None and not trades.whole and self._silent(start)
        late = bar is not None and (trades.last_held or start + MINUTE + LATENESS <= self.commit.now)
        if not (closed or trades.ended or due or late or silent):
            if incoming and former is None:
                waiting = replace(candle_of(incoming, Origin.VENUE, Proof.OFFICIAL), revision=-1, polled=polled)
                self.tx.put_candle(self.instrument, waiting, None, self.commit.cause, self.commit.known_at)
            return
        self._keep(start, fold)
        # An empty minute is flat at the last trade before it, whether or not the minute of that has closed.
        close = trades.before.price if trades.before else self._close_before(start) if silent else None
        judged = judge_minute(
            start, bar=bar, fold=fold, tape=self.tape, trades=trades, previous_close=close,
            silent=silent and close is not None,
        )  # fmt: skip
        self._write(as_judged(judged, former, aged=trades.aged), former, polled=polled)

    def _silent(self, start: int) -> bool:
        """Say whether a minute is vouched for among the venue's bars: where that has no bar, nothing traded."""
        tape = next((tape for tape in self.tx.tapes(self.instrument) if tape.kind == "bars"), None)
        number = start // MINUTE
        return tape is not None and not _missing(self.tx, tape.id, number, number)

    def _close_before(self, start: int) -> int | None:
        """Give the price of the last trade before a minute, as far as the minute or the trade before it is known."""
        candle = self.tx.candle(self.instrument, start - MINUTE)
        if candle is not None and candle.close is not None:
            return candle.close
        last = self.tx.trade_before(self.tape.id, 2**63 - 1) if self.tape else None
        return last.price if last and last.time < start else None

    def _fold(self, start: int) -> MinuteFold | None:
        """Give our fold of a minute: from memory, as stored, or from the stored trades."""
        if self.tape is None:
            return None
        key = (self.tape.id, start)
        if key not in self.stale and (ready := self.commit.folds.get(key)):
            return ready
        row = self.tx.minute(self.tape.id, start)
        if row is None:
            return None
        if row.last_seq is not None and key not in self.stale:
            return self.tx.fold(self.tape.id, start)
        end = self.tx.minute_from(self.tape.id, start + 2 * MINUTE)
        rows = self.tx.trades(self.tape.id, row.first_seq, end.first_seq - 1 if end else 2**63 - 1)
        return fold_minute([trade for trade in rows if start <= trade.time < start + MINUTE], start)

    def _keep(self, start: int, fold: MinuteFold | None) -> None:
        if fold is None or self.tape is None:
            return
        self.stale.discard((self.tape.id, start))
        if self.tx.fold(self.tape.id, start) != fold:
            self.tx.put_minute(self.tape.id, MinuteRow(start, fold.first_seq, fold.last_seq), fold)
            came_back(self.tx, self.tape.id, "ladders", (start // MINUTE,) * 2, self.commit.known_at)
            self.result.folds.append((self.tape.id, fold))

    def _write(self, candle: Candle, former: Candle | None, *, polled: bool) -> None:
        if candle.proof is Proof.MISSING:
            return
        if polled and candle.origin is Origin.VENUE:
            candle = replace(candle, polled=True)
        fresh = revised(candle, former)
        if fresh is None:
            return
        live = fresh.start >= self.commit.since.get(self.instrument, 2**63)
        if former is None and live and self.tx.candle_after(self.instrument, fresh.start):
            # It was missing when its time was up: being there now is a change, also to the bars that contain it.
            fresh = replace(fresh, revision=1)
        if stood := self.commit.stood.get((self.instrument, fresh.start)):
            fresh = replace(as_judged(fresh, stood, aged=False), revision=stood.revision)
        kept = former if former and former.revision >= 0 and fresh.revision > former.revision else None
        self.tx.put_candle(self.instrument, fresh, kept, self.commit.cause, self.commit.known_at)
        if former is not None and fresh.revision == former.revision:
            self.result.rewritten.append((self.instrument, fresh))
            return
        mark = (fresh.start, fresh.revision)
        self.tx.put_log("candle", self.instrument, 0, mark, late=kept is not None, known_at=self.commit.known_at)
        self.result.changes.append(Change(self.instrument, fresh, kept))
