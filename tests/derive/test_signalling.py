"""Signals are kept with the commit that made them, and say after every revision what a judge of today would say."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tapes import ID, T0, Book, trade

from gapless.derive.candles import fold, with_missing
from gapless.derive.deriver import Deriver
from gapless.derive.settle import Commit, Settled, Vouched, judge, settle
from gapless.derive.signals import ready
from gapless.derive.signals.settings import PatternSettings, ReversalSettings, SignalSettings, SpikeSettings, timeframes
from gapless.derive.signals.spec import Window
from gapless.model import DAY, MINUTE, Bar, Candle, Evidence, Proof, Timeframe

SECOND = 1_000_000_000
ALL = SignalSettings(
    timeframes=("1m", "2m", "3m"),
    patterns=PatternSettings(timeframes=("1m", "2m"), names=("engulfing", "doji", "hammer"), context_bars=2),
    volume_spike=SpikeSettings(window_minutes=2, windows_min=3, windows_max=6, baseline_min=3, min_trades=1, z=1.0,
                               episode_minutes=5),
)  # fmt: skip
REVERSALS = SignalSettings(
    timeframes=("1m",), patterns=PatternSettings(enabled=False), volume_spike=SpikeSettings(enabled=False)
)


class Market:
    """A collector's writer: bars of the venue and trades come, signals follow."""

    def __init__(self, spec: SignalSettings) -> None:
        self.book = Book()
        self.spec = spec
        self.deriver = Deriver(spec)

    def commit(self, *, how: str = "at once", since: int = T0, **parts: object) -> Settled:
        """Commit as a collector that judges at once or later, or crashes in between, or as somebody beside it."""
        self.book.known_at += 1
        made = Commit(
            now=T0 + 10 * DAY, known_at=self.book.known_at, primary={ID: self.book.tape}, since={ID: since}, **parts
        )
        deriver = None if how == "beside" else self.deriver
        settled = self.book.store.commit(partial(settle, commit=made, deriver=deriver, judge=how == "at once"))
        if how in {"crash", "beside"}:
            self.deriver.forget()  # as it does, too, when somebody else has written
        if how == "later":
            self.book.store.commit(partial(judge, deriver=self.deriver, known_at=1, began=0, most=9))
        return settled

    def judge(self) -> Settled:
        return self.book.store.commit(partial(judge, deriver=self.deriver, known_at=1, began=0, most=9))

    def bars(self, *bars: Bar, **parts: object) -> Settled:
        numbers = [bar.start // MINUTE for bar in bars]
        vouched = [Vouched(self.book.bars, n, n, Evidence.STREAM) for n in numbers]
        return self.commit(bars=[(ID, list(bars))], vouched=vouched, **parts)

    def standing(self, first: int = 0) -> dict[tuple[int, int, str], tuple]:
        """List what stands, by timeframe, start and kind."""
        found = self.book.store.signals(T0 + first * MINUTE, T0 + DAY, number=2**62, limit=10_000)
        return {
            (j.minutes, j.start, j.signal.kind): (j.signal, j.revision, j.proof)
            for j in found
            if j.state != "withdrawn"
        }

    def judged_now(self, since: int, until: int) -> dict[tuple[int, int, str], tuple]:
        """Judge every bar that has closed by brute force, each rule with exactly the bars that it asked for."""
        found = {}
        oldest = self.book.store.oldest_candle(ID).start
        minutes = with_missing(self.book.store.candles(ID, oldest, until), oldest, until)

        def bars_of(frame: Timeframe) -> list[Candle]:
            return [bar for bar in fold(minutes, frame) if frame.end_of(bar.start) <= until]

        for frame in timeframes(self.spec):
            bars = bars_of(frame)
            for rule in ready(self.spec, frame):
                coarse = bars_of(rule.coarse[0]) if rule.coarse else []
                for at, bar in enumerate(bars):
                    end = frame.end_of(bar.start)
                    if end <= since:
                        continue
                    beside = [c for c in coarse if rule.coarse[0].end_of(c.start) <= end]
                    seen = bars[max(at + 1 - rule.bars, 0) : at + 1]
                    beside = beside[-rule.coarse[1] :] if rule.coarse else []
                    window = Window(instrument=ID, price_digits=2, size_digits=3, tick=1, timeframe=frame, bars=seen,
                                    coarse=beside)  # fmt: skip
                    if signal := rule.judge(window):
                        revision = sum(one.revision for one in (*seen, *beside))
                        found[frame.minutes, bar.start, rule.kind] = signal, revision, bar.proof
        return found


def made_bar(number: int, draw: int) -> Bar:
    """Make a bar from one number: its shape and volume."""
    base = 1_000 + number % 5
    opened, closed = base + draw % 7, base + draw // 7 % 7
    high, low = max(opened, closed) + draw // 49 % 4, min(opened, closed) - draw // 196 % 9
    volume = 1 + (draw // 13 % 5) ** 3
    return Bar(T0 + number * MINUTE, opened, high, low, closed, volume, volume * base, volume, volume // 2, 5)


@settings(deadline=None, max_examples=40)
@given(
    st.permutations(range(26)),
    st.lists(st.tuples(st.integers(0, 25), st.integers(0, 5_000)), max_size=6),
    st.lists(st.integers(0, 5_000), min_size=26, max_size=26),
    st.integers(0, 6),
    st.lists(st.sampled_from(["at once", "later", "not yet", "crash", "beside"]), min_size=26, max_size=26),
)
def test_after_any_order_and_revision_the_signals_that_stand_are_those_of_the_data(order, again, draws, live, hows):
    market = Market(ALL)
    since = T0 + live * MINUTE
    market.bars(made_bar(live, draws[live]), since=since)
    for number in order:
        if number != live:
            market.bars(made_bar(number, draws[number]), since=since, how=hows[number])
    for number, draw in again:
        market.bars(made_bar(number, draw), since=since, how=hows[number])
    market.judge()
    now = market.judged_now(since, T0 + 26 * MINUTE)
    assert market.standing(first=-60) == now


def hammer(number: int, close: int = 1_010) -> Bar:
    """A bar of three trades that is a reversal to buy: a long lower tail, open and close near the high."""
    start, quote = T0 + number * MINUTE, 10 * 1_009 + 10 * 1_000 + 10 * close
    first = number * 10 + 1
    return Bar(start, 1_009, 1_010, 1_000, close, 30, quote, 3, 20, quote - 10_000, first, first + 2)


def trades(number: int) -> list:
    at, first = number * MINUTE + SECOND, number * 10 + 1
    return [
        trade(first, at, 1_009, 10, 1),
        trade(first + 1, at + SECOND, 1_000, 10, -1),
        trade(first + 2, at + 2 * SECOND, 1_010, 10, 1),
    ]


def test_a_signal_is_found_confirmed_and_withdrawn_as_its_bar_changes():
    market = Market(REVERSALS)
    found = market.bars(hammer(0)).judged
    assert [(j.state, j.judgement, j.revision, j.proof) for j in found] == [("found", 0, 0, Proof.OFFICIAL)]
    assert found[0].signal.side == 1
    assert found[0].signal.score is None  # no trades are held: nothing validates it
    assert market.bars(hammer(0)).judged == []  # the same again says nothing

    rows = trades(0)
    vouched = [Vouched(market.book.tape, rows[0].seq, rows[-1].seq, Evidence.REST)]
    confirmed = market.commit(trades=[(market.book.tape, rows)], vouched=vouched).judged
    assert [(j.state, j.judgement, j.revision, j.proof) for j in confirmed] == [("confirmed", 1, 1, Proof.REPAIRED)]
    assert confirmed[0].signal.values["valid"] is not None  # its footprint is held whole now


def test_a_signal_whose_bar_is_revised_away_is_withdrawn_and_keeps_what_it_said():
    market = Market(REVERSALS)
    market.bars(hammer(0))
    gone = market.bars(hammer(0, close=1_001)).judged
    assert [(j.state, j.judgement, j.revision) for j in gone] == [("withdrawn", 1, 1)]
    assert gone[0].signal.price == "10.10"
    back = market.bars(hammer(0)).judged
    assert [(j.state, j.judgement) for j in back] == [("confirmed", 2)]
    entries = [e for e in market.book.store.log_after(0, -1, 100) if e.kind == "signal"]
    assert [market.book.store.signal(e.first).state for e in entries] == ["found", "withdrawn", "confirmed"]


def test_a_commit_that_fails_leaves_no_signal_and_nothing_remembered():
    market = Market(REVERSALS)
    market.bars(hammer(0))

    def broken(tx):
        made = Commit(
            now=T0 + DAY, known_at=9, since={ID: T0}, bars=[(ID, [hammer(1)])], primary={ID: market.book.tape}
        )
        settle(tx, made, market.deriver)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        market.book.store.commit(broken)
    market.deriver.forget()
    assert len(market.standing()) == 1
    assert [j.state for j in market.bars(hammer(1)).judged] == ["found"]


def test_what_closed_before_collecting_began_is_not_judged():
    market = Market(REVERSALS)
    market.bars(hammer(5), since=T0 + 5 * MINUTE)
    assert market.bars(hammer(3), since=T0 + 5 * MINUTE).judged == []


def test_a_bar_is_not_judged_below_the_proof_that_is_asked_for():
    market = Market(SignalSettings(timeframes=("1m",), min_proof="repaired", reversal=ReversalSettings()))
    assert market.bars(hammer(0)).judged == []
