"""Judges closed bars by the rules of signals, and judges again whatever a revision could have changed."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import attrgetter

from msgspec import Struct

from gapless.derive.bars import ClosedBar, RecentMinutes
from gapless.derive.candles import fold, with_missing
from gapless.derive.footprint import automatic_ticks_per_row, footprint_of
from gapless.derive.judge import footprint_proof
from gapless.derive.ladder import merge
from gapless.derive.signals import ready
from gapless.derive.signals.settings import SignalSettings, timeframes
from gapless.derive.signals.spec import Ready, Window
from gapless.model import MINUTE, Candle, Instrument, Proof, Tape, Timeframe
from gapless.model.footprint import Footprint, Ladder
from gapless.model.packed import decode
from gapless.model.proof import derived
from gapless.model.signal import Judged, Signal, SignalState
from gapless.ports import Reads, Transaction

_START = attrgetter("start")
_SPARE = 128  # bars beyond what is needed, so that the oldest are dropped many at once


class Rules:
    """The rules of one configuration by timeframe, and the timeframes beyond an hour that they look at.

    `also` are more of those. `reach` is how far before a bar's end the rules may look, ns.
    """

    def __init__(self, settings: SignalSettings, also: Sequence[Timeframe] = ()) -> None:
        found = ((frame, ready(settings, frame)) for frame in timeframes(settings))
        self.by_frame = {frame: rules for frame, rules in found if rules}
        coarse = {rule.coarse[0] for rule in chain.from_iterable(self.by_frame.values()) if rule.coarse}
        longer = {frame for frame in {*self.by_frame, *coarse, *also} if frame.minutes > 60}
        self.extras = tuple(sorted(longer, key=attrgetter("minutes")))
        spans = [
            max(rule.bars * frame.length, (rule.coarse[1] + 2) * rule.coarse[0].length if rule.coarse else 0)
            for frame, rules in self.by_frame.items()
            for rule in rules
        ]
        self.reach = max([frame.length for frame in self.extras] + spans, default=0)


class Series(Struct):
    """Consecutive bars of one timeframe; all that lie from `begin` (ns) on, `needed` of them at least."""

    bars: list[Candle]
    begin: int
    needed: int


class Subject:
    """One instrument whose bars are judged, with the minutes and bars that its rules look back on."""

    def __init__(self, instrument: Instrument, primary: Tape | None, recent: RecentMinutes) -> None:
        self.instrument = instrument
        self.primary = primary
        self.recent = recent
        self._series: dict[Timeframe, Series] = {}

    def minutes(self, reads: Reads, start: int, end: int) -> list[Candle]:
        """List the minutes of [start, end), from memory where it has them; a missing one is a missing candle."""
        if start >= self.recent.begin:
            return self.recent.span(start, end)
        return with_missing(reads.candles(self.instrument.id, start, end), start, end)

    def follow(self, bars: Sequence[ClosedBar], *, whole: bool) -> None:
        """Take closed and revised bars into what is at hand; without `whole` other bars have changed, too."""
        if not whole:
            self._series.clear()
            return
        for closed in bars:
            frame, bar = closed.timeframe, closed.candle
            series = self._series.get(frame)
            if series is None or bar.start < series.begin:
                continue
            at = bisect_left(series.bars, bar.start, key=_START)
            if at < len(series.bars) and series.bars[at].start == bar.start:
                series.bars[at] = bar
            elif at and at == len(series.bars) and bar.start == frame.end_of(series.bars[-1].start):
                series.bars.append(bar)
                if len(series.bars) > series.needed + _SPARE:
                    del series.bars[:_SPARE]
                    series.begin = series.bars[0].start
            else:
                del self._series[frame]

    def bars(self, reads: Reads, frame: Timeframe, first: int, last: int, before: int) -> list[Candle]:
        """List consecutive bars, from at most `before` before the one that starts at `first` up to that of `last`."""
        known = self._series.get(frame)
        if known is None or not known.bars or known.bars[-1].start < last or not _reaches(known, frame, first, before):
            begin = first
            for _ in range(before):
                begin = frame.start_of(begin - 1)
            found = list(fold(self.minutes(reads, begin, frame.end_of(last)), frame))
            held = next((at for at, bar in enumerate(found) if bar.proof), 0)
            known = self._series[frame] = Series(found[held:], begin, before + 1)
        low = bisect_left(known.bars, first, key=_START)
        high = bisect_left(known.bars, last + 1, key=_START)
        return known.bars[max(low - before, 0) : high]


def _reaches(series: Series, frame: Timeframe, first: int, before: int) -> bool:
    at = bisect_left(series.bars, first, key=_START)  # where nothing lies before, it may begin after the first
    return series.begin <= first - before * frame.length or at >= max(before, 1)


class Signalling:
    """Judges, inside a transaction, the bars of one instrument that a commit touched."""

    def __init__(self, tx: Transaction, subject: Subject, *, since: int, known_at: int) -> None:
        self._tx = tx
        self._subject = subject
        self._since = since
        self._known_at = known_at
        self._ladders: dict[int, Ladder] = {}
        self._expired: set[int] = set()  # minutes whose ladders have gone
        self._windows: dict[tuple[Timeframe, int, int, tuple[Timeframe, int] | None], Window] = {}

    def judge(self, rules: Rules, bars: Sequence[ClosedBar], lowest: int, highest: int) -> Iterator[Judged]:
        """Judge these bars, and those later ones whose rules look back on the minutes from `lowest` to `highest`."""
        mine: dict[Timeframe, list[ClosedBar]] = {}
        for bar in bars:
            mine.setdefault(bar.timeframe, []).append(bar)
        newest = lowest + MINUTE == self._subject.recent.end
        for frame, ready_rules in rules.by_frame.items():
            own = mine.get(frame, [])
            if not own and newest:
                continue
            for rule in ready_rules:
                if rule.bars == 1 and rule.coarse is None:
                    for closed in own:
                        yield from self._judged(rule, frame, [closed.candle], (), fresh=not closed.late)
                else:
                    fresh = {closed.candle.start for closed in own if not closed.late}
                    yield from self._looking_back(rule, frame, lowest, highest, fresh)

    def judge_again(self, rules: Rules, lowest: int, highest: int, *, more: bool = False) -> Iterator[Judged]:
        """Judge every closed bar that the minutes from `lowest` to `highest` are in or matter to.

        With `more` those after them come next: of bars only those are judged that have ended by then.
        """
        for frame, ready_rules in rules.by_frame.items():
            for rule in ready_rules:
                yield from self._looking_back(rule, frame, lowest, highest, set(), more=more)

    def _looking_back(
        self, rule: Ready, frame: Timeframe, lowest: int, highest: int, fresh: set[int], *, more: bool = False
    ) -> Iterator[Judged]:
        """Judge every closed bar that some minutes could have changed, each with the bars before it."""
        reach = (rule.bars - 1) * frame.length
        if rule.coarse:
            reach = max(reach, (rule.coarse[1] + 1) * rule.coarse[0].length)
        beyond = 0 if more else reach + frame.length
        limit = min(self._subject.recent.end, highest + MINUTE + beyond)
        first = frame.start_of(max(lowest, self._since - frame.length))
        while frame.end_of(first) <= self._since:
            first = frame.end_of(first)
        last = frame.start_of(limit)
        if frame.end_of(last) > limit:
            last = frame.start_of(last - 1)
        if last < first:
            return
        bars = self._subject.bars(self._tx, frame, first, last, rule.bars - 1)
        coarse = self._coarse(rule, first, frame.end_of(last))
        for at, bar in enumerate(bars):
            if bar.start < first:
                continue
            window = bars[max(at + 1 - rule.bars, 0) : at + 1]
            beside: Sequence[Candle] = ()
            if rule.coarse:
                beside = _ended_by(coarse, rule.coarse[0], frame.end_of(bar.start), rule.coarse[1])
            yield from self._judged(rule, frame, window, beside, fresh=bar.start in fresh)

    def _coarse(self, rule: Ready, first: int, end: int) -> list[Candle]:
        if rule.coarse is None:
            return []
        frame, count = rule.coarse
        begin, last = frame.start_of(first), frame.start_of(end)
        if frame.end_of(last) > end:
            last = frame.start_of(last - 1)
        return self._subject.bars(self._tx, frame, min(begin, last), last, count + 1)

    def _judged(
        self, rule: Ready, frame: Timeframe, bars: Sequence[Candle], coarse: Sequence[Candle], *, fresh: bool
    ) -> Iterator[Judged]:
        """Judge one bar, and keep the judgement where it says something new."""
        instrument, bar = self._subject.instrument, bars[-1]
        signal = rule.judge(self._window(rule, frame, bars, coarse))
        if fresh and signal is None:
            return
        standing = None if fresh else self._tx.standing(instrument.id, frame.minutes, bar.start, rule.kind)
        state = _next(signal, standing)
        if state is None:
            return
        seen, bar_end = [*bars, *coarse], frame.end_of(bar.start)
        judged = Judged(
            instrument=instrument.id,
            minutes=frame.minutes,
            start=bar.start,
            judgement=standing.judgement + 1 if standing else 0,
            state=state,
            revision=sum(one.revision for one in seen),
            proof=bar.proof,
            signal=signal or standing.signal,  # type: ignore[union-attr]
            known_at=self._known_at,
        )
        if standing and _same(judged, standing, aged=any(bar.start <= at < bar_end for at in self._expired)):
            return
        yield self._tx.put_signal(judged, late=not fresh)

    def _window(self, rule: Ready, frame: Timeframe, bars: Sequence[Candle], coarse: Sequence[Candle]) -> Window:
        """Give the window on a bar: one object for all rules that look as far back."""
        bar, key = bars[-1], (frame, bars[-1].start, rule.bars, rule.coarse)
        window = self._windows.get(key)
        if window is None:
            instrument = self._subject.instrument
            window = self._windows[key] = Window(
                instrument=instrument.id,
                price_digits=instrument.price_digits,
                size_digits=instrument.size_digits,
                tick=instrument.tick,
                timeframe=frame,
                bars=bars,
                coarse=coarse,
                footprint=lambda: self._footprint(bar, frame),
            )
        return window

    def _footprint(self, bar: Candle, frame: Timeframe) -> tuple[Footprint, Proof] | None:
        """Form the footprint of a bar, in rows of a height that follows from its own range: whenever it is judged, it
        is the same."""
        tape = self._subject.primary
        if tape is None:
            return None
        start, end = bar.start, frame.end_of(bar.start)
        for fold_ in self._tx.folds(tape.id, start, end):
            if not fold_.ladder:
                self._expired.add(fold_.bar.start)
                return None
            if fold_.bar.start not in self._ladders:
                self._ladders[fold_.bar.start] = decode(fold_.ladder)
        minutes = self._subject.minutes(self._tx, start, end)
        proofs = [footprint_proof(minute, folded=minute.start in self._ladders) for minute in minutes]
        ladder = merge(self._ladders[at] for at in range(start, end, MINUTE) if at in self._ladders)
        if not ladder.prices:
            return None
        tick = self._subject.instrument.tick
        height = automatic_ticks_per_row([ladder.prices[-1] - ladder.prices[0]], tick=tick)
        formed = footprint_of(ladder, tick=tick, ticks_per_row=height, close=bar.close)
        return formed, derived([int(proof) for proof in proofs])


def _ended_by(bars: Sequence[Candle], frame: Timeframe, end: int, count: int) -> Sequence[Candle]:
    """List the last bars that have ended by a time."""
    high = len(bars)
    if bars and frame.end_of(bars[-1].start) > end:
        high = bisect_left(bars, frame.start_of(end), key=_START)
    return bars[max(high - count, 0) : high]


def _next(signal: Signal | None, standing: Judged | None) -> SignalState | None:
    """Give the state of a judgement after the one that stands; None where there is nothing to say."""
    stood = standing is not None and standing.state != "withdrawn"
    if signal is None:
        return "withdrawn" if stood else None
    return "found" if standing is None else "confirmed"


def _same(judged: Judged, standing: Judged, *, aged: bool) -> bool:
    """Say whether a judgement only repeats the one that stands: the same signal on the same data.

    What a ladder confirmed that has expired since (`aged`) stands as it was judged.
    """
    if judged.state == "withdrawn" or standing.state == "withdrawn":
        return False
    same = (judged.revision, judged.proof) == (standing.revision, standing.proof)
    return same and (aged or judged.signal == standing.signal)
