"""Shares of the budget: what is asked for by hand leaves room for what is live."""

from itertools import pairwise

from gapless.budget.host import Ceiling, HostState, granted
from gapless.budget.priority import Priority, part
from gapless.model import HOUR, MINUTE

T0 = 1_000_000 * HOUR
CEILING = Ceiling(weight_per_minute=1_100, reserve=100)


def all_of(priority: Priority, state: HostState, ceiling: Ceiling = CEILING) -> tuple[HostState, int]:
    """Spend until nothing more is granted; give how often that was."""
    count = 0
    while True:
        state, wait = granted(state, 1, ceiling, T0, priority)
        if wait:
            assert wait in (MINUTE, HOUR)
            return state, count
        count += 1


def test_a_backfill_can_never_starve_what_is_live() -> None:
    state, counts = HostState(), []
    for priority in reversed(Priority):
        state, count = all_of(priority, state)
        counts.append(count)
    assert counts == [600, 150, 150, 50, 50]


def test_the_more_important_the_greater_the_share() -> None:
    shares = [part(1_000, priority) for priority in Priority]
    assert shares[0] == 1_000
    assert all(more > less for more, less in pairwise(shares))


def test_the_requests_of_an_hour_are_shared_out_too() -> None:
    ceiling = Ceiling(weight_per_minute=10_000, requests_per_hour=100)
    state, count = all_of(Priority.BACKFILL, HostState(), ceiling)
    assert count == 60
    assert all_of(Priority.LIVE, state, ceiling)[1] == 40


def test_the_smallest_budget_still_lets_every_priority_leave_when_nothing_else_did() -> None:
    ceiling = Ceiling(weight_per_minute=1, requests_per_hour=1)
    for priority in Priority:
        assert granted(HostState(), 20, ceiling, T0, priority)[1] == 0
