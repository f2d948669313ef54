"""The soak counts what it says, also against us; a short one with real processes, paused in the middle."""

import asyncio
import os
import signal
import tomllib
from pathlib import Path

import numpy as np
import pytest
from soak.day import Day, Outcome
from soak.due import first_due
from soak.held import Held
from soak.measure import Hour, Uptime, line_through, quantiles
from soak.plan import Plan, faults_of, written
from soak.show import line, summary, verdicts
from soak.watch import Anchor, Watch
from tapes import ID, T0, Book, trade

from gapless.model import MINUTE, MS, SECOND, iso
from gapless.sim.faults.script import load_script

NAME = ID.partition(":")[2]
START = T0 // MS


class Made:
    """An instrument whose event n falls due n seconds after the start; it has no bars."""

    name = NAME

    def newest(self, ms: int) -> int:
        return (ms - START) // 1_000

    def pushes(self, first: int, last: int) -> np.ndarray:
        return START + np.arange(first, last + 1) * 1_000.0

    def newest_bar(self, ms: int) -> int | None:
        return None


class Watched:
    """A watch over a store on disk, with a clock that is set by hand; the market goes at the clock's pace."""

    def __init__(self, folder: Path) -> None:
        self.book = Book("agg", str(folder / "held.db"))
        self.now = 0.0
        self.watch = Watch(folder / "held.db", "binance", Anchor(START, 0.0, 1.0), clock=lambda: self.now)
        self.watch.add(Made())

    def at(self, second: float) -> None:
        self.now = second
        self.watch.sample()

    def holds(self, *seqs: int) -> None:
        for seq in seqs:
            self.book.trades([trade(seq, seq * SECOND)])


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_second_in_which_what_was_due_is_not_held_is_down(watched: Watched) -> None:
    for second in range(1, 20):
        if not 8 <= second <= 11:  # the events 8 to 11 come with the 12th
            watched.holds(*([8, 9, 10, 11] if second == 12 else []), second)
        watched.at(second + 0.1)
        watched.at(second + 0.6)
    watched.watch.close()
    # Event 8 was due at 8 s and must be held at 10 s: it is not before 12 s.
    assert (watched.watch.uptime.up, watched.watch.uptime.down) == (15, 2)
    assert watched.watch.uptime.worst == {NAME: 2}


def test_an_event_that_was_skipped_is_not_held_because_later_ones_are(watched: Watched) -> None:
    for second in range(1, 15):
        if second != 7:
            watched.holds(second)
        watched.at(second + 0.5)
    watched.watch.close()
    assert watched.watch.uptime.down == 1


def test_a_repaired_event_counts_its_whole_wait_as_lag(watched: Watched) -> None:
    watched.holds(1)
    watched.at(1.25)
    watched.holds(3)
    watched.at(3.25)
    watched.holds(2)
    watched.at(9)
    assert [part.tolist() for part in watched.watch.lags] == [[250.0], [7_000.0]]


def test_a_second_in_which_nobody_looked_counts_as_down() -> None:
    uptime = Uptime()
    for second in (10, 11, 14):
        uptime.sample(second, {"A": True, "B": True})
    uptime.close()
    assert (uptime.up, uptime.down, uptime.unmeasured) == (6, 4, 4)
    assert uptime.share == 0.6


def test_a_bar_that_is_not_there_is_missed(tmp_path: Path) -> None:
    book = Book("agg", str(tmp_path / "held.db"))
    book.trades([trade(1, 0), trade(2, MINUTE)])
    held = Held(tmp_path / "held.db", ID)
    assert held.fresh() == [1, 2]
    assert held.has(2)
    assert not held.has(3)
    assert not held.has_bar(START)


def test_what_is_due_agrees_with_the_times_of_the_events(tmp_path: Path) -> None:
    due = first_due(1, 2, START)[1]
    seq = due.newest(START + 60_000)
    assert due.pushes(seq, seq + 1)[0] <= START + 60_000 < due.pushes(seq, seq + 1)[1]
    assert due.newest_bar(START + 60_000) is None
    assert due.newest_bar(START + 130_000) == START + 60_000


