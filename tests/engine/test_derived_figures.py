"""The log names minutes that closed, bars derived and signals found; the status says how late and how exact."""

import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

sys.path.append(str(Path(__file__).parents[1] / "derive"))
from tapes import ID, T0, Book

from gapless.derive.deriver import Deriver
from gapless.derive.settle import Commit, Vouched, settle
from gapless.derive.signals.settings import SignalSettings
from gapless.derived import DerivedFigures
from gapless.model import DAY, MINUTE, Bar, Evidence
from gapless.query.hot import Hot


class Desk:
    def __init__(self) -> None:
        self.book = Book()
        self.deriver = Deriver(SignalSettings(timeframes=("1m", "2m")))
        self.hot = Hot(self.book.store, minutes=60)
        self.figures = DerivedFigures(self.hot, CollectorRegistry())
        self.lines = []

    def bar(self, number: int, *, close: int = 1_010, began: int = 1_000_000) -> None:
        start = T0 + number * MINUTE
        bar = Bar(start, 1_009, 1_010, 1_000, close, 30, 30_000, 3, 20, 20_000)
        self.book.known_at += 1
        made = Commit(now=T0 + DAY, known_at=self.book.known_at, began=began, since={ID: T0}, bars=[(ID, [bar])],
                      vouched=[Vouched(self.book.bars, start // MINUTE, start // MINUTE, Evidence.STREAM)],
                      primary={ID: self.book.tape})  # fmt: skip
        settled = self.book.store.commit(lambda tx: settle(tx, made, self.deriver))
        self.hot.take(settled)
        self.figures.settled(settled, began + 25_000_000)
        self.lines += self.figures.lines(settled)


def test_a_minute_is_told_once_it_is_over_and_each_signal_as_it_is_found():
    desk = Desk()
    desk.bar(0)
    desk.bar(1)
    desk.bar(0, close=1_001)
    desk.bar(2)
    minutes = [(subject, fields) for name, subject, fields in desk.lines if name == "candles_closed"]
    assert minutes[0][0] == "2026-01-07T12:00:00Z"
    assert (minutes[0][1]["closed"], minutes[0][1]["revised"]) == (1, 0)
    assert minutes[1][0] == "2026-01-07T12:01:00Z"
    assert (minutes[1][1]["closed"], minutes[1][1]["revised"]) == (1, 1)
    assert minutes[1][1]["bars_derived"] >= 2  # the bar of two minutes that it ended, and its revision
    found = [(name, subject) for name, subject, _ in desk.lines if name.startswith("signal_")]
    assert ("signal_found", f"{ID} 1m reversal") in found
    assert ("signal_withdrawn", f"{ID} 1m reversal") in found


def test_latency_runs_from_the_receipt_and_accuracy_from_folding_again():
    desk = Desk()
    desk.bar(0)
    desk.bar(1)
    assert desk.figures.latency_ms() == {"p50": 25.0, "p99": 25.0}
    assert desk.figures.check(desk.book.store) == []
    assert desk.figures.accuracy == 1.0


def test_a_bar_that_differs_when_it_is_folded_again_is_named():
    desk = Desk()
    desk.bar(0)
    desk.bar(1)
    desk.book.store.connection.execute("UPDATE candle SET high = high + 1 WHERE start = ?", (T0,))
    differing = desk.figures.check(desk.book.store)
    assert {str(frame) for _, frame, _, _ in differing} >= {"2m"}
    assert desk.figures.accuracy is not None
    assert desk.figures.accuracy < 1.0
