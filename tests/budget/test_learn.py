"""The limit that a venue does not tell: learned from one refusal, and not from a refusal about something else."""

import pytest

from gapless.budget.circuit import refused, succeeded
from gapless.budget.host import Ceiling, HostState, granted, observed
from gapless.budget.learn import FLOOR, disproved, learned, limit_of, taught
from gapless.budget.state import Doubt
from gapless.model import HOUR, MINUTE, SECOND
from gapless.sim.limits import Limiter

TABLE = Ceiling(weight_per_minute=2_400)
T0 = 1_000_000 * HOUR


def test_a_refusal_below_the_limit_lowers_it_for_an_hour() -> None:
    state = taught(HostState(), TABLE, T0, used=1_220, flying=20, wait=None)
    assert limit_of(state, TABLE, T0) == 1_080
    assert limit_of(state, TABLE, T0 + HOUR - 1) == 1_080
    assert limit_of(state, TABLE, T0 + HOUR) == 2_400
    assert limit_of(state, TABLE, T0 - SECOND) == 1_080  # for a process whose clock is a moment behind
    assert limit_of(state, TABLE, T0 - 24 * HOUR) == 2_400  # and not for a day after the clock was set back


def test_a_second_refusal_lowers_it_again_even_where_the_first_figure_was_wrong() -> None:
    state = taught(HostState(), TABLE, T0, used=1_220, flying=20, wait=None)
    again = taught(state, TABLE, T0 + MINUTE, used=1_099, flying=20, wait=None)
    assert learned(again, T0 + MINUTE) == 864


def test_a_refusal_that_others_brought_about_teaches_nothing() -> None:
    """The minute held more than the limit that we know: somebody else at this address spent it."""
    assert taught(HostState(), TABLE, T0, used=2_500, flying=40, wait=None) == HostState()


def test_a_refusal_that_ends_within_the_window_is_not_about_the_windows_weight() -> None:
    now = T0 + 10 * SECOND
    assert taught(HostState(), TABLE, now, used=1_220, flying=20, wait=SECOND) == HostState()
    assert taught(HostState(), TABLE, now, used=1_220, flying=20, wait=50 * SECOND).learned == 1_080


def test_a_lone_refusal_at_next_to_no_load_is_doubted_and_forgotten_when_more_has_passed() -> None:
    state = taught(HostState(), TABLE, T0, used=45, flying=20, wait=None)
    assert limit_of(state, TABLE, T0) == 2_400
    assert state.doubt == Doubt(45, 25, T0 // MINUTE)
    assert disproved(state, 46, T0 + SECOND) is state  # of the same minute: it was counted along with what passed
    assert disproved(state, 45, T0 + MINUTE) is state
    assert disproved(state, 46, T0 + MINUTE).doubt is None


def test_a_second_refusal_at_next_to_no_load_that_agrees_with_the_first_is_believed() -> None:
    state = taught(HostState(), TABLE, T0, used=80, flying=20, wait=None)
    assert taught(state, TABLE, T0 + SECOND, used=100, flying=20, wait=None) is state  # the same burst
    state = taught(state, TABLE, T0 + MINUTE, used=80, flying=20, wait=None)
    assert limit_of(state, TABLE, T0 + MINUTE) == 54


def test_two_refusals_that_cannot_both_be_the_limit_are_both_doubted() -> None:
    state = taught(HostState(), TABLE, T0, used=400, flying=20, wait=None)
    state = taught(state, TABLE, T0 + MINUTE, used=90, flying=20, wait=None)
    assert (limit_of(state, TABLE, T0 + MINUTE), state.doubt) == (2_400, Doubt(90, 70, T0 // MINUTE + 1))


def test_no_limit_is_learned_that_would_not_pay_for_a_page() -> None:
    state = taught(HostState(), TABLE, T0, used=1, flying=1, wait=None)
    assert taught(state, TABLE, T0 + MINUTE, used=1, flying=1, wait=None).learned == FLOOR


def test_an_announced_limit_counts_when_it_is_lower_than_the_table() -> None:
    assert limit_of(HostState(announced=600), TABLE, T0) == 600
    assert limit_of(HostState(announced=9_000), TABLE, T0) == 2_400


@pytest.mark.parametrize("limit", [1_200, 800, 600, 480, 300, 120, 60])
@pytest.mark.parametrize("cost", [1, 5, 10, 20])
def test_a_limit_cut_without_notice_costs_one_refusal_or_two_and_never_a_ban(limit: int, cost: int) -> None:
    """Ten minutes of as many requests as the budget allows, two at a time, at a venue that allows much less."""
    venue, state = Limiter(limit), HostState()
    refusals, now = 0, T0
    while now < T0 + 10 * MINUTE:
        probe, sent = 0, 0
        for _ in range(2):
            state, wait = granted(state, cost, TABLE, now)
            if wait:
                break
            sent += 1
            probe = state.probe if state.blocked_until else 0
        if not sent:
            now += wait
            continue
        verdicts = [venue.enter("us", cost, now / SECOND) for _ in range(sent)]
        used = venue.used("us", now / SECOND)
        state = observed(state, used, now)
        refusals += "429" in verdicts
        for back, verdict in enumerate(verdicts):
            if verdict == "ok":
                state = disproved(succeeded(state, probe), used, now)
                continue
            venue.delivered("us", 429, now / SECOND, None)
            state = taught(state, TABLE, now, used=used, flying=(sent - back) * cost, wait=None)
            state = refused(state, probe, now, wait=None, venue_now=None)
        now += 30_000_000
    assert (venue.totals.bans, venue.totals.while_banned) == (0, 0)
    assert refusals == (1 if limit >= 480 else 2)
    assert learned(state, now) <= limit
    assert learned(state, now) >= limit // 2 or learned(state, now) == FLOOR


def test_a_refusal_of_a_venue_that_counts_by_the_second_says_nothing_of_the_minute() -> None:
    bucket = Ceiling(weight_per_minute=4_200, burst=40)
    assert taught(HostState(), bucket, T0 + 59 * SECOND, used=3_000, flying=20, wait=2 * SECOND) == HostState()
