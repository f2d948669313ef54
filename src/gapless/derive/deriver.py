"""What follows from minutes that closed or were revised: bars of every timeframe, and the signals judged on them."""

from collections.abc import Sequence
from itertools import chain, groupby
from operator import attrgetter

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gapless.derive.bars import ClosedBar, RecentMinutes, touched
from gapless.derive.candles import bars_ending
from gapless.derive.signalling import Rules, Signalling, Subject
from gapless.derive.signals.settings import SignalSettings
from gapless.model import MINUTE, MINUTE_1, Candle, Timeframe
from gapless.model.signal import Judged
from gapless.ports import Transaction

_KEEP = 360 * MINUTE  # minutes at hand: what the rules look back on, and the longest derived bar
_STRETCH = 60 * MINUTE  # of what was left so much is judged at once: some 50 ms, as long as any commit may take
_COMMITS = 16  # that wait to be judged of one instrument, at hand
_END = 2**63 - 1


class Change(Struct, frozen=True):
    """A candle that a commit closed (revision 0) or revised; `former` is what it replaced."""

    instrument: str
    candle: Candle
    former: Candle | None


class _Pending(Struct):
    """What waits to be judged of an instrument: the bars of each commit, and from where to where minutes changed."""

    commits: list[list[ClosedBar]]
    lowest: int
    highest: int

    def bars(self) -> list[ClosedBar]:
        """List the bars as they are now; one that closed in one of the commits is judged for the first time."""
        if len(self.commits) == 1:
            return self.commits[0]
        newest: dict[tuple[Timeframe, int], ClosedBar] = {}
        for bar in chain.from_iterable(self.commits):
            key = (bar.timeframe, bar.candle.start)
            former = newest.get(key)
            newest[key] = replace(bar, late=False) if former and not former.late else bar
        return list(newest.values())


