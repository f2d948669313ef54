"""What follows from minutes that closed or were revised: bars of every timeframe, and the signals judged on them."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter

import msgspec
from msgspec import Struct

from gapless.derive.bars import ClosedBar, RecentMinutes, bars_ending, touched
from gapless.derive.signalling import Rules, Signalling, Subject
from gapless.derive.signals.settings import SignalSettings
from gapless.model import MINUTE, MINUTE_1, Candle, Tape
from gapless.model.signal import Judged
from gapless.ports import Transaction

_KEEP = 360 * MINUTE  # minutes at hand: what the rules look back on, and the longest derived bar
_END = 2**63 - 1


class Change(Struct, frozen=True):
    """A candle that a commit closed (revision 0) or revised; `former` is what it replaced."""

    instrument: str
    candle: Candle
    former: Candle | None


class Derived(Struct):
    """What followed from a commit."""

    bars: list[ClosedBar] = []
    judged: list[Judged] = []


class Deriver:
    """Derives, inside the transaction that changed the minutes; it remembers the newest ones between commits.

    Only what the store is told to judge is derived: instruments that a collector has live, from then on, whoever
    commits to them (also a repair, or a backfill beside it). With `settings` it tells the store so itself, for the
    instruments that a commit names as live; without, it goes by what the store was told.
    """

    def __init__(self, settings: SignalSettings | None = None) -> None:
        self._spec = None if settings is None else msgspec.msgpack.encode(settings)
        self._version = -1
        self._told: dict[str, tuple[int, bytes]] | None = None
        self._rules: dict[bytes, Rules] = {}
        self._subjects: dict[str, Subject] = {}

    def forget(self) -> None:
        """Forget what was remembered: a commit failed, or somebody else has written."""
        self._told = None
        self._subjects.clear()

    def take(
        self,
        tx: Transaction,
        changes: Sequence[Change],
        rewritten: Sequence[tuple[str, Candle]] = (),
        *,
        since: dict[str, int],
        primary: dict[str, Tape],
        known_at: int,
    ) -> Derived:
        """Give the bars that changes closed or revised, and keep the judgements on them.

        `changes` list an instrument's minutes together. `rewritten` are candles that came to be served otherwise
        without a revision.
        """
        if (version := tx.version()) != self._version:
            self.forget()
            self._version = version
        told = self._tell(tx, since)
        for instrument, candle in rewritten:
            if subject := self._subjects.get(instrument):
                subject.recent.put(candle)
        result = Derived()
        for instrument, some in groupby(changes, key=attrgetter("instrument")):
            if instrument not in told:
                continue
            live, spec = told[instrument]
            subject = self._subject(tx, instrument)
            mine = list(some)
            for change in mine:
                subject.recent.put(change.candle)
            rules = self._ready(spec)
            bars = list(_bars(tx, subject, mine, rules, live))
            starts = [change.candle.start for change in mine]
            subject.follow(bars, whole=min(starts) >= live and len(bars) > 0)
            result.bars += bars
            signalling = Signalling(tx, subject, primary.get(instrument), since=live, known_at=known_at)
            result.judged += signalling.judge(rules, bars, min(starts), max(starts))
            subject.recent.trim(_KEEP)
        return result

    def _tell(self, tx: Transaction, since: dict[str, int]) -> dict[str, tuple[int, bytes]]:
        """Read whose bars are judged; where this is the collector, tell the store about those that are live now."""
        told = self._told
        if told is None:
            told = self._told = tx.judging()
        if self._spec is not None:
            for instrument, start in since.items():
                known = told.get(instrument)
                if known is None or known[1] != self._spec:
                    told[instrument] = known[0] if known else start, self._spec
                    tx.put_judging(instrument, *told[instrument])
        return told

    def _ready(self, spec: bytes) -> Rules:
        rules = self._rules.get(spec)
        if rules is None:
            rules = self._rules[spec] = Rules(msgspec.msgpack.decode(spec, type=SignalSettings))
        return rules

    def _subject(self, tx: Transaction, instrument: str) -> Subject:
        described = tx.instrument(instrument)
        known = self._subjects.get(instrument)
        if known is None or known.instrument != described:  # digits may have grown
            newest = tx.candle_before(instrument, _END)
            begin = max(newest.start - _KEEP, 0) if newest else 0
            recent = RecentMinutes(begin, tx.candles(instrument, begin, _END))
            known = self._subjects[instrument] = Subject(described, recent)
        return known


def _bars(tx: Transaction, subject: Subject, mine: Sequence[Change], rules: Rules, live: int) -> Iterator[ClosedBar]:
    """Give the bars that these minutes closed or revised, of those that end after an instrument went live."""
    instrument, recent = subject.instrument.id, subject.recent
    fresh = {change.candle.start for change in mine if change.former is None}
    starts = [change.candle.start for change in mine if change.candle.start >= live]
    for change in mine:
        if change.candle.start >= live:
            yield ClosedBar(instrument, MINUTE_1, change.candle, change.candle.start not in fresh)
    if before := max((change.candle.start for change in mine if change.candle.start < live), default=0):
        starts.append(before)  # a bar that was forming when collecting began may hold it: that bar it revises
    for end, frames in touched(starts, recent, rules.extras).items():
        if end <= live:
            continue
        wanted = sorted(((end - start) // MINUTE, frame.minutes, frame) for frame, start in frames.items())
        minutes = subject.minutes(tx, end - wanted[-1][0] * MINUTE, end)
        if not minutes[-1].proof:
            continue  # a bar closes with its last minute
        late = end - MINUTE not in fresh
        for frame, bar in bars_ending(minutes, [(count, frame) for count, _, frame in wanted]):
            yield ClosedBar(instrument, frame, bar, late)