def test_growth_is_found_in_noise() -> None:
    times = [n / 3_600 for n in range(7_200)]
    found = line_through(times, [80 + 3 * t + (n * 7_919 % 13) / 10 for n, t in enumerate(times)])
    assert found is not None
    assert found.slope == pytest.approx(3, abs=0.1)
    assert line_through([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
    assert quantiles([], (0.5,)) == [None]


def test_the_script_that_is_written_is_the_script_that_was_meant(tmp_path: Path) -> None:
    faults = faults_of(Plan(hours=24, speed=60))
    path = written(faults, tmp_path / "faults.toml")
    assert tomllib.loads(path.read_text())["fault"]
    assert load_script(str(path), {}).entries == faults


def test_a_day_crosses_midnight_and_the_change_of_clocks() -> None:
    plan = Plan(hours=24, speed=1)
    assert iso(plan.start) == "2026-03-28T12:00:00Z"
    assert len(plan.rotations) == 24
    assert 0 < plan.listing < plan.delisting < plan.seconds


def whole() -> Outcome:
    """An outcome in which nothing falls short."""
    return Outcome(
        plan={}, changes={"listed": "NEW", "delisted": "NEW"}, uptime=0.9996, instrument_seconds=100, audit=0,
        rotations={"asked": 3, "failed": []},
        hours=[Hour(number=0, begins="2026-03-28T12:00:00Z", lag_p50=1.0)],
        memory={"measured_s": 4_000.0, "slope_mb_per_hour": 0.9},
        proof={
            "sent": {"trades": 5, "candles": 1}, "held": {"trades": 5, "candles": 1},
            "missing": 0, "duplicated": 0, "altered": 0, "gaps_open": 0,
        },
    )  # fmt: skip


def test_whatever_falls_short_is_told() -> None:
    good = whole()
    assert set(verdicts(good).values()) == {True}
    assert "SHORT" not in summary(good)
    assert line(good.hours[0]).startswith("2026-03-28T12:00")
    for name, change in (
        ("uptime", {"uptime": 0.9994}),
        ("ids", {"audit": 1}),
        ("ids", {"proof": good.proof | {"missing": 1}}),
        ("ids", {"proof": good.proof | {"held": {"trades": 4, "candles": 1}}}),
        ("ids", {"proof": {}}),
        ("memory", {"memory": {"measured_s": 4_000.0, "slope_mb_per_hour": 1.1}}),
        ("changes", {"changes": {"listed": "NEW", "delisted": None}}),
        ("rotations", {"rotations": {"asked": 3, "failed": ["one: no overlap"]}}),
    ):
        short = whole()
        for key, value in change.items():
            setattr(short, key, value)
        assert verdicts(short)[name] is False, change
        assert f"{name} SHORT" in summary(short)
    brief = whole()
    brief.memory = {"measured_s": 20.0, "slope_mb_per_hour": 400.0}
    assert verdicts(brief)["memory"] is None


class Paused(Day):
    """A day on which the service stands still for 4 s once something was listed."""

    async def _list(self, watch: Watch) -> None:
        await super()._list(watch)
        pid = self.service.process.pid
        os.kill(pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(4, os.kill, pid, signal.SIGCONT)


def test_a_collector_that_stood_still_was_down_and_lost_nothing(tmp_path: Path) -> None:
    plan = Plan(hours=0.2, speed=45, instruments=3)

    hours: list[Hour] = []
    outcome = asyncio.run(Paused(plan, tmp_path, hours.append).run())
    judged = verdicts(outcome)
    assert judged["ids"] is True, outcome
    assert judged["rotations"] is True, outcome.rotations
    assert judged["uptime"] is False
    assert all(seconds >= 2 for seconds in outcome.down.values())
    assert {"BTCUSDT", "ETHUSDT"} <= outcome.down.keys()
    assert outcome.uptime > 0.3
    assert outcome.lag_max is not None
    assert outcome.lag_max > 2_000
    assert outcome.faults["close_24h"] == 1
    assert judged["changes"] is True, outcome.changes
    assert sum(hour.events for hour in hours) > 1_000
    assert "uptime SHORT" in summary(outcome)
