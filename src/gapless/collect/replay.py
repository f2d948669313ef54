"""Runs the stored tape of an instrument through the engine again, in a store of its own.

Trades, the venue's bars and who vouches for them are committed minute by minute; every candle that follows is held
against the one that is stored.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from itertools import count

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from gapless.derive.bars import ClosedBar
from gapless.derive.deriver import Change, Deriver
from gapless.derive.judge import bar_of
from gapless.derive.settle import Commit, Settled, Vouched, settle
from gapless.derive.signalling import Rules
from gapless.derive.signals.settings import SignalSettings
from gapless.model import MINUTE, Candle, Instrument, MinuteFold, Span, Tape, Timeframe
from gapless.model.signal import STANDING, Judged, SignalFilter
from gapless.ports import MinuteRow, Removal, TapeReader, TapeStore, Transaction
from gapless.tape.wanted import joined_ranges

_END = 2**62
_SWEEP = 60  # commits after which what is no longer looked at is let go


class Difference(Struct, frozen=True):
    """A minute that was derived otherwise than it is stored; a candle is None where there is none."""

    instrument: str
    start: int
    stored: Candle | None
    derived: Candle | None

    @property
    def names(self) -> list[str]:
        """What differs."""
        if self.stored is None or self.derived is None:
            return ["state"]
        derived = asdict(self.derived)
        return [name for name, value in asdict(self.stored).items() if derived[name] != value]


class Told(Struct, frozen=True):
    """What followed when a bar had ended (ns): the bar, or a judgement on it."""

    end: int
    what: ClosedBar | Judged


class Replay:
    """Replays the minutes of [start, end) of one instrument from a store into `target`, which is empty.

    Bars that end after `start` are judged by `settings`; `also` are timeframes beyond an hour whose bars are given,
    too. It counts the `minutes` that it compared, those taken `as_stored` because some of their trades have expired,
    and keeps the `differences`.
    """

    def __init__(
        self, source: TapeReader, target: TapeStore, instrument: Instrument, start: int, end: int,
        settings: SignalSettings, also: Sequence[Timeframe] = (),
    ) -> None:  # fmt: skip
        self.instrument = instrument
        self.minutes = self.as_stored = 0
        self.differences: list[Difference] = []
        self._source, self._target = source, target
        newest = source.newest_candle(instrument.id)
        self._closed = newest.start + MINUTE if newest else 0
        self._start, self._end = start, min(end, self._closed)
        self._deriver = Deriver(also=also)
        self._rules = Rules(settings)
        self._longest = max((frame.length for frame in self._rules.by_frame), default=MINUTE)
        target.put_instrument(instrument)
        tapes = source.tapes(instrument.id)
        self._trades = _Pair.of(next((tape for tape in tapes if tape.kind != "bars"), None), target)
        self._bars = _Pair.of(next((tape for tape in tapes if tape.kind == "bars"), None), target)
        self._done = -1  # the newest id that was taken
        self._expired = source.expired(self._trades.stored.id, "trades") if self._trades else []
        target.commit(lambda tx: self._seed(tx, msgspec.msgpack.encode(settings)))

    def run(self) -> Iterator[Told]:
        """Go through the minutes; gives what follows, in the order in which bars end."""
        at = self._start
        for number in count(1):
            if at >= self._end:
                return
            until = self._until(at)
            settled = self._target.commit(partial(self._take, at=at, until=until))
            self._compare(at, min(until, self._end))
            told = [Told(bar.timeframe.end_of(bar.candle.start), bar) for bar in settled.bars]
            told += [Told(judged.end, judged) for judged in settled.judged]
            yield from sorted((one for one in told if one.end <= self._end), key=lambda one: one.end)
            if number % _SWEEP == 0:
                self._target.commit(partial(self._sweep, at=at))
            at = until

    def _until(self, at: int) -> int:
        """Give the next minute with trades. The quiet ones before it are taken together with this one: the next trade
        proves all of them."""
        if self._trades is None:
            return at + MINUTE
        row = self._source.minute_from(self._trades.stored.id, at + MINUTE)
        return row.start if row else self._closed

    def _take(self, tx: Removal, *, at: int, until: int) -> Settled:
        """Commit what came of the minutes of [at, until), and what follows from it."""
        name = self.instrument.id
        candles = self._source.candles(name, at, min(until, self._closed))
        commit = Commit(now=until, known_at=until, cause="replay", stood={(name, c.start): c for c in candles})
        if trades := self._trades:
            last = self._last(trades.stored, at, until)
            if any(a <= last and b > self._done for a, b in self._expired):
                return self._as_they_stand(tx, trades, candles, last, at, until)
            commit.primary = {name: trades.own}
            rows = self._source.trades(trades.stored.id, self._done + 1, last)
            commit.trades = [(trades.own, [row for row in rows if row.time >= self._start])]
            commit.vouched = self._vouched(trades, self._done + 1, last)
            self._done = last
        bars = [bar for candle in candles if (bar := bar_of(candle))]
        commit.bars = [(name, bars)]
        if self._bars:
            closed = joined_ranges((candle.start // MINUTE,) * 2 for candle in candles)
            commit.vouched += [vouch for minutes in closed for vouch in self._vouched(self._bars, *minutes)]
        commit.due = [(name, candle.start) for candle in candles]
        return settle(tx, commit, self._deriver)

    def _last(self, tape: Tape, at: int, until: int) -> int:
        """Give the last id of these minutes: the first one after them is among it, which proves their end."""
        row, following = self._source.minute(tape.id, at), self._source.minute_from(tape.id, until)
        if following is None:
            return max((span.last for span in self._source.all_spans(tape.id)), default=self._done)
        return max(following.first_seq, self._done, row.last_seq or -1 if row else -1)

    def _as_they_stand(
        self, tx: Transaction, trades: "_Pair", candles: Sequence[Candle], last: int, at: int, until: int
    ) -> Settled:
        """Take minutes as they are stored: from what is left of their trades they cannot be derived."""
        name = self.instrument.id
        self.as_stored += len(candles)
        _put_folds(tx, trades.own, self._source.folds(trades.stored.id, at, until))
        changes = []
        for candle in candles:
            tx.put_candle(name, candle, None, "replay", until)
            changes.append(Change(name, candle, None))
        following = self._source.minute_from(trades.stored.id, until)
        self._stand_on(tx, trades, following.first_seq - 1 if following else last)
        return Settled(bars=self._deriver.take(tx, changes, since={}), judged=self._deriver.judge(tx, until))

    def _seed(self, tx: Transaction, spec: bytes) -> None:
        """Lay down what lies before: candles that rules look back on, folds of bars under way, the last trade."""
        name = self.instrument.id
        tx.put_judging(name, self._start, spec)
        for candle in self._source.candles(name, self._start - self._rules.reach, self._start):
            tx.put_candle(name, candle, None, "replay", self._start)
        if trades := self._trades:
            folds = self._source.folds(trades.stored.id, self._start - self._longest, self._start)
            _put_folds(tx, trades.own, folds)
            if row := self._source.minute_from(trades.stored.id, self._start):
                self._stand_on(tx, trades, row.first_seq - 1)

    def _stand_on(self, tx: Transaction, trades: "_Pair", last: int) -> None:
        """Go on after an id; the newest trade up to it proves where the next minute begins."""
        if before := self._source.trade_before(trades.stored.id, last + 1):
            minute = before.time - before.time % MINUTE
            _put_folds(tx, trades.own, self._source.folds(trades.stored.id, minute, minute + MINUTE))
            for candle in self._source.candles(self.instrument.id, minute, minute + MINUTE):
                tx.put_candle(self.instrument.id, candle, None, "replay", self._start)
            tx.add_trades(trades.own.id, [before])
            spans = _within(self._source, trades.stored, max(before.seq, self._done + 1), last)
            tx.put_spans(trades.own.id, [], spans, self._start)
            # As if the trades before had expired: the minute of this one stands as it is.
            tx.put_expired(trades.own.id, "trades", [(0, before.seq - 1)], self._start)
        self._done = last

    def _vouched(self, pair: "_Pair", first: int, last: int) -> list[Vouched]:
        spans = _within(self._source, pair.stored, first, last)
        return [Vouched(pair.own, span.first, span.last, span.evidence) for span in spans]

    def _compare(self, at: int, until: int) -> None:
        name = self.instrument.id
        stored = {candle.start: candle for candle in self._source.candles(name, at, until)}
        derived = {candle.start: candle for candle in self._target.candles(name, at, until)}
        self.minutes += len(stored)
        for start in sorted(stored.keys() | derived.keys()):
            before, after = stored.get(start), derived.get(start)
            if before and after:
                after = replace(after, edge=before.edge)  # says that the tape ended there when it was judged
            if before != after:
                self.differences.append(Difference(name, start, before, after))

    def _sweep(self, tx: Removal, *, at: int) -> None:
        """Let go of trades and ladders that nothing looks back on any more."""
        if self._trades and (row := tx.minute_from(self._trades.own.id, at)):
            own = self._trades.own.id
            if before := tx.trade_before(own, row.first_seq):
                tx.drop_trades(own, 0, before.seq - 1)
            tx.drop_ladders(own, 0, (at - self._longest) // MINUTE - 1)


class _Pair(Struct, frozen=True):
    """A tape as it is stored, and the one that it is replayed to."""

    stored: Tape
    own: Tape

    @classmethod
    def of(cls, stored: Tape | None, target: TapeStore) -> "_Pair | None":
        return cls(stored, target.open_tape(stored.instrument, stored.kind)) if stored else None


def _put_folds(tx: Transaction, tape: Tape, folds: Iterable[MinuteFold]) -> None:
    for fold in folds:
        tx.put_minute(tape.id, MinuteRow(fold.bar.start, fold.first_seq, fold.last_seq), fold)


def _within(reader: TapeReader, tape: Tape, first: int, last: int) -> list[Span]:
    """List the parts of vouched spans that lie within ids `first` to `last`."""
    parts = [(max(s.first, first), min(s.last, last), s.evidence) for s in reader.spans(tape.id, first, last)]
    return [Span(*part) for part in parts if part[0] <= part[1]]


def standing(reader: TapeReader, instrument: str, start: int, end: int) -> list[Judged]:
    """List the signals of an instrument that stand and whose bar ended after `start`, up to `end`, by their keys."""
    which = SignalFilter(instruments=(instrument,), states=STANDING)
    found = reader.signals(start + 1, end + 1, number=_END, limit=_END, which=which)
    return sorted(found, key=lambda judged: judged.key)


def digest(signals: Iterable[Judged]) -> str:
    """Give the sha256 of what signals say of which data, in their order."""
    told = sha256()
    for judged in signals:
        told.update(judged.content)
    return told.hexdigest()
