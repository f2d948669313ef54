"""The budget of a host: never more than it allows, whatever is asked when, and by whom."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gapless.budget.host import Ceiling, HostState, blocked, granted, observed, window_end
from gapless.model import HOUR, MINUTE, MS, SECOND

LIMIT = 100
PLAIN = Ceiling(weight_per_minute=LIMIT)
T0 = 1_000_000 * HOUR


def spend(state: HostState, cost: int, now: int, ceiling: Ceiling = PLAIN) -> HostState:
    after, wait = granted(state, cost, ceiling, now)
    assert wait == 0
    return after


def test_a_request_that_does_not_fit_waits_for_the_next_minute_of_the_venue() -> None:
    now = T0 + 17 * SECOND
    state = spend(spend(HostState(), 60, now), 40, now)
    assert granted(state, 1, PLAIN, now) == (state, 43 * SECOND)
    assert spend(state, 100, T0 + MINUTE).used == 100


def test_a_reserve_is_never_spent() -> None:
    ceiling = Ceiling(weight_per_minute=LIMIT, reserve=30)
    state = spend(HostState(), 70, T0, ceiling)
    assert granted(state, 1, ceiling, T0) == (state, MINUTE)


def test_a_request_dearer_than_everything_leaves_alone_or_never() -> None:
    small = Ceiling(weight_per_minute=10)
    state = spend(HostState(), 20, T0, small)
    assert granted(state, 1, small, T0 + SECOND)[1] == 59 * SECOND


def test_what_other_programs_spent_at_this_address_counts() -> None:
    state = observed(spend(HostState(), 5, T0), 90, T0)
    assert state.used == 90
    assert granted(state, 20, PLAIN, T0)[1] == MINUTE
    assert observed(state, 3, T0).used == 90  # a late reply does not give back what is spent
    assert observed(state, 3, T0 + MINUTE).used == 3


def test_own_ceilings_hold_beside_the_venues() -> None:
    ceiling = Ceiling(weight_per_minute=LIMIT, min_interval_ms=250, requests_per_hour=2)
    state = spend(HostState(), 1, T0, ceiling)
    assert granted(state, 1, ceiling, T0 + 100 * MS) == (state, 150 * MS)
    state = spend(state, 1, T0 + 250 * MS, ceiling)
    assert granted(state, 1, ceiling, T0 + MINUTE) == (state, 59 * MINUTE)
    assert spend(state, 1, T0 + HOUR, ceiling).requests == 1


def test_a_pause_between_requests_holds_for_a_process_whose_clock_is_a_moment_behind() -> None:
    ceiling = Ceiling(weight_per_minute=LIMIT, min_interval_ms=250)
    state = spend(HostState(), 1, T0 + 30 * MS, ceiling)
    assert granted(state, 1, ceiling, T0) == (state, 280 * MS)


def test_nothing_leaves_while_blocked_and_a_longer_block_stands() -> None:
    state = blocked(HostState(), T0 + 10 * SECOND, "banned")
    assert blocked(state, T0 + 5 * SECOND, "throttled") is state
    assert granted(state, 0, PLAIN, T0) == (state, 10 * SECOND)
    assert spend(state, 1, T0 + 10 * SECOND).used == 1


def test_a_window_ends_with_the_utc_minute() -> None:
    assert window_end(T0) == T0 + MINUTE
    assert window_end(T0 + MINUTE - 1) == T0 + MINUTE


def test_a_process_that_read_its_clock_a_moment_earlier_does_not_reset_the_new_minute() -> None:
    state = spend(HostState(), 80, T0 + MINUTE)  # somebody is in the new minute already
    late = T0 + MINUTE - MS
    assert granted(state, 40, PLAIN, late)[1] > 0
    assert spend(state, 20, late).used == 100


def test_a_clock_that_was_set_back_neither_stops_requests_for_a_day_nor_keeps_the_old_count() -> None:
    ceiling = Ceiling(weight_per_minute=LIMIT, min_interval_ms=250, requests_per_hour=10)
    state = spend(HostState(), 100, T0 + 24 * HOUR, ceiling)
    assert spend(state, 40, T0, ceiling).used == 40


moments = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "reply", "block"]),
        st.integers(-50, 3_000),  # ms that pass; a little less than none for a process that read its clock earlier
        st.integers(1, 40),
    ),
    max_size=200,
)


@given(moments, st.integers(0, 20))
def test_never_more_than_the_limit_is_granted_in_a_minute(steps: list[tuple[str, int, int]], reserve: int) -> None:
    ceiling = Ceiling(weight_per_minute=LIMIT, reserve=reserve)
    state, now, until = HostState(), T0, 0
    spent: Counter[int] = Counter()  # by the minute that the venue may count it in
    for what, passed, number in steps:
        now += passed * MS
        if what == "reply":
            state = observed(state, number, now)
        elif what == "block":
            state = blocked(state, now + number * SECOND, "throttled")
            until = max(until, now + number * SECOND)
        else:
            after, wait = granted(state, number, ceiling, now)
            assert wait == 0 or after is state
            if wait == 0:
                assert now >= until
                spent[after.window] += number
                assert after.window - now // MINUTE in (0, 1)
                assert spent[after.window] <= LIMIT - reserve
                state = after


BUCKET = Ceiling(weight_per_minute=600, burst=15)  # ten a second, fifteen at once


@given(st.lists(st.tuples(st.integers(0, 2 * SECOND), st.integers(1, 15)), min_size=1, max_size=60))
def test_a_venue_that_counts_by_a_bucket_never_sees_it_overflow(asked: list[tuple[int, int]]) -> None:
    state, now, tokens, then = HostState(), T0, 15.0, T0
    for pause, cost in asked:
        now += pause
        state, wait = granted(state, cost, BUCKET, now)
        while wait:
            now += wait
            state, wait = granted(state, cost, BUCKET, now)
        tokens = min(15.0, tokens + (now - then) * 10 / SECOND) - cost  # as the venue counts it
        then = now
        assert tokens > -1e-6


def test_a_request_dearer_than_the_bucket_leaves_when_it_is_full() -> None:
    small = Ceiling(weight_per_minute=600, burst=5)
    state = spend(HostState(), 20, T0, small)
    assert granted(state, 1, small, T0)[1] == 16 * SECOND // 10
