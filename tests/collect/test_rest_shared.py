"""REST over several tasks and processes: who goes first, who tries a host anew, and which limit counts."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from manual import EPOCH, Answer, Asked, Impatient, ManualClock, reply, settled
from test_rest_client import HOST, TIME, Notes, client, gaps, script

from gapless.budget.host import Ceiling
from gapless.budget.priority import Priority
from gapless.collect.connects import Connects
from gapless.errors import Banned, Unavailable
from gapless.model import MINUTE, MS, SECOND
from gapless.ports import Reply
from gapless.sim.limits import Limiter
from gapless.store.budget import MemoryBudget, SqliteBudget
from gapless.venues.spec import Request


def answering(later: list[asyncio.Future[Reply]]) -> Callable[[Asked], Answer]:
    """REST that answers when a test says so, request by request."""

    def answer(asked: Asked) -> Answer:
        later.append(asyncio.get_running_loop().create_future())
        return later[-1]

    return answer


def named(name: str, weight: int = 1) -> Request:
    return Request(f"https://{HOST}/fapi/v1/{name}", weight)


def test_requests_leave_the_most_important_first_and_else_in_the_order_asked() -> None:
    clock, later = ManualClock(), list[asyncio.Future[Reply]]()
    rest, http = client(clock, answering(later))
    wanted = [
        ("b1", Priority.BACKFILL), ("b2", Priority.BACKFILL), ("h1", Priority.HISTORY), ("b3", Priority.BACKFILL),
        ("t1", Priority.TRADES), ("h2", Priority.HISTORY), ("l1", Priority.LIVE), ("t2", Priority.TRADES),
    ]  # fmt: skip

    async def all_of_them() -> None:
        tasks = [asyncio.create_task(rest.get(named(name), priority=priority)) for name, priority in wanted]
        for count in range(2, len(wanted) + 1):
            await settled()
            assert len(http.asked) == count, "two in flight at a time"
            later[count - 2].set_result(reply([]))
        later[-1].set_result(reply([]))
        await asyncio.gather(*tasks)

    asyncio.run(all_of_them())
    assert http.paths() == ["l1", "t1", "t2", "h1", "h2", "b1", "b2", "b3"]


def test_a_backfill_that_waits_for_its_share_does_not_hold_back_what_is_live() -> None:
    clock = ManualClock(EPOCH - 1_000 * SECOND)
    rest, http = client(clock, lambda asked: reply([]), ceiling=Ceiling(weight_per_minute=100))

    async def both() -> None:
        for _ in range(3):
            await rest.get(named("back", 20), priority=Priority.BACKFILL)
        waiting = asyncio.create_task(rest.get(named("back", 20), priority=Priority.BACKFILL))
        await settled()
        await asyncio.wait_for(rest.get(named("live", 20), priority=Priority.LIVE), 5)
        assert http.paths() == ["back", "back", "back", "live"]
        await clock.pass_by(MINUTE)
        await waiting

    asyncio.run(both())
    assert http.paths() == ["back", "back", "back", "live", "back"]


def test_a_backfill_in_another_process_leaves_room_for_what_is_live(tmp_path: Path) -> None:
    clock, file, ceiling = ManualClock(EPOCH - 1_000 * SECOND), tmp_path / "budget.db", Ceiling(weight_per_minute=100)
    backfill, spent = client(clock, lambda asked: reply([]), budget=SqliteBudget(file), ceiling=ceiling)
    live, http = client(clock, lambda asked: reply([]), budget=SqliteBudget(file), ceiling=ceiling)

    async def both() -> None:
        greedy = [asyncio.create_task(backfill.get(named("back", 5), priority=Priority.BACKFILL)) for _ in range(40)]
        await settled()
        await settled()
        assert len(spent.asked) == 12
        for _ in range(8):
            await asyncio.wait_for(live.get(named("live", 5), priority=Priority.LIVE), 5)
        assert (len(http.asked), len(spent.asked)) == (8, 12)
        for task in greedy:
            task.cancel()
        await asyncio.gather(*greedy, return_exceptions=True)

    asyncio.run(both())


def test_a_request_that_is_given_up_while_it_waits_leaves_its_place_to_the_next() -> None:
    clock, later = ManualClock(), list[asyncio.Future[Reply]]()
    rest, http = client(clock, answering(later))

    async def some() -> None:
        tasks = [asyncio.create_task(rest.get(named(str(n)))) for n in range(5)]
        await settled()
        tasks[2].cancel()
        tasks[0].cancel()
        await settled()
        later[1].set_result(reply([]))
        await settled()
        assert http.paths() == ["0", "1", "3", "4"]
        for answer in later[2:]:
            answer.set_result(reply([]))
        await asyncio.gather(*tasks, return_exceptions=True)
        again = asyncio.create_task(rest.get(named("5")))
        await settled()
        later[-1].set_result(reply([]))
        await again

    asyncio.run(some())


def test_a_ban_in_the_middle_of_a_burst_stops_everything_and_one_request_tries_it_afterwards() -> None:
    clock, later = ManualClock(), list[asyncio.Future[Reply]]()
    rest, http = client(clock, answering(later))

    async def burst() -> None:
        tasks = [asyncio.create_task(rest.get(TIME)) for _ in range(10)]
        await settled()
        later[1].set_result(reply(b"", 418))
        later[0].set_result(reply([]))  # had been answered before the ban, and does not lift it
        await clock.pass_by(120 * SECOND)
        assert len(http.asked) == 2
        await clock.pass_by(10 * SECOND)
        assert len(http.asked) == 3
        later[2].set_result(reply([]))
        await clock.pass_by(SECOND)
        assert len(http.asked) == 5
        for count in range(3, 11):
            later[count].set_result(reply([]))
            await settled()
        await asyncio.wait_for(asyncio.gather(*tasks), 5)

    asyncio.run(burst())
    assert len(http.asked) == 11


def test_no_request_leaves_before_a_refusal_that_has_come_in_is_heard() -> None:
    """Two replies come at once; who goes on after the first must not send before the second, a 429, is read."""
    clock, later = ManualClock(), list[asyncio.Future[Reply]]()
    rest, http = client(clock, answering(later))

    async def go_on() -> None:
        while True:
            await rest.get(TIME)

    async def burst() -> None:
        tasks = [asyncio.create_task(go_on()) for _ in range(2)]
        await settled()
        later[0].set_result(reply([]))
        later[1].set_result(reply(status=429))
        await settled()
        assert len(http.asked) == 2
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(burst())


def test_two_processes_try_a_host_anew_with_one_request_between_them(tmp_path: Path) -> None:
    clock, file, later = ManualClock(), tmp_path / "budget.db", list[asyncio.Future[Reply]]()
    one, _ = client(clock, answering(later), budget=SqliteBudget(file))
    other, _ = client(clock, answering(later), budget=SqliteBudget(file))

    async def both() -> None:
        first = asyncio.create_task(one.get(TIME))
        await settled()
        later[0].set_result(reply(status=429, retry_after="7"))
        await settled()
        tasks = [first, *(asyncio.create_task(rest.get(TIME)) for rest in (one, other, one, other))]
        await clock.pass_by(20 * SECOND)
        assert len(later) == 2
        later[1].set_result(reply(status=429, retry_after="7"))
        await clock.pass_by(8 * SECOND)
        assert len(later) == 2, "a second refusal is waited out a little longer than it says"
        await clock.pass_by(10 * SECOND)
        assert len(later) == 3
        later[2].set_result(reply([]))
        await clock.pass_by(SECOND)
        assert len(later) == 7  # the circuit is closed: two in flight of the one, as many of the other
        for answer in later[3:]:
            answer.set_result(reply([]))
        await asyncio.wait_for(asyncio.gather(*tasks), 5)

    asyncio.run(both())


def test_a_process_that_died_with_the_probe_out_holds_the_others_for_its_lease_and_no_longer(tmp_path: Path) -> None:
    clock, file, later = ManualClock(), tmp_path / "budget.db", list[asyncio.Future[Reply]]()
    dying, _ = client(clock, answering(later), budget=SqliteBudget(file))
    other, http = client(clock, lambda asked: reply([]), budget=SqliteBudget(file))

    async def both() -> None:
        dead = asyncio.create_task(dying.get(TIME))
        await settled()
        later[0].set_result(reply(status=429, retry_after="7"))
        await clock.pass_by(8 * SECOND)
        assert len(later) == 2  # the probe, which is never answered
        waiting = asyncio.create_task(other.get(TIME))
        await clock.pass_by(34 * SECOND)
        assert http.asked == []
        await clock.pass_by(2 * SECOND)
        await waiting
        dead.cancel()
        await asyncio.gather(dead, return_exceptions=True)

    asyncio.run(both())
    assert len(http.asked) == 1


def test_a_process_that_leaves_in_good_order_with_the_probe_out_holds_nobody(tmp_path: Path) -> None:
    clock, file, later = ManualClock(), tmp_path / "budget.db", list[asyncio.Future[Reply]]()
    leaving, _ = client(clock, answering(later), budget=SqliteBudget(file))
    other, http = client(clock, lambda asked: reply([]), budget=SqliteBudget(file))

    async def both() -> None:
        first = asyncio.create_task(leaving.get(TIME))
        await settled()
        later[0].set_result(reply(status=429, retry_after="7"))
        await clock.pass_by(8 * SECOND)
        assert len(later) == 2
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await asyncio.wait_for(other.get(TIME), 5)

    asyncio.run(both())
    assert len(http.asked) == 1


def test_a_venue_that_keeps_failing_is_left_alone_by_every_process(tmp_path: Path) -> None:
    clock, file = Impatient(), tmp_path / "budget.db"
    one, _ = client(clock, script(*[reply(b"", 503)] * 3), budget=SqliteBudget(file))
    other, http = client(clock, script(reply([])), budget=SqliteBudget(file))

    async def both() -> None:
        for _ in range(3):
            with pytest.raises(Unavailable):
                await one.get(TIME, patient=False)
        began = clock.mono
        await other.get(TIME)
        assert 1 * SECOND <= http.asked[0].at - began <= 2 * SECOND

    asyncio.run(both())


def test_a_refusal_is_waited_out_by_the_clock_of_the_venue_where_it_is_behind_ours() -> None:
    """Our minute turns in 40 s, the venue's in 55 s: what left in between would go on after its refusal."""
    clock = Impatient(EPOCH - 1_000 * SECOND + 20 * SECOND)
    rest, http = client(
        clock, script(reply(status=429, date="Wed, 07 Jan 2026 12:00:05 GMT"), reply([]))
    )  # fmt: skip
    asyncio.run(rest.get(TIME))
    assert gaps(http) == [55.25]


