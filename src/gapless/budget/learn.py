"""The limit that a venue keeps to without having told: learned from its refusals. Pure.

A 429 says that the limit lies below the weight used when it came, and not below what had been let pass before: the
weight used, less what of ours was on its way. We keep to nine tenths of that for an hour; every further 429 within it
lowers it by a fifth at least, so that a wrong figure costs one 429 a minute and never a ban.

Not every 429 is about the weight of the minute:

- one whose Retry-After ends before the window turns is not: more weight would not be there any sooner; nor is any of a
  venue that counts by the second, as a bucket that fills;
- one at or above the limit that we know teaches nothing: the limit is as we knew it;
- one far below it (under a fifth) may be a fault of the venue. It is doubted, and believed only when a second one
  within the hour agrees with it: nothing above it passed in a later window, and the second came above what had passed
  at the first. A lone 429 at next to no load so never cuts the budget to nothing, and a limit that really fell that
  deep costs two.

A ban teaches nothing: the first minute after it begins at 0, and comes to a 429 before it comes to a ban.
"""

from msgspec.structs import replace

from gapless.budget.state import Ceiling, Doubt, HostState, window_end
from gapless.model import HOUR, MINUTE

FLOOR = 20
"""No learned limit is lower: the price of a page."""

_REMEMBERED = HOUR


def limit_of(state: HostState, ceiling: Ceiling, now: int) -> int:
    """Give the weight a minute that counts: the lowest of the venue's table, announced, learned and our own."""
    limit = known_limit(state, ceiling)
    return min(limit, state.learned) if learned(state, now) else limit


def known_limit(state: HostState, ceiling: Ceiling) -> int:
    """Give the limit that was told: by the venue's table or ourselves, and by the venue's announcement."""
    return min(ceiling.weight_per_minute, state.announced or ceiling.weight_per_minute)


def learned(state: HostState, now: int) -> int:
    """Give the learned limit that stands, 0 for none."""
    return state.learned if 0 < state.learned_until - now <= 2 * _REMEMBERED else 0


def taught(state: HostState, ceiling: Ceiling, now: int, *, used: int, flying: int, wait: int | None) -> HostState:
    """Learn from a 429: `used` is the venue's figure, `flying` our weight that was on its way, this request's too."""
    if ceiling.burst or (wait is not None and now + wait < window_end(now)):
        return state
    passed = max(used - flying, 0)
    if passed >= limit_of(state, ceiling, now):
        return state
    if used * 5 < known_limit(state, ceiling) and not _agrees(state.doubt, used, now):
        doubt = Doubt(used, passed, now // MINUTE)
        same = state.doubt is not None and state.doubt.window == doubt.window
        return state if same else replace(state, doubt=doubt)
    limit = passed * 9 // 10
    if before := learned(state, now):
        limit = min(limit, before * 4 // 5)
    return replace(state, learned=max(limit, FLOOR), learned_until=now + _REMEMBERED, doubt=None)


def disproved(state: HostState, used: int, now: int) -> HostState:
    """Take note that a request passed at a weight used: a doubted refusal at less than that was no limit."""
    doubt = state.doubt
    if doubt is None or now // MINUTE <= doubt.window or used <= doubt.used:
        return state
    return replace(state, doubt=None)


def _agrees(doubt: Doubt | None, used: int, now: int) -> bool:
    return doubt is not None and 0 < now // MINUTE - doubt.window <= HOUR // MINUTE and used > doubt.passed
