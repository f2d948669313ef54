"""Jobs that run now and then: none twice at a time, none forgotten by a restart, none that ends the others."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from manual import EPOCH, ManualClock, settled

from gapless.collect.schedule import Schedule
from gapless.errors import StoreBusy, Unavailable
from gapless.model import HOUR, MINUTE, SECOND
from gapless.ports import JobRow

START = EPOCH + 1_000 * SECOND  # what a manual clock shows first


class Desk:
    """A schedule under a manual clock; `ran` lists when jobs began, seconds after the start."""

    def __init__(self, *kept: JobRow, keep: Callable[[JobRow], Awaitable[None]] | None = None) -> None:
        self.clock = ManualClock()
        self.rows: list[JobRow] = []
        self.notes: list[tuple[str, str, dict[str, Any]]] = []
        self.ran: list[tuple[str, int]] = []
        self.seen: list[dict[str, Any]] = []  # the rows at the end of the play
        self.schedule = Schedule(
            self.clock, kept, keep or self._keep,
            lambda name, subject, **fields: self.notes.append((name, subject, fields)),
        )  # fmt: skip

    async def _keep(self, row: JobRow) -> None:
        self.rows.append(row)

    def add(
        self, name: str, every: int, *, lasts: int = 0, fails: int = 0, trouble: Exception | None = None,
        done: str | None = None,
    ) -> None:  # fmt: skip
        left = [trouble or Unavailable("the venue is down")] * fails

        async def work() -> str:
            self.ran.append((name, (self.clock.wall() - START) // SECOND))
            if lasts:
                await self.clock.sleep(lasts)
            if left:
                raise left.pop()
            return f"run {len(self.ran)}"

        self.schedule.add(name, every, work, done=done)

    def play(self, ns: int) -> None:
        async def playing() -> None:
            running = asyncio.create_task(self.schedule.run())
            await settled()
            await self.clock.pass_by(ns)
            assert not running.done()
            self.seen = self.schedule.rows()
            running.cancel()
            await asyncio.wait({running})

        asyncio.run(playing())

    def row(self, name: str = "a") -> dict[str, Any]:
        return next(row for row in self.seen or self.schedule.rows() if row["name"] == name)


def test_a_job_that_never_ran_runs_soon_and_then_at_its_interval() -> None:
    desk = Desk()
    desk.add("a", 10 * MINUTE)
    desk.play(25 * MINUTE)
    assert desk.ran == [("a", 60), ("a", 660), ("a", 1_260)]
    assert desk.rows[-1] == JobRow("a", START + 1_260 * SECOND, "run 3")
    row = desk.row()
    assert (row["last_run"], row["next_run"]) == ("2026-01-07T12:37:40Z", "2026-01-07T12:47:40Z")
    assert (row["result"], row["running"], row["failures"]) == ("run 3", False, 0)


def test_a_restart_does_not_begin_the_interval_anew() -> None:
    desk = Desk(JobRow("a", START - 40 * MINUTE, "before"))
    desk.add("a", HOUR)
    assert (desk.row()["result"], desk.row()["last_run"]) == ("before", "2026-01-07T11:36:40Z")
    desk.play(30 * MINUTE)
    assert desk.ran == [("a", 20 * 60)]


def test_what_fell_due_while_nothing_ran_is_run_once_and_soon() -> None:
    desk = Desk(JobRow("a", START - 40 * HOUR, "before"))
    desk.add("a", HOUR)
    desk.play(30 * MINUTE)
    assert desk.ran == [("a", 60)]


def test_a_clock_that_was_set_back_does_not_put_a_job_off_for_longer_than_its_interval() -> None:
    desk = Desk(JobRow("a", START + 1_000 * HOUR, "of the future"))
    desk.add("a", HOUR)
    desk.play(61 * MINUTE)
    assert desk.ran == [("a", 3_600)]


def test_a_job_that_has_just_been_done_waits_for_its_interval_and_is_remembered() -> None:
    desk = Desk()
    desk.add("a", HOUR, done="chosen at the start")
    desk.play(MINUTE)
    assert (desk.ran, desk.rows) == ([], [JobRow("a", START, "chosen at the start")])
    assert desk.row()["next_run"] == "2026-01-07T13:16:40Z"


def test_what_falls_due_while_a_job_still_runs_is_skipped_and_not_doubled() -> None:
    desk = Desk()
    desk.add("a", 10 * MINUTE, lasts=25 * MINUTE)
    desk.add("b", 10 * MINUTE)
    desk.play(20 * MINUTE)
    assert desk.row()["running"] is True
    assert [name for name, _ in desk.ran].count("a") == 1
    assert [name for name, _ in desk.ran].count("b") == 2  # a slow one keeps no other waiting


def test_after_a_long_run_a_job_goes_on_with_its_rhythm() -> None:
    desk = Desk()
    desk.add("a", 10 * MINUTE, lasts=25 * MINUTE)
    desk.play(60 * MINUTE)
    assert desk.ran == [("a", 60), ("a", 60 + 1_800)]


def test_a_job_that_fails_says_why_is_tried_ever_more_seldom_and_ends_nothing() -> None:
    desk = Desk()
    desk.add("a", 3 * MINUTE, fails=4)
    desk.add("b", 3 * MINUTE)
    desk.play(2 * MINUTE)
    assert desk.row()["result"] == "the venue is down"
    assert desk.row()["failures"] == 2
    assert desk.notes[0] == ("job_failed", "a", {"reason": "the venue is down"})
    assert desk.rows[0] in {JobRow("a", START + MINUTE, "the venue is down"), JobRow("b", START + MINUTE, "run 2")}
    desk = Desk()
    desk.add("a", 3 * MINUTE, fails=4)
    desk.play(14 * MINUTE)
    assert [at for _, at in desk.ran] == [60, 90, 150, 270, 450, 630, 810]  # 30, 60, 120, then its own 180 s
    assert desk.row()["failures"] == 0


def test_a_mistake_of_ours_in_a_job_is_named_and_ends_nothing() -> None:
    desk = Desk()
    desk.add("a", MINUTE, fails=1, trouble=ZeroDivisionError("by zero"))
    desk.play(100 * SECOND)
    ((name, job, fields),) = desk.notes
    assert (name, job) == ("job_failed", "a")
    assert re.fullmatch(r"ZeroDivisionError: by zero \(test_schedule\.py:\d+\)", fields["reason"])
    assert len(desk.ran) == 2


def test_a_store_that_is_held_up_by_another_does_not_end_the_jobs() -> None:
    async def busy(row: JobRow) -> None:
        raise StoreBusy("held")

    desk = Desk(keep=busy)
    desk.add("a", MINUTE)
    desk.play(3 * MINUTE)
    assert len(desk.ran) == 3
    assert desk.notes[0] == ("job_not_kept", "a", {"reason": "held"})