class Cut:
    """A venue whose limit is not what it says, counted by the simulator's own rule."""

    def __init__(self, clock: ManualClock, limit: int, cost: int) -> None:
        self.limiter, self.clock, self.cost = Limiter(limit), clock, cost
        self.refusals = 0

    def answer(self, asked: Asked) -> Answer:
        now = self.clock.wall() / SECOND
        self.clock.mono += 20 * MS
        verdict = self.limiter.enter("us", self.cost, now)
        used = str(self.limiter.used("us", now))
        if verdict == "ok":
            return reply([], x_mbx_used_weight_1m=used)
        self.refusals += verdict == "429"
        self.limiter.delivered("us", int(verdict), now, None)
        return reply(b"{}", int(verdict), x_mbx_used_weight_1m=used)


@pytest.mark.parametrize(("limit", "refusals"), [(1_200, 1), (600, 1), (240, 2), (60, 2)])
def test_a_limit_cut_without_notice_is_found_by_a_refusal_and_kept_to_over_a_restart(
    limit: int, refusals: int, tmp_path: Path
) -> None:
    clock = Impatient()
    venue = Cut(clock, limit, 10)
    notes: Notes = []
    began = clock.mono

    async def minutes(count: int) -> None:
        rest, _ = client(clock, venue.answer, budget=SqliteBudget(tmp_path / "budget.db"), notes=notes)
        end = clock.mono + count * MINUTE
        while clock.mono < end:
            await asyncio.gather(*(rest.get(named("klines", 10)) for _ in range(5)))

    for _ in range(3):
        asyncio.run(minutes(5))
    totals = venue.limiter.totals
    assert (totals.bans, totals.while_banned, venue.refusals) == (0, 0, refusals)
    assert [name for name, _ in notes if name == "limit_learned"] == ["limit_learned"]
    assert totals.weight >= limit * 0.6 * (clock.mono - began) / MINUTE  # what is allowed is used


