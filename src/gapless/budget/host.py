"""What one REST host allows and what was spent there: windows and ceilings. Pure: time is an argument.

Times are ns UTC of this machine; a ban `until T` of the venue becomes, on receipt, a deadline of this machine.
"""

from msgspec.structs import replace

from gapless.budget.circuit import blocked, entered
from gapless.budget.learn import limit_of
from gapless.budget.priority import Priority, part
from gapless.budget.state import Ceiling, HostState, window_end
from gapless.model import HOUR, MINUTE, MS, SECOND

__all__ = ["Ceiling", "HostState", "blocked", "granted", "observed", "window_end"]


def granted(
    state: HostState, cost: int, ceiling: Ceiling, now: int, priority: Priority = Priority.LIVE
) -> tuple[HostState, int]:
    """Reserve weight; give the new state and 0, or the state and how many ns to wait before asking again.

    A request that costs more than everything may leave when nothing else was spent in its window: it could never
    leave otherwise. Where the host is tried anew after a block, the new state's `probe` is the mark of this request.
    """
    trying, wait = entered(state, now)
    if wait:
        return state, wait
    window, used = _current(state.window, state.used, now // MINUTE)
    hour, requests = _current(state.hour, state.requests, now // HOUR)
    if used and used + cost > part(limit_of(state, ceiling, now) - ceiling.reserve, priority):
        return state, (window + 1) * MINUTE - now
    if ceiling.requests_per_hour and requests and requests + 1 > part(ceiling.requests_per_hour, priority):
        return state, (hour + 1) * HOUR - now
    interval = ceiling.min_interval_ms * MS
    pause = state.last + interval - now
    # Longer than the interval by a little: another process is a moment ahead; by much: the clock has been set back.
    if interval and 0 < pause <= interval + SECOND:
        return state, pause
    whole_at, wait = _poured(state, cost, ceiling, now)
    if wait:
        return state, wait
    spent = replace(
        trying, window=window, used=used + cost, hour=hour, requests=requests + 1, last=now, whole_at=whole_at
    )
    return spent, 0


def _poured(state: HostState, cost: int, ceiling: Ceiling, now: int) -> tuple[int, int]:
    """Take weight from a bucket that fills evenly; give when it is whole again and 0, or how many ns to wait.

    A request that costs more than the bucket holds leaves when it is whole.
    """
    if not ceiling.burst:
        return 0, 0
    every = -(-MINUTE // limit_of(state, ceiling, now))
    depth = ceiling.burst * every
    whole_at = min(max(state.whole_at, now), now + MINUTE)  # further ahead than it can be: a clock that was set back
    wait = whole_at + cost * every - depth - now
    return (whole_at, wait) if wait > 0 and whole_at > now else (whole_at + cost * every, 0)


def observed(state: HostState, used: int, now: int) -> HostState:
    """Learn from a reply what the host counts: its figure includes what other programs of this address spent."""
    window, known = _current(state.window, state.used, now // MINUTE)
    return replace(state, window=window, used=max(known, used))


def used_now(state: HostState, now: int) -> int:
    """Give the weight used in the current window."""
    return _current(state.window, state.used, now // MINUTE)[1]


def _current(known: int, count: int, now: int) -> tuple[int, int]:
    """Give the window that counts and what was spent in it.

    Another process may be a little ahead and in the next window already: what it counts there stands. A window
    further ahead was written under a clock that has been set back since.
    """
    return (known, count) if known in (now, now + 1) else (now, 0)
