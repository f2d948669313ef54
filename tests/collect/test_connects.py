"""Attempts to connect are counted over all processes of the machine."""

import asyncio
from pathlib import Path

from manual import Impatient, ManualClock

from gapless.collect.connects import Connects
from gapless.model import MINUTE, SECOND
from gapless.store.budget import MemoryBudget, SqliteBudget

HOST = "fstream.binance.com"
FIVE = 5 * MINUTE


def test_attempts_of_two_processes_together_keep_to_the_venues_limit(tmp_path: Path) -> None:
    clock, times = Impatient(), list[int]()
    both = [Connects(SqliteBudget(tmp_path / "budget.db"), clock, HOST, 30) for _ in range(2)]

    async def often() -> None:
        for number in range(120):
            await both[number % 2].turn()
            times.append(clock.mono)

    asyncio.run(often())
    assert all(sum(at <= other <= at + FIVE for other in times) <= 30 for at in times)
    assert times.count(times[0]) == 10
    assert times[-1] - times[0] < 120 * FIVE // 19  # and what is allowed is used


def test_a_restart_does_not_begin_the_count_anew(tmp_path: Path) -> None:
    clock = Impatient()

    async def attempts(count: int) -> int:
        fresh, began = Connects(SqliteBudget(tmp_path / "budget.db"), clock, HOST, 30), clock.mono
        for _ in range(count):
            await fresh.turn()
        return clock.mono - began

    assert asyncio.run(attempts(10)) == 0
    assert asyncio.run(attempts(1)) >= 15 * SECOND


def test_whoever_asked_first_connects_first_and_one_who_gives_up_holds_nobody() -> None:
    clock, connects, order = ManualClock(), None, list[str]()
    connects = Connects(MemoryBudget(), clock, HOST, 3)

    async def one(name: str) -> None:
        await connects.turn()
        order.append(name)

    async def play() -> None:
        tasks = [asyncio.create_task(one(name)) for name in "abcd"]
        await clock.pass_by(SECOND)
        assert order == ["a"]
        tasks[1].cancel()
        await clock.pass_by(2 * FIVE)
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(play())
    assert order == ["a", "c", "d"]


def test_nobody_who_comes_later_overtakes_one_who_waits() -> None:
    clock, order = ManualClock(), list[str]()
    connects = Connects(MemoryBudget(), clock, HOST, 3)

    async def one(name: str) -> None:
        await connects.turn()
        order.append(name)

    async def play() -> None:
        early = [asyncio.create_task(one(name)) for name in "ab"]
        await clock.pass_by(SECOND)
        clock.mono += FIVE  # the next may leave, and whoever waits for that has not woken yet
        late = asyncio.create_task(one("c"))
        await clock.pass_by(FIVE)
        await asyncio.gather(*early, late)

    asyncio.run(play())
    assert order == ["a", "b", "c"]


def test_hosts_are_counted_apart() -> None:
    clock, budget = Impatient(), MemoryBudget()
    one, other = Connects(budget, clock, HOST, 3), Connects(budget, clock, "stream.binance.com:9443", 3)
    began = clock.mono

    async def both() -> None:
        await one.turn()
        await other.turn()

    asyncio.run(both())
    assert clock.mono == began
