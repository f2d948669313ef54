"""The circuit of a host: what opens it, that one request tries it anew, and what closes it."""

import msgspec
import pytest

from gapless.budget.circuit import (
    FAILURES,
    LEASE,
    abandoned,
    banned,
    blocked,
    entered,
    failed,
    pause,
    phase,
    refused,
    succeeded,
)
from gapless.budget.host import Ceiling, HostState, granted
from gapless.model import HOUR, MINUTE, MS, SECOND

T0 = 1_000_000 * HOUR
PLAIN = Ceiling(weight_per_minute=100)


def leave(state: HostState, now: int) -> HostState:
    after, wait = granted(state, 1, PLAIN, now)
    assert wait == 0
    return after


def half_open() -> HostState:
    return blocked(HostState(), T0, "throttled")


def test_several_failures_in_a_row_open_the_circuit_and_fewer_do_not() -> None:
    state = HostState()
    for _ in range(FAILURES - 1):
        state = failed(state, 0, T0, share=1)
        assert phase(state, T0) == "closed"
    state = failed(state, 0, T0, share=1)
    assert (phase(state, T0), state.reason) == ("open", "failing (3 in a row)")
    assert granted(state, 1, PLAIN, T0) == (state, 2 * SECOND)


def test_a_success_in_between_begins_the_count_anew() -> None:
    state = HostState()
    for _ in range(10):
        state = succeeded(failed(state, 0, T0, share=1), 0)
    assert state == HostState()


def test_after_a_block_exactly_one_request_leaves_and_its_success_lets_the_others_go() -> None:
    probing = leave(half_open(), T0)
    assert phase(probing, T0) == "half-open"
    assert granted(probing, 1, PLAIN, T0) == (probing, 100 * MS)
    closed = succeeded(probing, probing.probe)
    assert phase(closed, T0) == "closed"
    leave(leave(closed, T0), T0)


def test_a_probe_that_fails_opens_the_circuit_again_and_longer_each_time() -> None:
    state, now, pauses = half_open(), T0, []
    for _ in range(9):
        state = leave(state, now)
        state = failed(state, state.probe, now, share=1)
        pauses.append((state.blocked_until - now) / SECOND)
        now = state.blocked_until
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_probe_that_is_refused_again_and_again_waits_longer_than_it_is_told() -> None:
    state, now, waits = refused(HostState(), 0, T0, wait=SECOND, venue_now=None), T0, []
    for _ in range(8):
        now = state.blocked_until
        state = leave(state, now)
        state = refused(state, state.probe, now, wait=SECOND, venue_now=None)
        waits.append((state.blocked_until - now) / SECOND - 1.25)
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]


def test_a_probe_whose_process_died_is_given_up_after_its_lease_and_its_late_answer_counts_for_nothing() -> None:
    dead = leave(half_open(), T0)
    assert entered(dead, T0 + LEASE - MS)[1] > 0
    second = leave(dead, T0 + LEASE)
    assert second.probe != dead.probe
    assert succeeded(second, dead.probe) is second
    assert failed(second, dead.probe, T0 + LEASE, share=1) is second
    assert not succeeded(second, second.probe).blocked_until


def test_a_probe_that_is_cancelled_makes_room_for_another() -> None:
    probing = leave(half_open(), T0)
    assert leave(abandoned(probing, probing.probe), T0).probe
    assert abandoned(probing, 0) is probing


def test_a_process_whose_clock_is_a_moment_behind_sees_the_probe_of_another() -> None:
    probing = leave(half_open(), T0 + 20 * MS)
    assert granted(probing, 1, PLAIN, T0) == (probing, 100 * MS)


def test_what_was_on_its_way_before_the_block_does_not_close_the_circuit() -> None:
    state = half_open()
    assert succeeded(state, 0) is state
    probing = leave(state, T0)
    assert succeeded(probing, 0) is probing
    assert failed(probing, 0, T0, share=1) is probing


def test_a_ban_that_comes_in_while_a_probe_is_out_stands_whatever_the_probe_says() -> None:
    probing = leave(half_open(), T0)
    state = banned(probing, T0, MINUTE)
    assert succeeded(state, probing.probe) is state
    assert granted(state, 1, PLAIN, T0 + MINUTE)[1] > 0


def test_a_lease_written_under_a_clock_that_was_set_back_holds_nobody() -> None:
    probing = leave(half_open(), T0)
    assert leave(probing, T0 + LEASE).probe
    ahead = msgspec.structs.replace(probing, probe=T0 + HOUR)
    assert leave(ahead, T0).probe == T0 + LEASE


@pytest.mark.parametrize(
    ("venue_s", "wait_s"),
    [(None, 40), (20, 40), (50, 40), (5, 55), (0, 60), (59, 40), (3_600, 60), (3_620, 40), (-90_000, 40)],
)
def test_a_refusal_without_a_time_lasts_until_the_window_turned_by_our_clock_and_by_the_venues(
    venue_s: int | None, wait_s: int
) -> None:
    """A venue whose clock is behind ours still counts the old minute when ours has turned."""
    now = T0 + 20 * SECOND
    venue_now = None if venue_s is None else T0 + venue_s * SECOND
    state = refused(HostState(), 0, now, wait=None, venue_now=venue_now)
    assert state.blocked_until - now == wait_s * SECOND + SECOND // 4


def test_the_pause_of_a_failing_venue_is_never_longer_than_half_a_minute() -> None:
    assert [pause(n, 1) / SECOND for n in (1, 2, 6, 7, 8, 100)] == [0.5, 1, 16, 30, 30, 30]


RELEASED = {
    "window": 29_453_120, "used": 77, "hour": 490_885, "requests": 5, "last": T0,
    "blocked_until": T0 + MINUTE, "reason": "banned (HTTP 418)",
}  # fmt: skip


def test_a_ban_that_an_earlier_version_wrote_still_stands() -> None:
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(RELEASED), type=HostState)
    assert state == HostState(**RELEASED)
    assert granted(state, 1, PLAIN, T0) == (state, MINUTE)
    assert phase(leave(state, T0 + MINUTE), T0 + MINUTE) == "half-open"
    assert granted(HostState(blocked_until=0), 1, PLAIN, T0)[1] == 0


def test_an_earlier_version_reads_what_this_one_writes() -> None:
    class Released(msgspec.Struct):
        window: int
        used: int
        hour: int
        requests: int
        last: int
        blocked_until: int
        reason: str

    now = msgspec.msgpack.encode(banned(leave(HostState(), T0), T0, MINUTE))
    assert msgspec.msgpack.decode(now, type=Released).reason == "banned (HTTP 418)"