def test_a_lone_refusal_does_not_slow_a_venue_for_an_hour() -> None:
    clock = Impatient()
    answers = [reply(status=429, x_mbx_used_weight_1m="30")]
    rest, http = client(clock, lambda asked: answers.pop() if answers else reply([], x_mbx_used_weight_1m="40"))

    async def some() -> None:
        for _ in range(100):
            await rest.get(named("klines", 20))

    asyncio.run(some())
    assert sum(gaps(http)) < 60
    assert rest.limit(rest.states()[HOST]) == 2_400


def test_the_limit_that_a_venue_announces_counts_for_every_process() -> None:
    clock, budget = Impatient(EPOCH - 1_000 * SECOND), MemoryBudget()
    one, _ = client(clock, lambda asked: reply([]), budget=budget)
    other, http = client(clock, lambda asked: reply([]), budget=budget)
    one.announced(50)

    async def both() -> None:
        await one.get(named("info"))
        for _ in range(4):
            await other.get(named("depth", 20))

    asyncio.run(both())
    assert [gap >= 1 for gap in gaps(http)] == [False, True, False]
    assert other.limit(other.states()[HOST]) == 50


def test_an_announcement_above_the_table_changes_nothing() -> None:
    rest, _ = client(Impatient(), lambda asked: reply([]))
    rest.announced(9_000)
    asyncio.run(rest.get(TIME))
    assert rest.limit(rest.states()[HOST]) == 2_400
    rest.announced(None)
    assert rest.limit(rest.states()[HOST]) == 2_400


def test_what_is_kept_of_connections_is_not_taken_for_a_host() -> None:
    budget = MemoryBudget()
    rest, _ = client(Impatient(), lambda asked: reply([]), budget=budget)

    async def both() -> None:
        await Connects(budget, ManualClock(), "fstream.binance.com", 300).turn()
        await rest.get(TIME)

    asyncio.run(both())
    assert list(rest.states()) == [HOST]


def test_a_block_is_told_to_whoever_asks_before_sending() -> None:
    notes: Notes = []
    rest, _ = client(Impatient(), script(reply(b"", 418)), notes=notes)
    assert rest.blocked_for(TIME.url) == 0
    with pytest.raises(Banned):
        asyncio.run(rest.get(TIME, patient=False))
    assert rest.blocked_for(TIME.url) == 120 * SECOND + SECOND // 4
    assert [name for name, _ in notes] == ["blocked"]