class Deriver:
    """Derives inside the transactions of one writer, and remembers the newest minutes between them.

    Derived are the instruments that a collector has live, from then on. With `settings` it tells the store which these
    are, as commits name them, and by which rules they are judged; without, it goes by what the store was told. Bars
    follow in the commit that closes their minutes. What is to be judged is noted there too, and `judge` does it, in
    that commit or in a later one: bars need not wait for it, and nothing is forgotten by a crash in between. `also` are
    timeframes beyond an hour whose bars follow although no rule looks at them.
    """

    def __init__(self, settings: SignalSettings | None = None, *, also: Sequence[Timeframe] = ()) -> None:
        self._spec = None if settings is None else msgspec.msgpack.encode(settings)
        self._also = also
        self._version = -1
        self._told: dict[str, tuple[int, bytes]] | None = None
        self._rules: dict[bytes, Rules] = {}
        self._subjects: dict[str, Subject] = {}
        self._pending: dict[str, _Pending] = {}
        self._left: set[str] = set()  # of these more waits than is remembered here

    @property
    def closed_just_now(self) -> bool:
        """Say whether bars wait to be judged that closed or were revised just now."""
        return bool(self._pending)

    def forget(self) -> None:
        """Forget what was remembered: a commit failed, or somebody else has written."""
        self._told = None
        self._subjects.clear()
        self._pending.clear()

    def take(
        self,
        tx: Transaction,
        changes: Sequence[Change],
        rewritten: Sequence[tuple[str, Candle]] = (),
        *,
        since: dict[str, int],
    ) -> list[ClosedBar]:
        """Give the bars that changes closed or revised, and note them as not yet judged.

        `changes` list an instrument's minutes together. `rewritten` are candles that came to be served otherwise
        without a revision. `since` are the instruments that are live.
        """
        told = self._tell(tx, since)
        for instrument, candle in rewritten:
            if subject := self._subjects.get(instrument):
                subject.recent.put(candle)
        found: list[ClosedBar] = []
        for instrument, some in groupby(changes, key=attrgetter("instrument")):
            if instrument not in told:
                continue
            live, spec = told[instrument]
            subject, mine = self._subject(tx, instrument), list(some)
            for change in mine:
                subject.recent.put(change.candle)
            bars, whole = _bars(tx, subject, mine, self._ready(spec), live)
            starts = [change.candle.start for change in mine]
            subject.follow(bars, whole=whole)
            self._note(tx, instrument, bars, min(starts), max(starts))
            if subject.recent.trim(_KEEP):
                self._let_go(subject.recent.begin)
            found += bars
        return found

    def judge(self, tx: Transaction, known_at: int, *, most: int | None = None) -> list[Judged]:
        """Judge what waits for it (of at most so many instruments), and keep the judgements.

        What closed just now comes first. Of what an earlier run or another writer has left, and of what is long, a
        stretch of one instrument is judged at a time: nobody waits for a month of it.
        """
        told = self._tell(tx, {})
        judged: list[Judged] = []
        waiting = tx.unjudged()
        for instrument in [name for name in waiting if name in self._pending][:most]:
            live, spec = told[instrument]
            subject = self._subject(tx, instrument)
            if pending := self._pending.pop(instrument, None):
                signalling = Signalling(tx, subject, since=live, known_at=known_at)
                judged += signalling.judge(self._ready(spec), pending.bars(), pending.lowest, pending.highest)
                if instrument not in self._left:
                    tx.all_judged(instrument)
        left = next((name for name in waiting if name in self._left and name not in self._pending), None)
        if left is not None:
            judged += self._judge_left(tx, left, waiting[left], known_at)
        return judged

    def _judge_left(self, tx: Transaction, instrument: str, changed: tuple[int, int], known_at: int) -> list[Judged]:
        """Judge a stretch of what was left of an instrument; the rest of it waits on."""
        live, spec = self._tell(tx, {})[instrument]
        lowest, highest = max(changed[0], min(live, changed[1])), changed[1]
        last = min(highest, lowest + _STRETCH - MINUTE)
        tx.all_judged(instrument)
        if last < highest:
            tx.put_unjudged(instrument, last + MINUTE, highest)
        else:
            self._left.discard(instrument)
        signalling = Signalling(tx, self._subject(tx, instrument), since=live, known_at=known_at)
        return list(signalling.judge_again(self._ready(spec), lowest, last, more=last < highest))

    def _let_go(self, before: int) -> None:
        """Forget the instruments of which nothing has come since a time: they are not collected any more."""
        self._subjects = {name: one for name, one in self._subjects.items() if one.recent.end >= before}

    def _note(self, tx: Transaction, instrument: str, bars: list[ClosedBar], lowest: int, highest: int) -> None:
        """Note what is to be judged; what is long, or waits for long, is left to the store, where it takes no room."""
        tx.put_unjudged(instrument, lowest, highest)
        known = self._pending.setdefault(instrument, _Pending([], lowest, highest))
        known.commits.append(bars)
        known.lowest, known.highest = min(known.lowest, lowest), max(known.highest, highest)
        if known.highest - known.lowest >= _STRETCH or len(known.commits) > _COMMITS:
            self._leave(instrument)

    def _leave(self, instrument: str) -> None:
        self._pending.pop(instrument, None)
        self._left.add(instrument)

    def _tell(self, tx: Transaction, since: dict[str, int]) -> dict[str, tuple[int, bytes]]:
        """Read whose bars are judged; where this is the collector, tell the store about those that are live now."""
        if (version := tx.version()) != self._version:
            self.forget()
            self._version = version
        told = self._told
        if told is None:
            told = self._told = tx.judging()
            self._left = set(tx.unjudged())
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
            rules = self._rules[spec] = Rules(msgspec.msgpack.decode(spec, type=SignalSettings), self._also)
        return rules

    def _subject(self, tx: Transaction, instrument: str) -> Subject:
        described = tx.instrument(instrument)
        known = self._subjects.get(instrument)
        if known is None or known.instrument != described:  # digits may have grown
            newest = tx.candle_before(instrument, _END)
            begin = max(newest.start - _KEEP, 0) if newest else 0
            recent = RecentMinutes(begin, tx.candles(instrument, begin, _END))
            primary = next((tape for tape in tx.tapes(instrument) if tape.kind != "bars"), None)
            if known is not None:
                self._leave(instrument)  # its bars are at hand in the digits of before
            known = self._subjects[instrument] = Subject(described, primary, recent)
        return known


def leave_to_collector(tx: Transaction, changes: Sequence[Change]) -> None:
    """Note, as a writer that judges nothing itself, what whoever collects is to judge again."""
    told = tx.judging()
    for instrument, some in groupby(changes, key=attrgetter("instrument")):
        if instrument in told:
            starts = [change.candle.start for change in some]
            tx.put_unjudged(instrument, min(starts), max(starts))


def _bars(
    tx: Transaction, subject: Subject, mine: Sequence[Change], rules: Rules, live: int
) -> tuple[list[ClosedBar], bool]:
    """Give the bars that these minutes closed or revised, of those that end after an instrument went live, and whether
    no other bar has changed."""
    instrument, recent = subject.instrument.id, subject.recent
    found, whole = [], all(change.candle.start >= live for change in mine)
    fresh = {change.candle.start for change in mine if change.former is None}
    starts = [change.candle.start for change in mine if change.candle.start >= live]
    for change in mine:
        if change.candle.start >= live:
            found.append(ClosedBar(instrument, MINUTE_1, change.candle, change.candle.start not in fresh))
    if before := max((change.candle.start for change in mine if change.candle.start < live), default=0):
        starts.append(before)  # a bar that was forming when collecting began may hold it: that bar it revises
    for end, frames in touched(starts, recent, rules.extras).items():
        if end <= live:
            continue
        minutes = subject.minutes(tx, end - frames[-1][0] * MINUTE, end)
        if not minutes[-1].proof:
            whole = False  # a bar closes with its last minute; those that rules look back on hold it open
            continue
        late = end - MINUTE not in fresh
        for frame, bar in bars_ending(minutes, frames):
            found.append(ClosedBar(instrument, frame, bar, late))
    return found, whole
