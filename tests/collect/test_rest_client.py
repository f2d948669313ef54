"""REST within the budget: what is waited for, what is remembered, and that nothing leaves while blocked."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from manual import EPOCH, Answer, Asked, HandHttp, Impatient, ManualClock, reply, settled
from msgspec.structs import replace

from gapless.budget.host import Ceiling
from gapless.collect.rest import RestClient
from gapless.errors import Banned, Refused, Throttled, Unavailable
from gapless.model import DAY, MINUTE, MS, SECOND
from gapless.ports import BudgetStore
from gapless.store.budget import MemoryBudget, SqliteBudget
from gapless.venues.registry import venue
from gapless.venues.spec import Request

HOST = "fapi.binance.com"
BINANCE = venue("binance")
TIME = Request(f"https://{HOST}/fapi/v1/time", 1)
CEILING = Ceiling(weight_per_minute=2_400)
Notes = list[tuple[str, dict[str, object]]]


def client(
    clock: ManualClock, answer: Callable[[Asked], Answer], *, budget: BudgetStore | None = None,
    ceiling: Ceiling = CEILING, key: str | None = None, notes: Notes | None = None,
) -> tuple[RestClient, HandHttp]:  # fmt: skip
    http = HandHttp(clock, answer)
    heard = notes if notes is not None else []
    rest = RestClient(
        http, budget or MemoryBudget(), clock, BINANCE, ceiling,
        api_key=key, note=lambda name, subject, **fields: heard.append((name, fields)),
    )  # fmt: skip
    return rest, http


def script(*answers: Answer) -> Callable[[Asked], Answer]:
    left = list(answers)
    return lambda asked: left.pop(0)


def gaps(http: HandHttp) -> list[float]:
    """The seconds between one request and the next."""
    times = [asked.at for asked in http.asked]
    return [(b - a) / SECOND for a, b in pairwise(times)]


def test_a_throttled_request_waits_for_as_long_as_the_venue_says_and_is_answered() -> None:
    rest, http = client(Impatient(), script(reply(status=429, retry_after="7"), reply({"ok": 1})))
    assert asyncio.run(rest.get(TIME)) == b'{"ok": 1}'
    assert gaps(http) == [7.25]
    assert rest.spent.throttled == 1


def test_a_throttled_request_without_a_time_waits_for_the_next_minute() -> None:
    clock = Impatient(EPOCH - 1_000 * SECOND + 20 * SECOND)
    rest, http = client(clock, script(reply(status=429), reply([])))
    asyncio.run(rest.get(TIME))
    assert gaps(http) == [40.25]


def test_a_ban_is_waited_out_by_the_venues_clock_not_by_ours() -> None:
    """Our clock is an hour ahead; the ban ends 30 s after the Date of the reply."""
    clock = Impatient(EPOCH + 3_600 * SECOND)
    until = EPOCH // MS + 30_000
    body = b'{"code":-1003,"msg":"Way too many requests; IP(1.2.3.4) banned until %d. Please use ..."}' % until
    rest, http = client(clock, script(reply(body, 418, date="Wed, 07 Jan 2026 12:00:00 GMT"), reply([])))
    asyncio.run(rest.get(TIME))
    assert gaps(http) == [30.25]
    assert rest.spent.banned == 1


def test_a_ban_that_seems_over_because_our_clock_is_wrong_is_borne_for_two_minutes() -> None:
    clock = Impatient(EPOCH + DAY)
    body = b'{"code":-1003,"msg":"IP banned until %d."}' % (EPOCH // MS + 30_000)
    rest, http = client(clock, script(reply(body, 418), reply([])))
    asyncio.run(rest.get(TIME))
    assert gaps(http) == [120.25]


def test_a_ban_without_a_time_lasts_as_long_as_the_shortest_that_the_venue_gives() -> None:
    rest, http = client(Impatient(), script(reply(b"", 418), reply([])))
    asyncio.run(rest.get(TIME))
    assert gaps(http) == [120.25]


def test_whoever_does_not_want_to_wait_hears_what_happened_and_the_ban_still_stands() -> None:
    rest, http = client(
        Impatient(), script(reply(status=429, retry_after="7"), reply(b"", 418), Unavailable("gone"), reply([]))
    )

    async def all_of_them() -> None:
        for kind in (Throttled, Banned, Unavailable):
            with pytest.raises(kind):
                await rest.get(TIME, patient=False)
        await rest.get(TIME, patient=False)

    asyncio.run(all_of_them())
    assert gaps(http)[:2] == [7.25, 120.25]
    assert 0.25 <= gaps(http)[2] <= 0.5


def test_a_no_is_not_asked_for_again() -> None:
    body = b'{"code":-1121,"msg":"Invalid symbol."}'
    rest, http = client(Impatient(), script(reply(body, 400)))
    with pytest.raises(Refused) as caught:
        asyncio.run(rest.get(TIME))
    assert (caught.value.status, caught.value.code, caught.value.text) == (400, -1121, "Invalid symbol.")
    assert len(http.asked) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 403, 408, 202])
def test_a_failure_is_tried_again_after_a_growing_pause_of_at_most_half_a_minute(status: int) -> None:
    rest, http = client(Impatient(), script(*[reply(b"<html>", status)] * 12, reply([])))
    asyncio.run(rest.get(TIME))
    tops = [min(0.25 * 2**n, 30) for n in range(1, 13)]
    assert all(top / 2 <= gap <= top for gap, top in zip(gaps(http), tops, strict=True)), gaps(http)
    assert rest.spent.failed == 12


def test_a_broken_network_is_tried_again() -> None:
    rest, http = client(Impatient(), script(Unavailable("reset"), reply([7])))
    assert asyncio.run(rest.get(TIME)) == b"[7]"
    assert len(http.asked) == 2


def test_nothing_leaves_while_blocked_whoever_asks() -> None:
    clock = ManualClock()
    rest, http = client(clock, script(reply(b"", 418), *[reply([])] * 20))

    async def many() -> None:
        first = asyncio.create_task(rest.get(TIME))
        await settled()
        others = [asyncio.create_task(rest.get(TIME)) for _ in range(19)]
        await clock.pass_by(120 * SECOND)
        assert len(http.asked) == 1
        await clock.pass_by(SECOND)
        await asyncio.wait_for(asyncio.gather(first, *others), 5)

    asyncio.run(many())
    assert len(http.asked) == 21
    assert min(asked.at for asked in http.asked[1:]) - http.asked[0].at >= 120 * SECOND


def test_a_ban_is_remembered_by_a_process_that_starts_anew(tmp_path: Path) -> None:
    clock, file = ManualClock(), tmp_path / "state" / "budget.db"
    rest, _ = client(clock, script(reply(b"", 418)), budget=SqliteBudget(file))
    notes: Notes = []
    again, http = client(clock, script(reply([])), budget=SqliteBudget(file), notes=notes)

    async def both() -> None:
        with pytest.raises(Banned):
            await rest.get(TIME, patient=False)
        waiting = asyncio.create_task(again.get(TIME))
        await clock.pass_by(120 * SECOND)
        assert http.asked == []
        await clock.pass_by(SECOND)
        await waiting

    asyncio.run(both())
    assert len(http.asked) == 1
    assert notes == [("blocked", {"host": HOST, "reason": "banned (HTTP 418)", "seconds": 120.2})]


def test_a_ban_is_told_when_it_is_met_though_nobody_waits_for_its_end() -> None:
    clock = ManualClock()
    notes: Notes = []
    rest, _ = client(clock, script(reply(b"", 418)), notes=notes)

    async def once() -> None:
        with pytest.raises(Banned):
            await rest.get(TIME, patient=False)

    asyncio.run(once())
    assert [(name, fields["reason"]) for name, fields in notes] == [("blocked", "banned (HTTP 418)")]


@pytest.mark.parametrize("jump", [-DAY, -MINUTE, MINUTE, DAY])
def test_a_jump_of_the_wall_clock_neither_ends_a_ban_nor_prolongs_it(jump: int) -> None:
    clock = ManualClock()
    rest, http = client(clock, script(reply(b"", 418), reply([])))

    async def banned() -> None:
        waiting = asyncio.create_task(rest.get(TIME))
        await settled()
        clock.offset += jump
        await clock.pass_by(120 * SECOND)
        assert len(http.asked) == 1
        await clock.pass_by(SECOND)
        await waiting

    asyncio.run(banned())
    assert len(http.asked) == 2


def test_a_block_that_another_process_wrote_is_seen() -> None:
    clock, budget = ManualClock(), MemoryBudget()
    one, _ = client(clock, script(reply(status=429, retry_after="30")), budget=budget)
    other, http = client(clock, script(reply([])), budget=budget)

    async def both() -> None:
        with pytest.raises(Throttled):
            await one.get(TIME, patient=False)
        waiting = asyncio.create_task(other.get(TIME))
        await clock.pass_by(30 * SECOND)
        assert http.asked == []
        await clock.pass_by(SECOND)
        await waiting

    asyncio.run(both())


def test_the_weight_of_a_minute_is_never_overspent_and_the_rest_waits() -> None:
    clock = Impatient(EPOCH - 1_000 * SECOND)
    rest, http = client(clock, lambda asked: reply([]), ceiling=Ceiling(weight_per_minute=50))
    dear = Request(TIME.url, 20)

    async def five() -> None:
        for _ in range(5):
            await rest.get(dear)

    asyncio.run(five())
    minutes = [(asked.at - 1_000 * SECOND) // MINUTE for asked in http.asked]
    assert minutes == [0, 0, 1, 1, 2]
    assert (rest.spent.requests, rest.spent.weight) == (5, 100)


def test_what_the_venue_counts_is_believed_over_our_own_count() -> None:
    clock = Impatient(EPOCH - 1_000 * SECOND)
    rest, http = client(clock, lambda asked: reply([], x_mbx_used_weight_1m="2399"))

    async def two() -> None:
        await rest.get(TIME)
        assert rest.pressure() > 0.99
        await rest.get(Request(TIME.url, 2))

    asyncio.run(two())
    assert gaps(http) == [60.0]


def test_a_key_goes_only_where_it_is_asked_for() -> None:
    rest, http = client(Impatient(), lambda asked: reply([]), key="secret")

    async def both() -> None:
        await rest.get(TIME)
        await rest.get(Request(TIME.url, 1, keyed=True))

    asyncio.run(both())
    assert [asked.headers for asked in http.asked] == [{}, {"X-MBX-APIKEY": "secret"}]
    assert rest.keyed


def test_what_every_request_to_a_host_carries_is_sent_beside_the_key() -> None:
    rest, http = client(Impatient(), script(reply({}), reply({})), key="secret")
    demo = Request(TIME.url, 1, headers=(("x-simulated-trading", "1"),))
    asyncio.run(rest.get(demo))
    asyncio.run(rest.get(replace(demo, keyed=True)))
    assert [asked.headers for asked in http.asked] == [
        {"x-simulated-trading": "1"}, {"x-simulated-trading": "1", "X-MBX-APIKEY": "secret"},
    ]  # fmt: skip
