"""The circuit of a host: closed, open while blocked, half-open while one request tries it. Pure.

    closed     whatever the budget allows may leave
    open       nothing leaves before `blocked_until`: a ban, a refusal, or several failures in a row
    half-open  the block is over: exactly one request, the probe, may leave, over all processes of the machine;
               its success closes the circuit, its failure opens it again for longer

A probe whose process died is given up after `LEASE`, and another may leave. What was on its way already when the host
was blocked neither closes nor holds the circuit.
"""

from typing import Literal

from msgspec.structs import replace

from gapless.budget.state import HostState, window_end
from gapless.model import HOUR, MINUTE, MS, SECOND

FAILURES = 3
"""Failures in a row, of whichever process, that open the circuit."""

LEASE = 35 * SECOND
"""How long a probe is waited for: longer than any request can take."""

_MARGIN = SECOND // 4  # after a block; clocks differ, and a venue may count the border to the old window
_LOOK_AGAIN = 100 * MS  # while somebody's probe is out
_WORST = 30 * SECOND  # no pause after failures is longer

_BANNED = "banned (HTTP 418)"

Phase = Literal["closed", "open", "half-open"]


def phase(state: HostState, now: int) -> Phase:
    """Say how the circuit of a host stands."""
    if not state.blocked_until:
        return "closed"
    return "open" if now < state.blocked_until else "half-open"


def entered(state: HostState, now: int) -> tuple[HostState, int]:
    """Give 0 and the state in which a request is on its way, or how many ns to wait before asking again."""
    match phase(state, now):
        case "closed":
            return state, 0
        case "open":
            return state, state.blocked_until - now
        case "half-open":
            left = state.probe - now
            # Processes differ a little in their time; a lease much further ahead than any can be was written under
            # a clock that has been set back since.
            if 0 < left <= 2 * LEASE:
                return state, min(left, _LOOK_AGAIN)
            return replace(state, probe=now + LEASE), 0


def succeeded(state: HostState, probe: int) -> HostState:
    """Take note that a request came back well; `probe` is the mark that it left with, 0 if it was none."""
    if not state.blocked_until:
        return replace(state, failures=0, refusals=0) if state.failures or state.refusals else state
    if not probe or probe != state.probe:
        return state
    return replace(state, blocked_until=0, reason="", probe=0, failures=0, refusals=0)


def failed(state: HostState, probe: int, now: int, *, share: float) -> HostState:
    """Take note that the venue or the network failed.

    Several failures in a row, or one of the probe, open the circuit for `pause`.
    """
    mine = bool(probe) and probe == state.probe
    if state.blocked_until and not mine:
        return state
    state = replace(state, failures=state.failures + 1)
    if not mine and state.failures < FAILURES:
        return state
    return blocked(state, now + pause(state.failures, share), f"failing ({state.failures} in a row)")


def pause(failures: int, share: float) -> int:
    """Give the pause (ns) after so many failures in a row: half a second, doubled each time, at most 30 s.

    `share` is which part of it to take, 0.5 to 1, so that not everybody comes back at once.
    """
    return int(min(SECOND // 4 << min(failures, 8), _WORST) * share)


def refused(state: HostState, probe: int, now: int, *, wait: int | None, venue_now: int | None) -> HostState:
    """Take note of a 429: nothing leaves for as long as it says, else before the window has turned.

    The window is the UTC minute of the venue; where its clock is not known or differs from ours, the later end
    counts. A probe that is refused waits longer each time.
    """
    mine = bool(probe) and probe == state.probe
    until = turned(now, venue_now) if wait is None else now + wait
    longer = min(SECOND << min(state.refusals, 6), MINUTE) if mine and state.refusals else 0
    state = replace(state, refusals=state.refusals + 1)
    return blocked(state, until + longer + _MARGIN, "throttled (HTTP 429)")


def banned(state: HostState, now: int, wait: int) -> HostState:
    """Take note of a 418: nothing leaves before it ends."""
    return blocked(state, now + wait + _MARGIN, _BANNED)


def ban(state: HostState, now: int) -> int:
    """Give for how many ns a ban lasts still, 0 where there is none."""
    return max(state.blocked_until - now, 0) if state.reason == _BANNED else 0


def blocked(state: HostState, until: int, reason: str) -> HostState:
    """Forbid every request until a time; a longer block stands. A probe on its way counts no more."""
    if until <= state.blocked_until:
        return state
    return replace(state, blocked_until=until, reason=reason, probe=0)


def abandoned(state: HostState, probe: int) -> HostState:
    """Take note that a request was given up by its own process: a probe makes room for another."""
    return replace(state, probe=0) if probe and probe == state.probe else state


def turned(now: int, venue_now: int | None) -> int:
    """Give when the current window is over by our clock and by the venue's.

    A clock that is an hour or more off is off by whole hours, which moves no minute, or is that of a market that is
    played again.
    """
    mine = window_end(now)
    if venue_now is None or abs(venue_now - now) >= HOUR:
        return mine
    return max(mine, now + window_end(venue_now) - venue_now)
