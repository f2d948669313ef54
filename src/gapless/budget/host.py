"""What one REST host allows and what was spent there: windows, ceilings, bans. Pure: time is an argument.

Times are ns UTC of this machine; a ban `until T` of the venue becomes, on receipt, a deadline of this machine.
"""

from msgspec import Struct
from msgspec.structs import replace

from gapless.model import HOUR, MINUTE, MS


class Ceiling(Struct, frozen=True, kw_only=True):
    """What may be spent: the venue's weight a minute less a reserve, and our own ceilings, 0 for none."""

    weight_per_minute: int
    reserve: int = 0
    min_interval_ms: int = 0
    requests_per_hour: int = 0


class HostState(Struct, frozen=True, kw_only=True):
    """What is known of a host, shared by every process of the machine and kept across restarts."""

    window: int = 0
    used: int = 0
    hour: int = 0
    requests: int = 0
    last: int = 0
    blocked_until: int = 0
    reason: str = ""


def granted(state: HostState, cost: int, ceiling: Ceiling, now: int) -> tuple[HostState, int]:
    """Reserve weight; give the new state and 0, or the state and how many ns to wait before asking again.

    A request that costs more than everything may leave when nothing else was spent in its window: it could never
    leave otherwise.
    """
    if now < state.blocked_until:
        return state, state.blocked_until - now
    window, used = _current(state.window, state.used, now // MINUTE)
    hour, requests = _current(state.hour, state.requests, now // HOUR)
    if used and used + cost > ceiling.weight_per_minute - ceiling.reserve:
        return state, (window + 1) * MINUTE - now
    if ceiling.requests_per_hour and requests + 1 > ceiling.requests_per_hour:
        return state, (hour + 1) * HOUR - now
    interval = ceiling.min_interval_ms * MS
    pause = state.last + interval - now
    if 0 < pause <= interval:
        return state, pause
    spent = replace(state, window=window, used=used + cost, hour=hour, requests=requests + 1, last=now)
    return spent, 0


def observed(state: HostState, used: int, now: int) -> HostState:
    """Learn from a reply what the host counts: its figure includes what other programs of this address spent."""
    window, known = _current(state.window, state.used, now // MINUTE)
    return replace(state, window=window, used=max(known, used))


def _current(known: int, count: int, now: int) -> tuple[int, int]:
    """Give the window that counts and what was spent in it.

    Another process may be a little ahead and in the next window already: what it counts there stands. A window
    further ahead was written under a clock that has been set back since.
    """
    return (known, count) if known in (now, now + 1) else (now, 0)


def blocked(state: HostState, until: int, reason: str) -> HostState:
    """Forbid every request until a time; a longer block stands."""
    if until <= state.blocked_until:
        return state
    return replace(state, blocked_until=until, reason=reason)


def window_end(now: int) -> int:
    """Give the end of the current window, which is the UTC minute."""
    return (now // MINUTE + 1) * MINUTE
