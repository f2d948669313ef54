"""What is shown of budgets is what counts: the limit in force, and why nothing leaves."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from manual import Impatient, ManualClock, reply
from test_rest_client import BINANCE, HOST, TIME, client, script

from gapless.collect.rest import RestClient
from gapless.errors import Banned, Throttled
from gapless.model import MINUTE, SECOND
from gapless.status import Status
from gapless.store.budget import MemoryBudget


def shown(rest: RestClient) -> dict[str, Any]:
    collector = SimpleNamespace(venue=BINANCE, rest=rest, hosts=BINANCE.hosts("live", None))
    sourcing = SimpleNamespace(measured=lambda registry: None)
    store = SimpleNamespace(size=lambda: 0)
    engine: Any = SimpleNamespace(store=store, collectors=[collector], hot=None, sourcing=sourcing, clock=None)
    (row,) = Status(engine).budgets()
    return row


def test_a_quiet_host_is_shown_with_the_limit_that_it_announced() -> None:
    rest, _ = client(Impatient(), lambda asked: reply([], x_mbx_used_weight_1m="300"))
    rest.announced(1_200)
    asyncio.run(rest.get(TIME))
    row = shown(rest)
    assert (row["host"], row["state"], row["limit"], row["used"], row["share"]) == (HOST, "closed", 1_200, 300, 0.25)
    assert (row["learned"], row["blocked_until"], row["reason"]) == (None, None, None)


def test_a_learned_limit_and_the_way_from_open_to_half_open_to_closed_are_shown() -> None:
    clock, budget = ManualClock(), MemoryBudget()
    refusal = reply(status=429, x_mbx_used_weight_1m="1201")
    rest, _ = client(clock, script(refusal, reply([])), budget=budget)

    async def play() -> None:
        with pytest.raises(Throttled):
            await rest.get(TIME, patient=False)
        row = shown(rest)
        assert (row["state"], row["limit"], row["learned"], row["used"]) == ("open", 1_080, 1_080, 1_201)
        assert (row["reason"], row["blocked_until"] is not None) == ("throttled (HTTP 429)", True)
        await clock.pass_by(MINUTE + SECOND)
        row = shown(rest)
        assert (row["state"], row["reason"], row["blocked_until"], row["used"]) == (
            "half-open", "throttled (HTTP 429)", None, 0,
        )  # fmt: skip
        await rest.get(TIME)
        row = shown(rest)
        assert (row["state"], row["reason"], row["limit"]) == ("closed", None, 1_080)

    asyncio.run(play())


def test_a_ban_that_another_process_met_is_shown() -> None:
    clock, budget = ManualClock(), MemoryBudget()
    other, _ = client(clock, script(reply(b"", 418)), budget=budget)
    mine, _ = client(clock, script(), budget=budget)
    with pytest.raises(Banned):
        asyncio.run(other.get(TIME, patient=False))
    row = shown(mine)
    assert (row["state"], row["reason"], row["banned"]) == ("open", "banned (HTTP 418)", 0)
    assert row["blocked_until"] == "2026-01-07T12:18:40.250Z"
