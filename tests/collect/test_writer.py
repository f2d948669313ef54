"""The writer: grouped commits, backpressure with marks, and nothing half done when it is cancelled or fails."""

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from desk import Desk
from manual import ManualClock, settled
from tiny_market import TinyMarket

from gapless.collect.pending import Pending
from gapless.collect.writer import HIGH, LOW, Writer
from gapless.derive.settle import Settled
from gapless.errors import StoreError
from gapless.model import SECOND


class Slow:
    """A store whose commits wait until a test lets them go; `fail` makes them fail."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.begun = threading.Event()
        self.go = threading.Event()
        self.fail = False
        self.commits = 0

    def version(self) -> int:
        return 0

    def unjudged(self) -> dict[str, tuple[int, int]]:
        return self.desk.store.unjudged()

    def commit(self, work: Callable[[Any], Any]) -> Any:
        self.begun.set()
        assert self.go.wait(10)
        if self.fail:
            raise StoreError("the disk of the store x is full")
        self.commits += 1
        return self.desk.store.commit(work)


class Office:
    """A writer over a slow store; `pressures` is what connections are told."""

    def __init__(self, *others: Desk, every: int = SECOND // 50) -> None:
        self.desk = Desk()
        self.desks = [self.desk, *others]
        self.store = Slow(self.desk)
        self.clock = ManualClock()
        self.pressures: list[bool] = []
        self.settled: list[Settled] = []
        self.writer = Writer(
            self.store,  # type: ignore[arg-type]
            self.clock,
            [desk.pending for desk in self.desks],
            lambda: [desk.take() for desk in self.desks if desk.pending],
            self.settled.append,
            self.pressures.append,
            every=every,
        )

    async def in_thread(self) -> None:
        assert await asyncio.to_thread(self.store.begun.wait, 10)


def run(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(play())


def test_what_is_pending_is_on_disk_when_flush_returns() -> None:
    office, market = Office(), TinyMarket()
    office.store.go.set()
    office.desk.hear(*market.aggs(1, 7))
    run(office.writer.flush)
    assert office.desk.held() == list(range(1, 8))
    assert (office.writer.commits, office.writer.rows, office.writer.backlog) == (1, 7, 0)
    assert len(office.settled) == 1


def test_a_commit_that_was_begun_is_finished_when_its_writer_is_cancelled() -> None:
    office, market = Office(), TinyMarket()
    office.desk.hear(*market.aggs(1, 7))

    async def play() -> None:
        writing = asyncio.create_task(office.writer.run())
        await settled()
        await office.in_thread()
        writing.cancel()
        await asyncio.wait({writing})
        office.desk.hear(*market.aggs(8, 9))  # came while the commit was under way
        office.store.go.set()
        await office.writer.flush()
        office.writer.close()

    run(play)
    assert office.desk.held() == list(range(1, 10))


def test_every_commit_that_was_taken_is_written_when_the_writer_is_cancelled_in_the_first() -> None:
    """Two venues: the rows of the second were taken with those of the first."""
    office, market = Office(), TinyMarket()
    other = Pending()
    office.desk.hear(*market.aggs(1, 3))
    desk = office.desk
    commits = [desk.take()]
    desk.hear(*market.aggs(4, 6))
    commits.append(desk.take())
    taken = [commits]
    office.writer = Writer(
        office.store, office.clock, [other], lambda: taken.pop() if taken else [],  # type: ignore[arg-type]
        office.settled.append, office.pressures.append,
    )  # fmt: skip

    async def play() -> None:
        writing = asyncio.create_task(office.writer.run())
        await settled()
        await office.in_thread()
        writing.cancel()
        await asyncio.wait({writing})
        office.store.go.set()
        office.writer.close()

    run(play)
    assert desk.held() == [1, 2, 3, 4, 5, 6]


def test_too_much_that_waits_pauses_reading_until_half_of_it_is_written() -> None:
    office, market = Office(), TinyMarket(step=1)
    rows = HIGH + 1

    async def play() -> None:
        for first in range(1, rows + 1, 1_000):
            office.desk.hear(*market.aggs(first, min(first + 999, rows)))
            office.writer.arrived()
        assert office.pressures == [True]
        office.writer.arrived()
        assert office.pressures == [True]  # told once
        office.store.go.set()
        await office.writer.flush()
        assert office.pressures == [True, False]

    assert HIGH > LOW
    run(play)
    assert len(office.desk.held()) == rows


def test_nothing_is_written_after_a_commit_that_failed_because_the_ledger_would_be_ahead() -> None:
    office, market = Office(), TinyMarket()
    office.store.go.set()
    office.store.fail = True
    office.desk.hear(*market.aggs(1, 3))

    async def play() -> None:
        with pytest.raises(StoreError, match="is full"):
            await office.writer.flush()
        office.store.fail = False
        office.desk.hear(*market.aggs(4, 6))
        await office.writer.flush()

    run(play)
    assert office.desk.held() == []
    assert office.store.commits == 0


def test_small_commits_wait_for_company_and_large_ones_do_not() -> None:
    office, market = Office(), TinyMarket(step=1)
    office.store.go.set()

    async def play() -> None:
        writing = asyncio.create_task(office.writer.run())
        await settled()
        office.desk.hear(*market.aggs(1, 10))
        await settled()
        assert office.writer.commits == 0
        for _ in range(100):
            await office.clock.pass_by(SECOND // 50)
            await asyncio.sleep(0.001)
            if office.writer.commits:
                break
        writing.cancel()
        await asyncio.wait({writing})

    run(play)
    assert office.desk.held() == list(range(1, 11))


def test_reading_goes_on_while_the_store_cannot_be_asked_what_is_to_be_judged() -> None:
    """Another process holds it, and a job of ours waits for it on the same connection."""
    office = Office()
    asked, go = threading.Event(), threading.Event()

    def held() -> dict[str, tuple[int, int]]:
        asked.set()
        assert go.wait(10)
        return {}

    office.store.unjudged = held  # type: ignore[method-assign]

    async def play() -> None:
        writing = asyncio.create_task(office.writer.flush())
        assert await asyncio.to_thread(asked.wait, 10)
        go.set()  # the loop runs, or nobody would
        await writing

    run(play)


def test_a_rule_that_fails_is_told_costs_no_rows_and_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    office, market, tried = Office(), TinyMarket(), []

    def fails(*_: object, **__: object) -> Settled:
        tried.append(1)
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("gapless.collect.writer.judge", fails)
    office.store.unjudged = lambda: {"binance:TESTUSDT": (0, 0)}  # type: ignore[method-assign]
    office.store.go.set()

    async def play() -> None:
        for first in (1, 4, 7):
            office.desk.hear(*market.aggs(first, first + 2))
            await office.writer.flush()
        office.writer.close()

    run(play)
    assert re.fullmatch(r"ZeroDivisionError: division by zero \(\w+\.py:\d+\)", office.writer.judging_failed or "")
    assert tried == [1]
    assert office.desk.held() == list(range(1, 10))


def test_trades_may_wait_for_company_and_what_closes_a_minute_does_not() -> None:
    office, market = Office(every=SECOND // 4), TinyMarket(step=1)
    office.store.go.set()

    async def passes(steps: int) -> None:
        for _ in range(steps):
            await office.clock.pass_by(SECOND // 50)
            await asyncio.sleep(0.001)

    async def play() -> None:
        writing = asyncio.create_task(office.writer.run())
        await settled()
        office.desk.hear(*market.aggs(1, 10))
        await passes(4)
        assert office.writer.commits == 0  # 80 ms: they wait
        await passes(12)
        assert office.writer.commits == 1
        office.desk.hear(*market.aggs(11, 12))
        office.desk.pending.due(office.desk.line.instrument.id, 0)
        await passes(3)
        assert office.writer.commits == 2
        writing.cancel()
        await asyncio.wait({writing})

    run(play)
    assert office.desk.held() == list(range(1, 13))
